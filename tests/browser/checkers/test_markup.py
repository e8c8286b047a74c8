"""Tests that the Nu HTML checker of the W3C accepts all pages, in every state and language, and all static files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from linkauth.themes.states import page_states
from tests.browser.languages import open_installed_theme

ALL_PARAMETERS = {
    "username_hint": {"": "For example ada@example.com"},
    "username_example": {"": "a.smith or CORP\\asmith"},
    "support_text": {"": "Service desk: 030 1234-0"},
    **{f"{name}_url": {"": "https://example.com/?a=1&b=2"} for name in ("support", "recovery", "sign_up")},
    **{f"{name}_url": {"": f"https://example.com/{name}"} for name in ("privacy", "terms")},
}
"""Every parameter that adds an element to the pages."""
INVALID_FILES = {
    "wrong.html": "<!doctype html><html lang=en><title>Wrong</title><p id=a><p id=a>",
    "wrong.css": "p { colour: red }",
    "wrong.svg": '<svg xmlns="http://www.w3.org/2000/svg"><rectangle/></svg>',
}
"""Invalid files, in which the checker must find errors: this proves that it works."""


@pytest.mark.parametrize("name", ["default", "vellmoor"])
@pytest.mark.parametrize("parameters", [{}, ALL_PARAMETERS], ids=["plain", "everything"])
def test_the_nu_html_checker_finds_no_error(
    nu: list[str], tmp_path: Path, name: str, parameters: dict[str, object]
) -> None:
    theme = open_installed_theme(name, **parameters)
    for file, content in INVALID_FILES.items():
        (tmp_path / file).write_text(content, "utf-8")
    for language in theme.languages:
        for state in page_states("skill", ("order_car", "scope_without_a_text")):
            html = theme.render(state.page, language, query=[("state", "a+b/c=")], guess=True, **state.context)
            (tmp_path / f"{language}.{state.page}.{state.name}.html").write_text(html, "utf-8")
    for static in theme.static.values():
        if static.name.endswith((".css", ".svg")):
            (tmp_path / static.name).write_bytes(static.body)
    command = [*nu, "--format", "json", "--also-check-css", "--also-check-svg", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    # the checker writes its report to standard error
    report = json.loads(result.stderr)["messages"]
    messages = [(message["url"].rpartition("/")[2], message["message"]) for message in report]
    # HTML allows one of the two words, and browsers read both
    messages = [(file, message) for file, message in messages if "“username tel”" not in message]
    assert [(file, message) for file, message in messages if file not in INVALID_FILES] == []
    assert {file for file, _ in messages} == set(INVALID_FILES)
