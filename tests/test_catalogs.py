"""Tests that every text of the themes and of the simulator is translated, and that the catalogs are up to date."""

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
SIMULATOR = ROOT / "linkauth/simulator"
THEMES = sorted(path.parent for path in ROOT.glob("themes/*/*/templates"))
PACKAGES = [SIMULATOR, *THEMES]
CATALOGS = sorted(path for package in PACKAGES for path in package.glob("locale/*/LC_MESSAGES/linkauth.po"))


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def template_texts(package: Path) -> set[str | tuple[str, ...]]:
    """Returns the message ids in the templates of a theme."""
    rules = [("**.jinja2", "jinja2")]
    options = {"**.jinja2": {"trimmed": "true", "encoding": "utf-8", "silent": "false"}}
    extracted = extract_from_dir(package / "templates", method_map=rules, options_map=options)
    return {message for _, _, message, _, _ in extracted}


def catalog_messages(path: Path) -> Iterator[Message]:
    return (message for message in catalog(path) if message.id)


def plural_forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def catalog_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_regional(path: Path) -> bool:
    """Returns whether a catalog contains only changed texts, as for a regional variant or for English."""
    tag = path.parts[-3]
    language = tag.split("_")[0]
    return tag == "en" or (tag != language and (language == "en" or (path.parents[2] / language).is_dir()))


@pytest.mark.parametrize("path", CATALOGS, ids=catalog_name)
def test_no_message_is_fuzzy_empty_or_unused(path: Path) -> None:
    packages = [SIMULATOR] if path.is_relative_to(SIMULATOR) else THEMES
    all_texts = set().union(*(template_texts(package) for package in packages))
    for message in catalog_messages(path):
        assert message.id in all_texts, "the message is unused: run make catalogs"
        assert not message.fuzzy, message.id
        assert all(plural_forms(message.string)), message.id


@pytest.mark.parametrize(
    "theme", [path.name for path in sorted(ROOT.glob("themes/*")) if (path / "setup.py").is_file()]
)
def test_every_text_is_translated_into_every_language_of_the_theme(theme: str) -> None:
    roots = [Path(str(files(package))) for package in theme_packages(theme, load("themes", theme))]
    expected = set().union(*(template_texts(root) for root in roots if (root / "templates").is_dir()))
    assert len(expected) > 30
    languages = {path.parts[-3] for root in roots for path in root.glob("locale/*/LC_MESSAGES/linkauth.po")}
    for tag in {tag for tag in languages if tag != "en" and tag.split("_")[0] not in languages - {tag} | {"en"}}:
        paths = [root / "locale" / tag / "LC_MESSAGES/linkauth.po" for root in roots]
        translated = {message.id for path in paths if path.is_file() for message in catalog_messages(path)}
        assert expected <= translated, tag


def test_the_simulator_speaks_the_languages_of_the_default_theme() -> None:
    expected = template_texts(SIMULATOR)
    assert len(expected) > 30
    of_theme = {path.parts[-3] for path in CATALOGS if "linkauth_theme_default" in path.parts and not is_regional(path)}
    for tag in of_theme | {"pt_BR"}:
        path = SIMULATOR / "locale" / tag / "LC_MESSAGES/linkauth.po"
        assert {message.id for message in catalog_messages(path)} == expected, tag


def test_a_regional_catalog_contains_only_texts_that_differ() -> None:
    for path in filter(is_regional, CATALOGS):
        language = path.parents[2] / path.parts[-3].split("_")[0] / "LC_MESSAGES/linkauth.po"
        is_child = language.is_file() and language != path
        language_texts = {message.id: message.string for message in catalog_messages(language)} if is_child else {}
        for message in catalog_messages(path):
            assert message.string != language_texts.get(message.id, message.id), f"{catalog_name(path)}: {message.id}"


@pytest.mark.parametrize("path", CATALOGS, ids=catalog_name)
def test_the_compiled_catalog_is_up_to_date(path: Path) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalog(path))
    assert path.with_suffix(".mo").read_bytes() == compiled.getvalue(), (
        "the compiled catalog is out of date: run make catalogs"
    )


@pytest.mark.parametrize("path", CATALOGS, ids=catalog_name)
def test_translations_have_the_same_placeholders_and_markup(path: Path) -> None:
    pattern = re.compile(r"%\(\w+\)s|</?\w+>")
    for message in catalog_messages(path):
        expected = {placeholder for form in plural_forms(message.id) for placeholder in pattern.findall(form)}
        *special_forms, last_form = plural_forms(message.string)
        assert set(pattern.findall(last_form)) == expected, message.id
        for form in special_forms:
            # a form for a single number may contain the number as a word
            assert expected - {"%(number)s"} <= set(pattern.findall(form)) <= expected, message.id
