"""Introspection of the code grant's tokens, revocation, and bearer use. More in test_introspection.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from webtest import TestApp

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


def state(skill: Skill, token: str) -> Any:
    answer = skill.post("/introspect", {"token": token})
    assert answer.status_int == 200, answer.text
    return answer.json


def test_without_its_secret_a_client_is_told_nothing(home: Skill) -> None:
    token = home.link()["access_token"]
    assert_refused(Skill(home.app, secret="wrong").post("/introspect", {"token": token}), 401, "invalid_client")
    public = app_skill(home.app)
    assert_refused(public.post("/introspect", {"token": public.link()["access_token"]}), 401, "invalid_client")


def test_an_expired_token_is_just_inactive(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    clock = set_clock(home.app)
    token = home.link()["access_token"]
    clock.now += 3599
    assert state(home, token)["active"] is True
    clock.now += 1
    assert state(home, token) == INACTIVE
    assert not home.active(token)


def test_what_is_told_of_a_token_and_no_more(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    now = int(set_clock(home.app).now)
    assert state(home, home.link(scope="email profile")["access_token"]) == {
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
def test_a_token_must_come_once_and_by_post(home: Skill, path: str) -> None:
    assert_refused(home.post(path, {"token_type_hint": "access_token"}), 400, "invalid_request")
    assert_refused(home.post(path, {"token": ""}), 400, "invalid_request")
    headers = {**basic("home", SECRET), "Content-Type": "application/x-www-form-urlencoded"}
    assert_refused(home.app.post(path, "token=a&token=b", headers=headers, status="*"), 400, "invalid_request")
    assert_refused(home.app.post(f"{path}?token=a", "", headers=headers, status="*"), 400, "invalid_request")
    assert home.app.get(path, headers=headers, status=405).headers["Allow"] == "POST"


def test_no_other_kind_is_an_access_token(home: Skill) -> None:
    code = home.code()
    assert state(home, code) == INACTIVE
    assert not home.active(code)
    got = home.redeem(code).json
    assert state(home, got["refresh_token"]) == INACTIVE
    assert not home.active(got["refresh_token"])
    assert state(home, code) == INACTIVE


def test_a_foreign_token_is_inactive(home: Skill) -> None:
    token = home.link()["access_token"]
    assert state(overlap_skill(home.app), token) == INACTIVE
    assert state(Skill(home.app, "alexa", "the alexa client's secret"), token) == INACTIVE
    # a resource server that the settings let ask for alexa's only
    assert state(Skill(home.app, "skill-backend", "the resource server's secret"), token) == INACTIVE
    assert state(home, token)["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_any_token_ends_them_all_at_every_server(make_app: Callable[..., Any], home: Skill, kind: str) -> None:
    elsewhere = Skill(https(make_app(database=str(engine_of(home.app).url))))
    got = home.link()
    newer = home.refresh(got["refresh_token"]).json["access_token"]
    assert elsewhere.active(got["access_token"])
    answer = home.revoke(got[kind])
    assert answer.status_int == 200
    assert answer.body == b""
    assert answer.headers["Cache-Control"] == "no-store"
    for skill in (home, elsewhere):
        assert state(skill, got["access_token"]) == INACTIVE
        assert state(skill, newer) == INACTIVE
        assert_refused(skill.refresh(got["refresh_token"]), 400, "invalid_grant")
    # and again
    assert home.revoke(got[kind]).status_int == 200
    newest = select(links.c.end_reason).order_by(links.c.id.desc()).limit(1)
    with engine_of(home.app).connect() as connection:
        assert connection.execute(newest).scalar() == "revoked by its client"


def test_a_token_of_the_implicit_grant(app: TestApp) -> None:
    alexa = Alexa(app)
    token = alexa.link()["access_token"]
    headers = basic("alexa", "the alexa client's secret")
    assert app.post("/revoke", {"token": token}, headers=headers).status_int == 200
    assert alexa.introspect(token).json == INACTIVE


def test_an_access_token_is_its_own_proof(home: Skill) -> None:
    """A skill that got SkillDisabled holds nothing else."""
    got = home.link()
    assert home.app.post("/revoke", {"token": got["access_token"]}).status_int == 200
    assert_refused(home.refresh(got["refresh_token"]), 400, "invalid_grant")
    link_admin = LinkAdmin(engine_of(home.app))
    row = list(link_admin.links(LinkFilter(living=False)))[-1]
    assert (row["end_reason"], row["client_id"]) == ("revoked by its token", "home")


def test_a_confidential_clients_refresh_token_is_no_proof(home: Skill) -> None:
    got = home.link()
    for form in ({"token": got["refresh_token"]}, {"token": got["refresh_token"], "client_id": "home"}):
        assert_refused(home.app.post("/revoke", form, status="*"), 401, "invalid_client")
    assert home.active(got["access_token"])


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("named", [True, False])
def test_a_public_client_revokes_what_it_holds(app: TestApp, kind: str, named: bool) -> None:
    public = app_skill(app)
    got = public.link()
    form = {"token": got[kind], **({"client_id": "app"} if named else {})}
    assert app.post("/revoke", form).status_int == 200
    assert not public.active(got["access_token"])
    assert_refused(public.refresh(got["refresh_token"]), 400, "invalid_grant")


def test_an_unknown_token_is_revoked_already(home: Skill) -> None:
    for unknown in ("x", "A" * 43, "\0", "€" * 9, home.code()):
        assert home.revoke(unknown).status_int == 200
        assert home.app.post("/revoke", {"token": unknown}).status_int == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_client_ends_nothing(home: Skill, kind: str) -> None:
    got = home.link()
    assert overlap_skill(home.app).revoke(got[kind]).status_int == 200
    assert Skill(home.app, "skill-backend", "the resource server's secret").revoke(got[kind]).status_int == 200
    assert_refused(Skill(home.app, secret="wrong").revoke(got[kind]), 401, "invalid_client")
    assert home.active(got["access_token"])
    assert home.refresh(got["refresh_token"]).status_int == 200


def test_a_skills_backend_ends_the_link_whose_access_token_it_holds(app: TestApp) -> None:
    alexa = Alexa(app)
    token = alexa.link()["access_token"]
    proof = basic("skill-backend", "the resource server's secret")
    assert app.post("/revoke", {"token": token}, headers=proof).status_int == 200
    assert alexa.introspect(token).json == {"active": False}


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "", "x" * 500])
def test_a_hint_is_only_a_hint(home: Skill, hint: str) -> None:
    for kind in ("access_token", "refresh_token"):
        got = home.link()
        assert home.revoke(got[kind], token_type_hint=hint).status_int == 200
        assert not home.active(got["access_token"])


def test_a_broken_storage_says_so_at_every_door(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    got, code = home.link(), home.code()
    engine = engine_of(home.app)
    engine.dispose()
    database = Path(engine.url.database)
    whole = database.read_bytes()
    database.write_bytes(b"this is no database" * 1000)
    bearer = {"Authorization": f"Bearer {got['access_token']}"}
    answers = [
        home.revoke(got["access_token"]),
        home.revoke("unknown"),
        home.app.post("/revoke", {"token": got["access_token"]}, status="*"),
        home.post("/introspect", {"token": got["access_token"]}),
        home.redeem(code),
        home.refresh(got["refresh_token"]),
        home.app.get("/userinfo", headers=bearer, status="*"),
    ]
    for answer in answers:
        assert_refused(answer, 503, "temporarily_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    engine.dispose()
    database.write_bytes(whole)
    assert home.redeem(code).status_int == 200
    assert home.active(got["access_token"])
    assert home.revoke(got["access_token"]).status_int == 200


def userinfo(app: TestApp, authorization: str | None, query: str = "") -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return app.get("/userinfo" + query, headers=headers, status="*")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic aG9tZTp4", "Digest x", "Bearerx y"])
def test_without_a_token_there_is_only_the_challenge(app: TestApp, authorization: str | None) -> None:
    answer = userinfo(app, authorization)
    assert answer.status_int == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="linkauth"'


@pytest.mark.parametrize("token", ["x", "A" * 43, "x y", "\xe9", "Bearer x", "x" * 9000, '"', "a, b"])
def test_a_bad_token_is_named(app: TestApp, token: str) -> None:
    answer = userinfo(app, f"Bearer {token}")
    assert answer.status_int == 401
    assert answer.json["error"] == "invalid_token"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="linkauth", error="invalid_token"')
    assert token not in answer.headers["WWW-Authenticate"].removeprefix("Bearer ") or len(token) < 9


def test_a_token_in_the_url_is_refused(home: Skill) -> None:
    token = home.link()["access_token"]
    for authorization in (None, f"Bearer {token}"):
        answer = userinfo(home.app, authorization, f"?access_token={token}")
        assert (answer.status_int, answer.json["error"]) == (400, "invalid_request")
        assert "sub" not in answer.json


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR   ", " Bearer "])
def test_the_scheme_has_no_case_and_the_token_has(home: Skill, scheme: str) -> None:
    token = home.link()["access_token"]
    assert userinfo(home.app, scheme + token).json["sub"] == "staff:1"
    for alike in (token.swapcase(), token.lower(), token[:-1], token + "A"):
        assert userinfo(home.app, scheme + alike).json["error"] == "invalid_token"
