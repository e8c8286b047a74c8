"""`linkauth catalogs` on a child theme: nothing that somebody wrote is lost, what is broken is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.theming import po
from tests.made_theme import CATALOG, MadeTheme

PO, HOME = "locale/de/LC_MESSAGES/linkauth.po", "templates/own.jinja2"
LIKE = '# As our shops say it.\nmsgid "Cancl"\nmsgstr "Zurück"\n'
_numbers = count(1)
Make = Callable[[Mapping[str, str | bytes]], tuple[MadeTheme, str]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """`make(files)`: an installed child of the default theme, and its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(files: Mapping[str, str | bytes]) -> tuple[MadeTheme, str]:
        name, theme = f"catalogued-{next(_numbers)}", MadeTheme(tmp_path, files)
        theme.install(name)
        return theme, name

    return made


def run(name: str, *more: str, expect: int = 0) -> list[str]:
    done = CliRunner().invoke(main, ["catalogs", name, *more])
    assert done.exit_code == expect, done.output
    return done.output.splitlines()


def test_what_no_template_says_is_kept_and_told_once(make: Make) -> None:
    theme, name = make({PO: CATALOG + LIKE})
    said = "“Cancl” is in no template, so that it stands behind #~ now: did you mean “Cancel”?"
    assert run(name) == [f"{name} de: complete", f"{name} de: {said}"]
    text = (theme.root / PO).read_text("utf-8")
    assert '# As our shops say it.\n#~ msgid "Cancl"\n#~ msgstr "Zurück"\n' in text
    assert run(name) == [f"{name} de: complete"]
    assert (theme.root / PO).read_text("utf-8") == text


def test_an_obsolete_sentence_comes_back_with_its_template(make: Make) -> None:
    theme, name = make({PO: CATALOG + LIKE})
    run(name)
    theme.write({HOME: "{% trans %}Cancl{% endtrans %}"})
    assert run(name) == [f"{name} de: complete"]
    assert LIKE in (theme.root / PO).read_text("utf-8")


def test_what_a_translator_noted_stays(make: Make) -> None:
    own = '# Ask the legal department.\n#, fuzzy\nmsgid "Own"\nmsgstr "Eigen"\n'
    inherited = '# Shorter than the usual one.\nmsgid "Cancel"\nmsgstr "Zurück"\n'
    theme, name = make({PO: CATALOG + own + "\n" + inherited, HOME: "{% trans %}Own{% endtrans %}"})
    run(name)
    text = (theme.root / PO).read_text("utf-8")
    assert own in text
    assert inherited in text


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xde\x12\x04\x95"])
def test_a_broken_compiled_catalog_is_written_anew(make: Make, content: bytes) -> None:
    compiled = PO.replace(".po", ".mo")
    theme, name = make({PO: CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n', compiled: content})
    assert run(name) == [f"{name} de: complete"]
    assert theme.open().render("login", "de", **theme.open().states[0].context)


@pytest.mark.parametrize(
    ("translation", "strange"),
    [("%(skil)s darf:", "%(skil)s"), ("100 % von %(skill)s", "a lone %"), ("%(skill)d", "a lone %")],
)
def test_a_translation_that_no_page_could_show_is_not_compiled(make: Make, translation: str, strange: str) -> None:
    theme, name = make({PO: CATALOG + f'msgid "%(skill)s will be able to:"\nmsgstr "{translation}"\n'})
    (said,) = run(name, expect=1)
    assert f"{PO}: the translation of “%(skill)s will be able to:” has {strange}, which nobody fills" in said
    assert not list(theme.root.rglob("*.mo"))


def test_a_language_that_no_parent_speaks_begins_with_every_sentence(make: Make) -> None:
    theme, name = make({HOME: "{% trans %}Own{% endtrans %}"})
    path = theme.root / "locale/sv/LC_MESSAGES/linkauth.po"
    (said,) = run(name, "--add", "sv")
    there = {message.id: message.string for message in po.read(path) if message.id}
    assert said == f"{name} sv: {len(there)} sentences are not translated"
    assert {"Own", "Cancel"} < set(there)
    plurals = [sentence for sentence in there if not isinstance(sentence, str)]
    assert plurals
    assert all(there[each] == ("", "") for each in plurals)
    # and stays so
    assert run(name) == [said]
    # a region of it holds what differs, and a parent's language what is the child's own
    assert run(name, "--add", "sv-FI")[1] == f"{name} sv-FI: complete"
    assert run(name, "--add", "de")[0] == f"{name} de: 1 sentences are not translated"


BROKEN = [
    (CATALOG + 'msgid "Cancel\nmsgstr "Zurück"\n', "line 8: does not end in a quotation mark"),
    (CATALOG + 'msgid ""\n"Cancel\nmsgstr "Zurück"\n', "line 9: does not end in a quotation mark"),
    (CATALOG + 'msgid "Cancel"\nmsgstr "Zurück\\"\n', "line 9: does not end in a quotation mark"),
    (CATALOG + 'msgid "Cancel"\nmsgstr\n', "line 9: does not end in a quotation mark"),
    (CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n' + "mgid\n", "line 10: Unknown"),
    ((CATALOG + 'msgid "Cancel"\nmsgstr "Zurück"\n').encode("latin-1"), "save it as UTF-8"),
    (CATALOG.replace("utf-8", "latin-1").encode("latin-1"), "say charset=utf-8"),
    (CATALOG.replace("n != 1", "n n") + 'msgid "Cancel"\nmsgstr "Zurück"\n', "cannot be read: ValueError"),
]


@pytest.mark.parametrize(("content", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_a_catalog_that_cannot_be_read_is_named_and_left_as_it_is(make: Make, content: str | bytes, said: str) -> None:
    theme, name = make({PO: content})
    before = (theme.root / PO).read_bytes()
    (told,) = run(name, expect=1)
    assert told.startswith("Error: ")
    assert PO in told
    assert said in told
    assert (theme.root / PO).read_bytes() == before


def test_quotation_marks_inside_and_backslashes_before_the_last_one_are_read(make: Make) -> None:
    # behind the mark that some editors set
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


def test_a_template_that_cannot_be_read_is_named(make: Make) -> None:
    for content, said in ((b"\xff", "own.jinja2 is not UTF-8"), (b"\n{% if %}", "own.jinja2 line 2: ")):
        _, name = make({PO: CATALOG, HOME: content})
        assert said in run(name, expect=1)[0]
