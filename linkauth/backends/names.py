"""The forms of a typed user name. Keyboards and clipboards change names, but a person means the stored one.

A phone may add invisible characters, send é as one code point or as two, full-width letters, digits of another script,
or a typographic apostrophe. A user store looks for each form, and a better form decides before a later one.

This is not the form NFKC (Unicode Standard Annex 15): that would also change ligatures, superscripts and fractions,
which are different names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

from linkauth.backends.outcomes import UnknownUser

MAX_FORMS = 8
"""The maximum number of forms of one name."""
_APOSTROPHES, _HYPHENS = (
    "\u2018\u2019\u201b\u2032\u02b9\u02bb\u02bc\u00b4\uff07",
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
)
_HYPHENS += "\ufe58\ufe63\uff0d"
_SPACES = "\u00a0\u2007\u202f"
_PUNCTUATION = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-") | dict.fromkeys(_SPACES, " ")
)
_LONG_VOWEL = re.compile("(?<=[0-9A-Za-z])\u30fc(?=[0-9A-Za-z])")
"""What a Japanese keyboard sends for a hyphen. As the mark of a long vowel it follows kana only."""

Result = TypeVar("Result")
NameForms = Callable[[str], tuple[str, ...]]
"""Returns the forms of a typed name without repeats, the best one first. There is at least one."""


class FindsNames(Protocol):
    """What `call_with_forms` needs of a backend."""

    finds_name_forms: bool
    name_forms: NameForms


def name_forms(typed: str) -> tuple[str, ...]:
    """Returns the forms in which a user store may contain a typed name, the best one first, without repeats.

    In this order: the name without format characters and white space at its ends; NFC; NFD; with ASCII letters for
    full-width ones (and other <wide> and <narrow> mappings); also with ASCII digits for the decimal digits of any
    script; also with an ASCII apostrophe, hyphen and space for typographic ones; the last one in NFD. A name of plain
    ASCII has one form. The time is proportional to the length of the name, which the caller limits.
    """
    name = trimmed_name(typed) or typed
    if name.isascii():
        return (name,)
    composed = unicodedata.normalize("NFC", name)
    folded = unicodedata.normalize("NFC", folded_width(composed))
    digits = ascii_digits(folded)
    plain = ascii_punctuation(digits)
    forms = (name, composed, unicodedata.normalize("NFD", name), folded, digits, plain)
    return tuple(dict.fromkeys((*forms, unicodedata.normalize("NFD", plain))))


def trimmed_name(typed: str) -> str:
    """Returns a name without white space and format characters (category Cf) at its ends."""
    start, end = 0, len(typed)
    while start < end and _is_invisible(typed[start]):
        start += 1
    while start < end and _is_invisible(typed[end - 1]):
        end -= 1
    return typed[start:end]


def folded_width(text: str) -> str:
    """Returns the text with letters of normal width for full-width and half-width ones."""
    return text if text.isascii() else "".join(map(_without_width, text))


def ascii_digits(text: str) -> str:
    """Returns the text with ASCII digits for the decimal digits (category Nd) of any script."""
    return text if text.isascii() else "".join(map(_ascii_digit, text))


def ascii_punctuation(text: str) -> str:
    """Returns the text with ' and - for typographic apostrophes and hyphens, and a space for a no-break one."""
    return text if text.isascii() else _LONG_VOWEL.sub("-", text).translate(_PUNCTUATION)


def call_with_forms(backend: FindsNames, username: str, call: Callable[[str], Result]) -> Result:
    """Returns the result of `call`, a method of the backend, for the form of a typed name that the backend knows.

    A backend with `finds_name_forms` gets the typed name. Any other one gets form by form, and the next one only after
    UnknownUser. Raises what `call` raises.
    """
    return call(username) if backend.finds_name_forms else first_known(backend.name_forms(username), call)


def first_known(forms: Sequence[str], call: Callable[[str], Result]) -> Result:
    """Returns the result of `call` for the first form that does not raise UnknownUser. Raises what `call` raises."""
    for form in forms[:-1]:
        try:
            return call(form)
        except UnknownUser:
            continue
    return call(forms[-1])


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Cf"


def _ascii_digit(letter: str) -> str:
    digit = unicodedata.decimal(letter, None)
    return letter if digit is None else str(digit)


@lru_cache(1024)
def _without_width(letter: str) -> str:
    kind, _, codes = unicodedata.decomposition(letter).partition(" ")
    return "".join(chr(int(code, 16)) for code in codes.split()) if kind in ("<wide>", "<narrow>") else letter
