"""Tests of new user names: which are refused, and which names look like them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkauth.login.names import LOOK_ALIKE_LIMIT, NAME_LIMIT, NameNotAllowed, look_alikes, new_name


@pytest.mark.parametrize(
    "typed",
    [
        *("pаypal", "τom", "иванivan", "аlice", "ivan日本τ"),
        *("ali\u202ece", "ali\u2066ce", "\u200falice", "ali\u200bce", "ali\u00adce", "a\u200db", "a\u200cb"),
        *("ſam", "ﬁona", "x²", "½", "ⅷ", "Ǆ", "①", "℡"),
        *("a b", "a\tb", "a\nb", "a\0b", "o’neil", "👍", "", " ", "a" * 65, "\ud800", "\ue000", "\U0010ffff"),
        *("علي٣۴", "א1a"),
        *("\u0301alice", "ali\u0323\u0323ce", "a\u0323\u0324\u0325\u0326\u0327lice", "\u200b"),
    ],
    ids=ascii,
)
def test_a_deceptive_name_is_refused(typed: str) -> None:
    with pytest.raises(NameNotAllowed):
        new_name(typed)


@pytest.mark.parametrize(
    "typed",
    [
        *("alice", "Ada.Lovelace", "ada@example.com", "o'neil", "a+b_c-d", "straße", "josé", "ıscan", "user01"),
        *(
            "иван",
            "ελένη",
            "علي",
            "שרה",
            "日本語",
            "はなこ",
            "山田taro",
            "ivan日本",
            "홍길동kim",
            "राम",
            "Nguyễn",
            "ṩam",
        ),
    ],
)
def test_names_of_one_script_and_of_scripts_that_are_written_together_are_accepted(typed: str) -> None:
    assert new_name(typed) == typed


def test_the_same_letters_in_other_encodings_are_one_name() -> None:
    assert new_name("jose\u0301") == "josé"
    assert new_name("ａｌｉｃｅ") == "alice"
    # the Kelvin sign is the letter K
    assert new_name("\u212aim") == "Kim"


@pytest.mark.parametrize(
    ("typed", "existing"),
    [
        *(("аӏісе", "alice"), ("соре", "cope"), ("cope", "соре"), ("рау", "pay"), ("ααα", "aaa"), ("alıce", "alice")),
        *(("alice", "alıce"), ("bi1ly", "billy"), ("BiIly", "billy"), ("lan", "Ian"), ("Ian", "lan"), ("b0b", "bob")),
        *(("bob", "b0b"), ("modem", "modern"), ("modern", "modem"), ("vvill", "will"), ("will", "vvill")),
        *(("straße", "strasse"), ("strasse", "straße"), ("w1111am", "william"), ("0l1ver", "oliver")),
        *(("ニ口", "ニロ"), ("工藤", "エ藤"), ("pau|", "paul"), ("АЅ", "as")),
    ],
)
def test_a_look_alike_of_an_existing_name_is_found(typed: str, existing: str) -> None:
    new_name(typed)
    assert existing.lower() in {other.lower() for other in look_alikes(typed)}


@pytest.mark.parametrize("name", ["alice", "l" * 64, "rn" * 32, "0l1|oIwvv" * 7, "о" * 64])
def test_the_number_of_look_alikes_is_bounded_and_they_are_other_names(name: str) -> None:
    found = look_alikes(name)
    assert len(found) <= LOOK_ALIKE_LIMIT
    assert len({other.lower() for other in found} | {name.lower()}) == len(found) + 1


def test_a_name_without_similar_letters_has_no_look_alikes() -> None:
    assert look_alikes("fred-22") == ()


NAMES = (
    st.text(max_size=80) | st.text(st.characters(max_codepoint=0x600), max_size=20) | st.text("abIl10oоа", max_size=70)
)


@settings(max_examples=150, deadline=None)
@given(NAMES)
def test_any_text_is_refused_or_becomes_a_stable_name(typed: str) -> None:
    try:
        name = new_name(typed)
    except NameNotAllowed:
        return
    assert new_name(name) == name
    assert 0 < len(name) <= NAME_LIMIT
    assert unicodedata.normalize("NFKC", name) == name
    assert not [letter for letter in name if letter.isspace() or unicodedata.category(letter)[0] == "C"]
    assert len(look_alikes(name)) <= LOOK_ALIKE_LIMIT
