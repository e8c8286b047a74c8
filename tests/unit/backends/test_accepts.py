"""Tests of the `accepts` patterns: `*` matches any characters, in time linear in the length of the name."""

from __future__ import annotations

import re
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from linkauth.login.dispatch import NamedBackend
from linkauth_http.rules import wildcard

PATTERNS = st.text("*ab", max_size=8)
NAMES = st.text("ab", max_size=12)


def matches_as_regex(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace("*", ".*"), name) is not None


@given(PATTERNS, NAMES)
def test_star_matches_any_characters(pattern: str, name: str) -> None:
    owner = NamedBackend("x", cast(Any, None), (pattern,))
    assert owner.accepts_username(name) == matches_as_regex(pattern, name)
    assert bool(wildcard(pattern).fullmatch(name)) == matches_as_regex(pattern, name)


def test_other_characters_match_literally() -> None:
    assert wildcard("/a.b*(c)").fullmatch("/a.bx\n(c)")
    assert not wildcard("/a.b*(c)").fullmatch("/aXb(c)")
    assert NamedBackend("x", cast(Any, None), ("CORP\\*",)).accepts_username("corp\\ada")
