"""Tests of the pseudo-languages and of the light and dark variants of a page."""

from __future__ import annotations

import gettext
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.theming import pseudo
from linkauth.theming.variants import VARIANTS

PLACEHOLDERS = re.compile(r"%\(\w+\)s|%%|<[^>]*>")
SENTENCE = "Sign in with your <strong>%(service)s</strong> account, 100 %% of it."


@pytest.mark.parametrize("change", [pseudo.accented, pseudo.bidi])
def test_placeholders_and_markup_are_unchanged(change: object) -> None:
    assert callable(change)
    assert PLACEHOLDERS.findall(change(SENTENCE)) == PLACEHOLDERS.findall(SENTENCE)
    assert "<strong>Ada</strong>" in change(SENTENCE) % {"service": "Ada"}


@given(st.text(alphabet="abc xyz,.-", min_size=1, max_size=60))
def test_longer_text_is_longer_and_in_brackets(text: str) -> None:
    changed = pseudo.accented(text)
    assert changed[0] == "["
    assert changed[-1] == "]"
    assert len(changed) >= len(text) + 2 + sum(text.count(vowel) for vowel in "aeiou")
    assert not re.search(r"[a-z]", changed)


def test_short_text_grows_and_long_text_gets_long_word() -> None:
    assert pseudo.accented("Cancel") == "[Çååñçééļ]"
    assert max(map(len, pseudo.accented("You can unlink at any time.").split())) > 30


@given(st.text(alphabet="abc xyz,.-", max_size=60))
def test_backwards_text_balances_its_direction_marks(text: str) -> None:
    changed = pseudo.bidi(text)
    assert "".join(letter for letter in changed if unicodedata.category(letter) != "Cf") == text
    assert changed.count("\u202e") == changed.count("\u202c") == bool(text.strip())


def test_pseudo_catalog_transforms_english_text() -> None:
    result = pseudo.catalog("en-XA", gettext.NullTranslations())
    assert result.gettext("Yes") == "[Ýééš]"
    assert result.ngettext("day", "days", 2) == "[đååýš]"


CSS = b"a { color: red } @media (min-width: 9em) and ( prefers-color-scheme : dark ) { a { color: pink } }"


def test_variant_replaces_media_queries_of_style_sheet() -> None:
    light, dark = (
        VARIANTS[f"{scheme}-100"].file(CSS, "text/css; charset=utf-8").decode() for scheme in ("light", "dark")
    )
    assert "(min-width: 9em) and (max-width: 0)" in light
    assert "(min-width: 9em) and (min-width: 0)" in dark
    assert "color-scheme: dark !important" in dark
    assert "font-size" not in dark
    assert "html { font-size: 200%; }" in VARIANTS["dark-200"].file(CSS, "text/css").decode()
    assert VARIANTS["dark-200"].file(b"\xff\xfe", "image/png") == b"\xff\xfe"
