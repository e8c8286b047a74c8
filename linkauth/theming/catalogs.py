"""Extracts the texts of a theme's templates into its gettext catalogs, and updates and compiles these with Babel.

A full catalog contains every text of the theme that its parents do not have, or every text of all of them if no parent
has the language. These catalogs contain only texts that differ: a regional one whose language the theme or a parent has
(fr_CA beside fr), and the English one, since the texts are English already. Each catalog may override texts of parents.
A translation whose text is no longer in any template is stored as obsolete, and is used again when the text comes back.

The commands of babel.messages.frontend call the same functions, but update every catalog from one POT file. Here the
required texts differ by language, and obsolete translations are restored.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po
from pyramid.exceptions import ConfigurationError

from linkauth.redaction import redact
from linkauth.themes import languages
from linkauth.themes.theme import DOMAIN, compiled_catalogs
from linkauth.theming import notes, po
from linkauth.theming.development import roots

WIDTH = 118


@dataclass(frozen=True)
class Updated:
    """The result for one catalog: the number of untranslated texts, and a message for each new obsolete translation."""

    language: str
    untranslated: int
    obsolete: tuple[str, ...]


def extract(package: Path, explanations: Mapping[str, str] = MappingProxyType({})) -> Catalog:
    """Returns the texts of the templates of a theme's package, without translations and with notes for translators.

    `explanations` are those of placeholders, by name. Raises ConfigurationError for a template that cannot be read.
    """
    found = Catalog()
    options = {"trimmed": "true", "encoding": "utf-8", "silent": "false"}
    comments: dict[po.MessageId, dict[str, None]] = {}
    for path in sorted((package / "templates").rglob("*.jinja2")):
        try:
            own = notes.Notes(path.read_text("utf-8"))
            for line, message, _, _ in extract_from_file("jinja2", path, options=options):
                at = comments.setdefault(message, {})
                at |= {note: None for note in [own.at(line)] if note}
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"{path} line {error.lineno}: {redact(error.message)}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{path} is not UTF-8: save it so") from None
    for id_, where in comments.items():
        found.add(id_, auto_comments=[*where, *notes.explained(id_, explanations)])
    return found


def update(name: str, add: str | None = None) -> Iterator[Updated]:
    """Updates and compiles the catalogs of the installed theme `name`; creates that of the language `add`.

    Raises LookupError if the theme is not installed, ConfigurationError for a file that cannot be read and for a
    translation that pages could not show.
    """
    return update_packages(roots(name), add)


def update_packages(packages: list[Path], add: str | None = None) -> Iterator[Updated]:
    """Updates and compiles the catalogs of the first of `packages`, whose parents are the other ones (see `update`)."""
    own, *parents = packages
    tags = {tag for tag, _ in po.catalogs(own)} | ({add} if add else set())
    parents_tags = {tag for root in parents for tag, _ in (*po.catalogs(root), *compiled_catalogs(root))}
    explanations = {name: text for root in (*reversed(parents), own) for name, text in notes.explanations(root).items()}
    texts = _Texts([extract(root, explanations) for root in (own, *parents)], tags, parents_tags)
    for tag in sorted(tags):
        path = own / "locale" / tag.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"
        if path.is_file():
            catalog = po.read(path)
        else:
            catalog = Catalog(locale=tag.replace("-", "_"), domain=DOMAIN, project=own.name, fuzzy=False)
        before = {message.id for message in catalog.obsolete.values()}
        _update(catalog, texts, tag)
        _check(catalog, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalog, width=WIDTH, no_location=True)
        path.with_suffix(".mo").write_bytes(po.mo_bytes(catalog))
        untranslated = sum(1 for message in catalog if message.id and not all(po.forms(message.string)))
        obsolete = (message for message in catalog.obsolete.values() if message.id not in before)
        yield Updated(tag, untranslated, tuple(map(texts.why_obsolete, obsolete)))


class _Texts:
    """The texts of a theme and of its parents, and the languages that each of them has."""

    def __init__(self, extracted: list[Catalog], tags: set[str], parents_tags: set[str]) -> None:
        own, *parents = ({each.id: each for each in catalog if each.id} for catalog in extracted)
        self._own: dict[Any, Message] = own
        self._inherited: dict[Any, Message] = {id_: each for parent in parents for id_, each in parent.items()}
        self._all = own | {id_: each for id_, each in self._inherited.items() if id_ not in own}
        self._tags = tags
        self._parents_tags = parents_tags

    def template(self, tag: str, kept: set[Any]) -> Catalog:
        """Returns the texts of the catalog of a language: those that it requires, and of the others those in `kept`."""
        required = self._required(tag)
        found = Catalog()
        for id_, message in self._all.items():
            if id_ in required or id_ in kept:
                found.add(id_, auto_comments=message.auto_comments)
        return found

    def _required(self, tag: str) -> set[Any]:
        chain = languages.fallbacks(tag)
        if tag == "en" or set(chain[1:]) & (self._tags | self._parents_tags | {"en"}):
            return set()
        if set(chain) & self._parents_tags:
            return set(self._own) - set(self._inherited)
        return set(self._all)

    def why_obsolete(self, message: Message) -> str:
        known = {po.forms(each)[0]: each for each in self._all}
        nearest = difflib.get_close_matches(po.forms(message.id)[0], known, n=1)
        hint = f"did you mean {po.quoted(known[nearest[0]])}?" if nearest else "no text is similar"
        text = po.quoted(po.id_of(message))
        return f"{text} is no longer in any template, so its translation is now obsolete (#~): {hint}"


def _update(catalog: Catalog, texts: _Texts, tag: str) -> None:
    # Catalog.update never restores an obsolete message
    for message in catalog.obsolete.values():
        if message.id not in catalog:
            catalog[message.id] = message
    catalog.obsolete.clear()
    kept = {message.id for message in catalog if message.id and _has_content(message)}
    # pages never show a fuzzy translation
    catalog.update(texts.template(tag, kept), no_fuzzy_matching=True, update_creation_date=False)
    for key in [key for key, message in catalog.obsolete.items() if message.id not in kept]:
        del catalog.obsolete[key]


def _has_content(message: Message) -> bool:
    """Returns whether a translator has written anything for a message."""
    return any(po.forms(message.string)) or bool(message.user_comments)


def _check(catalog: Catalog, path: Path) -> None:
    for message in catalog:
        if message.id and not message.fuzzy and (found := po.problems(message, catalog)):
            what = f"the translation of {po.quoted(po.id_of(message))} has a fault and is not compiled"
            raise ConfigurationError(f"{path}: {what}: {', '.join(found)}")
