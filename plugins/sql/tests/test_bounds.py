"""Values of a table are limited in length before they are parsed."""

from __future__ import annotations

import pytest

from linkauth_sql import hashes
from linkauth_sql.errors import message_of
from linkauth_sql.times import InvalidTime, parse_time


@pytest.mark.parametrize(
    "text", ["9" * 400, "9" * 5_000, "2024-01-01" + " x" * 50, "x" * 1_000_000, "2024-01-01T00:00:00." + "0" * 100]
)
def test_long_text_is_not_a_time(text: str) -> None:
    with pytest.raises(InvalidTime):
        parse_time(text)


@pytest.mark.parametrize("text", ["{CRYPT}" + "a" * 1_000_000, '{"value"' + "}\n{" * 1_300, "{crypt}" * 500])
def test_long_hash_is_of_unknown_scheme(text: str) -> None:
    with pytest.raises(hashes.UnusableHash, match="unknown scheme"):
        hashes.identify(text)


def test_scheme_prefix_is_removed_only_at_the_start() -> None:
    bare = "$2y$12$" + "a" * 53
    assert hashes.identify("{BLF-CRYPT}" + bare)[0].name == "bcrypt"
    with pytest.raises(hashes.UnusableHash):
        hashes.identify("{x}{CRYPT}" + bare)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Duplicate entry 'ada@example.com' for key 'email'", "Duplicate entry for key 'email'"),
        ("Duplicate entry 'it's' for key' for key 'x'", "Duplicate entry for key 'x'"),
        ("Duplicate entry 'x", "Duplicate entry 'x"),
        ("another fault", "another fault"),
    ],
)
def test_message_omits_duplicate_value(text: str, message: str) -> None:
    assert message_of(ValueError(text)) == message
