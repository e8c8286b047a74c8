"""Fixtures of the walks: servers, and visitors with the screen of a phone and an address of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import AccountServer
from tests.browser.walks.walker import LOCALES, SCREEN
from tests.servers import openid_provider
from tests.servers.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider

SERVERS = ("account_server", "sign_in_server", "second_factor_server", "optional_server", "posting_server")
"""Fixtures of servers whose login page `enter` may open."""
PERMITTED_COOKIES = ("_session", "_interaction", "linkauth-browser", "linkauth-device")
"""The cookies of npm oidc-provider, the one that binds a sign-in to the browser, and that of a remembered device."""
_numbers = count(1)


@pytest.fixture(scope="module")
def account_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountServer]:
    started = AccountServer(tmp_path_factory.mktemp("accounts"))
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def openid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIDProvider]:
    openid_provider.required()
    started = OpenIDProvider(tmp_path_factory.mktemp("openid"), [])
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def sign_in_server(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, openid: OpenIDProvider
) -> Iterator[AccountServer]:
    """A server with two sign-in providers: the people of `own` have own accounts, those of `corp` are demo users."""
    server = AccountServer(tmp_path_factory.mktemp("sign-ins"), sign_in_settings(openid))
    openid.redirect_uris += [f"{server.url}/authorize/return/{name}" for name in ("own", "corp")]
    openid.reload()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def second_factor_server(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, openid: OpenIDProvider
) -> Iterator[AccountServer]:
    """A server that demands a second factor, also of the people of a sign-in provider."""
    changes = {"client.ride-hailer.second_factor": "required", "second_factor.remember_days": "30"}
    server = AccountServer(tmp_path_factory.mktemp("second-factor"), {**sign_in_settings(openid), **changes})
    openid.redirect_uris += [f"{server.url}/authorize/return/{name}" for name in ("own", "corp")]
    openid.reload()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def optional_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountServer]:
    """A server that offers a second factor."""
    changes = {"client.ride-hailer.second_factor": "optional"}
    server = AccountServer(tmp_path_factory.mktemp("optional"), changes)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def posting_server(
    chromium_path: str, tmp_path_factory: pytest.TempPathFactory, openid: OpenIDProvider
) -> Iterator[AccountServer]:
    """A server whose sign-in provider answers with a posted form, and that asks for a second factor."""
    changes = {
        "sign_in.own.response_mode": "form_post",
        "client.ride-hailer.second_factor": "required",
    }
    server = AccountServer(tmp_path_factory.mktemp("posting"), {**sign_in_settings(openid), **changes})
    openid.redirect_uris += [f"{server.url}/authorize/return/{name}" for name in ("own", "corp")]
    openid.reload()
    server.start()
    yield server
    server.stop()


def sign_in_settings(openid: OpenIDProvider) -> dict[str, str]:
    settings = {"sign_ins": "own corp"}
    for name, label, match in (("own", "Example Home", "own"), ("corp", "Example Corp", "email:staff")):
        prefix = f"sign_in.{name}."
        settings |= {
            f"{prefix}use": "oidc",
            f"{prefix}preset": "generic",
            f"{prefix}issuer": openid.issuer,
            f"{prefix}client_id": CLIENT_ID,
            f"{prefix}client_secret": CLIENT_SECRET,
            f"{prefix}label": label,
            f"{prefix}match": match,
        }
    return {**settings, "sign_in.corp.registration": "true"}


@pytest.fixture
def enter(new_visitor: Callable[..., Visitor], request: pytest.FixtureRequest) -> Callable[..., Visitor]:
    """`enter(language, script)` returns a visitor with an address of its own, on the login page.

    The page is that of the server whose fixture the test also uses.
    """
    names = [name for name in SERVERS if name in request.fixturenames]
    server = request.getfixturevalue(names[0])

    def new(language: str, script: bool, **options: object) -> Visitor:
        headers = {"X-Forwarded-For": f"192.0.2.{next(_numbers)}", "X-Forwarded-Proto": "http"}
        visitor = new_visitor(
            locale=LOCALES[language],
            viewport=SCREEN,
            java_script_enabled=script,
            extra_http_headers=headers,
            **options,
        )
        if "account_server" not in request.fixturenames:
            visitor.permitted_cookies = PERMITTED_COOKIES
        visitor.enable(server)
        return visitor

    return new
