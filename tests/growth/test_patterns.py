"""Tests that the steps of every regular expression of the product grow at most linearly with the text."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from linkauth.config.platforms import PLATFORMS
from linkauth.config.reader import LANGUAGE
from linkauth.login import dispatch
from linkauth_http import rules, templates
from linkauth_ldap.settings import LDAPSettings
from linkauth_sql import hashes
from linkauth_sql.digests.parser import parse
from linkauth_sql.digests.scheme import scheme_of
from tests.growth.pattern_calls import Call, calls, imports_of_re
from tests.growth.step_counter import Matcher, UnsupportedPattern
from tests.growth.worst_case import growth

WILDCARDS = ("*", "*a*b*c", "a*ab*b*aab*", "*@example.com", "**", "a", "x*", "*aa*aa*aa*")
FROM_SETTINGS = {
    "linkauth.config.registration:pattern_problem",
    "linkauth.login.registration_fields:_matches",
    "linkauth_http.selectors:_regex",
    "linkauth_http.selectors:parse_selector",
    "linkauth_http.rules:_matches",
    "linkauth_http.rules:is_marker",
    "linkauth_ldap.directory:__init__",
    "linkauth_ldap.settings:_user_faults",
}
"""Functions that use a pattern from the ini, which is trusted and applied to text of bounded length."""
COMPUTED: dict[str, Callable[[], list[tuple[str | bytes, int]]]] = {
    "linkauth.login.dispatch:_pattern": lambda: [_parts(dispatch._pattern(each)) for each in WILDCARDS],
    "linkauth_http.flags:_matches_ignoring_case": lambda: [
        (rules.wildcard(each).pattern, re.DOTALL | re.IGNORECASE) for each in WILDCARDS
    ],
    "linkauth_http.rules:wildcard": lambda: [_parts(rules.wildcard(each)) for each in WILDCARDS],
    "linkauth.config.clients:_platform_faults": lambda: [(each.id_pattern, 0) for each in PLATFORMS.values()],
    "linkauth.config.scopes:read_scopes": lambda: [(re.escape("a:b") + r"(\.[\w-]+)?\s*=", 0)],
    "linkauth.theming.markup:__missing__": lambda: [("[^\\ >]+", 0), ("[a-zA-Z]+", 0)],
    "linkauth_http.templates:pattern_of": lambda: [_parts(templates.pattern_of(["flow", "token"]))],
    "linkauth_sql.digests.scheme:pattern": lambda: [
        _parts(scheme_of(parse(each, ["salt"]), "", frozenset({"bcrypt"})).hash_pattern())
        for each in ("sha1(salt + password)", "bcrypt(md5(password))", "base64(sha256(password))")
    ],
    "linkauth_sql.hashes.directories:_salted_scheme": lambda: _schemes("ldap_ssha"),
    "linkauth_sql.hashes.directories:_unsalted_scheme": lambda: _schemes("ldap_sha256"),
    "linkauth_sql.hashes.phc:_pbkdf2_scheme": lambda: _schemes("pbkdf2_sha1", "pbkdf2_sha512"),
    "linkauth_sql.hashes.plain:_passlib_scheme": lambda: [(r"\*[0-9A-Fa-f]{40}", 0), ("[0-9A-Fa-f]{128}", 0)],
}
"""Examples of the patterns that functions compute from their arguments; all are matched from the beginning."""


def _parts(pattern: re.Pattern[str]) -> tuple[str, int]:
    return pattern.pattern, pattern.flags


def _schemes(*names: str) -> list[tuple[str | bytes, int]]:
    return [_parts(hashes.SCHEMES[name].hash_pattern()) for name in names]


LITERAL = [call for call in calls() if call.pattern is not None]


@pytest.mark.parametrize("call", LITERAL, ids=lambda call: f"{call.module}:{call.line}")
def test_literal_pattern_grows_linearly(call: Call) -> None:
    assert call.pattern is not None
    for how in sorted(call.uses):
        assert growth(call.pattern, call.flags, how) is None, f"{call.module}, line {call.line}: {how}"


@pytest.mark.parametrize("location", sorted(COMPUTED))
def test_computed_pattern_grows_linearly(location: str) -> None:
    for pattern, flags in COMPUTED[location]():
        assert growth(pattern, flags, "fullmatch") is None
        assert growth(pattern, flags, "match") is None


def test_all_patterns_are_collected() -> None:
    assert not list(imports_of_re())
    computed = {call.location for call in calls() if call.pattern is None}
    assert computed == {*COMPUTED, *FROM_SETTINGS}
    patterns = {call.pattern for call in calls()}
    assert LANGUAGE.pattern in patterns
    assert len(patterns) > 100


PARSERS = ("linkauth.oauth2.authorization", "linkauth.oauth2.excerpts")


def test_uses_of_pattern_are_collected() -> None:
    uses = {call.pattern: call.uses for call in calls() if call.module in PARSERS}
    assert uses[r"([&#]|%(?:25)*2[36])"] == {"split"}
    assert uses["[a-z_]{1,30}"] == {"fullmatch"}


@pytest.mark.parametrize(
    ("pattern", "flags", "how"),
    [
        (r"(a+)+$", 0, "match"),
        (r"(?:a|b|ab)*c", 0, "fullmatch"),
        (r".*a.*b.*c", re.DOTALL, "fullmatch"),
        (r"\s*(x)?\s*$", 0, "match"),
        (r"\s+and\s+", 0, "split"),
        (r"[a-z]+=", 0, "search"),
        (r"<[^>]*>", 0, "sub"),
        (r"begin.*end", 0, "finditer"),
        (rb"(?:[^()]|\([^()]*\))*\)", 0, "search"),
        (r"(?i)[a-z]+[A-Z]+1", 0, "fullmatch"),
        (
            r"((?:state|code|token|secret|assertion)[^=&#?%]*(?:=|%(?:25)*3D)).*?(?=&|\#|%(?:25)*2[36]|$)",
            re.IGNORECASE | re.DOTALL,
            "sub",
        ),
    ],
)
def test_slow_pattern_is_detected(pattern: str | bytes, flags: int, how: str) -> None:
    assert growth(pattern, flags, how)


@pytest.mark.parametrize(
    ("pattern", "flags", "how"),
    [
        (r"[a-z]+=[0-9]{1,9}", 0, "fullmatch"),
        (r"(?:a|ab)*c", 0, "fullmatch"),
        (r"(?>.*?a)(?>.*?b).*c", re.DOTALL, "fullmatch"),
        (r"[a-z]{43,128}", 0, "fullmatch"),
        (r"(?<![a-z])[a-z]++=", 0, "search"),
        (r"\$6\$(?:rounds=(?P<rounds>[0-9]{1,12})\$)?(?!rounds=)[ -~]{0,16}", 0, "match"),
    ],
)
def test_linear_pattern_is_accepted(pattern: str | bytes, flags: int, how: str) -> None:
    assert growth(pattern, flags, how) is None


@pytest.mark.parametrize(
    "pattern", [r"^\w+\b[^\s,]*?(?:b|c)+$", r"(?i)straße\Z|x{2,3}?", r"(?<=ab)c(?!d)", r"a*+b|\Ba"]
)
@pytest.mark.parametrize("text", ["", "ab", "abc", "abcd", "xx", "STRASSE", "word!c\n", "aaab", "b c"])
def test_step_counter_matches_as_re_does(pattern: str, text: str) -> None:
    matcher, match = Matcher(pattern), re.search(pattern, text)
    codes = [ord(letter) for letter in text]
    ends = ((start, matcher._run(matcher._program, codes, start, False)) for start in range(len(codes) + 1))
    first = next(((start, end) for start, end in ends if end is not None), None)
    assert first == (match.span() if match else None)


@pytest.mark.parametrize("pattern", [r"(a*)\1b", r"(?i:[a-z])b"])
def test_unsupported_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedPattern):
        growth(pattern, 0, "search")


def test_default_username_pattern_is_linear() -> None:
    assert growth(LDAPSettings.username_pattern, 0, "match") is None
