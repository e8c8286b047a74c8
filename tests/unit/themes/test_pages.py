"""Tests of the fallback between catalogs, of catalog updates, and of warnings about texts without a page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.themes import states
from linkauth.themes.theme import Theme, open_theme
from linkauth.theming.catalogs import update
from linkauth.web import pages

PAGES = tuple(name.removesuffix(".jinja2") for name in states.PAGES)
MAIL = {"mail": "{% block subject %}{% endblock %}{% block text %}{% endblock %}{% block html %}{% endblock %}"}
MAIN = "<p>{% trans %}Hello{% endtrans %}, {% trans %}colour{% endtrans %}</p>{{ speaking.name }}"
TEXTS: dict[str, Any] = {"service_name": {"": "S"}, "clients": {}, "platforms": {}, "scope_texts": {}}
Make = Callable[..., Any]


def write_catalog(package: Path, tag: str, translations: Mapping[str, str]) -> None:
    folder = package / "locale" / tag.replace("-", "_") / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalog = Catalog(locale=tag.split("-")[0], fuzzy=False)
    for english, translated in translations.items():
        catalog.add(english, translated)
    with (folder / "linkauth.po").open("wb") as file:
        write_po(file, catalog)
    with (folder / "linkauth.mo").open("wb") as file:
        write_mo(file, catalog)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """`make(name, catalogs, templates, parent)` writes the package of a theme to disk and returns its module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make_theme(
        name: str, catalogs: Mapping[str, Mapping[str, str]], templates: Mapping[str, str], parent: str = ""
    ) -> Any:
        package = tmp_path / name
        (package / "templates").mkdir(parents=True)
        include = f"config.include('{parent}'); " if parent else ""
        source = f"def includeme(config): {include}config.add_theme('{name}')\n"
        (package / "__init__.py").write_text(source, "utf-8")
        for page, text in templates.items():
            (package / "templates" / f"{page}.jinja2").write_text(text, "utf-8")
        for tag, translations in catalogs.items():
            write_catalog(package, tag, translations)
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info/METADATA").write_text(f"Name: {name}\nVersion: 1\n", "utf-8")
        (tmp_path / f"{name}-1.dist-info/entry_points.txt").write_text(f"[linkauth.themes]\n{name} = {name}\n", "utf-8")
        return __import__(name)

    return make_theme


def open_module(module: Any) -> Theme:
    return open_theme(module.__name__, module, None, TEXTS, f"/static/{module.__name__}/")


CATALOGS = {
    "fr": {"Hello": "Bonjour", "colour": "couleur"},
    "fr-CA": {"Hello": "Allô"},
    "en-US": {"colour": "color"},
}


def test_regional_catalog_falls_back_per_message(make: Make) -> None:
    theme = open_module(make("regional_a", CATALOGS, {**dict.fromkeys(PAGES, MAIN), **MAIL}))
    assert theme.languages == ("en", "en-US", "fr", "fr-CA")
    assert [each.tag for each in theme.selectable_languages] == ["en", "en-US", "fr", "fr-CA"]
    assert theme.render("home", "fr-CA") == "<p>Allô, couleur</p>Français (Canada)"
    assert theme.render("home", "fr") == "<p>Bonjour, couleur</p>Français"
    assert theme.render("home", "en-US") == "<p>Hello, color</p>English (United States)"
    assert theme.render("home", "en") == "<p>Hello, colour</p>English"


def test_child_theme_overrides_single_messages(make: Make) -> None:
    make("parent_b", CATALOGS, {**dict.fromkeys(PAGES, MAIN), **MAIL})
    child = make("child_b", {"fr": {"Hello": "Salut"}, "en": {"Hello": "Hi"}}, {}, "parent_b")
    theme = open_module(child)
    assert theme.render("home", "fr") == "<p>Salut, couleur</p>Français"
    # the child's French also overrides the parent's Canadian French
    assert theme.render("home", "fr-CA") == "<p>Salut, couleur</p>Français (Canada)"
    assert theme.render("home", "en") == "<p>Hi, colour</p>English"


def read_catalog(module: Any, tag: str) -> dict[Any, Any]:
    path = Path(module.__file__).parent / "locale" / tag / "LC_MESSAGES/linkauth.po"
    with path.open("rb") as file:
        catalog = read_po(file)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    assert path.with_suffix(".mo").read_bytes() == compiled.getvalue()
    return {message.id: message.string for message in catalog if message.id}


def untranslated(name: str, add: str | None = None) -> dict[str, int]:
    return {each.language: each.untranslated for each in update(name, add)}


def test_update_adds_and_removes_messages(make: Make) -> None:
    module = make(
        "parent_c", {**CATALOGS, "fr-CA": {"Hello": "Allô", "left over": "x"}}, {**dict.fromkeys(PAGES, MAIN), **MAIL}
    )
    templates = Path(module.__file__).parent / "templates"
    more = "{% trans count=1 %}one{% pluralize %}many{% endtrans %}"
    (templates / "home.jinja2").write_text(MAIN + more, "utf-8")
    assert untranslated("parent_c", add="nl") == {"en-US": 0, "fr": 1, "fr-CA": 0, "nl": 3}
    assert read_catalog(module, "fr") == {"Hello": "Bonjour", "colour": "couleur", ("one", "many"): ("", "")}
    assert read_catalog(module, "fr_CA") == {"Hello": "Allô"}
    assert read_catalog(module, "nl") == {"Hello": "", "colour": "", ("one", "many"): ("", "")}
    before = (templates.parent / "locale/fr/LC_MESSAGES/linkauth.po").read_bytes()
    assert untranslated("parent_c")["fr"] == 1
    assert (templates.parent / "locale/fr/LC_MESSAGES/linkauth.po").read_bytes() == before


def test_catalog_of_child_has_own_and_overridden_messages(make: Make) -> None:
    make("parent_d", CATALOGS, {**dict.fromkeys(PAGES, MAIN), **MAIL})
    own = "{% trans %}Hello{% endtrans %} {% trans %}Own{% endtrans %}"
    child = make("child_d", {"fr": {"colour": "teinte", "gone": "x"}}, {"home": own}, "parent_d")
    assert untranslated("child_d") == {"fr": 1}
    assert read_catalog(child, "fr") == {"Own": "", "colour": "teinte"}


def test_catalogs_command_reports_untranslated_messages(make: Make) -> None:
    make("parent_e", CATALOGS, {**dict.fromkeys(PAGES, MAIN), **MAIL})
    result = CliRunner().invoke(main, ["catalogs", "parent_e", "--add", "nl"])
    assert result.output.splitlines() == [
        "parent_e en-US: complete",
        "parent_e fr: complete",
        "parent_e fr-CA: complete",
        "parent_e nl: 2 texts are not translated",
    ]
    for arguments in (["no_such_theme"], ["parent_e", "--add", "../x"]):
        failed = CliRunner().invoke(main, ["catalogs", *arguments])
        assert failed.exit_code == 1
        assert failed.output.startswith("Error: ")


def settings(**changes: Any) -> Any:
    client = {"client_id": "", "name": {"": "N"}, "platform": "none", "theme": "", "grants": ("implicit",)}
    clients = {
        "plain": SimpleNamespace(**client, scopes=("said", "unsaid")),
        "own": SimpleNamespace(**{**client, "client_id": "the-id", "theme": "child"}, scopes=()),
        "server": SimpleNamespace(**{**client, "grants": ()}, scopes=("never asked for",)),
    }
    return SimpleNamespace(clients=clients, scopes={"said": {"": "Say"}}, theme="parent", **changes)


@pytest.mark.parametrize(
    ("tag", "warning"),
    [
        (
            "en-AU",
            "linkauth.scope.a.en-AU is never shown, because no page is in en-AU: en-GB is shown instead",
        ),
        ("sv", "linkauth.scope.a.sv is never shown, because no page is in sv: pages are in de-DE, en, en-GB"),
        ("en-GB", None),
        ("de", None),
        ("", None),
    ],
)
def test_text_in_language_without_pages_gives_warning(
    tag: str, warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        pages._warn_about_unused_texts([("scope.a", {tag: "Say"})], {"en", "en-GB", "de-DE"})
    assert [record.getMessage() for record in caplog.records] == ([warning] if warning else [])


def test_scope_without_text_gives_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        pages._warn_about_unlabelled_scopes(settings())
    assert [record.getMessage() for record in caplog.records] == [
        "scope unsaid of client plain has no description, so the login page shows its name: add linkauth.scope.unsaid"
    ]
