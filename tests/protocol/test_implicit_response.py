"""Tests of the response of the implicit grant."""

from __future__ import annotations

import logging
import re
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select
from webtest import TestApp

from linkauth.services import services_of
from linkauth.storage.tables import links, tokens
from tests.alexa import REDIRECT_URI, STATE, Alexa, basic
from tests.web.raw_requests import (
    PLAIN_URI,
    assert_error,
    form_token,
    login,
    query,
    quoted,
    redirect_parameters,
    send,
)

TENANT = "https://other.example.com/cb?tenant=1"
EXPIRING = "https://expiring.example.com/cb"


@pytest.mark.parametrize("uri", [REDIRECT_URI, PLAIN_URI])
def test_all_parameters_are_in_fragment(app: TestApp, uri: str) -> None:
    response = login(app, query(redirect_uri=uri, state=STATE), "ada", "lovelace-1815")
    assert response.status == 303
    fragment = re.escape(f"#state={quoted(STATE)}") + r"&access_token=[A-Za-z0-9_-]+&token_type=Bearer"
    assert re.fullmatch(re.escape(uri) + fragment, response.location)


def test_token_is_only_in_location(app: TestApp) -> None:
    response = login(app, query(), "ada", "lovelace-1815")
    token = redirect_parameters(response)["access_token"]
    assert token not in response.text
    assert [name for name, value in response.headers if token in value] == ["Location"]


def test_response_has_no_refresh_token(app: TestApp) -> None:
    parameters = redirect_parameters(login(app, query(), "ada", "lovelace-1815"))
    assert set(parameters) == {"state", "access_token", "token_type"}


def test_expiring_token_has_expires_in(app: TestApp) -> None:
    raw = query(client_id="expiring", redirect_uri=EXPIRING, scope=None)
    parameters = redirect_parameters(login(app, raw, "ada", "lovelace-1815"), EXPIRING)
    assert parameters["expires_in"] == "3600"
    state = Alexa(app).introspect(parameters["access_token"], "expiring", "the expiring client's secret").json
    assert state["exp"] - state["iat"] == 3600


@pytest.mark.parametrize(
    ("requested", "returned"),
    [
        ("order_car basic_profile", None),
        ("basic_profile order_car", None),
        ("order_car", None),
        (None, "order_car basic_profile"),
        ("order_car order_car", "order_car"),
    ],
)
def test_scope_is_returned_if_it_differs_from_request(
    app: TestApp, requested: str | None, returned: str | None
) -> None:
    parameters = redirect_parameters(login(app, query(scope=requested), "ada", "lovelace-1815"))
    assert parameters.get("scope") == returned
    state = Alexa(app).introspect(parameters["access_token"]).json
    assert state["scope"] == (returned or requested)


def test_query_of_redirect_uri_is_kept(app: TestApp) -> None:
    raw = query(client_id="other", redirect_uri=TENANT, scope=None)
    response = login(app, raw, "ada", "lovelace-1815")
    assert response.location.startswith(TENANT + "#state=S&access_token=")
    assert_error(send(app, query=raw + b"&scope=x"), "invalid_scope", "S", TENANT)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "foo"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"response_mode": "query"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
    ],
)
def test_error_is_in_fragment(app: TestApp, changes: dict[str, str | None], error: str) -> None:
    assert_error(send(app, query=query(**changes)), error)


def test_token_is_opaque_random_and_unique(app: TestApp) -> None:
    result = [redirect_parameters(login(app, query(), "ada", "lovelace-1815"))["access_token"] for _ in range(5)]
    assert len(set(result)) == 5
    # 43 characters of 6 bits hold 256 random bits; RFC 6749 section 10.10 recommends 160
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43,255}", token) for token in result)
    assert all(Alexa(app).introspect(token).json["active"] for token in result)


def test_only_digest_of_token_is_stored(app: TestApp) -> None:
    token = redirect_parameters(login(app, query(), "ada", "lovelace-1815"))["access_token"]
    engine = services_of(app.app.registry).engine
    with engine.connect() as connection:
        statement = select(links.c.subject).join_from(tokens, links)
        subject = connection.execute(statement.where(tokens.c.digest == sha256(token.encode()).digest())).scalar()
    assert subject == "1"
    database = Path(engine.url.database)
    files = [path for path in database.parent.iterdir() if path.name.startswith(database.name)]
    content = b"".join(path.read_bytes() for path in files)
    assert sha256(token.encode()).digest() in content
    assert token.encode() not in content
    assert b"lovelace-1815" not in content


def test_secrets_are_not_logged(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    raw = query(state="state-that-nobody-may-read")
    page_token = form_token(app, raw)
    token = redirect_parameters(login(app, raw, "ada", "lovelace-1815"))["access_token"]
    login(app, raw, "ada", "a-wrong-password")
    login(app, raw, "nobody", "another-wrong-password")
    send(app, query=query(state="state-that-nobody-may-read", redirect_uri="https://evil.example/"))
    send(app, query=query(state="state-that-nobody-may-read", scope="x"))
    Alexa(app).introspect(token)
    Alexa(app).introspect(token, secret="a-wrong-client-secret")
    wrong = basic("alexa", "a-wrong-client-secret")["Authorization"].removeprefix("Basic ")
    assert "sign-in refused" in caplog.text
    secrets = (
        token,
        page_token,
        "lovelace-1815",
        "wrong-password",
        "alexa client's secret",
        "wrong-client-secret",
        wrong,
    )
    for secret in (*secrets, "state-that-nobody-may-read", "#state="):
        assert secret not in caplog.text
