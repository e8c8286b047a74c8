"""Finds missing and wrong translations in the catalogs of a theme.

A text may be translated in any catalog of the fallback chain: the child's or a parent's, `es-MX` or `es`.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo

from linkauth.themes.languages import fallbacks
from linkauth.theming import markup, po
from linkauth.theming.catalogs import extract
from linkauth.theming.development import DevelopmentTheme
from linkauth.theming.findings import Finding
from linkauth.theming.markup import Document
from linkauth.theming.po import MessageId, forms, id_of, placeholders, quoted

_WORD = re.compile(r"[^\W\d_]{2,}")
_COUNTS = {"%(count)s", "%(number)s"}
"""Placeholders that the plural form for a single number may replace with a word."""


def extracted_ids(root: Path) -> set[MessageId]:
    """Returns the ids of the texts in the templates of one package."""
    if not (root / "templates").is_dir():
        return set()
    return {id_of(message) for message in extract(root) if message.id}


def findings(theme: DevelopmentTheme) -> Iterator[Finding]:
    """Yields the faults of the catalogs, then the texts that a language lacks."""
    ids = [extracted_ids(root) for root in theme.roots]
    translated: dict[str, set[MessageId]] = {}
    for index, root in enumerate(theme.roots):
        # a child may override texts of its parents
        known = set().union(*ids[index:])
        for tag, path in po.catalogs(root):
            catalog = po.read(path)
            yield from _catalog_faults(theme.name, path, catalog, known)
            translated.setdefault(tag, set()).update(id_of(each) for each in catalog if each.id and _complete(each))
    wanted = set().union(*ids)
    for tag in theme.real_languages:
        chain = fallbacks(tag)
        # what a regional catalog lacks is reported for its language
        if chain[-1] == "en" or set(chain[1:]) & set(theme.real_languages):
            continue
        existing = set().union(*(translated.get(part, set()) for part in chain))
        for id_ in sorted(wanted - existing, key=str):
            yield Finding(f"{theme.name} in {tag}", f"shows {quoted(id_)} in English: add a translation to its catalog")


def _catalog_faults(name: str, path: Path, catalog: Catalog, known: set[MessageId]) -> Iterator[Finding]:
    plurals: dict[MessageId, str] = {each[0]: each[1] for each in known if not isinstance(each, str)}
    for message in catalog:
        if not message.id:
            continue
        text = quoted(id_of(message))
        if id_of(message) not in known:
            plural = plurals.get(id_of(message))
            lacking = f"lacks its plural: add msgid_plural {quoted(plural or '')}"
            yield Finding(str(path), f"{text} {lacking if plural else 'is no longer in any template: remove it'}")
        elif message.fuzzy:
            yield Finding(str(path), f"{text} is marked fuzzy and therefore not used: correct it and remove the mark")
        elif _complete(message):
            found = po.problems(message, catalog) or _lost(message)
            yield from (Finding(str(path), f"the translation of {text} has a fault: {each}") for each in found)
    yield from _stale(name, path, catalog)


def _lost(message: Message) -> Iterator[str]:
    """Yields the placeholders that a translation lacks, and differences of its markup."""
    needed = set().union(*map(placeholders, forms(message.id)))
    elements = [markup.fragment(form)[0] for form in forms(message.id)]
    translated = forms(message.string)
    for position, form in enumerate(translated, 1):
        optional = _COUNTS if position < len(translated) else set()
        if missing := needed - placeholders(form) - optional:
            yield f"it lacks {', '.join(sorted(missing))}"
        found, errors = markup.fragment(form)
        if sorted(found) not in map(sorted, elements) or errors:
            yield "its markup differs from the text" + "".join(f" ({each})" for each in errors)


def _stale(name: str, path: Path, catalog: Catalog) -> Iterator[Finding]:
    """Yields a finding if the .mo file, which servers read, is missing, broken or older than the .po file."""
    compiled = path.with_suffix(".mo")
    todo = f"run linkauth catalogs {name}"
    if not compiled.is_file():
        yield Finding(str(path), f"is not compiled, so servers do not use it: {todo}")
        return
    body = compiled.read_bytes()
    try:
        # servers read it with gettext
        gettext.GNUTranslations(BytesIO(body))
        existing = _translations(body)
    except Exception:
        # gettext raises any exception for a broken file
        yield Finding(str(compiled), f"is not a compiled catalog, so servers do not start: {todo}")
        return
    if existing != _translations(po.mo_bytes(catalog)):
        yield Finding(str(path), f"has changed since it was compiled: {todo}")


def _translations(compiled: bytes) -> dict[MessageId, list[str]]:
    return {id_of(message): forms(message.string) for message in read_mo(BytesIO(compiled)) if message.id}


def _complete(message: Message) -> bool:
    return not message.fuzzy and all(forms(message.string))


def untranslatable(theme: DevelopmentTheme, state: Any, english: Document, pseudo: Document) -> Iterator[str]:
    """Yields the texts of a page that no catalog translates: they are the same in a pseudo-language.

    Texts from the settings and from the state are ignored.
    """
    values = (*_texts(dict(theme.environment.globals)), *_texts(state.context))
    known = sorted({text for text in values if isinstance(text, str) and text}, key=len, reverse=True)
    unchanged = set(pseudo.texts())
    for text in english.texts():
        rest = text
        for each in known:
            rest = rest.replace(each, " ")
        if text in unchanged and _WORD.search(rest):
            yield f"“{text}” is the same in every language: mark it with {{% trans %}}"


def _texts(value: Any) -> Iterator[Any]:
    """Yields every text in the variables of a template."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *_texts(each))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _texts(getattr(value, name))
