"""The results of `linkauth doctor`: findings, each with a stable id and a severity."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from linkauth.backends import Check
from linkauth.cli.printing import printable
from linkauth.redaction import redact

if TYPE_CHECKING:
    from linkauth.config.reader import SettingsError
    from linkauth.config.settings import Settings
    from linkauth.login.dispatch import NamedBackend
    from linkauth.login.providers import NamedProvider

Severity = Literal["ok", "warning", "failed", "skipped"]
MARKS: dict[Severity, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "failed": ("FAILED", "red"),
    "skipped": ("skipped", "cyan"),
}
"""The word and the color of each severity."""
_WORD = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Finding:
    """What one check has found.

    `id` is for scripts: it does not change between versions, and contains no names of the configuration, such as
    `database.schema`. `subject` says what was checked: a setting, or a backend and its check. `detail` is a sentence
    for operators, which says how to correct a problem.
    """

    id: str
    severity: Severity
    subject: str
    detail: str = ""


@dataclass(frozen=True)
class Configuration:
    """What is checked: the ini file, its plaster loader, its settings, and the opened backends and providers."""

    ini: str
    loader: Any
    settings: Settings
    backends: tuple[NamedBackend, ...]
    providers: tuple[NamedProvider, ...] = ()


def ok(identifier: str, subject: str, detail: str = "") -> Finding:
    return Finding(identifier, "ok", subject, detail)


def warning(identifier: str, subject: str, detail: str) -> Finding:
    return Finding(identifier, "warning", subject, detail)


def failed(identifier: str, subject: str, detail: str) -> Finding:
    return Finding(identifier, "failed", subject, detail)


def skipped(identifier: str, subject: str, detail: str) -> Finding:
    """Returns a finding for what was not checked. `detail` says why."""
    return Finding(identifier, "skipped", subject, detail)


def from_checks(area: str, checks: Iterable[Check], owner: str = "", advisory: bool = False) -> Iterator[Finding]:
    """Yields a finding for each check of a backend, or of another part that uses `Check`.

    The id is `area`, a dot and the words of the check's name before the first URL. With `advisory`, a failed check is
    only a warning. `owner` precedes the name of the check.
    """
    for check in checks:
        severity: Severity = "failed" if not check.ok else "warning" if check.warning else "ok"
        if advisory and severity == "failed":
            severity = "warning"
        words: list[str] = []
        for word in check.name.split():
            if not _WORD.fullmatch(word):
                break
            words.append(word.lower())
        if words and words[-1] == "of":
            words.pop()
        subject = f"{owner}: {check.name}" if owner else check.name
        yield Finding(f"{area}.{'_'.join(words) or 'check'}", severity, subject, check.detail)


def from_settings_error(error: SettingsError, identifier: str = "settings.invalid") -> Iterator[Finding]:
    """Yields a failed finding for each wrong setting."""
    for key, problem in error.faults:
        yield failed(identifier, key, problem)


def line(finding: Finding) -> str:
    """Returns the finding as one line for a terminal, without secrets."""
    word, color = MARKS[finding.severity]
    detail = f": {printable(redact(finding.detail))}" if finding.detail else ""
    return f"{click.style(word.ljust(7), fg=color)}  {printable(redact(finding.subject))}{detail}"


def summary(findings: Iterable[Finding]) -> str:
    """Returns how many findings are failed or warnings."""
    severities = [finding.severity for finding in findings]
    failures, warnings = severities.count("failed"), severities.count("warning")
    counts = [f"{failures} failed"] * bool(failures) + [f"{warnings} warning(s)"] * bool(warnings)
    return ", ".join(counts) or "all checks passed"


def as_json(findings: Sequence[Finding]) -> str:
    """Returns the findings as a JSON document, without secrets."""
    severities = [finding.severity for finding in findings]
    counts = {severity: severities.count(severity) for severity in MARKS}
    return json.dumps({"findings": as_rows(findings), "counts": counts}, indent=2)


def as_rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Returns the findings for a JSON document, without secrets."""
    return [{name: redact(value) for name, value in asdict(finding).items()} for finding in findings]
