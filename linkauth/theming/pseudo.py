"""Two pseudo-languages, made from the English texts, that show what a translation would break.

Their tags are those of Android and ICU. `en-XA` has accents, brackets and longer words: it shows what is cut off, what
has too little space and what cannot be translated. `ar-XB` runs from right to left.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable

ACCENTED, BIDI = "en-XA", "ar-XB"
LANGUAGES = (ACCENTED, BIDI)
_KEPT = re.compile(r"(%\(\w+\)s|%%|<[^<>]*>|&\w+;)")
_ACCENTS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "ÅƁÇĐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçđéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž"
)
_VOWEL = re.compile(r"[aeiou]")
_LONG_WORD = "Ðöñåûðåɱþƒšçĥîƒƒåĥŕţšĝéšéļļšçĥåƒţ"
"""A word of 34 letters, which is appended to texts of several words."""
_OVERRIDE, _END, _MARK = "\u202e", "\u202c", "\u200f"
_WORDS = re.compile(r"\S(?:.*\S)?", re.DOTALL)


def accented(text: str) -> str:
    """Returns `text` in brackets, with accents and about twice as long. Placeholders and markup stay."""
    stretched = "".join(
        part if _KEPT.fullmatch(part) else _VOWEL.sub(r"\g<0>\g<0>", part).translate(_ACCENTS)
        for part in _KEPT.split(text)
    )
    return f"[{stretched} {_LONG_WORD}]" if text.count(" ") > 3 else f"[{stretched}]"


def bidi(text: str) -> str:
    """Returns `text` written from right to left. Placeholders and markup stay."""
    return "".join(part if _KEPT.fullmatch(part) else _WORDS.sub(_reversed, part) for part in _KEPT.split(text))


def _reversed(words: re.Match[str]) -> str:
    # the marks separate it from its neighbours for the bidirectional algorithm
    return f"{_MARK}{_OVERRIDE}{words[0]}{_END}{_MARK}"


class PseudoTranslations(gettext.NullTranslations):
    """The texts of `english`, each changed by `change`."""

    def __init__(self, english: gettext.NullTranslations, change: Callable[[str], str]) -> None:
        super().__init__()
        self._english = english
        self._change = change

    def gettext(self, message: str) -> str:
        return self._change(self._english.gettext(message))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self._change(self._english.ngettext(msgid1, msgid2, n))


def catalog(tag: str, english: gettext.NullTranslations) -> PseudoTranslations:
    """Returns the catalog of one of LANGUAGES."""
    return PseudoTranslations(english, accented if tag == ACCENTED else bidi)
