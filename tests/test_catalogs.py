"""Every sentence of every theme is translated, and what is shipped compiled is what is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from linkauth.config.plugins import load
from linkauth.themes.theme import theme_packages

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("themes/*/*/templates"))
CATALOGS = sorted(path for package in PACKAGES for path in package.glob("locale/*/LC_MESSAGES/linkauth.po"))


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def used(package: Path) -> set[str | tuple[str, ...]]:
    """The sentences of a theme's templates."""
    rules = [("**.jinja2", "jinja2")]
    options = {"**.jinja2": {"trimmed": "true", "encoding": "utf-8", "silent": "false"}}
    found = extract_from_dir(package / "templates", method_map=rules, options_map=options)
    return {message for _, _, message, _, _ in found}


def sentences(path: Path) -> Iterator[Message]:
    return (message for message in catalog(path) if message.id)


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT / "themes"))


def is_regional(path: Path) -> bool:
    """Does this catalog hold only what a region, or a child theme's English, says differently?"""
    tag = path.parts[-3]
    language = tag.split("_")[0]
    return tag == "en" or (tag != language and language in ("en", *(each.parts[-3] for each in CATALOGS)))


@pytest.mark.parametrize("path", CATALOGS, ids=name)
def test_no_sentence_is_fuzzy_empty_or_left_over(path: Path) -> None:
    everything = set().union(*(used(package) for package in PACKAGES))
    for message in sentences(path):
        assert message.id in everything, "left over: run make catalogs"
        assert not message.fuzzy, message.id
        assert all(forms(message.string)), message.id


@pytest.mark.parametrize(
    "theme", [path.name for path in sorted(ROOT.glob("themes/*")) if (path / "setup.py").is_file()]
)
def test_no_sentence_is_missing_in_a_language_that_the_theme_speaks(theme: str) -> None:
    roots = [Path(str(files(package))) for package in theme_packages(theme, load("themes", theme))]
    expected = set().union(*(used(root) for root in roots if (root / "templates").is_dir()))
    assert len(expected) > 30
    spoken = {path.parts[-3] for root in roots for path in root.glob("locale/*/LC_MESSAGES/linkauth.po")}
    for tag in {tag for tag in spoken if tag != "en" and tag.split("_")[0] not in spoken - {tag} | {"en"}}:
        found = [root / "locale" / tag / "LC_MESSAGES/linkauth.po" for root in roots]
        output = {message.id for path in found if path.is_file() for message in sentences(path)}
        assert expected <= output, tag


def test_a_regional_catalog_holds_only_what_differs() -> None:
    for path in filter(is_regional, CATALOGS):
        language = path.parents[2] / path.parts[-3].split("_")[0] / "LC_MESSAGES/linkauth.po"
        further = language.is_file() and language != path
        usual = {message.id: message.string for message in sentences(language)} if further else {}
        for message in sentences(path):
            assert message.string != usual.get(message.id, message.id), f"{name(path)}: {message.id}"


@pytest.mark.parametrize("path", CATALOGS, ids=name)
def test_the_compiled_catalog_is_the_written_one(path: Path) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalog(path))
    assert path.with_suffix(".mo").read_bytes() == compiled.getvalue(), "stale: run make catalogs"


@pytest.mark.parametrize("path", CATALOGS, ids=name)
def test_placeholders_and_markup_survive_translation(path: Path) -> None:
    kept = re.compile(r"%\(\w+\)s|</?\w+>")
    for message in sentences(path):
        expected = {part for form in forms(message.id) for part in kept.findall(form)}
        *special, last = forms(message.string)
        assert set(kept.findall(last)) == expected, message.id
        for form in special:
            # a form for one number alone may say it as a word
            assert expected - {"%(number)s"} <= set(kept.findall(form)) <= expected, message.id
