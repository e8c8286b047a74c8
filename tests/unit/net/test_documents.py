"""Tests of JSON from other servers."""

from __future__ import annotations

import pytest

from linkauth.net import parse_json


def test_json_is_read_from_text_and_from_bytes_with_or_without_a_mark() -> None:
    for text in (
        '{"a": [1, "ä", null]}',
        '{"a": [1, "ä", null]}'.encode(),
        b'\xef\xbb\xbf{"a": [1, "\xc3\xa4", null]}',
    ):
        assert parse_json(text) == {"a": [1, "ä", None]}


@pytest.mark.parametrize(
    "text",
    [b"", "x", b"\xff", '{"a": 1, "a": 1}', '[{"a": {"b": 1, "b": 2}}]', "NaN", "[-Infinity]", "1e999", "[" * 100_000],
    ids=lambda text: text[:12],
)
def test_broken_and_ambiguous_documents_are_errors(text: bytes | str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)
