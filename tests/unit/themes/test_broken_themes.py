"""Tests that a theme with a broken file gives a one-line message at the start, in `check` and in the preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import pytest
from pyramid.exceptions import ConfigurationError

from linkauth.testing.theme import TEXTS
from linkauth.themes.theme import Theme, open_theme
from linkauth.theming.check import check
from tests.theme_package import CATALOG, ThemePackage

LOGIN, PO, MO = "templates/login.jinja2", "locale/de/LC_MESSAGES/linkauth.po", "locale/de/LC_MESSAGES/linkauth.mo"
Make = Callable[[Mapping[str, str | bytes]], ThemePackage]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.syspath_prepend(tmp_path)
    return lambda files: ThemePackage(tmp_path, files)


def open_installed(theme: ThemePackage) -> Theme:
    module = import_module(theme.package)
    return open_theme("made", module, module.Parameters(), TEXTS, "/static/made/")


def faults(theme: ThemePackage) -> list[str]:
    return [f"{each.where}: {each.what}" for each in check(theme.open()).findings]


GARBAGE = [b"", b"garbage, and much of it", b"\xde\x12\x04\x95", b"\xde\x12\x04\x95" + b"\xff" * 40]


@pytest.mark.parametrize("content", GARBAGE)
def test_broken_compiled_catalog_is_reported_with_command_that_rebuilds_it(make: Make, content: bytes) -> None:
    theme = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n', MO: content})
    with pytest.raises(ConfigurationError, match=rf"{MO} is not a compiled catalog .*linkauth catalogs made"):
        open_installed(theme)
    # the tools for theme authors read the .po file
    (fault,) = faults(theme)
    assert fault.endswith(f"{MO}: is not a compiled catalog, so servers do not start: run linkauth catalogs made")


def test_draft_uses_compiled_catalog_without_source(make: Make) -> None:
    theme = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n'})
    theme.compile()
    (theme.root / PO).unlink()
    assert "Zurück" in theme.open().render("login", "de", **theme.open().states[0].context)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({LOGIN: b"\n\xff"}, "made, login.jinja2 line 2: is not UTF-8"),
        ({"templates/fields.jinja2": b"\n\xff"}, "line 2: is not UTF-8"),
        ({"templates/fields.jinja2": "{% if %}"}, "made, fields.jinja2 line 1: Expected"),
        ({"static/page.css.jinja2": b"\xff"}, "page.css.jinja2: static/page.css.jinja2 line 1: is not UTF-8"),
        ({"static/page.css.jinja2": "{{ 1 / 0 }}"}, "page.css.jinja2: ZeroDivisionError"),
        ({LOGIN: "{{ 1 / 0 }}"}, "made cannot render login in en: ZeroDivisionError: division by zero"),
    ],
)
def test_broken_template_is_reported_in_one_line(make: Make, files: Mapping[str, str | bytes], message: str) -> None:
    theme = make(files)
    with pytest.raises(ConfigurationError) as raised:
        open_installed(theme)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_check_reports_translation_with_lone_percent_sign(make: Make) -> None:
    """The start does not find it, because it renders the pages only in the default language."""
    theme = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zu 100 % zurück"\n'})
    theme.compile()
    open_installed(theme)
    assert any(
        "the translation of “Cancel” has a fault: a % that begins no placeholder" in each for each in faults(theme)
    )
    theme.write({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zu 100 %% zurück"\n'})
    theme.compile()
    open_installed(theme)
    assert faults(theme) == []


def test_check_accepts_obsolete_messages(make: Make) -> None:
    theme = make({PO: CATALOG + '#~ msgid "Gone"\n#~ msgstr "Weg"\n'})
    theme.compile()
    assert faults(theme) == []


def test_check_reports_missing_plural(make: Make) -> None:
    both = "{% trans count=clients|length %}One gap.{% pluralize %}{{ count }} gaps.{% endtrans %}"
    login = f'{{% extends "parent/login.jinja2" %}}{{% block ending %}}<p>{both}</p>{{% endblock %}}'
    theme = make({LOGIN: login, PO: CATALOG + 'msgid "One gap."\nmsgstr "Eine Lücke."\n'})
    theme.compile()
    lacks, english = faults(theme)
    assert lacks.endswith(f"{PO}: “One gap.” lacks its plural: add msgid_plural “%(count)s gaps.”")
    assert english.endswith("shows “One gap.” (plural “%(count)s gaps.”) in English: add a translation to its catalog")


def test_template_that_extends_itself_is_reported(make: Make) -> None:
    theme = make({LOGIN: '{% extends "login.jinja2" %}'})
    message = "a template extends itself: the template that it overrides is parent/login.jinja2"
    with pytest.raises(ConfigurationError, match=message):
        open_installed(theme)
    assert any(message in each for each in faults(theme))


def test_every_template_is_compiled_at_start(make: Make) -> None:
    """A template that no page uses is compiled too."""
    with pytest.raises(ConfigurationError, match=r"made, unused.jinja2 line 2: "):
        open_installed(make({"templates/unused.jinja2": "\n{% block %}"}))


def test_start_renders_pages_in_default_language(make: Make) -> None:
    only_german = "{{ 1 / 0 if language == 'de' else '' }}"
    theme = make({LOGIN: '{% extends "parent/login.jinja2" %}{% block ending %}' + only_german + "{% endblock %}"})
    open_installed(theme)
    module = import_module(theme.package)
    with pytest.raises(ConfigurationError, match="made cannot render login in de: ZeroDivisionError"):
        open_theme("made", module, module.Parameters(), TEXTS, "/static/made/", "de")


def test_theme_in_a_zip_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would be shown without its templates and styles."""
    with ZipFile(tmp_path / "theme.zip", "w") as archive:
        archive.writestr("zipped_theme/__init__.py", "")
        archive.writestr("zipped_theme/templates/login.jinja2", "x")
    monkeypatch.syspath_prepend(tmp_path / "theme.zip")
    with pytest.raises(ConfigurationError, match="made, zipped_theme: is not a folder: install the theme unpacked"):
        Theme("made", ["zipped_theme", "linkauth_theme_default"], None, TEXTS, "/static/made/")


def test_theme_that_adds_an_unknown_package_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"made adds a package that cannot be found: .*no_such_package"):
        Theme("made", ["no_such_package", "linkauth_theme_default"], None, TEXTS, "/static/made/")
