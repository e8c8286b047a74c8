"""Runs each row of the table in docs/sign_ins.md: what happens, what the person sees, and what the log says."""

from __future__ import annotations

import hmac
import json
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, update

from linkauth.simulator.people import people
from plugins.oidc.tests.provider import RSA, Provider
from plugins.oidc.tests.server import Reply
from tests.alexa import https
from tests.conftest import ROOT
from tests.sign_ins.openid.stage import Stage

HEADING = "## What people see and what the log says"
Scenario = Callable[[Stage], Any]
SCENARIOS: dict[str, Scenario] = {}
"""The function of each row: what happens. It returns the last response of linkauth."""


def row(outcome: str) -> Callable[[Scenario], Scenario]:
    """Adds a scenario for a row of the table."""

    def add(scenario: Scenario) -> Scenario:
        SCENARIOS[outcome] = scenario
        return scenario

    return add


def rows() -> Iterator[tuple[str, str, str]]:
    """Yields (outcome, what the person sees, what the log says) of each row of the table."""
    text = (ROOT / "docs/sign_ins.md").read_text("utf-8")
    table = text[text.index(HEADING) :].split("\n\n")[1]
    for line in table.splitlines()[2:]:
        outcome, seen, logged = (cell.strip() for cell in line.strip("|").split(" | "))
        yield outcome, seen, logged


ROWS = list(rows())


@row("signed in")
def signed_in(stage: Stage) -> Any:
    return stage.sign_in()


@row("the browser keeps no cookies")
def without_cookies(stage: Stage) -> Any:
    stage.alexa.app.cookiejar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return stage.sign_in()


@row("the person cancels")
def cancels(stage: Stage) -> Any:
    return stage.sign_in(code=None, error="access_denied")


@row("the person is not of your organization")
def of_another_organization(stage: Stage) -> Any:
    stage.corp.person["hd"] = "example.org"
    return stage.sign_in()


@row("the address is not verified")
def unverified(stage: Stage) -> Any:
    stage.corp.person["email_verified"] = False
    return stage.sign_in()


@row("nobody has the address")
def unknown_address(stage: Stage) -> Any:
    stage.corp.person["email"] = "nobody@example.com"
    return stage.sign_in()


@row("two people have the address")
def ambiguous_address(stage: Stage) -> Any:
    with people_engine(stage).begin() as connection:
        values = {"login": "ada2", "email": "Ada@Example.com", "name": "Ada", "password_hash": "", "active": True}
        connection.execute(insert(people), values)
    return stage.sign_in()


@row("the account is disabled")
def disabled(stage: Stage) -> Any:
    with people_engine(stage).begin() as connection:
        connection.execute(update(people).where(people.c.login == "ada").values(active=False))
    return stage.sign_in()


@row("the ID token is of another issuer, audience or sign-in, or has expired")
def wrong_claims(stage: Stage) -> Any:
    changes = ({"iss": "https://example.org"}, {"aud": "other"}, {"nonce": "other"}, {"exp": 1_000_000_000})
    responses = []
    for change in changes:
        stage.corp.changes = change
        responses.append(stage.sign_in())
    return same(responses)


@row("the ID token is not signed, or not by the provider")
def wrong_signature(stage: Stage) -> Any:
    key = RSA.as_pem(private=False)
    responses = []
    # unsigned; the public key as a shared secret; the key of somebody else
    for algorithm, sign in (
        ("none", lambda _: b""),
        ("HS256", lambda content: hmac.digest(key, content, "sha256")),
        ("RS256", lambda _: b"s" * 256),
    ):
        stage.corp.sign = partial(forged, algorithm, sign)
        responses.append(stage.sign_in())
    return same(responses)


def forged(algorithm: str, sign: Callable[[bytes], bytes], claims: Mapping[str, Any]) -> str:
    """Returns an ID token whose signature is what `sign` returns."""
    header = {"alg": algorithm, "kid": RSA.kid}
    content = b".".join(urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims))
    return b".".join((content, urlsafe_b64encode(sign(content)).rstrip(b"="))).decode()


@row("the answer is of another provider")
def mix_up(stage: Stage) -> Any:
    return stage.back(stage.answer("own"))


@row("the answer was used before")
def used_before(stage: Stage) -> Any:
    answer = stage.answer()
    assert stage.back(answer).status_int == 303
    return stage.back(answer)


@row("the answer comes after more than 15 minutes")
def too_late(stage: Stage) -> Any:
    answer = stage.answer()
    sign_in = stage.services.provider_sign_in
    clock = sign_in._clock
    sign_in._clock = lambda: clock() + 15 * 60
    try:
        return stage.back(answer)
    finally:
        sign_in._clock = clock


@row("the answer belongs to no sign-in")
def unknown_state(stage: Stage) -> Any:
    return stage.back({"code": "c", "state": "s" * 43})


@row("another browser comes back")
def other_browser(stage: Stage) -> Any:
    return stage.back(stage.answer(), app=https(stage.app))


@row("the provider is down")
def down(stage: Stage) -> Any:
    answer = stage.answer()
    stage.corp.stop()
    return stage.back(answer)


@row("the provider answers with an error of its own")
def broken(stage: Stage) -> Any:
    stage.corp.replies["/token"] = lambda _: Reply("", 500)
    return stage.sign_in()


@row("the client secret is wrong")
def wrong_secret(stage: Stage) -> Any:
    stage.corp.client_secret = "another one"
    return stage.sign_in()


def same(responses: list[Any]) -> Any:
    """Returns the last of responses that look the same."""
    assert len({(each.status_int, heading(each)) for each in responses}) == 1
    return responses[-1]


def heading(response: Any) -> str:
    """Returns the heading of the error, or of the page without one; "" for a redirect to the client."""
    if response.status_int == 303:
        return ""
    found = response.html.select_one("#error h2") or response.html.h1
    return " ".join(found.get_text(" ").split())


def people_engine(stage: Stage) -> Any:
    (backend,) = [each.backend for each in stage.services.backends if each.name == "staff"]
    return create_engine(backend._settings.url)


@pytest.fixture
def stage(make_app: Callable[..., Any]) -> Iterator[Stage]:
    corp, own = Provider(), Provider()
    yield Stage(make_app, corp, own)
    corp.stop()
    own.stop()


def test_every_outcome_is_in_the_table() -> None:
    assert [outcome for outcome, _, _ in ROWS] == list(SCENARIOS)


@pytest.mark.parametrize(("outcome", "seen", "logged"), ROWS, ids=[each[0].replace(" ", "-") for each in ROWS])
def test_the_page_and_the_log_are_those_of_the_table(
    stage: Stage, caplog: pytest.LogCaptureFixture, outcome: str, seen: str, logged: str
) -> None:
    with caplog.at_level(logging.INFO, "linkauth"):
        response = SCENARIOS[outcome](stage)
    shown = heading(response).replace("Example Corp", "PROVIDER").replace("Example Rides", "SERVICE")
    shown = shown.replace("Ride Hailer", "SKILL")
    assert shown == ("" if outcome == "signed in" else seen)
    assert ("access_token=" in response.headers.get("Location", "")) is (outcome == "signed in")
    level, _, message = logged.partition(" ")
    expected = re.fullmatch(r"`(.+)`", message)
    assert expected, logged
    found = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert any(each == level and expected[1] in text for each, text in found), found
    secrets = (stage.corp.client_secret, stage.corp.access_token)
    assert not [text for _, text in found if any(secret in text for secret in secrets)]
