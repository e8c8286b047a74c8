"""Tests of the excerpts of parameters for the log and for pages, which are bounded and mask private values."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.oauth2.excerpts import LOG_EXCERPT_LIMIT, log_excerpt, page_excerpt

SECRET = "Zk93Qx71"
NAMES = ("state", "code", "access_token", "client_secret", "id_token_hint", "client_assertion", "STATE", "Code")


@pytest.mark.parametrize("name", NAMES)
def test_private_value_is_masked(name: str) -> None:
    """Percent-encoding, even repeated, does not prevent the masking."""
    for begin in ("", "https://a.example/cb?", "a=b&", "a=b#", "https://a.example/cb%3F", "x=1%26", "#"):
        value = f"{name}={SECRET}"
        assert "z=1" in log_excerpt(f"{begin}{value}&z=1")
        for times in range(4):
            assert SECRET not in log_excerpt(f"{begin}{value}&z=1"), (begin, times)
            value = quote(value, safe="")


@given(cut=st.integers(0, 40), name=st.sampled_from(NAMES), sign=st.sampled_from(["=", "%3D", "%253D", "%25253d"]))
def test_truncated_secret_is_masked(cut: int, name: str, sign: str) -> None:
    """No part of the secret is shown, wherever the text is truncated."""
    filling = "x" * (LOG_EXCERPT_LIMIT - 30 - cut) + "&"
    text = log_excerpt(f"{filling}{name}{sign}{SECRET * 10}")
    assert SECRET[:2] not in text
    assert len(text) <= 2 * LOG_EXCERPT_LIMIT


@given(st.lists(st.sampled_from([*"=&#?%25D36a", "code", "state", "%3D", "%26"]), min_size=1, max_size=20).map("".join))
def test_result_is_bounded(part: str) -> None:
    # repeated, because a generated list alone hardly reaches the limit
    assert len(log_excerpt(part * LOG_EXCERPT_LIMIT)) <= 2 * LOG_EXCERPT_LIMIT


def test_long_value_is_truncated_at_limit() -> None:
    assert log_excerpt("x" * (LOG_EXCERPT_LIMIT + 1)) == repr("x" * LOG_EXCERPT_LIMIT)


@pytest.mark.parametrize(
    "value", ["alexa", "https://a.example/cb?a=b#c", "a=1&b=2", "", "https://a.example/code/x?y=z"]
)
def test_public_value_is_shown(value: str) -> None:
    assert log_excerpt(value) == repr(value)


def test_parameters_after_private_value_are_shown() -> None:
    assert log_excerpt("https://a.example/cb?state=x&a=1#code=y&b=2") == repr(
        "https://a.example/cb?state=...&a=1#code=...&b=2"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://[::1]:8443/a%20b?c=d&e='f;g'#h~!$(*),i@", "https://[::1]:8443/a%20b?c=d&e='f;g'#h~!$(*),i@"),
        ("https://a.example/cb ", "https://a.example/cb%20"),
        ("https://a.example/\n\0cb", "https://a.example/%0A%00cb"),
        ("https://a.example/\u202eelpmaxe", "https://a.example/%E2%80%AEelpmaxe"),
        ('Call 0800 "help"', "Call%200800%20%22help%22"),
        ("https://a.example/cb?code=x y&a=b", "https://a.example/cb?code=...&a=b"),
        ("x" * (LOG_EXCERPT_LIMIT + 1), "x" * LOG_EXCERPT_LIMIT + "…"),
    ],
)
def test_a_page_shows_a_value_as_a_uri(value: str, shown: str) -> None:
    assert page_excerpt(value) == shown
