"""Tests of the texts in the catalogs of linkauth's own themes, for what holds in every language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from babel.messages.catalog import Message

from linkauth.theming import po
from linkauth.theming.catalogs import extract
from linkauth.theming.development import roots
from tests.browser.languages import open_installed_theme

THEMES = ("default", "vellmoor")
BREAKABLE = re.compile(r"(?:[0-9]|%\(number\)s) (?=[^\W\d_])")
"""A number and its unit with a space between them at which a line may end."""


@cache
def texts(name: str) -> list[po.MessageId]:
    """Returns the ids of all texts of a theme and its parents."""
    return [po.id_of(message) for root in roots(name) for message in extract(root) if message.id]


def messages(name: str) -> Iterator[tuple[str, Message]]:
    """Yields (language tag, message) for each text in the catalogs of a theme."""
    for tag, path in po.catalogs(roots(name)[0]):
        yield from ((tag, message) for message in po.read(path) if message.id)


@pytest.mark.parametrize("name", THEMES)
def test_no_line_ends_between_number_and_unit(name: str) -> None:
    theme = open_installed_theme(name)
    breakable = []
    for tag in theme.languages:
        catalog = theme.catalog(tag)
        for id_ in texts(name):
            shown = {catalog.gettext(id_)} if isinstance(id_, str) else {catalog.ngettext(*id_, n) for n in range(200)}
            breakable += [f"{tag}: {text}" for text in shown if BREAKABLE.search(text)]
    assert breakable == []


@pytest.mark.parametrize("name", THEMES)
def test_translations_have_no_invisible_joiners_and_end_without_space(name: str) -> None:
    """A word joiner and similar characters are shown as boxes in the titles of some browsers."""
    faults = [
        f"{tag}: {text!r}"
        for tag, message in messages(name)
        for text in po.forms(message.string)
        if set("\u2060\u200b\ufeff\u00ad") & set(text) or text != text.strip()
    ]
    assert faults == []


def test_mexican_spanish_addresses_people_as_the_other_spanish_does() -> None:
    """Both use the familiar form, so that the choice of a variant does not change it."""
    formal = re.compile(r"\b(?:usted|su|sus|suya|suyo)\b", re.IGNORECASE)
    about_others = {"a su dirección de correo electrónico", "enviamos un código a su dirección"}
    for tag, message in messages("default"):
        for text in po.forms(message.string) if tag.startswith("es") else ():
            for phrase in about_others:
                text = text.replace(phrase, "")
            assert not formal.search(text), f"{tag}: {text}"


@pytest.mark.parametrize("name", THEMES)
def test_translators_read_where_each_text_stands_and_what_its_placeholders_are(name: str) -> None:
    missing = set()
    for _, message in messages(name):
        notes = message.auto_comments
        explained = {note.partition(":")[0] for note in notes}
        placeholders = set().union(*map(po.placeholders, po.forms(message.id)))
        if not [note for note in notes if not note.startswith("%(")]:
            missing.add(f"no note: {message.id}")
        missing |= {f"{each} is not explained: {message.id}" for each in placeholders - explained}
    assert missing == set()
