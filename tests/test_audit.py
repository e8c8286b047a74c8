"""Tests of `make audit`: how it interprets the reports of pip-audit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

AUDIT = runpy.run_path(str(Path(__file__).parent.parent / ".ci/audit.py"))
GOOD = {"name": "click", "version": "8.5.1", "vulns": []}
BAD = {"name": "waitress", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.0.1"]}]}
UNKNOWN = {"name": "pyramid", "skip_reason": "Dependency not found"}


def report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (report(GOOD), []),
        (report(GOOD, BAD), ["waitress 3.0.0: PYSEC-1, fixed in 3.0.1"]),
        (report(GOOD, UNKNOWN), ["pyramid: not audited: Dependency not found"]),
        # a service that knows no pin is not used
        (report(UNKNOWN, UNKNOWN), None),
        ("", None),
        ("[]", None),
    ],
)
def test_a_report_gives_a_list_of_problems_or_none(text: str, problems: list[str] | None) -> None:
    assert AUDIT["problems"](text) == problems


@pytest.mark.parametrize(
    ("reports", "status", "text"),
    [
        ({"pypi": report(UNKNOWN), "osv": ""}, 0, "AUDIT SKIPPED: no vulnerability service can be reached"),
        ({"pypi": report(UNKNOWN), "osv": report(BAD)}, 1, "PYSEC-1"),
        ({"pypi": report(GOOD)}, 0, "pypi knows no vulnerability of a pin"),
    ],
)
def test_the_exit_code_is_1_for_a_vulnerability_and_0_without_a_service(
    reports: dict[str, str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    audited: list[str] = []

    def run_pip_audit(service: str, pins: Path) -> str:
        audited.append(pins.read_text("utf-8"))
        return reports[service]

    AUDIT["main"].__globals__["run_pip_audit"] = run_pip_audit
    assert AUDIT["main"]() == status
    assert text in capsys.readouterr().out
    # the pins for all Python versions are audited
    assert all("legacy-cgi==" in pins and ";" not in pins for pins in audited)
