"""Tests of the comparison of email addresses."""

from __future__ import annotations

import pytest

from linkauth.backends import is_same_address


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Ada@Example.com", "ada@example.COM", True),
        ("jo\u0308rg@example.com", "J\u00d6RG@example.com", True),
        ("kim@example.com", "\u212aim@example.com", False),
        ("sam@example.com", "\u017fam@example.com", False),
        ("kim@example.com", "k\u0131m@example.com", False),
        ("kim@example.com", "K\u0130M@example.com", False),
        ("jorg@example.com", "j\u00f6rg@example.com", False),
        ("stra\u00dfe@example.com", "strasse@example.com", False),
        ("ada@example.com", "ada@example.com ", False),
    ],
)
def test_only_the_case_of_an_address_may_differ(first: str, second: str, same: bool) -> None:
    assert is_same_address(first, second) == is_same_address(second, first) == same
