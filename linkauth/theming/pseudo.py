"""Two languages that nobody speaks, made of the English sentences, which show what a translation would break.

Their tags are those that Android and ICU use: `en-XA` has accents, brackets around each sentence and longer words, so
that one sees what is cut off, what has no room and what cannot be translated at all; `ar-XB` runs from right to left.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable

LONGER, BACKWARDS = "en-XA", "ar-XB"
LANGUAGES = (LONGER, BACKWARDS)
_KEPT = re.compile(r"(%\(\w+\)s|%%|<[^<>]*>|&\w+;)")
_ACCENTS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "ÅƁÇĐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçđéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž"
)
_VOWEL = re.compile(r"[aeiou]")
_LONG_WORD = "Ðöñåûðåɱþƒšçĥîƒƒåĥŕţšĝéšéļļšçĥåƒţ"
"""As long as words get, 34 letters; it stands behind what has several words."""
_OVERRIDE, _END, _MARK = "\u202e", "\u202c", "\u200f"
_WORDS = re.compile(r"\S(?:.*\S)?", re.DOTALL)


def longer(text: str) -> str:
    """`text` in brackets, with accents and about twice as long; placeholders and markup stay."""
    stretched = "".join(
        part if _KEPT.fullmatch(part) else _VOWEL.sub(r"\g<0>\g<0>", part).translate(_ACCENTS)
        for part in _KEPT.split(text)
    )
    return f"[{stretched} {_LONG_WORD}]" if text.count(" ") > 3 else f"[{stretched}]"


def backwards(text: str) -> str:
    """`text` as if it were written from right to left; placeholders and markup stay."""
    return "".join(part if _KEPT.fullmatch(part) else _WORDS.sub(_turned, part) for part in _KEPT.split(text))


def _turned(words: re.Match[str]) -> str:
    # the marks keep what stands beside it from becoming one run with it
    return f"{_MARK}{_OVERRIDE}{words[0]}{_END}{_MARK}"


class Pseudo(gettext.NullTranslations):
    """The sentences of `english`, each changed."""

    def __init__(self, english: gettext.NullTranslations, change: Callable[[str], str]) -> None:
        super().__init__()
        self._english = english
        self._change = change

    def gettext(self, message: str) -> str:
        return self._change(self._english.gettext(message))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self._change(self._english.ngettext(msgid1, msgid2, n))


def catalog(tag: str, english: gettext.NullTranslations) -> Pseudo:
    """The catalog of one of LANGUAGES."""
    return Pseudo(english, longer if tag == LONGER else backwards)
