"""Sentences of a theme's templates into its gettext catalogs: extract, update and compile.

A full catalog has every sentence that the theme says and its parents do not, or all of them if no parent speaks its
language. A regional one whose language the theme or a parent speaks (fr_CA beside fr), and the English one (the
sentences are English already), hold only what is said differently. In any of them a sentence of a parent may be
overridden. What no template says is kept as obsolete, and comes back when its sentence does.

Only what is written is read: a broken .mo file is written anew.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po
from pyramid.exceptions import ConfigurationError

from linkauth.config.plugins import load
from linkauth.redaction import redact
from linkauth.themes import languages
from linkauth.themes.theme import DOMAIN, compiled_catalogs, theme_packages
from linkauth.theming import po

WIDTH = 118


@dataclass(frozen=True)
class Updated:
    """A catalog that is up to date: how many sentences wait for their translation, and what is obsolete since now."""

    language: str
    waiting: int
    obsolete: tuple[str, ...]


def sentences(package: Path) -> Catalog:
    """The sentences that the templates of a theme's package say, as a catalog without translations.

    Raises ConfigurationError for a template that cannot be read.
    """
    found = Catalog()
    options = {"trimmed": "true", "encoding": "utf-8", "silent": "false"}
    for path in sorted((package / "templates").rglob("*.jinja2")):
        try:
            for _, message, comments, _ in extract_from_file("jinja2", path, options=options):
                found.add(message, auto_comments=comments)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"{path} line {error.lineno}: {redact(error.message)}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{path} is not UTF-8: save it so") from None
    return found


def update(name: str, add: str | None = None) -> Iterator[Updated]:
    """Bring the catalogs of the installed theme `name` up to date, with one more for the language `add`.

    Raises LookupError for a theme that is not there, ConfigurationError for files that cannot be read and for a
    translation that no page could show.
    """
    roots = [Path(str(files(package))) for package in theme_packages(name, load("themes", name))]
    tags = {tag for tag, _ in po.catalogs(roots[0])} | ({add} if add else set())
    by_parents = {tag for root in roots[1:] for tag, _ in (*po.catalogs(root), *compiled_catalogs(root))}
    theme = _Theme([sentences(root) for root in roots], tags, by_parents)
    for tag in sorted(tags):
        path = roots[0] / "locale" / tag.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"
        if path.is_file():
            catalog = po.read(path)
        else:
            catalog = Catalog(locale=tag.replace("-", "_"), domain=DOMAIN, project=roots[0].name, fuzzy=False)
        before = {message.id for message in catalog.obsolete.values()}
        _bring_up_to_date(catalog, theme, tag)
        _refuse_broken(catalog, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as written:
            write_po(written, catalog, width=WIDTH, no_location=True)
        path.with_suffix(".mo").write_bytes(po.mo_bytes(catalog))
        waiting = sum(1 for message in catalog if message.id and not all(po.forms(message.string)))
        lost = (message for message in catalog.obsolete.values() if message.id not in before)
        yield Updated(tag, waiting, tuple(map(theme.why_obsolete, lost)))


class _Theme:
    """What a theme says itself (`own`) and with its parents (`said`), and the languages that it and they speak."""

    def __init__(self, catalogs: list[Catalog], speaks: set[str], by_parents: set[str]) -> None:
        own, *parents = ({each.id: each for each in catalog if each.id} for catalog in catalogs)
        self.own: dict[Any, Message] = own
        self._inherited: dict[Any, Message] = {id_: each for parent in parents for id_, each in parent.items()}
        self.said = {**self._inherited, **own}
        self._speaks = speaks
        self._by_parents = by_parents

    def wanted(self, tag: str) -> list[Any]:
        """The sentences that the theme's catalog of a language must have, translated or not."""
        chain = languages.fallbacks(tag)
        if tag == "en" or set(chain[1:]) & (self._speaks | self._by_parents | {"en"}):
            return []
        if set(chain) & self._by_parents:
            return [each for each in self.own if each not in self._inherited]
        return [*self.own, *self._inherited]

    def why_obsolete(self, message: Message) -> str:
        known = {po.forms(each)[0]: each for each in self.said}
        nearest = difflib.get_close_matches(po.forms(message.id)[0], known, n=1)
        hint = f"did you mean {po.quoted(known[nearest[0]])}?" if nearest else "nothing there is like it"
        return f"{po.quoted(po.id_of(message))} is in no template, so that it stands behind #~ now: {hint}"


def _bring_up_to_date(catalog: Catalog, theme: _Theme, tag: str) -> None:
    old = {message.id: message for message in (*catalog.obsolete.values(), *catalog) if message.id}
    for sentence in old:
        catalog.delete(sentence)
    catalog.obsolete.clear()
    wanted = theme.wanted(tag)
    for sentence in dict.fromkeys((*theme.own, *wanted, *old)):
        there = old.get(sentence, Message(sentence))
        if sentence in theme.said and (sentence in wanted or _has_words(there)):
            comments = theme.said[sentence].auto_comments
            catalog.add(
                sentence, there.string, flags=there.flags, auto_comments=comments, user_comments=there.user_comments
            )
        elif sentence in old and _has_words(there):
            catalog.obsolete[sentence] = there


def _has_words(message: Message) -> bool:
    """Did somebody write something here that must not be lost?"""
    return any(po.forms(message.string)) or bool(message.user_comments)


def _refuse_broken(catalog: Catalog, path: Path) -> None:
    for message in catalog:
        if message.id and not message.fuzzy and (strange := po.strange(message)):
            said = f"the translation of {po.quoted(po.id_of(message))} has {', '.join(strange)}, which nobody fills"
            raise ConfigurationError(f"{path}: {said}: correct it, for it is not compiled like this")
