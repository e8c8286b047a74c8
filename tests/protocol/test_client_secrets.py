"""Tests of a client with two secrets: each endpoint accepts both, and the log says who still uses the old one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from webtest import TestApp

from linkauth.oauth2.clients import Client
from linkauth.services.clients import ReplacedSecrets
from tests.conftest import https
from tests.protocol.flow import Skill, assert_refused

SECRET, NEXT = "the-home-clients-secret", "f0b7c2d94e6a4c1d8a53c1e7"
HINT = "client secret must be replaced"


@pytest.fixture(scope="module")
def app(make_app: Callable[..., Any]) -> TestApp:
    """The app of testing.ini with two secrets of `home` and of a resource server for the tokens of `home`."""
    return https(
        make_app(
            client__home__next_secret=NEXT,
            **{"client__skill-backend__introspects": "home", "client__skill-backend__next_secret": NEXT + "-backend"},
        )
    )


def test_every_endpoint_accepts_both_secrets_and_no_other(app: TestApp) -> None:
    old, new = Skill(app, secret=SECRET), Skill(app, secret=NEXT)
    for first, second in ((old, new), (new, old)):
        tokens = first.link()
        refreshed = second.refresh(tokens["refresh_token"]).json
        assert first.post("/introspect", {"token": refreshed["access_token"]}).json["active"] is True
        assert second.revoke(refreshed["access_token"]).status_int == 200
        assert first.post("/introspect", {"token": refreshed["access_token"]}).json == {"active": False}
        in_body = {"client_id": "home", "client_secret": str(second.secret), "token": "x"}
        assert app.post("/introspect", in_body).json == {"active": False}
    token = new.link()["access_token"]
    for secret in ("the resource server's secret", NEXT + "-backend"):
        assert Skill(app, "skill-backend", secret).post("/introspect", {"token": token}).json["active"] is True
    for client, secret in (("home", NEXT + "-backend"), ("overlap", NEXT), ("app", NEXT), ("nobody", NEXT)):
        response = Skill(app, client, secret).post("/introspect", {"token": token})
        assert_refused(response, 401, "invalid_client")


def test_the_log_says_which_client_still_uses_the_old_secret(
    make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = https(make_app(client__home__next_secret=NEXT))
    with caplog.at_level(logging.INFO):
        Skill(app, secret=NEXT).post("/introspect", {"token": "x"})
        Skill(app, "overlap", "the-overlapping-clients-secret").post("/introspect", {"token": "x"})
        Skill(app, secret="wrong").post("/introspect", {"token": "x"})
        assert HINT not in caplog.text
        for _ in range(3):
            Skill(app, secret=SECRET).post("/introspect", {"token": "x"})
    (record,) = [each for each in caplog.records if HINT in each.getMessage()]
    assert "client=home" in record.getMessage()
    assert "next_secret" in record.getMessage()
    assert not {SECRET, NEXT} & set(caplog.text.split())


def test_the_line_is_repeated_for_each_client_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    report = ReplacedSecrets(600, lambda: now[0])
    home = Client("home")
    with caplog.at_level(logging.INFO):
        for client in (home, home, replace(home, client_id="rides")):
            report(client)
        assert caplog.text.count(HINT) == 2
        now[0] += 600
        report(home)
    assert caplog.text.count(HINT) == 3


def test_a_next_secret_that_somebody_enters_as_client_id_is_not_logged(
    app: TestApp, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        Skill(app, NEXT, SECRET).post("/token", {"grant_type": "refresh_token"})
    assert "the secret of home" in caplog.text
    assert NEXT not in caplog.text
