"""Tests that hostile pages are parsed in linear time, and that broken pages are parsed like in browsers."""

from __future__ import annotations

import pytest

from linkauth_http.pages import Page
from tests.growth.measurement import grows_in_lines, grows_in_seconds

LIMIT = 65_536
HOSTILE = (
    "<",
    "<a ",
    "<!--",
    "<![CDATA[",
    "<?",
    "<!",
    "</a ",
    "<!a",
    "<a/",
    "<a x=",
    '<a x="',
    "<script>",
    "&#",
    "<!--x>",
)
FIELD = "<form><input type=password name=p></form>"


@pytest.mark.parametrize("end", ["", ">", "x>y"])
@pytest.mark.parametrize("start", ["", "<p>", "<script>"])
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_page_is_parsed_in_linear_time(piece: str, start: str, end: str) -> None:
    def read(text: str) -> bool:
        return Page(start + text + end).has_password_field

    assert not read((piece * LIMIT)[: LIMIT - len(start + end)])
    assert not grows_in_lines(read, piece)
    assert not grows_in_seconds(read, piece)


@pytest.mark.parametrize(
    ("page", "asks"),
    [
        (FIELD, True),
        ("<![CDATA[ x > " + FIELD, True),
        ("<![if x y]> " + FIELD, True),
        ("<![ > " + FIELD, True),
        ("<!-- x --> " + FIELD, True),
        ("<script>if (a < b) '<!--'</script>" + FIELD, True),
        ("<p <b " + FIELD, True),
        (FIELD + "<!-- and more", True),
        ("<!-- " + FIELD, False),
        ("<!-- x > " + FIELD, False),
        ("<script> " + FIELD, False),
        ('<p title="x> ' + FIELD, False),
        ("<input type=password", False),
    ],
)
def test_broken_page_is_parsed_like_in_a_browser(page: str, asks: bool) -> None:
    assert Page(page).has_password_field is asks
