"""Tests of `linkauth catalogs` for a child theme: it loses nothing that a translator wrote and reports broken files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.theming import po
from tests.theme_package import CATALOG, ThemePackage

PO, HOME = "locale/de/LC_MESSAGES/linkauth.po", "templates/own.jinja2"
TYPO = '# As our shops say it.\nmsgid "Cancl"\nmsgstr "Zurück"\n'
_numbers = count(1)
Make = Callable[[Mapping[str, str | bytes]], tuple[ThemePackage, str]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """`make(files)` installs a child of the default theme and returns the theme and its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(files: Mapping[str, str | bytes]) -> tuple[ThemePackage, str]:
        name, theme = f"catalogued-{next(_numbers)}", ThemePackage(tmp_path, files)
        theme.install(name)
        return theme, name

    return install


def run(name: str, *more: str, expect: int = 0) -> list[str]:
    result = CliRunner().invoke(main, ["catalogs", name, *more])
    assert result.exit_code == expect, result.output
    return result.output.splitlines()


def test_message_in_no_template_becomes_obsolete_and_is_reported_once(make: Make) -> None:
    theme, name = make({PO: CATALOG + TYPO})
    expected = "“Cancl” is no longer in any template, so its translation is now obsolete (#~): did you mean “Cancel”?"
    assert run(name) == [f"{name} de: complete", f"{name} de: {expected}"]
    text = (theme.root / PO).read_text("utf-8")
    assert '# As our shops say it.\n#~ msgid "Cancl"\n#~ msgstr "Zurück"\n' in text
    assert run(name) == [f"{name} de: complete"]
    assert (theme.root / PO).read_text("utf-8") == text


def test_obsolete_message_is_restored_with_its_template(make: Make) -> None:
    theme, name = make({PO: CATALOG + TYPO})
    run(name)
    theme.write({HOME: "{% trans %}Cancl{% endtrans %}"})
    assert run(name) == [f"{name} de: complete"]
    assert TYPO in (theme.root / PO).read_text("utf-8")


def test_comments_and_flags_of_translator_are_kept(make: Make) -> None:
    own = '# Ask the legal department.\n#, fuzzy\nmsgid "Own"\nmsgstr "Eigen"\n'
    inherited = '# Shorter than the usual one.\nmsgid "Cancel"\nmsgstr "Zurück"\n'
    theme, name = make({PO: CATALOG + own + "\n" + inherited, HOME: "{% trans %}Own{% endtrans %}"})
    run(name)
    text = (theme.root / PO).read_text("utf-8")
    assert own in text
    assert re.search(inherited.replace("\nmsgid", "\n(?:#\\. .*\n)*msgid"), text)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xde\x12\x04\x95"])
def test_broken_compiled_catalog_is_rebuilt(make: Make, content: bytes) -> None:
    compiled = PO.replace(".po", ".mo")
    theme, name = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n', compiled: content})
    assert run(name) == [f"{name} de: complete"]
    assert theme.open().render("login", "de", **theme.open().states[0].context)


@pytest.mark.parametrize(
    ("translation", "problem"),
    [
        ("%(skil)s darf:", "unknown named placeholder 'skil'"),
        ("100 % von %(skill)s", "a % that begins"),
        ("%(skill)d", "'d'"),
    ],
)
def test_translation_with_wrong_placeholder_is_not_compiled(make: Make, translation: str, problem: str) -> None:
    theme, name = make({PO: CATALOG + f'msgid "%(skill)s will be able to:"\nmsgstr "{translation}"\n'})
    (message,) = run(name, expect=1)
    assert f"{PO}: the translation of “%(skill)s will be able to:” has a fault and is not compiled: " in message
    assert problem in message
    assert not list(theme.root.rglob("*.mo"))


def test_catalog_of_new_language_has_every_message(make: Make) -> None:
    theme, name = make({HOME: "{% trans %}Own{% endtrans %}"})
    path = theme.root / "locale/sv/LC_MESSAGES/linkauth.po"
    (expected,) = run(name, "--add", "sv")
    messages = {message.id: message.string for message in po.read(path) if message.id}
    assert expected == f"{name} sv: {len(messages)} texts are not translated"
    assert {"Own", "Cancel"} < set(messages)
    plurals = [sentence for sentence in messages if not isinstance(sentence, str)]
    assert plurals
    assert all(messages[each] == ("", "") for each in plurals)
    # a second run changes nothing
    assert run(name) == [expected]
    # a regional catalog needs only what differs, and a language of the parent only the child's own messages
    assert run(name, "--add", "sv-FI")[1] == f"{name} sv-FI: complete"
    assert run(name, "--add", "de")[0] == f"{name} de: 1 texts are not translated"


BROKEN = [
    (CATALOG + 'msgid "Cancel\nmsgstr "Zurück"\n', "line 8: does not end in a quotation mark"),
    (CATALOG + 'msgid ""\n"Cancel\nmsgstr "Zurück"\n', "line 9: does not end in a quotation mark"),
    (CATALOG + 'msgid "Cancel"\nmsgstr "Zurück\\"\n', "line 9: does not end in a quotation mark"),
    (CATALOG + 'msgid "Cancel"\nmsgstr\n', "line 9: does not end in a quotation mark"),
    (CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n' + "mgid\n", "line 10: Unknown"),
    ((CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n').encode("latin-1"), "save it as UTF-8"),
    (CATALOG.replace("utf-8", "latin-1").encode("latin-1"), "write charset=utf-8"),
    (CATALOG.replace("n != 1", "n n") + 'msgid "Cancel"\nmsgstr "Zurück"\n', "cannot be read: ValueError"),
]


@pytest.mark.parametrize(("content", "expected"), BROKEN, ids=[expected for _, expected in BROKEN])
def test_unreadable_catalog_is_reported_and_unchanged(make: Make, content: str | bytes, expected: str) -> None:
    theme, name = make({PO: content})
    before = (theme.root / PO).read_bytes()
    (message,) = run(name, expect=1)
    assert message.startswith("Error: ")
    assert PO in message
    assert expected in message
    assert (theme.root / PO).read_bytes() == before


def test_escaped_quotation_marks_and_backslashes_are_read(make: Make) -> None:
    # the file begins with a byte order mark
    theme, _ = make(
        {
            PO: "\ufeff"
            + CATALOG.lstrip()
            + 'msgid "\\"a\\\\"\nmsgstr ""\n"b\\\\"\n"\\""\n\n#~ msgid "x"\n#~ msgstr "y"\n'
        }
    )
    catalog = po.read(theme.root / PO)
    assert {message.id: message.string for message in catalog if message.id} == {'"a\\': 'b\\"'}
    assert len(catalog.obsolete) == 1


def test_unreadable_template_is_reported(make: Make) -> None:
    for content, expected in ((b"\xff", "own.jinja2 is not UTF-8"), (b"\n{% if %}", "own.jinja2 line 2: ")):
        _, name = make({PO: CATALOG, HOME: content})
        assert expected in run(name, expect=1)[0]


def test_notes_of_templates_reach_translators(make: Make) -> None:
    source = (
        "{# Translators: Platform page:\n   its heading #}\n{% trans %}Own{% endtrans %}"
        "{% trans train='x', skill='y' %}Take {{ train }} to {{ skill }}{% endtrans %}\n"
        "{# Placeholder train: the name of a train #}{# Translators: Platform page: below #}\n"
        "{% trans %}Gap{% endtrans %}"
    )
    theme, name = make({HOME: source, "locale/de/LC_MESSAGES/linkauth.po": CATALOG})
    run(name)
    messages = {each.id: each.auto_comments for each in po.read(theme.root / PO) if each.id}
    assert messages["Own"] == ["Platform page: its heading"]
    assert messages["Gap"] == ["Platform page: below"]
    # the explanation of %(skill)s is that of the parent
    first, skill, train = messages["Take %(train)s to %(skill)s"]
    assert first == "Platform page: its heading"
    assert skill.startswith("%(skill)s: the name of the skill")
    assert train == "%(train)s: the name of a train"
