"""Tests of `linkauth theme check` with axe in Chromium: it finds faults that the other checks do not know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.browser.test_gallery import write_ini
from tests.theme_package import ThemePackage

LOGIN = """{% extends "parent/login.jinja2" %}
{% block ending %}<p class="quiet" role="nonsense">Mind the gap.</p>{% endblock %}
{% block script %}<script src="{{ static("own.js") }}" defer></script>{% endblock %}
"""
CSS = """{% include "parent/static/page.css.jinja2" %}
@media (prefers-color-scheme: dark) and (hover: none), (prefers-color-scheme: dark) and (hover: hover) {
  .quiet { color: #444; }
}
"""
SCRIPT = "document.querySelector('main').dataset.x = nothing.is.there;"


def test_axe_and_failed_scripts_are_findings(chromium_path: str, tmp_path: Path) -> None:
    """The check without a browser takes an unknown role for correct, and ignores rules for hover."""
    files = {"templates/login.jinja2": LOGIN, "static/page.css.jinja2": CSS, "static/own.js": SCRIPT}
    ThemePackage(tmp_path, files).install("made-for-axe")
    command = [str(Path(sys.executable).with_name("linkauth")), "theme", "check", "--format", "json"]
    result = subprocess.run(
        [*command, str(write_ini(tmp_path, "made-for-axe"))],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    report = json.loads(result.stdout)["made-for-axe"]
    assert report["unchecked"] == []
    failed = [f"{finding['where']}: {finding['what']}" for finding in report["findings"] if not finding["warning"]]
    assert all(finding.startswith("made-for-axe, login: fresh and ") for finding in failed)
    expected = (
        "axe (aria-roles, light): ARIA roles used must conform to valid values: "
        '<p class="quiet" role="nonsense">Mind the gap.</p>',
        'axe (color-contrast, dark): Elements must meet minimum color contrast ratio thresholds: <p class="quiet" ',
        "the script fails: nothing is not defined",
    )
    assert [sum(message in finding for finding in failed) for message in expected] == [1, 1, 1], failed
    assert len(failed) == 3, failed
