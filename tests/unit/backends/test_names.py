"""The forms of a typed name: what keyboards and clipboards change is undone, and no two names become one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.backends import UnknownUser, name_forms
from linkauth.backends.names import MAX_FORMS, first_known
from linkauth.identities import normalize_username

NAMES = st.text(
    st.characters(codec="utf-8")
    | st.sampled_from("4711adaoneil'-@. \u0664\u06f7\u0967\uff11\uff41\uff0d\u2019\u2011\u02bc\u00b4")
    | st.sampled_from(
        "\u30fc\uff70\u00a0\u3000\u200b\u200e\u2068\u2069\u0301\u0327\u212b\u1e9b\uff76\uff9e\u01f0\u0130\u00df\ufb01"
    ),
    min_size=1,
    max_size=40,
)
TYPED = {
    "4711": (
        *("\u0664\u0667\u0661\u0661", "\u06f4\u06f7\u06f1\u06f1", "\u096a\u096d\u0967\u0967"),
        "\uff14\uff17\uff11\uff11",
    ),
    "ada@example.com": (
        "\uff41\uff44\uff41\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d",
        *("ada@example.com\u200b", "\u200eada@example.com", "\u2068ada@example.com\u2069"),
        "\u00a0\ufeffada@example.com \u200f ",
    ),
    "o'neil": ("o\u2019neil", "o\u2018neil", "o\u02bcneil", "o\uff07neil", "o\u00b4neil"),
    "mary-jane": tuple(f"mary{hyphen}jane" for hyphen in "\u2010\u2011\u2013\u2212\ufe63\uff0d"),
    "12-b4": ("\uff11\uff12\u30fc\uff42\uff14", "12\uff70b4", "12\u2015b4"),
    "ada lovelace": ("ada\u00a0lovelace", "ada\u202flovelace", "ada\u3000lovelace"),
    "jörg": ("jo\u0308rg", "\uff4a\u00f6\uff52\uff47"),
    "jo\u0308rg": ("jörg",),
    # several at once
    "rene\u0301-o'neil-4711": ("\u2068\uff52ené\u2011o\u2019neil\u2010\u0664\u0667\u0661\u0661\u2069",),
    "ガ": ("\uff76\uff9e",),
}  # fmt: skip


def test_what_keyboards_and_clipboards_change_is_undone() -> None:
    for stored, all_typed in TYPED.items():
        for typed in all_typed:
            assert stored in name_forms(typed), ascii(typed)
            assert normalize_username(typed) == normalize_username(stored), ascii(typed)


def test_the_better_form_comes_first() -> None:
    assert name_forms(" ada ") == ("ada",)
    assert name_forms("\u200eo\u2019n\uff45\u00ef\uff11\u0664") == (
        *("o\u2019n\uff45\u00ef\uff11\u0664", "o\u2019n\uff45i\u0308\uff11\u0664"),
        *("o\u2019ne\u00ef1\u0664", "o\u2019ne\u00ef14", "o'ne\u00ef14", "o'nei\u030814"),
    )


def test_other_names_stay_other_names() -> None:
    # full NFKC would change them
    for typed, other in (
        ("\ufb01nn", "finn"),
        ("a\u00b2", "a2"),
        ("\u2460", "1"),
        ("\u00bd", "1/2"),
        ("\u0430da", "ada"),
        # the mark of a long vowel belongs to its kana
        ("\u30ed\u30fc\u30e9", "\u30ed-\u30e9"),
        ("a\u30fc\u30e9", "a-\u30e9"),
    ):
        assert other not in name_forms(typed)
    # a joiner within a Persian name belongs to it, and an empty name is no name
    assert name_forms("\u0645\u06cc\u200c\u062e") == ("\u0645\u06cc\u200c\u062e",)
    for typed in ("", " ", "\u200b", "\0", "\ud800", "a\u200bb"):
        assert name_forms(typed) == (typed,)


@given(NAMES)
def test_forms_are_few_and_bounded_and_have_one_key(typed: str) -> None:
    forms = name_forms(typed)
    assert 1 <= len(forms) <= MAX_FORMS
    assert len(set(forms)) == len(forms)
    assert all(len(form) <= 4 * len(typed) for form in forms)
    assert {normalize_username(form) for form in forms} == {normalize_username(typed)}
    for form in forms:
        # the forms of a form are no other names
        assert set(name_forms(form)) <= set(forms) | {unicodedata.normalize("NFC", each) for each in forms} | {
            unicodedata.normalize("NFD", each) for each in forms
        }


@given(NAMES)
def test_the_key_of_a_key_is_the_same(typed: str) -> None:
    key = normalize_username(typed)
    assert normalize_username(key) == key


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=40))
def test_a_plain_ascii_name_has_one_form(typed: str) -> None:
    assert name_forms(typed) == (typed.strip() or typed,)


@given(NAMES)
def test_no_typed_name_stands_for_two_plain_names(typed: str) -> None:
    assert len({form for form in name_forms(typed) if form.isascii()}) <= 1


def test_the_next_form_is_asked_only_after_an_unknown_name() -> None:
    asked: list[str] = []

    def call(form: str) -> str:
        asked.append(form)
        if form != "4711":
            raise UnknownUser
        return form

    assert first_known(("\uff14711", "4711", "never"), call) == "4711"
    assert asked == ["\uff14711", "4711"]
    with pytest.raises(UnknownUser):
        first_known(("a", "b"), call)
    assert asked[2:] == ["a", "b"]
