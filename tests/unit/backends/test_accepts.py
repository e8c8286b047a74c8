"""Which names a backend may own: `*` stands for any characters, at a cost that is linear in the name."""

from __future__ import annotations

import re
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from linkauth.login.dispatch import NamedBackend
from linkauth_http.rules import wildcard

PATTERNS = st.text("*ab", max_size=8)
NAMES = st.text("ab", max_size=12)


def by_definition(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace("*", ".*"), name) is not None


@given(PATTERNS, NAMES)
def test_a_star_stands_for_any_characters(pattern: str, name: str) -> None:
    owner = NamedBackend("x", cast(Any, None), (pattern,))
    assert owner.may_own(name) == by_definition(pattern, name)
    assert bool(wildcard(pattern).fullmatch(name)) == by_definition(pattern, name)


def test_everything_else_stands_for_itself() -> None:
    assert wildcard("/a.b*(c)").fullmatch("/a.bx\n(c)")
    assert not wildcard("/a.b*(c)").fullmatch("/aXb(c)")
    assert NamedBackend("x", cast(Any, None), ("CORP\\*",)).may_own("corp\\ada")
