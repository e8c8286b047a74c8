"""A hostile page costs little, and a broken one is read as a browser reads it."""

from __future__ import annotations

import time

import pytest

from linkauth_http.pages import Page

LIMIT = 65_536
SECONDS = 2
"""Far more than a page of that size takes; a parser that begins anew at each tag takes tens of seconds."""
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
def test_a_hostile_page_costs_little(piece: str, start: str, end: str) -> None:
    began = time.process_time()
    assert not Page((start + piece * LIMIT)[: LIMIT - len(end)] + end).has_password_field
    assert time.process_time() - began < SECONDS


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
def test_a_broken_page_is_read_as_a_browser_reads_it(page: str, asks: bool) -> None:
    assert Page(page).has_password_field is asks
