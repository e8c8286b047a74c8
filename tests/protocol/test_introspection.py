"""Introspection, and a storage that is broken: "cannot tell" is never "not active"."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from webtest import TestApp

from linkauth.services import services_of
from linkauth.storage.tables import links, tokens
from tests.alexa import basic
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.web.raw_requests import FORM, Response, assert_page, login, query, redirect_parameters, send

ALEXA = basic("alexa", "the alexa client's secret")
OTHER = basic("other", "the other client's secret")
SERVER = basic("skill-backend", "the resource server's secret")
INACTIVE = {"active": False}


def ask(app: TestApp, body: bytes, headers: dict[str, str] = ALEXA) -> Response:
    return send(app, "POST", "/introspect", body=body, headers={**FORM, **headers})


def refused(answer: Response, status: int, error: str) -> None:
    """JSON that says `error`, and nothing about the token."""
    assert answer.status == status
    assert answer.json["error"] == error
    assert "active" not in answer.json
    assert answer.get("Cache-Control") == "no-store"


@pytest.fixture
def token(app: TestApp) -> str:
    """A living token of the client `alexa`."""
    return redirect_parameters(login(app, query(), "ada", "lovelace-1815"))["access_token"]


def raw_basic(content: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(content).decode("ascii")}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("alexa", "wrong"),
        basic("alexa", ""),
        basic("", ""),
        basic("nobody", "the alexa client's secret"),
        basic("alexa", "the other client's secret"),
        basic("single", ""),
        basic("ALEXA", "the alexa client's secret"),
        basic("alexa", "the alexa client's secret "),
        basic("alexa", "the alexa client's secret\0"),
        raw_basic(b"alexa"),
        raw_basic(b"\xff\xfe:\xff"),
        raw_basic(b"\0:\0"),
        raw_basic(b"x" * 65_536),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic \xe9"},
        {"Authorization": ""},
        {"Authorization": "Bearer x"},
        {"Authorization": "Digest username=alexa"},
    ],
)
def test_nobody_is_told_without_credentials(app: TestApp, token: str, headers: dict[str, str]) -> None:
    answer = ask(app, f"token={token}".encode(), headers)
    refused(answer, 401, "invalid_client")
    assert (answer.get("WWW-Authenticate") or "").startswith("Basic realm=")


@pytest.mark.parametrize(
    "fields",
    [
        "client_id=alexa&client_secret=wrong",
        "client_id=alexa",
        "client_secret=the+alexa+client%27s+secret",
        "client_id=single&client_secret=",
        "client_id=single&client_secret=" + "%00" * 32,
    ],
)
def test_nobody_is_told_with_wrong_credentials_in_the_body(app: TestApp, token: str, fields: str) -> None:
    refused(ask(app, f"token={token}&{fields}".encode(), {}), 401, "invalid_client")


def test_credentials_may_be_in_the_header_or_in_the_body(app: TestApp, token: str) -> None:
    in_body = f"token={token}&client_id=alexa&client_secret=the+alexa+client%27s+secret".encode()
    assert ask(app, in_body, {}).json["active"] is True
    scheme_in_capitals = {"Authorization": ALEXA["Authorization"].replace("Basic ", "BASIC  ")}
    assert ask(app, f"token={token}".encode(), scheme_in_capitals).json["active"] is True
    encoded = raw_basic(b"alexa:the+alexa+client%27s+secret")
    assert ask(app, f"token={token}".encode(), encoded).json["active"] is True
    assert ask(app, f"token={token}&client_id=alexa".encode()).json["active"] is True


def test_credentials_in_both_places_are_refused(app: TestApp, token: str) -> None:
    in_body = f"token={token}&client_secret=the+alexa+client%27s+secret".encode()
    refused(ask(app, in_body), 400, "invalid_request")
    refused(ask(app, f"token={token}&client_id=other".encode()), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [b"token=x", b"token=%00", b"token=%F0%9F%98%80", b"token=" + b"A" * 43, b"token=" + b"x" * 60_000, b"token=+"],
)
def test_an_unknown_token_is_just_inactive(app: TestApp, body: bytes) -> None:
    answer = ask(app, body)
    assert answer.status == 200
    assert answer.json == INACTIVE


def test_an_overlong_body_is_no_token_state(app: TestApp) -> None:
    refused(ask(app, b"token=" + b"x" * 1_000_000), 413, "invalid_request")


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda token: token[:-1], lambda token: token + " "])
def test_a_token_that_is_only_alike_is_inactive(app: TestApp, token: str, change: Callable[[str], str]) -> None:
    assert ask(app, f"token={change(token)}".encode()).json == INACTIVE
    assert ask(app, f"token={token}".encode()).json["active"] is True


def test_an_expired_token_is_inactive(app: TestApp) -> None:
    uri = "https://expiring.example.com/cb"
    raw = query(client_id="expiring", redirect_uri=uri, scope=None)
    token = redirect_parameters(login(app, raw, "ada", "lovelace-1815"), uri)["access_token"]
    headers = basic("expiring", "the expiring client's secret")
    state = ask(app, f"token={token}".encode(), headers).json
    assert state["active"] is True
    mine = tokens.c.digest == sha256(token.encode()).digest()
    with services_of(app.app.registry).engine.begin() as connection:
        connection.execute(update(tokens).where(mine).values(expires_at=state["iat"]))
    assert ask(app, f"token={token}".encode(), headers).json == INACTIVE


def test_the_token_of_an_ended_link_is_inactive(app: TestApp, token: str) -> None:
    mine = select(tokens.c.link_id).where(tokens.c.digest == sha256(token.encode()).digest()).scalar_subquery()
    with services_of(app.app.registry).engine.begin() as connection:
        connection.execute(update(links).where(links.c.id == mine).values(ended_at=1, end_reason="test"))
    assert ask(app, f"token={token}".encode()).json == INACTIVE


def test_an_active_token_says_who_and_what_and_no_more(app: TestApp, token: str) -> None:
    state = ask(app, f"token={token}".encode()).json
    assert isinstance(state.pop("iat"), int)
    assert state == {
        "active": True,
        "scope": "order_car basic_profile",
        "client_id": "alexa",
        "username": "ada",
        "token_type": "Bearer",
        "sub": "staff:1",
        "iss": "https://link.example.com",
        "aud": "alexa",
    }


@pytest.mark.parametrize("body", [b"", b"token=", b"token", b"Token=x", b"token_type_hint=access_token"])
def test_a_missing_token_is_an_error(app: TestApp, body: bytes) -> None:
    refused(ask(app, body), 400, "invalid_request")


def test_a_token_that_comes_twice_is_an_error(app: TestApp, token: str) -> None:
    refused(ask(app, f"token={token}&token={token}".encode()), 400, "invalid_request")
    refused(ask(app, f"token={token}&client_id=alexa&client_id=alexa".encode()), 400, "invalid_request")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain", "", "x"])
def test_only_a_form_is_read(app: TestApp, token: str, content_type: str) -> None:
    refused(ask(app, f"token={token}".encode(), {**ALEXA, "Content-Type": content_type}), 415, "invalid_request")


def test_a_get_is_not_allowed(app: TestApp, token: str) -> None:
    answer = send(app, "GET", "/introspect", f"token={token}".encode(), headers=ALEXA)
    refused(answer, 405, "invalid_request")


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unknown", ""])
def test_a_hint_is_only_a_hint(app: TestApp, token: str, hint: str) -> None:
    assert ask(app, f"token={token}&token_type_hint={hint}".encode()).json["active"] is True


@pytest.mark.parametrize("kind", ["refresh", "code", "recovery"])
def test_another_kind_of_token_is_no_access_token(app: TestApp, token: str, kind: str) -> None:
    with services_of(app.app.registry).engine.begin() as connection:
        mine = select(tokens.c.link_id).where(tokens.c.digest == sha256(token.encode()).digest())
        row = {"digest": sha256(f"{kind} {token}".encode()).digest(), "kind": kind, "issued_at": 1}
        connection.execute(insert(tokens), {**row, "link_id": connection.execute(mine).scalar_one()})
    assert ask(app, f"token={kind}+{token}".encode()).json == INACTIVE


def test_a_client_is_told_about_its_own_tokens_only(app: TestApp, token: str) -> None:
    assert ask(app, f"token={token}".encode(), OTHER).json == INACTIVE
    assert ask(app, f"token={token}".encode(), SERVER).json["active"] is True
    uri = "https://other.example.com/cb"
    raw = query(client_id="other", redirect_uri=uri, scope=None)
    foreign = redirect_parameters(login(app, raw, "ada", "lovelace-1815"), uri)["access_token"]
    assert ask(app, f"token={foreign}".encode(), OTHER).json["active"] is True
    assert ask(app, f"token={foreign}".encode(), ALEXA).json == INACTIVE
    assert ask(app, f"token={foreign}".encode(), SERVER).json == INACTIVE


def garbage(database: Path) -> None:
    database.write_bytes(b"this is no database" * 1000)


def folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


def empty(database: Path) -> None:
    database.write_bytes(b"")


@pytest.fixture(params=[garbage, folder, empty])
def broken(request: pytest.FixtureRequest, make_app: Callable[..., Any]) -> tuple[TestApp, str, Callable[[], None]]:
    """An app whose storage has just broken, a token from before, and what mends it."""
    app = https(make_app(**HIGH_THROTTLE_LIMITS))
    token = redirect_parameters(login(app, query(), "ada", "lovelace-1815"))["access_token"]
    engine = services_of(app.app.registry).engine
    engine.dispose()
    database = Path(engine.url.database)
    whole = database.read_bytes()

    def mend() -> None:
        engine.dispose()
        if database.is_dir():
            database.rmdir()
        database.write_bytes(whole)

    request.param(database)
    return app, token, mend


def test_a_broken_storage_is_never_an_inactive_token(broken: tuple[TestApp, str, Callable[[], None]]) -> None:
    app, token, mend = broken
    for body in (f"token={token}".encode(), b"token=unknown"):
        answer = ask(app, body)
        refused(answer, 503, "temporarily_unavailable")
        assert int(answer.get("Retry-After") or 0) > 0
    refused(ask(app, b"token=x", {}), 401, "invalid_client")
    mend()
    assert ask(app, f"token={token}".encode()).json["active"] is True


def test_a_broken_storage_keeps_the_form_and_links_nobody(broken: tuple[TestApp, str, Callable[[], None]]) -> None:
    app, _, mend = broken
    assert send(app, query=query()).status == 200
    answer = login(app, query(), "ada", "lovelace-1815")
    assert answer.status == 503
    assert int(answer.get("Retry-After") or 0) > 0
    assert answer.get("Location") is None
    assert 'value="ada"' in answer.text
    assert "lovelace" not in answer.text
    assert "sqlite" not in answer.text.lower()
    mend()
    assert "access_token" in redirect_parameters(login(app, query(), "ada", "lovelace-1815"))


def test_readiness_says_it_and_liveness_does_not(broken: tuple[TestApp, str, Callable[[], None]]) -> None:
    app, _, mend = broken
    answer = send(app, path="/health/ready")
    assert answer.status == 503
    assert answer.get("Retry-After")
    assert send(app, path="/health/live").json == {"alive": True}
    assert_page(send(app, query=query(client_id="nobody")))
    mend()
    assert send(app, path="/health/ready").json == {"ready": True, "backends": {"staff": True}}
