"""Tests of `linkauth theme check`: each fault of a theme is reported, and the bundled themes have none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyramid.exceptions import ConfigurationError

from linkauth.config.plugins import load
from linkauth.testing.theme import TEXTS
from linkauth.themes.states import mail_states, page_states
from linkauth.themes.theme import theme_packages
from linkauth.theming.check import Report, check
from linkauth.theming.development import DevelopmentTheme
from tests.conftest import ROOT
from tests.theme_package import CATALOG, ThemePackage

LOGIN, BASE = "templates/login.jinja2", "templates/base.jinja2"
CSS, PO = "static/page.css.jinja2", "locale/de/LC_MESSAGES/linkauth.po"
PARENTS_CSS = '{% include "parent/static/page.css.jinja2" %}\n'
THEMES = sorted(path.parent.name for path in ROOT.glob("themes/*/setup.py"))
Make = Callable[[Mapping[str, str | bytes]], ThemePackage]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.syspath_prepend(tmp_path)
    return lambda files: ThemePackage(tmp_path, files)


def intro(html: str) -> dict[str, str | bytes]:
    """Returns the files of a theme whose login page begins with `html`."""
    return {LOGIN: f'{{% extends "parent/login.jinja2" %}}{{% block intro %}}{html}{{{{ super() }}}}{{% endblock %}}'}


def styled(css: str) -> dict[str, str | bytes]:
    return {CSS: PARENTS_CSS + css}


def messages(report: Report, warning: bool = False) -> list[str]:
    return [f"{each.where}: {each.what}" for each in report.findings if each.warning == warning]


@pytest.mark.parametrize("theme", THEMES)
def test_bundled_theme_has_no_fault(theme: str) -> None:
    module = load("themes", theme)
    states = [*page_states("skill", ("order_car",)), *mail_states("skill")]
    texts = {**TEXTS, "clients": {"skill": {"": "Ride Hailer"}}}
    draft = DevelopmentTheme(
        theme, theme_packages(theme, module), module.Parameters(), texts, f"/static/{theme}/", states
    )
    report = check(draft)
    assert report.findings == []
    assert report.domains == []
    assert report.weight
    assert report.weight.compressed < 14_000
    assert report.weight.files <= 4


def test_child_without_changes_has_no_fault(make: Make) -> None:
    assert check(make({}).open()).findings == []


IN_PAGES = [
    ('<label>City <input name="city"></label>', ""),
    ('<input aria-label="City" name="city"><input type="hidden" name="x">', ""),
    ('<input id="city" name="city">', '<input id="city" name="city"> has no label: add <label for=…> with its id'),
    ('<select name="city"></select>', '<select name="city"> has no label'),
    ("<style>p { color: red }</style>", "<style> has inline styles"),
    ('<p style="margin: 0">x</p>', "<p> has inline styles"),
    ("<script>let x = 1;</script>", "<script> is inline"),
    ('<script type="application/json">{}</script>', ""),
    ('<p onclick="x()">x</p>', "<p> has onclick="),
    ('<a href=" JavaScript:x()">x</a>', "<a> has a javascript: address"),
    ('<a href="https://example.com/" target="_blank">x</a>', "<a> opens another window"),
    ('<a href="https://example.com/">Example Rides</a>', ""),
    ('<img src="{{ static("mark.svg") }}">', "has no alt"),
    ('<button type="submit"></button>', "<button> has no name"),
    ('<img alt="" src="https://cdn.example.net/a.png">', "Amazon's Domain List: cdn.example.net"),
    ('<img alt="" srcset="//img.example.net/a.png 2x">', "Amazon's Domain List: img.example.net"),
    ('<link rel="stylesheet" href="http://fonts.example.net/a.css">', "Amazon's Domain List: fonts.example.net"),
]


def test_each_fault_of_markup_is_found_once(make: Make) -> None:
    """The page has all elements of IN_PAGES; each faulty element gives one finding, and the others none."""
    findings = messages(check(make(intro("".join(html for html, _ in IN_PAGES))).open()))
    missing = [expected for _, expected in IN_PAGES if expected and sum(expected in each for each in findings) != 1]
    assert missing == []
    assert len(findings) == sum(bool(expected) for _, expected in IN_PAGES), findings
    assert [each for each in findings if not each.startswith("made")] == []


def test_markup_without_faults_gives_no_finding(make: Make) -> None:
    assert messages(check(make(intro("".join(html for html, expected in IN_PAGES if not expected))).open())) == []


def test_fault_of_many_pages_is_reported_once(make: Make) -> None:
    files = {BASE: '{% extends "parent/base.jinja2" %}{% block head %}<style>p { margin: 0 }</style>{% endblock %}'}
    (findings,) = messages(check(make(files).open()))
    assert findings.startswith("made, login: fresh, ar and ")
    assert " more: <style> has inline styles" in findings


def test_foreign_hosts_of_style_sheet_are_found(make: Make) -> None:
    css = '@import "https://a.example.net/x.css"; body { background: url(//b.example.net/x.png) }'
    report = check(make({CSS: css + PARENTS_CSS}).open())
    assert report.domains == ["a.example.net", "b.example.net"]
    assert len(messages(report)) == 2


def test_html_syntax_error_is_found_once_for_all_pages(make: Make) -> None:
    (findings,) = messages(check(make(intro("<p id=one id=two>City</p>")).open()))
    assert re.match(r"made, login: fresh, ar, line \d+ and \d+ more: is not valid HTML at <p id=one ", findings)
    assert "(duplicate attribute)" in findings


def test_css_syntax_error_is_found_with_its_line(make: Make) -> None:
    (findings,) = messages(check(make(styled("p { margin: 0 }\n\n}")).open()))
    assert re.match(r"made, page.css line \d\d+: is not valid CSS, so browsers skip the rule: ", findings)


def test_low_contrast_is_found_with_page_and_state(make: Make) -> None:
    findings = messages(check(make(styled(".which { color: #999; }")).open()))
    assert [
        each for each in findings if each.startswith("made, login: fresh and ") and ": text is hard to read: " in each
    ]


def test_unused_custom_property_gives_warning(make: Make) -> None:
    (findings,) = messages(check(make(styled(":root { --acent: #123456; }")).open()), warning=True)
    assert findings.startswith("made, page.css: sets --acent, which no rule uses")


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ('window.open("/x")', ["open()"]),
        ("if (x) alert('no'); confirm(1)", ["alert()", "confirm()"]),
        ("const name = prompt ('Name')", ["prompt()"]),
        ("request.open('GET', '/'); function open() {} const reopen = () => {}; alerted(1)", []),
    ],
)
def test_pop_up_calls_are_found(make: Make, script: str, calls: list[str]) -> None:
    findings = messages(check(make({"static/own.js": script}).open()))
    assert [each.split("calls ")[1].split(",")[0] for each in findings] == calls


def test_foreign_address_in_script_gives_warning(make: Make) -> None:
    script = 'fetch("https://api.example.net/x"); document.createElementNS("http://www.w3.org/2000/svg", "g")'
    (findings,) = messages(check(make({"static/own.js": script}).open()), warning=True)
    assert findings.startswith(
        "made, own.js: contains https://api.example.net/x: if the script loads it, the Content-Security-Policy blocks"
    )


def test_page_over_size_limit_is_found(make: Make) -> None:
    noise = random.Random(1).randbytes(40_000)
    html = '<img alt="" src="{{ static("big.png") }}">'
    (findings,) = messages(check(make({**intro(html), "static/big.png": noise}).open()))
    assert "reduce it to less than 30,000 compressed" in findings
    assert findings.startswith("made, ")
    # a file that no page loads does not count
    assert messages(check(make({"static/big.png": noise}).open())) == []


def test_block_unknown_to_parent_is_found(make: Make) -> None:
    text = '{% extends "parent/login.jinja2" %}{% block intr %}{% block own %}{% endblock %}{% endblock %}'
    (findings,) = messages(check(make({LOGIN: text}).open()))
    assert findings.endswith("the block intr does not exist in the templates that it extends: did you mean intro?")
    text = '{% extends "parent/login.jinja2" %}{% block intro %}{% block own %}{% endblock %}{% endblock %}'
    assert messages(check(make({LOGIN: text}).open())) == []


def test_unused_template_gives_warning(make: Make) -> None:
    (findings,) = messages(check(make({"templates/logn.jinja2": "x"}).open()), warning=True)
    assert findings.endswith("no page and no mail uses this template: did you mean login.jinja2?")
    text = '{% extends "parent/login.jinja2" %}{% block intro %}{% include "own.jinja2" %}{% endblock %}'
    assert messages(check(make({LOGIN: text, "templates/own.jinja2": "<p></p>"}).open()), warning=True) == []


def test_page_that_cannot_be_rendered_is_found_with_its_state(make: Make) -> None:
    findings = messages(check(make(intro("{% if error == 'locked' %}{{ nobody_gave_this }}{% endif %}")).open()))
    assert len(findings) == 1
    assert findings[0].startswith("made, login: locked, ")
    assert "cannot be shown: UndefinedError: 'nobody_gave_this' is undefined" in findings[0]


def test_missing_parent_template_is_found(make: Make) -> None:
    findings = messages(check(make({"templates/own.jinja2": '{% extends "parent/nowhere.jinja2" %}'}).open()))
    assert any(
        "extends or includes nowhere.jinja2, which neither the theme nor its parents have" in each for each in findings
    )


def test_broken_template_or_catalog_cannot_be_opened(make: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"login.jinja2 line 2: .*endfor"):
        make({LOGIN: "{% if x %}\n{% endfor %}"}).open()
    with pytest.raises(ConfigurationError, match=r"linkauth\.po"):
        make({PO: 'msgid "x\n'}).open()


NEW = intro("<p>{% trans %}Mind the gap.{% endtrans %}</p>")


COMPLETE = ("ar", "de", "es", "fr", "hi", "it", "ja", "nl", "pt-BR")
"""The languages of the default theme that do not fall back to another language."""


def test_missing_translation_is_found(make: Make) -> None:
    # once for every language of the parent except English, and not for regional catalogs
    (findings,) = messages(check(make(NEW).open()))
    where = f"made in ar and {len(COMPLETE) - 1} more"
    assert findings == f"{where}: shows “Mind the gap.” in English: add a translation to its catalog"


IN_CATALOGS = [
    ('msgid "Mind the gap."\nmsgstr "Vorsicht an der Kante."', []),
    ('#, fuzzy\nmsgid "Mind the gap."\nmsgstr "Vorsicht."', ["marked fuzzy", "in English"]),
    ('msgid "Mind the gap."\nmsgstr ""', ["in English"]),
    ('msgid "Mind the gap."\nmsgstr "Ja."\n\nmsgid "Gone"\nmsgstr "Weg"', ["“Gone” is no longer in any template"]),
    (
        'msgid "Mind the gap."\nmsgstr "Ja."\n\nmsgid "%(skill)s will be able to:"\nmsgstr "Er darf:"',
        ["“%(skill)s will be able to:” has a fault: it lacks %(skill)s"],
    ),
    ('msgid "Mind the gap."\nmsgstr "Bei %(x)s"', ["has a fault: unknown placeholder %(x)s"]),
    ('msgid "Mind the gap."\nmsgstr "Ja, %s"', ["has a fault: a % that begins no placeholder"]),
    ('msgid "Mind the gap."\nmsgstr "<b>Ja</b>"', ["its markup differs from the text"]),
]


@pytest.mark.parametrize(("entry", "expected"), IN_CATALOGS, ids=[entry for entry, _ in IN_CATALOGS])
def test_faults_of_catalog_are_found(make: Make, entry: str, expected: list[str]) -> None:
    theme = make({**NEW, PO: CATALOG + entry + "\n"})
    theme.compile()
    findings = messages(check(theme.open()))
    # ignores what other languages lack, and the pages that such a catalog breaks
    findings = [each for each in findings if each.startswith(f"made in ar and {len(COMPLETE) - 1} more:") or PO in each]
    assert len(findings) == len(expected), findings
    for line, part in zip(findings, expected, strict=True):
        assert part in line


def test_catalog_without_current_compilation_is_found(make: Make) -> None:
    theme = make({**NEW, PO: CATALOG + 'msgid "Mind the gap."\nmsgstr "Alt."\n'})
    assert any("is not compiled, so servers do not use it" in each for each in messages(check(theme.open())))
    theme.compile()
    assert not any("compiled" in each for each in messages(check(theme.open())))
    theme.write({PO: CATALOG + 'msgid "Mind the gap."\nmsgstr "Neu."\n'})
    assert any("has changed since it was compiled" in each for each in messages(check(theme.open())))


def test_untranslatable_text_gives_warning(make: Make) -> None:
    (findings,) = messages(check(make(intro("<p>Mind the gap.</p>")).open()), warning=True)
    assert findings.startswith("made, login: fresh and ")
    assert "“Mind the gap.” is the same in every language: mark it with {% trans %}" in findings
    assert (
        messages(check(make(intro('<p lang="cy">Cymru</p><code>XYZ</code><p>{{ skill }} · 24</p>')).open()), True) == []
    )


def test_template_that_extends_itself_is_found(make: Make) -> None:
    """This happens when an author forgets `parent/`."""
    draft = make({LOGIN: '{% extends "login.jinja2" %}'}).open()
    assert any("parent/login.jinja2" in each for each in messages(check(draft)))
