"""Selects the language of a page, and describes languages.

Language tags follow BCP 47. Common deviations (`de_DE`, wrong case) are accepted; invalid tags are ignored. Names,
directions and number formats come from Unicode CLDR, through Babel, which is imported for the first tag that needs it:
the languages of linkauth's own themes do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

HEADER_LIMIT = 2_000
"""Number of characters of a header that are parsed; preferred languages usually come first."""
RANGES_LIMIT = 100
SCRIPT_LENGTH = 4
FORMATTED_FROM = 1_000
"""The least number whose format depends on the language: the separator of thousands."""
TAG_LIMIT = 100
"""Maximum length of a requested tag; RFC 5646 section 4.4.1 recommends at least 35 characters."""

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
"""CLDR names and directions of the languages of linkauth's own themes. A copy, because loading all these locales would
double the time to load a theme. A test compares the copy with CLDR."""
_RANGE = re.compile(r"\s*([A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,7})(?:-\*)?\s*(?:;\s*[qQ]\s*=\s*([0-9.]{1,20})\s*)?")


@dataclass(frozen=True, slots=True)
class Language:
    """A language in the language menu of a page: tag, name in that language, and direction (`ltr` or `rtl`)."""

    tag: str
    name: str
    direction: str


def parse_accept_language(header: str) -> list[str]:
    """Returns the language ranges of an Accept-Language header by descending weight (RFC 9110 section 12.5.4).

    `de-*` becomes `de` (RFC 4647 section 3.2). Invalid ranges are skipped.
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
    """Returns the language in `available` that fits the first possible tag in `wanted`, or None.

    This is a lookup (RFC 4647 section 3.4): `es-CL` gives es, `pt` gives pt-BR. A regional variant with a common CLDR
    parent is preferred to the plain language: `en-AU` and `en-150` give en-GB, `es-419` gives es-MX.
    """
    by_tag = {tag.lower(): tag for tag in available}
    for tag in (each for each in wanted if len(each) <= TAG_LIMIT):
        parts = tag.lower().replace("_", "-").split("-")
        if "-".join(parts) not in by_tag:
            parts = _without_likely_script(parts)
        variant = _nearest_variant(parts, available) if "-".join(parts) not in by_tag else None
        if variant:
            return variant
        for length in range(len(parts), 0, -1):
            if found := by_tag.get("-".join(parts[:length])):
                return found
        if found := next((by_tag[each] for each in sorted(by_tag) if each.split("-")[0] == parts[0]), None):
            return found
    return None


def _without_likely_script(parts: list[str]) -> list[str]:
    """Removes the script if it is the likely one of the language: es-Latn-MX becomes es-MX."""
    if len(parts) == 1 or len(parts[1]) != SCRIPT_LENGTH:
        return parts
    from babel.core import get_global

    # the likely script and region of a language: `es` becomes es_Latn_ES
    likely = get_global("likely_subtags").get(parts[0], "").lower().split("_")
    return [parts[0], *parts[2:]] if parts[1] in likely[1:2] else parts


def _nearest_variant(parts: Sequence[str], available: Sequence[str]) -> str | None:
    """Returns the regional variant with the nearest common CLDR parent, such as en-001 or es-419, or None."""
    if len(parts) != 2 or len(parts[1]) not in (2, 3):
        return None
    regional = {each: _parents(each) for each in sorted(available) if each.startswith(parts[0] + "-")}
    for parent in _parents("-".join(parts)) if regional else ():
        if found := next((each for each, parents in regional.items() if parent in parents), None):
            return found
    return None


def _parents(tag: str) -> list[str]:
    """Returns a regional locale and its CLDR parents, nearest first: `en-AT` gives en_AT, en_150, en_001."""
    from babel.core import get_global

    # parents of locales such as en_AU and es_US, whose parent is not their language (CLDR supplemental data)
    parents: Mapping[str, str] = get_global("parent_exceptions")
    language, _, region = tag.partition("-")
    found = [f"{language}_{region.upper()}"]
    while found[-1] in parents:
        found.append(parents[found[-1]])
    return found


def fallbacks(tag: str) -> list[str]:
    """Returns the tag and its shorter forms: `es-MX` gives es-MX, es."""
    parts = tag.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def localized(texts: Mapping[str, str] | Sequence[tuple[str, str]], language: str) -> str:
    """Returns the text for `language`; the text under "" is the default. `texts` are a mapping or (tag, text) pairs."""
    if not isinstance(texts, Mapping):
        texts = dict(texts)
    return next((texts[tag] for tag in fallbacks(language) if tag in texts), texts.get("", ""))


def describe(tag: str) -> Language:
    """Returns the language of a tag. If CLDR does not know it, its name is the tag."""
    if tag in _SHIPPED:
        return Language(tag, *_SHIPPED[tag])
    return _describe_from_cldr(tag)


def _describe_from_cldr(tag: str) -> Language:
    """Returns the language of a tag with data from CLDR."""
    locale = _locale(tag)
    if locale is None:
        return Language(tag, tag, "ltr")
    name = locale.get_display_name(locale) or tag
    # CLDR has lower-case names for use within a sentence
    return Language(tag, name[0].upper() + name[1:], locale.text_direction)


def selectable(tags: Iterable[str]) -> tuple[Language, ...]:
    """Returns the languages for the language menu, sorted by name.

    Regional variants are in it too, since the choice of a language must not change the variant that was shown.
    """
    return tuple(sorted(map(describe, set(tags)), key=lambda language: (language.name.casefold(), language.tag)))


def format_number(value: float, language: str) -> str:
    """Formats a number for `language`."""
    if isinstance(value, int) and 0 <= value < FORMATTED_FROM:
        # Babel writes it with the digits 0 to 9 in every language
        return str(value)
    from babel.numbers import format_decimal

    return format_decimal(value, locale=_locale(language) or "en")


@lru_cache(1_000)
def _locale(tag: str) -> Locale | None:
    from babel import Locale, UnknownLocaleError

    for part in fallbacks(tag):
        try:
            return Locale.parse(part, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None
