"""Tests that a code which was never exchanged is not listed as a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.alexa import Alexa
from tests.cli.test_links import HOME, LinkauthApp, linkauth


def test_a_code_that_was_never_exchanged_is_no_link(make_app: Callable[..., Any]) -> None:
    linkauth_app = LinkauthApp(make_app())
    alexa = Alexa(linkauth_app.client)
    alexa.parameters |= {"client_id": "home", "redirect_uri": HOME}
    alexa.code()
    assert linkauth_app.list_links() == []
    assert [row["token_issued_at"] for row in linkauth_app.list_links("--pending")] == [None]
    linkauth_app.link_by_code()
    assert len(linkauth_app.list_links()) == 1
    # an operator ends both, so that the code gives no token any more
    assert "2 link(s) ended" in linkauth("links", "end", linkauth_app.ini, "--all", "--reason", "x", "--yes", expect=0)
