"""What is missing in a theme's catalogs, and what is wrong in them.

A language may say a sentence in any catalog of its chain: the child's or a parent's, `es-MX` or `es`.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message

from linkauth.themes.languages import fallbacks
from linkauth.theming import po, pseudo
from linkauth.theming.catalogs import sentences as sentences_of
from linkauth.theming.drafts import Draft
from linkauth.theming.findings import Finding
from linkauth.theming.markup import Page
from linkauth.theming.po import Sentence, forms, id_of, quoted

_PLACEHOLDERS = re.compile(r"%\(\w+\)s")
_MARKUP = re.compile(r"</?\w[^<>]*>")
_WORD = re.compile(r"[^\W\d_]{2,}")


def used(root: Path) -> set[Sentence]:
    """The sentences of the templates in one package."""
    if not (root / "templates").is_dir():
        return set()
    return {id_of(message) for message in sentences_of(root) if message.id}


def findings(draft: Draft) -> Iterator[Finding]:
    """Faults of the catalogs, then the sentences that a language lacks."""
    sentences = [used(root) for root in draft.roots]
    translated: dict[str, set[Sentence]] = {}
    for index, root in enumerate(draft.roots):
        # a child may say its parents' sentences in its own way
        known = set().union(*sentences[index:])
        for tag, path in po.catalogs(root):
            catalog = po.read(path)
            yield from _faults(draft.name, path, catalog, known)
            translated.setdefault(tag, set()).update(id_of(each) for each in catalog if each.id and _complete(each))
    wanted = set().union(*sentences)
    for tag in draft.real_languages:
        chain = fallbacks(tag)
        # what a region lacks its language says, and that one's gaps are told once
        if chain[-1] == "en" or set(chain[1:]) & set(draft.real_languages):
            continue
        there = set().union(*(translated.get(part, set()) for part in chain))
        for sentence in sorted(wanted - there, key=str):
            yield Finding(f"{draft.name} in {tag}", f"says {quoted(sentence)} in English: add it to its catalog")


def _faults(name: str, path: Path, catalog: Catalog, known: set[Sentence]) -> Iterator[Finding]:
    plurals: dict[Sentence, str] = {each[0]: each[1] for each in known if not isinstance(each, str)}
    for message in catalog:
        if not message.id:
            continue
        said = quoted(id_of(message))
        if id_of(message) not in known:
            plural = plurals.get(id_of(message))
            lacking = f"lacks its plural: add msgid_plural {quoted(plural or '')}"
            yield Finding(str(path), f"{said} {lacking if plural else 'is in no template any more: remove it'}")
        elif message.fuzzy:
            yield Finding(str(path), f"{said} is marked fuzzy, so that it is not used: correct it, remove the mark")
        elif _complete(message):
            yield from _lost(path, message, said)
    yield from _stale(name, path, catalog)


def _lost(path: Path, message: Message, said: str) -> Iterator[Finding]:
    sentence = forms(message.id)
    kept = set().union(*(_PLACEHOLDERS.findall(form) for form in sentence))
    markup = set().union(*(_MARKUP.findall(form) for form in sentence))
    if strange := po.strange(message):
        yield Finding(str(path), f"the translation of {said} has {', '.join(strange)}, which nobody fills")
    translated = forms(message.string)
    for position, form in enumerate(translated, 1):
        found = set(_PLACEHOLDERS.findall(form))
        # a form for one number alone may say it as a word; the last form is for many
        needed = kept if position == len(translated) else kept - {"%(count)s", "%(number)s"}
        if missing := needed - found:
            yield Finding(str(path), f"the translation of {said} has lost {', '.join(sorted(missing))}")
        if set(_MARKUP.findall(form)) != markup:
            yield Finding(str(path), f"the translation of {said} has other markup than the sentence")


def _stale(name: str, path: Path, catalog: Catalog) -> Iterator[Finding]:
    """Servers read what is compiled."""
    compiled = path.with_suffix(".mo")
    todo = f"run linkauth catalogs {name}"
    if not compiled.is_file():
        yield Finding(str(path), f"is not compiled, so that servers do not know it: {todo}")
        return
    try:
        with compiled.open("rb") as file:
            known: Any = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    except Exception:
        # whatever gettext raises when it meets garbage
        yield Finding(str(compiled), f"is no compiled catalog, so that no server starts: {todo}")
        return
    for message in catalog:
        if message.id and _complete(message):
            said = forms(message.string)
            plural = not isinstance(message.id, str)
            there = [known.get((message.id[0], n)) for n in range(len(said))] if plural else [known.get(message.id)]
            if there != said:
                yield Finding(str(path), f"has changed since it was compiled: {todo}")
                return


def _complete(message: Message) -> bool:
    return not message.fuzzy and all(forms(message.string))


def untranslatable(draft: Draft) -> Iterator[Finding]:
    """Words that are the same in a pseudo-language came neither from a catalog nor from the ini.

    Raises what a template raises.
    """
    from_ini = {text for text in _texts(dict(draft.environment.globals)) if isinstance(text, str)}
    for state in draft.states:
        known = from_ini | {text for text in _texts(state.context) if isinstance(text, str)}
        english = Page(draft.show(state, "en")).sentences()
        changed = Page(draft.show(state, pseudo.LONGER)).sentences()
        for text in english:
            rest = text
            for each in sorted(known, key=len, reverse=True):
                rest = rest.replace(each, " ") if each else rest
            if text in changed and _WORD.search(rest):
                what = f"“{text}” is the same in every language: mark it with {{% trans %}}"
                yield Finding(f"{draft.name}, {state.page}: {state.name}", what, warning=True)


def _texts(value: Any) -> Iterator[Any]:
    """Every text in what a template is given."""
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
