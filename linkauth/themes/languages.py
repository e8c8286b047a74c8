"""Choosing the language of a page: `ui_locales`, then `Accept-Language`, then the default; and what each is like.

Tags are BCP 47; what browsers and people get wrong about them (`de_DE`, odd case, garbage) is read as it was meant.
Names, directions and numbers are Unicode's (CLDR, which Babel carries).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import format_decimal

HEADER_LIMIT = 2_000
"""Characters of a header that are looked at; the wanted languages stand first."""
RANGES_LIMIT = 100
TAG_LIMIT = 100
"""Characters of one wanted tag; RFC 5646 section 4.4.1 counts 35 for a long one."""

_PARENTS: Mapping[str, str] = get_global("parent_exceptions")
"""Locales whose parent is no mere truncation, such as en_AU and es_US (CLDR's supplemental data)."""
_LIKELY: Mapping[str, str] = get_global("likely_subtags")
"""A language in full, with script and region: `es` is es_Latn_ES."""
_SHIPPED: Mapping[str, tuple[str, str]] = {
    "ar": ("العربية", "rtl"),
    "de": ("Deutsch", "ltr"),
    "en": ("English", "ltr"),
    "en-GB": ("English (United Kingdom)", "ltr"),
    "es": ("Español", "ltr"),
    "es-MX": ("Español (México)", "ltr"),
    "fr": ("Français", "ltr"),
    "fr-CA": ("Français (Canada)", "ltr"),
    "hi": ("हिन्दी", "ltr"),
    "it": ("Italiano", "ltr"),
    "ja": ("日本語", "ltr"),
    "nl": ("Nederlands", "ltr"),
    "pt-BR": ("Português (Brasil)", "ltr"),
}
"""Name and direction of the languages of our own themes, as CLDR has them (a test compares): a start need not load the
data of all these locales, which takes as long as all other work on a theme."""
_RANGE = re.compile(r"\s*([A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,7})(?:-\*)?\s*(?:;\s*[qQ]\s*=\s*([0-9.]{1,20})\s*)?")


@dataclass(frozen=True, slots=True)
class Language:
    """A language as a page offers it: its tag, its name in itself, and `ltr` or `rtl`."""

    tag: str
    name: str
    direction: str


def parse_accept_language(header: str) -> list[str]:
    """The language ranges of an Accept-Language header, best first (RFC 9110 section 12.5.4).

    `de-*` is de, as RFC 4647 section 3.2 has it; garbage is skipped.
    """
    found = []
    for position, part in enumerate(header[:HEADER_LIMIT].split(",")[:RANGES_LIMIT]):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        try:
            quality = min(float(match[2] or 1), 1)
        except ValueError:
            continue
        if quality > 0:
            found.append((-quality, position, match[1]))
    return [tag for _, _, tag in sorted(found)]


def best_match(wanted: Iterable[str], available: Sequence[str]) -> str | None:
    """The first of `available` that fits one of `wanted`: `es-CL` takes es, `pt` takes pt-BR (RFC 4647 section 3.4).

    A region takes a neighbour's language before everybody's: `en-AU` and `en-150` take en-GB, `es-419` takes es-MX.
    """
    by_tag = {tag.lower(): tag for tag in available}
    for tag in (each for each in wanted if len(each) <= TAG_LIMIT):
        parts = tag.lower().replace("_", "-").split("-")
        if "-".join(parts) not in by_tag:
            parts = _without_usual_script(parts)
        neighbour = _neighbour(parts, available) if "-".join(parts) not in by_tag else None
        if neighbour:
            return neighbour
        for length in range(len(parts), 0, -1):
            if found := by_tag.get("-".join(parts[:length])):
                return found
        if found := next((by_tag[each] for each in sorted(by_tag) if each.split("-")[0] == parts[0]), None):
            return found
    return None


def _without_usual_script(parts: list[str]) -> list[str]:
    """`es-MX` for es-Latn-MX."""
    usual = _LIKELY.get(parts[0], "").lower().split("_")
    return [parts[0], *parts[2:]] if parts[1:2] and parts[1] in usual[1:2] else parts


def _neighbour(parts: Sequence[str], available: Sequence[str]) -> str | None:
    """The regional language with the nearest common parent in CLDR that is not the language itself: en-001, es-419."""
    if len(parts) != 2 or len(parts[1]) not in (2, 3):
        return None
    regional = {each: _parents(each) for each in sorted(available) if each.startswith(parts[0] + "-")}
    for parent in _parents("-".join(parts)):
        if found := next((each for each, parents in regional.items() if parent in parents), None):
            return found
    return None


def _parents(tag: str) -> list[str]:
    """A region and its parents in CLDR, the nearest first: `en-AT` is en_AT, en_150, en_001."""
    language, _, region = tag.partition("-")
    found = [f"{language}_{region.upper()}"]
    while found[-1] in _PARENTS:
        found.append(_PARENTS[found[-1]])
    return found


def fallbacks(tag: str) -> list[str]:
    """`es-MX` and what stands in for it: es-MX, es."""
    parts = tag.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def localized(texts: Mapping[str, str], language: str) -> str:
    """The text for `language` out of texts by language; the one under "" serves all others."""
    return next((texts[tag] for tag in fallbacks(language) if tag in texts), texts.get("", ""))


def describe(tag: str) -> Language:
    """The language behind a tag; one that nobody knows is called by its tag."""
    if tag in _SHIPPED:
        return Language(tag, *_SHIPPED[tag])
    return _described(tag)


def _described(tag: str) -> Language:
    """What `describe` gives, from CLDR itself."""
    locale = _locale(tag)
    if locale is None:
        return Language(tag, tag, "ltr")
    name = locale.get_display_name(locale) or tag
    # languages that write their own names small do so inside a sentence
    return Language(tag, name[0].upper() + name[1:], locale.text_direction)


def selectable(tags: Iterable[str]) -> tuple[Language, ...]:
    """Of a theme's languages those to choose from, by name: a region whose language is there too is left out."""
    there = set(tags)
    found = (describe(tag) for tag in there if not there.intersection(fallbacks(tag)[1:]))
    return tuple(sorted(found, key=lambda language: (language.name.casefold(), language.tag)))


def format_number(value: float, language: str) -> str:
    """A number as people who read `language` write it."""
    return format_decimal(value, locale=_locale(language) or "en")


@lru_cache(1_000)
def _locale(tag: str) -> Locale | None:
    for part in fallbacks(tag):
        try:
            return Locale.parse(part, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None
