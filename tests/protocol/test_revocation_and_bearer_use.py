"""Tests of introspection for the code grant, of revocation and of bearer tokens; see also test_introspection.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from webtest import TestApp

from linkauth.services import services_of
from linkauth.storage import LinkAdmin, LinkFilter
from linkauth.storage.tables import links
from tests.alexa import Alexa, basic
from tests.conftest import https
from tests.protocol.flow import (
    INACTIVE,
    Skill,
    app_skill,
    assert_refused,
    engine_of,
    overlap_skill,
    set_clock,
)

SECRET = "the-home-clients-secret"


@pytest.fixture
def home(app: TestApp) -> Skill:
    return Skill(app)


def introspection_of(skill: Skill, token: str) -> Any:
    response = skill.post("/introspect", {"token": token})
    assert response.status_int == 200, response.text
    return response.json


def test_introspection_without_secret_is_refused(home: Skill) -> None:
    token = home.link()["access_token"]
    assert_refused(Skill(home.app, secret="wrong").post("/introspect", {"token": token}), 401, "invalid_client")
    public = app_skill(home.app)
    assert_refused(public.post("/introspect", {"token": public.link()["access_token"]}), 401, "invalid_client")


def test_expired_token_is_inactive(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    clock = set_clock(home.app)
    token = home.link()["access_token"]
    clock.now += 3599
    assert introspection_of(home, token)["active"] is True
    clock.now += 1
    assert introspection_of(home, token) == INACTIVE
    assert not home.active(token)


def test_active_token_has_exactly_the_specified_members(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    now = int(set_clock(home.app).now)
    assert introspection_of(home, home.link(scope="email profile")["access_token"]) == {
        "active": True,
        "scope": "email profile",
        "client_id": "home",
        "username": "ada",
        "token_type": "Bearer",
        "sub": "staff:1",
        "iss": "https://link.example.com",
        "aud": "home",
        "iat": now,
        "exp": now + 3600,
    }


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_token_must_be_sent_once_by_post(home: Skill, path: str) -> None:
    assert_refused(home.post(path, {"token_type_hint": "access_token"}), 400, "invalid_request")
    assert_refused(home.post(path, {"token": ""}), 400, "invalid_request")
    headers = {**basic("home", SECRET), "Content-Type": "application/x-www-form-urlencoded"}
    assert_refused(home.app.post(path, "token=a&token=b", headers=headers, status="*"), 400, "invalid_request")
    assert_refused(home.app.post(f"{path}?token=a", "", headers=headers, status="*"), 400, "invalid_request")
    assert home.app.get(path, headers=headers, status=405).headers["Allow"] == "POST"


def test_code_or_refresh_token_is_inactive(home: Skill) -> None:
    code = home.code()
    assert introspection_of(home, code) == INACTIVE
    assert not home.active(code)
    tokens = home.redeem(code).json
    assert introspection_of(home, tokens["refresh_token"]) == INACTIVE
    assert not home.active(tokens["refresh_token"])
    assert introspection_of(home, code) == INACTIVE


def test_token_of_another_client_is_inactive(home: Skill) -> None:
    token = home.link()["access_token"]
    assert introspection_of(overlap_skill(home.app), token) == INACTIVE
    assert introspection_of(Skill(home.app, "alexa", "the alexa client's secret"), token) == INACTIVE
    # this resource server may introspect only tokens of alexa
    assert introspection_of(Skill(home.app, "skill-backend", "the resource server's secret"), token) == INACTIVE
    assert introspection_of(home, token)["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_one_token_ends_all_tokens_of_link_on_every_server(
    make_app: Callable[..., Any], home: Skill, kind: str
) -> None:
    other_server = Skill(https(make_app(database=str(engine_of(home.app).url))))
    tokens = home.link()
    newer = home.refresh(tokens["refresh_token"]).json["access_token"]
    assert other_server.active(tokens["access_token"])
    response = home.revoke(tokens[kind])
    assert response.status_int == 200
    assert response.body == b""
    assert response.headers["Cache-Control"] == "no-store"
    for skill in (home, other_server):
        assert introspection_of(skill, tokens["access_token"]) == INACTIVE
        assert introspection_of(skill, newer) == INACTIVE
        assert_refused(skill.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    # a repeated revocation gives 200 too
    assert home.revoke(tokens[kind]).status_int == 200
    newest = select(links.c.end_reason).order_by(links.c.id.desc()).limit(1)
    with engine_of(home.app).connect() as connection:
        assert connection.execute(newest).scalar() == "revoked by its client"


def test_client_revokes_implicit_token(app: TestApp) -> None:
    alexa = Alexa(app)
    token = alexa.link()["access_token"]
    headers = basic("alexa", "the alexa client's secret")
    assert app.post("/revoke", {"token": token}, headers=headers).status_int == 200
    assert alexa.introspect(token).json == INACTIVE


def test_access_token_revokes_itself_without_credentials(home: Skill) -> None:
    """A skill that handles SkillDisabled has no other credential."""
    tokens = home.link()
    assert home.app.post("/revoke", {"token": tokens["access_token"]}).status_int == 200
    assert_refused(home.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    link_admin = LinkAdmin(engine_of(home.app))
    row = list(link_admin.links(LinkFilter(active_only=False)))[-1]
    assert (row["end_reason"], row["client_id"]) == ("revoked by its token", "home")


def test_refresh_token_of_confidential_client_needs_credentials(home: Skill) -> None:
    tokens = home.link()
    for form in ({"token": tokens["refresh_token"]}, {"token": tokens["refresh_token"], "client_id": "home"}):
        assert_refused(home.app.post("/revoke", form, status="*"), 401, "invalid_client")
    assert home.active(tokens["access_token"])


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("named", [True, False])
def test_public_client_revokes_its_tokens(app: TestApp, kind: str, named: bool) -> None:
    public = app_skill(app)
    tokens = public.link()
    form = {"token": tokens[kind], **({"client_id": "app"} if named else {})}
    assert app.post("/revoke", form).status_int == 200
    assert not public.active(tokens["access_token"])
    assert_refused(public.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_revoking_unknown_token_gives_200(home: Skill) -> None:
    for unknown in ("x", "A" * 43, "\0", "€" * 9, home.code()):
        assert home.revoke(unknown).status_int == 200
        assert home.app.post("/revoke", {"token": unknown}).status_int == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revocation_by_another_client_does_not_end_link(home: Skill, kind: str) -> None:
    tokens = home.link()
    assert overlap_skill(home.app).revoke(tokens[kind]).status_int == 200
    assert Skill(home.app, "skill-backend", "the resource server's secret").revoke(tokens[kind]).status_int == 200
    assert_refused(Skill(home.app, secret="wrong").revoke(tokens[kind]), 401, "invalid_client")
    assert home.active(tokens["access_token"])
    assert home.refresh(tokens["refresh_token"]).status_int == 200


def test_resource_server_ends_link_with_access_token(app: TestApp) -> None:
    alexa = Alexa(app)
    token = alexa.link()["access_token"]
    proof = basic("skill-backend", "the resource server's secret")
    assert app.post("/revoke", {"token": token}, headers=proof).status_int == 200
    assert alexa.introspect(token).json == {"active": False}


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "", "x" * 500])
def test_token_type_hint_does_not_change_revocation(home: Skill, hint: str) -> None:
    for kind in ("access_token", "refresh_token"):
        tokens = home.link()
        assert home.revoke(tokens[kind], token_type_hint=hint).status_int == 200
        assert not home.active(tokens["access_token"])


def test_broken_database_gives_503_at_every_endpoint(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    tokens, code = home.link(), home.code()
    engine = engine_of(home.app)
    # the thread that deletes old rows would otherwise keep the file open, and part of its content in another file
    services_of(home.app.app.registry).links.close()
    engine.dispose()
    database = Path(engine.url.database)
    content = database.read_bytes()
    database.write_bytes(b"this is no database" * 1000)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    responses = [
        home.revoke(tokens["access_token"]),
        home.revoke("unknown"),
        home.app.post("/revoke", {"token": tokens["access_token"]}, status="*"),
        home.post("/introspect", {"token": tokens["access_token"]}),
        home.redeem(code),
        home.refresh(tokens["refresh_token"]),
        home.app.get("/userinfo", headers=bearer, status="*"),
    ]
    for response in responses:
        assert_refused(response, 503, "temporarily_unavailable")
        assert int(response.headers["Retry-After"]) > 0
    engine.dispose()
    database.write_bytes(content)
    assert home.redeem(code).status_int == 200
    assert home.active(tokens["access_token"])
    assert home.revoke(tokens["access_token"]).status_int == 200


def userinfo(app: TestApp, authorization: str | None, query: str = "") -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return app.get("/userinfo" + query, headers=headers, status="*")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic aG9tZTp4", "Digest x", "Bearerx y"])
def test_request_without_token_gets_plain_challenge(app: TestApp, authorization: str | None) -> None:
    response = userinfo(app, authorization)
    assert response.status_int == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="linkauth"'


@pytest.mark.parametrize("token", ["x", "A" * 43, "x y", "\xe9", "Bearer x", "x" * 9000, '"', "a, b"])
def test_invalid_token_gets_invalid_token_error(app: TestApp, token: str) -> None:
    response = userinfo(app, f"Bearer {token}")
    assert response.status_int == 401
    assert response.json["error"] == "invalid_token"
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="linkauth", error="invalid_token"')
    assert token not in response.headers["WWW-Authenticate"].removeprefix("Bearer ") or len(token) < 9


def test_token_in_url_is_refused(home: Skill) -> None:
    token = home.link()["access_token"]
    for authorization in (None, f"Bearer {token}"):
        response = userinfo(home.app, authorization, f"?access_token={token}")
        assert (response.status_int, response.json["error"]) == (400, "invalid_request")
        assert "sub" not in response.json


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR   ", " Bearer "])
def test_scheme_is_case_insensitive_but_token_is_not(home: Skill, scheme: str) -> None:
    token = home.link()["access_token"]
    assert userinfo(home.app, scheme + token).json["sub"] == "staff:1"
    for changed in (token.swapcase(), token.lower(), token[:-1], token + "A"):
        assert userinfo(home.app, scheme + changed).json["error"] == "invalid_token"
