"""Too many failures of an account are answered as a wrong password, so that nobody learns of the account by them."""

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
    """The app with a throttle of a few failures an account, whose clock stands."""
    settings = {"throttle__account_failures": str(LIMIT), "throttle__account_window": str(WINDOW)}
    made = make_app(**settings, throttle__address_failures="100000")
    throttle_of(made)._clock = lambda: 1_000_000.0
    return https(made)


def throttle_of(app: Any) -> Throttle:
    throttle: Throttle = services_of(app.registry).throttle
    return throttle


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A word for each password hash that was computed."""
    done: list[str] = []
    run = HashPool.run

    def counting(pool: HashPool, *arguments: Any) -> Any:
        done.append("hash")
        return run(pool, *arguments)

    monkeypatch.setattr(HashPool, "run", counting)
    return done


def change(app: TestApp, raw_query: bytes, username: str, password: str) -> Response:
    """The form of the password page, posted."""
    new = {"new_password": "Quartz-52-meadow", "repeated_password": "Quartz-52-meadow"}
    token = form_token(app, raw_query)
    return post(app, raw_query, {"form_token": token, "username": username, "password": password, **new})


def seen(response: Response, username: str) -> tuple[Any, ...]:
    """All of an answer but for the name that was typed and what is random in it."""
    text = re.sub(r'value="\d+\.[^"]+"', "", response.text).replace(username, "")
    headers = sorted((name, value) for name, value in response.headers if name not in ("Date", "Content-Length"))
    return response.status, text, headers


@pytest.mark.parametrize("ask", [login, change])
def test_every_answer_is_that_of_a_name_that_nobody_has(
    app: TestApp, hashes: list[str], ask: Callable[..., Response]
) -> None:
    told = {}
    # what an unknown name costs is learnt from the table
    login(app, query(), "grace", "wrong")
    for kind, names in NAMES.items():
        told[kind] = []
        for name in names:
            for _ in range(LIMIT + 2):
                hashes.clear()
                response = ask(app, query(), name, RIGHT if name == "ada@example.com" else "a wrong one")
                told[kind].append((*seen(response, name), list(hashes)))
    assert told["known"] == told["disabled"] == told["nobody"]
    assert [response[0] for response in told["known"]] == [*[403] * LIMIT, 429, 429] * 2
    assert [response[-1] for response in told["known"]] == [*[["hash"]] * LIMIT, [], []] * 2


def test_a_right_password_is_wrong_until_the_window_is_over(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
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
    # and a success clears the account
    for _ in range(LIMIT - 1):
        assert login(app, query(), "ada", "a wrong one").status == 403
    assert "access_token" in redirect_parameters(login(app, query(), "ada", RIGHT))


def test_refused_tries_do_not_make_the_wait_of_the_account_longer(app: TestApp) -> None:
    for _ in range(LIMIT):
        login(app, query(), "ada", "a wrong one")
    throttle_of(app.app)._clock = lambda: 1_000_000.0 + WINDOW - 1
    for _ in range(LIMIT - 1):
        assert login(app, query(), "ada@example.com", "a wrong one").status == 403
    throttle_of(app.app)._clock = lambda: 1_000_000.0 + WINDOW
    assert "access_token" in redirect_parameters(login(app, query(), "ada@example.com", RIGHT))


def test_operators_are_told_of_a_throttled_name(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(LIMIT + 1):
        response = login(app, query(), "ada", "a wrong one")
    assert (response.status, response.get("Retry-After")) == (429, str(WINDOW))
    assert f"throttled: too many failures, path=/authorize retry_after={WINDOW}" in caplog.text
    assert "a wrong one" not in caplog.text
