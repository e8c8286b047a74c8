"""Tests that a throttled account gives the same response as a wrong password, so that accounts cannot be found."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from webtest import TestApp

from linkauth.hashing import HashPool
from linkauth.login.throttle import Throttle
from linkauth.services import services_of
from tests.conftest import https
from tests.web.raw_requests import Response, form_token, login, post, query, redirect_parameters

LIMIT = 4
WINDOW = 900
RIGHT = "lovelace-1815"
NAMES = {
    "known": ("ada", "ada@example.com"),
    "disabled": ("konrad", "konrad@example.com"),
    "nobody": ("nobody", "nobody@example.com"),
}


@pytest.fixture
def app(make_app: Callable[..., Any]) -> TestApp:
    """The app with few permitted failures per account and a throttle whose clock does not move."""
    settings = {"throttle__account_failures": str(LIMIT), "throttle__account_window": str(WINDOW)}
    wsgi_app = make_app(**settings, throttle__address_failures="100000")
    throttle_of(wsgi_app)._clock = lambda: 1_000_000.0
    return https(wsgi_app)


def throttle_of(app: Any) -> Throttle:
    throttle: Throttle = services_of(app.registry).throttle
    return throttle


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects one item for each computed password hash."""
    computed: list[str] = []
    run = HashPool.run

    def counting(pool: HashPool, *arguments: Any) -> Any:
        computed.append("hash")
        return run(pool, *arguments)

    monkeypatch.setattr(HashPool, "run", counting)
    return computed


def change(app: TestApp, raw_query: bytes, username: str, password: str) -> Response:
    """Posts the form of the password page."""
    new = {"new_password": "Quartz-52-meadow", "repeated_password": "Quartz-52-meadow"}
    token = form_token(app, raw_query)
    return post(app, raw_query, {"form_token": token, "username": username, "password": password, **new})


def without_random_parts(response: Response, username: str) -> tuple[Any, ...]:
    """Returns status, text and headers without the typed name and the random form token."""
    # not "ada" in "Canada"
    text = re.sub(r'value="\d+\.[^"]+"', "", response.text).replace(f'value="{username}"', "")
    headers = sorted((name, value) for name, value in response.headers if name not in ("Date", "Content-Length"))
    return response.status, text, headers


@pytest.mark.parametrize("submit", [login, change])
def test_responses_for_known_account_equal_those_for_unknown_name(
    app: TestApp, hashes: list[str], submit: Callable[..., Response]
) -> None:
    results = {}
    # the backend learns the cost of an unknown name from an existing hash
    login(app, query(), "grace", "wrong")
    for kind, names in NAMES.items():
        results[kind] = []
        for name in names:
            for _ in range(LIMIT + 2):
                hashes.clear()
                response = submit(app, query(), name, RIGHT if name == "ada@example.com" else "a wrong one")
                results[kind].append((*without_random_parts(response, name), list(hashes)))
    assert results["known"] == results["disabled"] == results["nobody"]
    assert [response[0] for response in results["known"]] == [*[403] * LIMIT, 429, 429] * 2
    assert [response[-1] for response in results["known"]] == [*[["hash"]] * LIMIT, [], []] * 2


def test_right_password_is_refused_until_window_ends(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(LIMIT):
        assert login(app, query(), "ada", "a wrong one").status == 403
    assert login(app, query(), "ada@example.com", RIGHT).status == 403
    assert "too many failures of the account" in caplog.text
    assert RIGHT not in caplog.text
    throttle_of(app.app)._clock = lambda: 1_000_000.0 + WINDOW - 1
    assert login(app, query(), "ada@example.com", RIGHT).status == 403
    throttle_of(app.app)._clock = lambda: 1_000_000.0 + WINDOW
    assert "access_token" in redirect_parameters(login(app, query(), "ada@example.com", RIGHT))
    # a success clears the failures of the account
    for _ in range(LIMIT - 1):
        assert login(app, query(), "ada", "a wrong one").status == 403
    assert "access_token" in redirect_parameters(login(app, query(), "ada", RIGHT))


def test_throttled_attempts_do_not_extend_wait_of_account(app: TestApp) -> None:
    for _ in range(LIMIT):
        login(app, query(), "ada", "a wrong one")
    throttle_of(app.app)._clock = lambda: 1_000_000.0 + WINDOW - 1
    for _ in range(LIMIT - 1):
        assert login(app, query(), "ada@example.com", "a wrong one").status == 403
    throttle_of(app.app)._clock = lambda: 1_000_000.0 + WINDOW
    assert "access_token" in redirect_parameters(login(app, query(), "ada@example.com", RIGHT))


def test_throttled_name_is_logged(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(LIMIT + 1):
        response = login(app, query(), "ada", "a wrong one")
    assert (response.status, response.get("Retry-After")) == (429, str(WINDOW))
    assert (
        f'sign-in throttled: reason="too many failures of the name" path=/authorize retry_after={WINDOW}' in caplog.text
    )
    assert "a wrong one" not in caplog.text
