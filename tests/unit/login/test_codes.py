"""Tests of codes and of the values in the pages of recovery and registration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from linkauth.login.codes import (
    ALPHABET,
    CODE_LENGTH,
    PageValues,
    challenge_key,
    code_digest,
    new_code,
    normalize_code,
)

SECRET, FORMER = "s" * 40, "f" * 40


def test_codes_have_eight_unambiguous_characters() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 30
    assert not set(ALPHABET) & set("0O1IL")
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert set("".join(codes)) == set(ALPHABET)


@pytest.mark.parametrize(
    "typed",
    [
        "ABCD2V34",
        "abcd-2v34",
        "  ab cd 2v 34 ",
        "ABCD\u20112V34",
        "abcd\u2013\u20142v34",
        "abcd\u22122v34",
        "\uff21\uff22\uff23\uff24\uff0d\uff12\uff36\uff13\uff14",
        "ABCD\u00a02V\u200b34\ufeff",
        "\u2066ABCD-2V34\u2069",
        "\u201cABCD 2V34\u201d.",
        "ABCD-2U34",
        "abcd\u06f2v\u0663\u096a",
    ],
)
def test_spelling_of_a_code_is_forgiven(typed: str) -> None:
    assert code_digest("challenge", typed) == code_digest("challenge", "ABCD2V34")


def test_other_codes_and_other_challenges_have_other_digests() -> None:
    digests = {code_digest(*each) for each in (("a", "ABCD2V34"), ("a", "ABCD2V35"), ("b", "ABCD2V34"), ("a", ""))}
    assert len(digests) == 4


@given(text())
def test_any_input_is_normalized(typed: str) -> None:
    assert all(letter.isalnum() for letter in normalize_code(typed))
    assert len(code_digest("challenge", typed)) == 32


def test_same_form_has_the_same_challenge_and_other_forms_have_others() -> None:
    values = PageValues(SECRET, (FORMER,))
    page = values.new_page()
    assert values.is_page(page)
    assert not values.is_page(page + "x")
    assert not values.is_page("")
    first = values.challenge(page, "recovery", "ada")
    assert first == values.challenge(page, "recovery", "ada") == PageValues(SECRET).challenge(page, "recovery", "ada")
    others = {
        values.challenge(values.new_page(), "recovery", "ada"),
        values.challenge(page, "registration", "ada"),
        values.challenge(page, "recovery", "bob"),
        PageValues(FORMER).challenge(page, "recovery", "ada"),
    }
    assert len({first, *others}) == 5
    assert challenge_key(first, "a=1", "recovery") != challenge_key(first, "a=2", "recovery")
    assert first.encode("ascii") not in challenge_key(first, "a=1", "recovery").digest


def test_wait_value_is_valid_for_its_form_only() -> None:
    values = PageValues(SECRET)
    page = values.new_page()
    wait = values.wait(page, "ada", 1_000)
    assert values.waits_until(wait, page, "ada") == 1_000
    assert values.waits_until(wait, page, "bob") is None
    assert values.waits_until(wait, values.new_page(), "ada") is None
    assert values.waits_until(wait.replace("1000", "1001"), page, "ada") is None
    for invalid in ("", "1000", "1000.", "x" * 10_000, wait + "x", "\u0661000" + wait[4:], wait[:-24]):
        assert values.waits_until(invalid, page, "ada") is None


def test_servers_accept_waits_of_each_other_while_the_secret_is_replaced() -> None:
    old, new, later = PageValues(FORMER), PageValues(SECRET, (FORMER,)), PageValues(SECRET)
    page = old.new_page()
    assert new.waits_until(old.wait(page, "ada", 7), page, "ada") == 7
    assert old.waits_until(new.wait(page, "ada", 7), page, "ada") == 7
    assert later.waits_until(new.wait(page, "ada", 7), page, "ada") == 7
    assert later.waits_until(old.wait(page, "ada", 7), page, "ada") is None
