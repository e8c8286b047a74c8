"""Sentences of a theme's templates into its gettext catalogs: extract, update and compile.

A full catalog has every sentence that the theme says and its parents do not. A regional one whose language the theme or
a parent speaks (fr_CA beside fr), and the English one (the sentences are English already), hold only what is said
differently. In any of them a sentence of a parent may be overridden.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from linkauth import languages
from linkauth.plugins import load
from linkauth.themes import DOMAIN, Theme, open_theme

Sentence = str | tuple[str, ...]
"""A sentence, or its singular and plural."""
WIDTH = 118
_EXAMPLE = {"service_name": {"": ""}, "clients": {}, "platforms": {}, "scope_texts": {}}


def sentences(package: Path) -> Catalog:
    """The sentences that the templates of a theme's package say, as a catalog without translations."""
    found = Catalog()
    options = {"**.jinja2": {"trimmed": "true", "encoding": "utf-8", "silent": "false"}}
    rules = [("**.jinja2", "jinja2")]
    for _, _, message, comments, _ in extract_from_dir(package / "templates", rules, options):
        found.add(message, auto_comments=comments)
    return found


def update(name: str, add: str | None = None) -> Iterator[tuple[str, int]]:
    """Bring the catalogs of the installed theme `name` up to date, with one more for the language `add`.

    Gives each language with the number of sentences that wait for their translation. Raises LookupError for a theme
    that is not there, ConfigurationError for one that does not work.
    """
    module = load("themes", name)
    parameters = getattr(module, "Parameters", lambda: None)()
    theme = open_theme(name, module, parameters, _EXAMPLE, "/")
    locale = theme.roots[0] / "locale"
    tags = {path.parent.parent.name.replace("_", "-") for path in locale.glob(f"*/LC_MESSAGES/{DOMAIN}.po")}
    for tag in sorted(tags | ({add} if add else set())):
        path = locale / tag.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        catalog = _updated(theme, tag, path)
        with path.open("wb") as written:
            write_po(written, catalog, width=WIDTH, no_location=True, ignore_obsolete=True)
        with path.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, catalog)
        yield tag, sum(1 for message in catalog if message.id and not _is_translated(message.string))


def is_partial(theme: Theme, tag: str) -> bool:
    """Does a catalog of this language hold only what is said differently?"""
    return tag == "en" or bool(set(languages.fallbacks(tag)[1:]) & set(theme.languages))


def _updated(theme: Theme, tag: str, path: Path) -> Catalog:
    own, *parents = (sentences(root) for root in theme.roots)
    inherited = {message.id for parent in parents for message in parent}
    if path.is_file():
        with path.open("rb") as file:
            catalog = read_po(file)
    else:
        catalog = Catalog(locale=tag.replace("-", "_"), domain=DOMAIN, project=theme.roots[0].name, fuzzy=False)
    said = {message.id: message for message in catalog if message.id}
    for message in said.values():
        catalog.delete(message.id)
    partial = is_partial(theme, tag)
    for message in own:
        if not message.id:
            continue
        old = said.pop(message.id, None)
        translated = old is not None and _is_translated(old.string)
        if translated or not (partial or message.id in inherited):
            catalog.add(
                message.id, old.string if old else None, flags=message.flags, auto_comments=message.auto_comments
            )
    for message in said.values():
        if message.id in inherited and _is_translated(message.string):
            catalog.add(message.id, message.string, flags=message.flags)
    return catalog


def _is_translated(string: str | tuple[str, ...] | list[str] | None) -> bool:
    return all([string] if isinstance(string, str) else string or [""])
