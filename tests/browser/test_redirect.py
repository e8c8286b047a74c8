"""Tests of the redirect to an endpoint on another origin, which redirects to a third origin, as Amazon's does.

Browsers apply the form-action of a page to the whole chain of redirects, so this requires a real browser.
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
def login(demo_server: DevelopmentServer, redirect_endpoint: RedirectingOrigin, final_origin: RedirectingOrigin) -> str:
    """The URL of a login page that redirects to the other origin. The recorded requests are cleared."""
    redirect_endpoint.requests.clear()
    final_origin.requests.clear()
    authorization_request = {
        "client_id": "ride-hailer",
        "response_type": "token",
        "scope": "order_car",
        "redirect_uri": redirect_uri(redirect_endpoint),
        "state": STATE,
    }
    return f"{demo_server.url}/authorize?{urlencode(authorization_request)}"


def check_redirects(visitor: Visitor, redirect_endpoint: RedirectingOrigin, final_origin: RedirectingOrigin) -> None:
    """Checks that each origin received one GET, with the query of the redirect URI, no Referer and no fragment."""
    visitor.page.wait_for_url(f"{final_origin.url}/done**")
    assert visitor.page.title() == "Arrived"
    assert [request.method for request in redirect_endpoint.requests + final_origin.requests] == ["GET", "GET"]
    url = urlsplit(redirect_uri(redirect_endpoint))
    assert redirect_endpoint.requests[0].path == f"{url.path}?{url.query}"
    assert redirect_endpoint.requests[0].referer is None
    assert final_origin.requests[0].path == "/done"
    assert visitor.fragment["state"] == STATE


def test_a_sign_in_redirects_with_the_token_in_the_fragment(
    visitor: Visitor, login: str, redirect_endpoint: RedirectingOrigin, final_origin: RedirectingOrigin
) -> None:
    visitor.page.goto(login)
    visitor.sign_in("ada", "lovelace-1815")
    check_redirects(visitor, redirect_endpoint, final_origin)
    assert len(visitor.fragment["access_token"]) == 43


def test_a_sign_in_after_a_wrong_password_redirects_too(
    visitor: Visitor, login: str, redirect_endpoint: RedirectingOrigin, final_origin: RedirectingOrigin
) -> None:
    visitor.page.goto(login)
    visitor.sign_in("ada", "wrong")
    visitor.sign_in("ada", "lovelace-1815")
    check_redirects(visitor, redirect_endpoint, final_origin)
    assert len(visitor.fragment["access_token"]) == 43


def test_cancel_redirects_with_the_error_in_the_fragment(
    visitor: Visitor, login: str, redirect_endpoint: RedirectingOrigin, final_origin: RedirectingOrigin
) -> None:
    visitor.page.goto(login)
    visitor.page.click("text=Cancel")
    check_redirects(visitor, redirect_endpoint, final_origin)
    assert visitor.fragment["error"] == "access_denied"
    assert "access_token" not in visitor.fragment
