"""What `make audit` makes of pip-audit's answers."""

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


def answer(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (answer(GOOD), []),
        (answer(GOOD, BAD), ["waitress 3.0.0: PYSEC-1, fixed in 3.0.1"]),
        (answer(GOOD, UNKNOWN), ["pyramid: not audited: Dependency not found"]),
        # an index that knows nothing is none
        (answer(UNKNOWN, UNKNOWN), None),
        ("", None),
        ("[]", None),
    ],
)
def test_an_answer_is_a_list_of_faults_or_none_at_all(said: str, wrong: list[str] | None) -> None:
    assert AUDIT["judge"](said) == wrong


@pytest.mark.parametrize(
    ("answers", "status", "text"),
    [
        ({"pypi": answer(UNKNOWN), "osv": ""}, 0, "AUDIT SKIPPED: no advisory index can be reached"),
        ({"pypi": answer(UNKNOWN), "osv": answer(BAD)}, 1, "PYSEC-1"),
        ({"pypi": answer(GOOD)}, 0, "no pin has a vulnerability that pypi knows"),
    ],
)
def test_no_index_is_said_and_holes_end_with_1(
    answers: dict[str, str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def ask(service: str, pins: Path) -> str:
        asked.append(pins.read_text("utf-8"))
        return answers[service]

    AUDIT["main"].__globals__["ask"] = ask
    assert AUDIT["main"]() == status
    assert text in capsys.readouterr().out
    # the pins for every Python
    assert all("legacy-cgi==" in pins and ";" not in pins for pins in asked)
