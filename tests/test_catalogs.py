"""Every sentence of every theme is translated, and what is shipped compiled is what is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from linkauth.plugins import load
from linkauth.states import every_state
from linkauth.testing.theme import TEXTS
from linkauth.themes import packages_of
from linkauth.theming.drafts import Draft
from linkauth.theming.sentences import findings

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("themes/*/*/templates"))
THEMES = sorted(path.parent.name for path in ROOT.glob("themes/*/setup.py"))
CATALOGS = sorted(path for package in PACKAGES for path in package.glob("locale/*/LC_MESSAGES/linkauth.po"))


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def sentences(path: Path) -> Iterator[Message]:
    return (message for message in catalog(path) if message.id)


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT / "themes"))


@pytest.mark.parametrize("theme", THEMES)
def test_no_sentence_is_missing_fuzzy_or_left_over(theme: str) -> None:
    """What a child does not say its parents do, what a region does not say its language does."""
    module = load("themes", theme)
    states = every_state("skill", ("order_car",))
    draft = Draft(theme, packages_of(theme, module), module.Parameters(), TEXTS, "/static/", states)
    assert list(findings(draft)) == []


@pytest.mark.parametrize("path", CATALOGS, ids=name)
def test_the_compiled_catalog_is_the_written_one(path: Path) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalog(path))
    assert path.with_suffix(".mo").read_bytes() == compiled.getvalue(), "stale: run make catalogs"


@pytest.mark.parametrize("path", CATALOGS, ids=name)
def test_placeholders_and_markup_survive_translation(path: Path) -> None:
    kept = re.compile(r"%\(\w+\)s|</?\w+>")
    for message in sentences(path):
        wanted = {part for form in forms(message.id) for part in kept.findall(form)}
        for form in forms(message.string):
            assert set(kept.findall(form)) == wanted, message.id
