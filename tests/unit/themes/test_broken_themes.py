"""A theme with a broken file is one sentence, for a server, for `check` and for the preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from pyramid.exceptions import ConfigurationError

from linkauth.testing.theme import TEXTS
from linkauth.themes.theme import Theme, open_theme
from linkauth.theming.check import check
from tests.made_theme import CATALOG, MadeTheme

LOGIN, PO, MO = "templates/login.jinja2", "locale/de/LC_MESSAGES/linkauth.po", "locale/de/LC_MESSAGES/linkauth.mo"
Make = Callable[[Mapping[str, str | bytes]], MadeTheme]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.syspath_prepend(tmp_path)
    return lambda files: MadeTheme(tmp_path, files)


def served(made: MadeTheme) -> Theme:
    module = import_module(made.package)
    return open_theme("made", module, module.Parameters(), TEXTS, "/static/made/")


def faults(made: MadeTheme) -> list[str]:
    return [f"{each.where}: {each.what}" for each in check(made.open()).findings]


GARBAGE = [b"", b"garbage, and much of it", b"\xde\x12\x04\x95", b"\xde\x12\x04\x95" + b"\xff" * 40]


@pytest.mark.parametrize("content", GARBAGE)
def test_a_broken_compiled_catalog_is_named_with_the_command_that_mends_it(make: Make, content: bytes) -> None:
    made = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n', MO: content})
    with pytest.raises(ConfigurationError, match=rf"{MO} is no compiled catalog .*linkauth catalogs made"):
        served(made)
    # the author's tools speak from what is written
    (fault,) = faults(made)
    assert fault.endswith(f"{MO}: is no compiled catalog, so that no server starts: run linkauth catalogs made")


def test_a_compiled_catalog_without_its_source_is_spoken_in_a_draft_too(make: Make) -> None:
    made = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n'})
    made.compile()
    (made.root / PO).unlink()
    assert "Zurück" in made.open().render("login", "de", **made.open().states[0].context)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({LOGIN: b"\n\xff"}, "made, login.jinja2 line 2: is not UTF-8"),
        ({"templates/fields.jinja2": b"\n\xff"}, "line 2: is not UTF-8"),
        ({"templates/fields.jinja2": "{% if %}"}, "made, fields.jinja2 line 1: Expected"),
        ({"static/page.css.jinja2": b"\xff"}, "page.css.jinja2: static/page.css.jinja2 line 1: is not UTF-8"),
        ({"static/page.css.jinja2": "{{ 1 / 0 }}"}, "page.css.jinja2: ZeroDivisionError"),
        ({LOGIN: "{{ 1 / 0 }}"}, "made cannot show login in en: ZeroDivisionError: division by zero"),
    ],
)
def test_a_template_that_cannot_be_shown_is_one_sentence(
    make: Make, files: Mapping[str, str | bytes], said: str
) -> None:
    made = make(files)
    with pytest.raises(ConfigurationError) as raised:
        served(made)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_translation_with_a_lone_per_cent_sign_is_found_by_the_check(make: Make) -> None:
    """A start renders the pages in the default language alone."""
    made = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zu 100 % zurück"\n'})
    made.compile()
    served(made)
    assert any("the translation of “Cancel” has a lone %, which nobody fills" in each for each in faults(made))
    made.write({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zu 100 %% zurück"\n'})
    made.compile()
    served(made)
    assert faults(made) == []


def test_obsolete_sentences_are_no_fault(make: Make) -> None:
    made = make({PO: CATALOG + '#~ msgid "Gone"\n#~ msgstr "Weg"\n'})
    made.compile()
    assert faults(made) == []


def test_a_plural_is_told_and_its_lack_too(make: Make) -> None:
    both = "{% trans count=clients|length %}One gap.{% pluralize %}{{ count }} gaps.{% endtrans %}"
    login = f'{{% extends "parent/login.jinja2" %}}{{% block ending %}}<p>{both}</p>{{% endblock %}}'
    made = make({LOGIN: login, PO: CATALOG + 'msgid "One gap."\nmsgstr "Eine Lücke."\n'})
    made.compile()
    lacks, english = faults(made)
    assert lacks.endswith(f"{PO}: “One gap.” lacks its plural: add msgid_plural “%(count)s gaps.”")
    assert english.endswith("says “One gap.” (plural “%(count)s gaps.”) in English: add it to its catalog")


def test_a_template_that_extends_itself_is_told_as_such(make: Make) -> None:
    made = make({LOGIN: '{% extends "login.jinja2" %}'})
    said = "a template extends itself: what stands behind it is called parent/login.jinja2"
    with pytest.raises(ConfigurationError, match=said):
        served(made)
    assert any(said in each for each in faults(made))


def test_every_template_is_compiled_at_the_start(make: Make) -> None:
    """Also one that no page uses, and one of a parent that the child overrides."""
    with pytest.raises(ConfigurationError, match=r"made, unused.jinja2 line 2: "):
        served(make({"templates/unused.jinja2": "\n{% block %}"}))


def test_the_default_language_is_the_one_that_is_tried(make: Make) -> None:
    only_german = "{{ 1 / 0 if language == 'de' else '' }}"
    made = make({LOGIN: '{% extends "parent/login.jinja2" %}{% block ending %}' + only_german + "{% endblock %}"})
    served(made)
    module = import_module(made.package)
    with pytest.raises(ConfigurationError, match="made cannot show login in de: ZeroDivisionError"):
        open_theme("made", module, module.Parameters(), TEXTS, "/static/made/", "de")
