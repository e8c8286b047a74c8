"""Tests of introspection; an unavailable database never makes a token inactive."""

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


def introspect(app: TestApp, body: bytes, headers: dict[str, str] = ALEXA) -> Response:
    return send(app, "POST", "/introspect", body=body, headers={**FORM, **headers})


def assert_error(response: Response, status: int, error: str) -> None:
    """Checks that the response is the JSON error `error` without the state of a token."""
    assert response.status == status
    assert response.json["error"] == error
    assert "active" not in response.json
    assert response.get("Cache-Control") == "no-store"


@pytest.fixture
def token(app: TestApp) -> str:
    """A valid token of the client `alexa`."""
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
def test_introspection_without_valid_credentials_is_refused(app: TestApp, token: str, headers: dict[str, str]) -> None:
    response = introspect(app, f"token={token}".encode(), headers)
    assert_error(response, 401, "invalid_client")
    assert (response.get("WWW-Authenticate") or "").startswith("Basic realm=")


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
def test_introspection_with_wrong_credentials_in_body_is_refused(app: TestApp, token: str, fields: str) -> None:
    assert_error(introspect(app, f"token={token}&{fields}".encode(), {}), 401, "invalid_client")


def test_credentials_in_header_or_body_are_accepted(app: TestApp, token: str) -> None:
    in_body = f"token={token}&client_id=alexa&client_secret=the+alexa+client%27s+secret".encode()
    assert introspect(app, in_body, {}).json["active"] is True
    scheme_in_capitals = {"Authorization": ALEXA["Authorization"].replace("Basic ", "BASIC  ")}
    assert introspect(app, f"token={token}".encode(), scheme_in_capitals).json["active"] is True
    encoded = raw_basic(b"alexa:the+alexa+client%27s+secret")
    assert introspect(app, f"token={token}".encode(), encoded).json["active"] is True
    assert introspect(app, f"token={token}&client_id=alexa".encode()).json["active"] is True


def test_credentials_in_header_and_body_are_refused(app: TestApp, token: str) -> None:
    in_body = f"token={token}&client_secret=the+alexa+client%27s+secret".encode()
    assert_error(introspect(app, in_body), 400, "invalid_request")
    assert_error(introspect(app, f"token={token}&client_id=other".encode()), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [b"token=x", b"token=%00", b"token=%F0%9F%98%80", b"token=" + b"A" * 43, b"token=" + b"x" * 60_000, b"token=+"],
)
def test_unknown_token_is_inactive(app: TestApp, body: bytes) -> None:
    response = introspect(app, body)
    assert response.status == 200
    assert response.json == INACTIVE


def test_body_over_limit_is_refused(app: TestApp) -> None:
    assert_error(introspect(app, b"token=" + b"x" * 1_000_000), 413, "invalid_request")


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda token: token[:-1], lambda token: token + " "])
def test_changed_token_is_inactive(app: TestApp, token: str, change: Callable[[str], str]) -> None:
    assert introspect(app, f"token={change(token)}".encode()).json == INACTIVE
    assert introspect(app, f"token={token}".encode()).json["active"] is True


def test_expired_token_is_inactive(app: TestApp) -> None:
    uri = "https://expiring.example.com/cb"
    raw = query(client_id="expiring", redirect_uri=uri, scope=None)
    token = redirect_parameters(login(app, raw, "ada", "lovelace-1815"), uri)["access_token"]
    headers = basic("expiring", "the expiring client's secret")
    state = introspect(app, f"token={token}".encode(), headers).json
    assert state["active"] is True
    condition = tokens.c.digest == sha256(token.encode()).digest()
    with services_of(app.app.registry).engine.begin() as connection:
        connection.execute(update(tokens).where(condition).values(expires_at=state["iat"]))
    assert introspect(app, f"token={token}".encode(), headers).json == INACTIVE


def test_token_of_ended_link_is_inactive(app: TestApp, token: str) -> None:
    link_id = select(tokens.c.link_id).where(tokens.c.digest == sha256(token.encode()).digest()).scalar_subquery()
    with services_of(app.app.registry).engine.begin() as connection:
        connection.execute(update(links).where(links.c.id == link_id).values(ended_at=1, end_reason="test"))
    assert introspect(app, f"token={token}".encode()).json == INACTIVE


def test_active_token_has_exactly_the_specified_members(app: TestApp, token: str) -> None:
    state = introspect(app, f"token={token}".encode()).json
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
def test_missing_token_is_refused(app: TestApp, body: bytes) -> None:
    assert_error(introspect(app, body), 400, "invalid_request")


def test_repeated_parameter_is_refused(app: TestApp, token: str) -> None:
    assert_error(introspect(app, f"token={token}&token={token}".encode()), 400, "invalid_request")
    assert_error(introspect(app, f"token={token}&client_id=alexa&client_id=alexa".encode()), 400, "invalid_request")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain", "", "x"])
def test_other_content_type_is_refused(app: TestApp, token: str, content_type: str) -> None:
    assert_error(
        introspect(app, f"token={token}".encode(), {**ALEXA, "Content-Type": content_type}), 415, "invalid_request"
    )


def test_get_is_not_allowed(app: TestApp, token: str) -> None:
    response = send(app, "GET", "/introspect", f"token={token}".encode(), headers=ALEXA)
    assert_error(response, 405, "invalid_request")


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unknown", ""])
def test_token_type_hint_does_not_change_result(app: TestApp, token: str, hint: str) -> None:
    assert introspect(app, f"token={token}&token_type_hint={hint}".encode()).json["active"] is True


@pytest.mark.parametrize("kind", ["refresh", "code", "recovery"])
def test_token_of_another_kind_is_inactive(app: TestApp, token: str, kind: str) -> None:
    with services_of(app.app.registry).engine.begin() as connection:
        link_id = select(tokens.c.link_id).where(tokens.c.digest == sha256(token.encode()).digest())
        row = {"digest": sha256(f"{kind} {token}".encode()).digest(), "kind": kind, "issued_at": 1}
        connection.execute(insert(tokens), {**row, "link_id": connection.execute(link_id).scalar_one()})
    assert introspect(app, f"token={kind}+{token}".encode()).json == INACTIVE


def test_token_of_another_client_is_inactive(app: TestApp, token: str) -> None:
    assert introspect(app, f"token={token}".encode(), OTHER).json == INACTIVE
    assert introspect(app, f"token={token}".encode(), SERVER).json["active"] is True
    uri = "https://other.example.com/cb"
    raw = query(client_id="other", redirect_uri=uri, scope=None)
    foreign = redirect_parameters(login(app, raw, "ada", "lovelace-1815"), uri)["access_token"]
    assert introspect(app, f"token={foreign}".encode(), OTHER).json["active"] is True
    assert introspect(app, f"token={foreign}".encode(), ALEXA).json == INACTIVE
    assert introspect(app, f"token={foreign}".encode(), SERVER).json == INACTIVE


def write_garbage(database: Path) -> None:
    database.write_bytes(b"this is no database" * 1000)


def replace_by_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


def truncate(database: Path) -> None:
    database.write_bytes(b"")


@pytest.fixture(params=[write_garbage, replace_by_folder, truncate])
def broken(request: pytest.FixtureRequest, make_app: Callable[..., Any]) -> tuple[TestApp, str, Callable[[], None]]:
    """An app with a broken database, a token issued before, and a function that repairs the database."""
    app = https(make_app(**HIGH_THROTTLE_LIMITS))
    token = redirect_parameters(login(app, query(), "ada", "lovelace-1815"))["access_token"]
    engine = services_of(app.app.registry).engine
    engine.dispose()
    database = Path(engine.url.database)
    content = database.read_bytes()

    def repair() -> None:
        engine.dispose()
        if database.is_dir():
            database.rmdir()
        database.write_bytes(content)

    request.param(database)
    return app, token, repair


def test_broken_database_gives_503_and_not_inactive(broken: tuple[TestApp, str, Callable[[], None]]) -> None:
    app, token, repair = broken
    for body in (f"token={token}".encode(), b"token=unknown"):
        response = introspect(app, body)
        assert_error(response, 503, "temporarily_unavailable")
        assert int(response.get("Retry-After") or 0) > 0
    assert_error(introspect(app, b"token=x", {}), 401, "invalid_client")
    repair()
    assert introspect(app, f"token={token}".encode()).json["active"] is True


def test_broken_database_shows_form_again_and_creates_no_link(broken: tuple[TestApp, str, Callable[[], None]]) -> None:
    app, _, repair = broken
    assert send(app, query=query()).status == 200
    response = login(app, query(), "ada", "lovelace-1815")
    assert response.status == 503
    assert int(response.get("Retry-After") or 0) > 0
    assert response.get("Location") is None
    assert 'value="ada"' in response.text
    assert "lovelace" not in response.text
    assert "sqlite" not in response.text.lower()
    repair()
    assert "access_token" in redirect_parameters(login(app, query(), "ada", "lovelace-1815"))


def test_broken_database_fails_readiness_but_not_liveness(broken: tuple[TestApp, str, Callable[[], None]]) -> None:
    app, _, repair = broken
    response = send(app, path="/health/ready")
    assert response.status == 503
    assert response.get("Retry-After")
    assert send(app, path="/health/live").json == {"alive": True}
    assert_page(send(app, query=query(client_id="nobody")))
    repair()
    assert send(app, path="/health/ready").json == {"ready": True, "backends": {"staff": True}}
