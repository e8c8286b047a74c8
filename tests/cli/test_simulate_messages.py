"""Tests of the messages of `linkauth simulate alexa` that need no server."""

from __future__ import annotations

import pytest

from linkauth.simulator.http_client import HttpResponse
from linkauth.simulator.probe import _refusal


def test_a_page_for_a_second_factor_is_named() -> None:
    found = _refusal(HttpResponse(200, {}, '<input type="hidden" name="challenge" value="x">', 0))
    assert "linkauth.client.<name>.second_factor" in found


@pytest.mark.parametrize(
    ("headers", "page", "expected"),
    [
        (
            {"Retry-After": "90"},
            "<span role=alert>Wait a<i> </i>bit</span> Name",
            "try again in 90 seconds; the page says: Wait a bit.",
        ),
        ({}, "<div role=alert><h2>No</h2><p>So<b>rry</b></p></div><p>x", "the page says: No. Sorry."),
        ({}, "<p role=alert>" + "x" * 1000, "the page says: " + "x" * 300),
    ],
)
def test_a_refused_sign_in_has_the_reason_of_the_page(headers: dict[str, str], page: str, expected: str) -> None:
    assert _refusal(HttpResponse(429, headers, page, 0)) == f"status 429; {expected}"
