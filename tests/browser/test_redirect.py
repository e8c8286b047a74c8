"""The way to a redirect endpoint on another origin that redirects on to a third, as Amazon's does.

Browsers check a page's form-action over this whole chain, so only a browser can show that nothing stops it.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import pytest

from tests.alexa import STATE
from tests.browser.conftest import redirect_uri
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer
from tests.servers.redirecting_origin import RedirectingOrigin


@pytest.fixture
def login(served: DevelopmentServer, second: RedirectingOrigin, third: RedirectingOrigin) -> str:
    """The URL of the login page whose answer goes to the second origin; nothing was seen there yet."""
    second.requests.clear()
    third.requests.clear()
    requested = {
        "client_id": "ride-hailer",
        "response_type": "token",
        "scope": "order_car",
        "redirect_uri": redirect_uri(second),
        "state": STATE,
    }
    return f"{served.url}/authorize?{urlencode(requested)}"


def check_journey(visitor: Visitor, second: RedirectingOrigin, third: RedirectingOrigin) -> None:
    """One GET each, with the redirect URI's own query, no Referer, and nothing of the fragment."""
    visitor.page.wait_for_url(f"{third.url}/done**")
    assert visitor.page.title() == "Arrived"
    assert [each.method for each in second.requests + third.requests] == ["GET", "GET"]
    url = urlsplit(redirect_uri(second))
    assert second.requests[0].path == f"{url.path}?{url.query}"
    assert second.requests[0].referer is None
    assert third.requests[0].path == "/done"
    assert visitor.fragment["state"] == STATE


def test_a_sign_in_arrives_with_the_token_in_the_fragment(
    visitor: Visitor, login: str, second: RedirectingOrigin, third: RedirectingOrigin
) -> None:
    visitor.page.goto(login)
    visitor.sign_in("ada", "lovelace-1815")
    check_journey(visitor, second, third)
    assert len(visitor.fragment["access_token"]) == 43


def test_a_sign_in_after_a_wrong_password_arrives_too(
    visitor: Visitor, login: str, second: RedirectingOrigin, third: RedirectingOrigin
) -> None:
    visitor.page.goto(login)
    visitor.sign_in("ada", "wrong")
    visitor.sign_in("ada", "lovelace-1815")
    check_journey(visitor, second, third)
    assert len(visitor.fragment["access_token"]) == 43


def test_cancel_arrives_with_the_error_in_the_fragment(
    visitor: Visitor, login: str, second: RedirectingOrigin, third: RedirectingOrigin
) -> None:
    visitor.page.goto(login)
    visitor.page.click("text=Cancel")
    check_journey(visitor, second, third)
    assert visitor.fragment["error"] == "access_denied"
    assert "access_token" not in visitor.fragment
