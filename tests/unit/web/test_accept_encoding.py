"""Tests of the header Accept-Encoding of requests for static files."""

from __future__ import annotations

import pytest

from linkauth.views.static import accepts_gzip


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("GZIP ; Q=1", True),
        ("*", True),
        ("identity, *;q=0.1", True),
        ("gzip;q=0.001", True),
        ("gzip;level=9", True),
        ("", False),
        ("br", False),
        ("xgzip", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
    ],
)
def test_gzip_is_used_only_if_the_header_allows_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
