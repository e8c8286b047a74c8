"""Tests of the contrast check: which colours a style sheet gives the texts and fields of a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkauth.theming.check import Page, low_contrast
from linkauth.theming.markup import Document, structure
from tests.theme_package import ThemePackage

PARENTS_CSS = '{% include "parent/static/page.css.jinja2" %}\n'


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """The faults of the English pages of a theme that adds the rules `css` to its parent's."""
    monkeypatch.syspath_prepend(tmp_path)
    css = request.getfixturevalue("css")
    theme = ThemePackage(tmp_path, {"static/page.css.jinja2": PARENTS_CSS + css}).open()
    pages = []
    for state in theme.states:
        html = theme.render_state(state, "en")
        pages.append(Page(theme, state, "en", html, structure(html), Document(html)))
    return [finding.what for finding in low_contrast(pages)]


UNREADABLE = [
    (".which { color: #999; }", "light: text is hard to read: #999999 (#999) on #ffffff (var(--card)) is 2.85 to 1"),
    (
        "@media (prefers-color-scheme: dark) { :root { --quiet: #555; } }",
        "dark: text is hard to read: #555555 (var(--quiet))",
    ),
    (
        ".primary { background: color-mix(in srgb, white 90%, red); color: #fff; }",
        "light: text is hard to read: #ffffff (#fff)",
    ),
    (".which { background: linear-gradient(#16191f, #fff); }", "(linear-gradient(#16191f, #fff))"),
    (".which { color: color-mix(in xyz, white 90%, black); }", "light: text is hard to read"),
    ("input { border-color: #eee; }", "light: a field is hard to see: #eeeeee on #ffffff (var(--card))"),
    ("input { border: 0; }", "light: a field is hard to see"),
    (":root { --r: 153; } .which { color: rgb(var(--r) 153 153); }", "text is hard to read: #999999 (rgb(var(--r)"),
    (":root { --a: var(--b); --b: var(--c, #999); } .which { color: var(--a); }", "text is hard to read: #999999"),
    ("@media (width <= 400px) { .which { color: #999; } }", "light: text is hard to read: #999999"),
    (".which { color: rgb(0 0 0 / 30%); }", "light: text is hard to read: #b3b3b3 (rgb(0 0 0 / 30%))"),
]
READABLE = [
    ".which:lang(en ]) { color: #999; }",
    ".which { color: #595959; } @media (prefers-color-scheme: dark) { .which { color: #bbb; } }",
    ".which:hover { color: #999; }",
    "@media print { .which { color: #999; } }",
    "@media (min-width: 50rem) { .which { color: #999; } }",
    "@media (width > 50rem), not (min-width: 1px) { .which { color: #999; } }",
    ":root { --a: var(--b); --b: var(--a); } .which { color: var(--a); }",
    ".nobody { color: #999; }",
    ".which { color: color-mix(in no-such-space, white, black); }",
    ".which { color: var(--missing, var(--text)) !important; } #which { color: #999; }",
]


@pytest.mark.parametrize(("css", "expected"), UNREADABLE, ids=[css for css, _ in UNREADABLE])
def test_low_contrast_is_found(faults: list[str], css: str, expected: str) -> None:
    assert any(expected in each for each in faults), faults


@pytest.mark.parametrize("css", READABLE)
def test_sufficient_contrast_gives_no_finding(faults: list[str], css: str) -> None:
    assert faults == []
