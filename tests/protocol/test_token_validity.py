"""Tests that only valid tokens are accepted, with the scopes and claims that their client still has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from webtest import TestApp

from linkauth.services import services_of
from linkauth.storage import KeyStore, LinkAdmin, LinkFilter, open_engine, upgrade
from tests.alexa import Alexa, basic
from tests.conftest import https
from tests.protocol.flow import (
    DAY,
    INACTIVE,
    Clock,
    Skill,
    app_skill,
    assert_refused,
    engine_of,
    overlap_skill,
    set_clock,
)
from tests.protocol.histories import unverified_claims

SERVER = basic("skill-backend", "the resource server's secret")
SECRET = "only for tests, 32 characters or more"
HOME_SCOPES = "order_car basic_profile profile email"
IDLE = {"client__app__refresh_token_idle": "5000", "client__app__refresh_grace": "60"}


def clients_and_clock(app: TestApp) -> tuple[Skill, Skill, Clock]:
    """Returns the confidential and the public client of an app, and its clock."""
    return Skill(app), app_skill(app), set_clock(app)


def revoke(skill: Skill, token: str, credentials: dict[str, str] | None = None) -> None:
    """Posts a token to /revoke; the response to an invalid token is 200 too (RFC 7009 section 2.2)."""
    response = skill.app.post("/revoke", {"token": token}, headers=credentials, status="*")
    assert (response.status_int, response.body) == (200, b"")


def end_reasons(app: TestApp) -> list[str]:
    """Returns the end reasons of the ended links, oldest first."""
    rows = LinkAdmin(engine_of(app)).links(LinkFilter(active_only=False))
    return [row["end_reason"] for row in rows if row["ended_at"] is not None]


@pytest.fixture(params=["opaque", "jwt"])
def app_of_format(request: pytest.FixtureRequest, make_app: Callable[..., Any], tmp_path: Any) -> TestApp:
    """An app whose clients of the code grant get tokens of the parametrized format."""
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    formats = {f"client__{name}__token_format": request.param for name in ("home", "app")}
    return https(make_app(database=url, **formats, **IDLE))


def test_revoking_expired_access_token_does_not_end_link(app_of_format: TestApp) -> None:
    home, public, clock = clients_and_clock(app_of_format)
    for skill in (home, public):
        tokens = skill.link()
        clock.now += 3600
        revoke(skill, tokens["access_token"])
        assert skill.revoke(tokens["access_token"]).status_int == 200
        assert end_reasons(app_of_format) == []
        newer = skill.refresh(tokens["refresh_token"]).json["access_token"]
        # an expired token does not end the link although a newer one is valid
        revoke(skill, tokens["access_token"])
        assert skill.active(newer)
        clock.now += 3599
        revoke(skill, newer)
        assert end_reasons(app_of_format) == ["revoked by its token"]
        with engine_of(app_of_format).begin() as connection:
            connection.exec_driver_sql("DELETE FROM links")


def test_revoking_expired_implicit_token_does_not_end_link(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__alexa__access_token_lifetime="400"))
    clock, alexa = set_clock(app), Alexa(app)
    tokens = [alexa.link()["access_token"] for _ in range(2)]
    clock.now += 399
    revoke(Skill(app), tokens[0], SERVER)
    assert len(end_reasons(app)) == 1
    clock.now += 1
    for credentials in (None, SERVER, basic("alexa", "the alexa client's secret")):
        revoke(Skill(app), tokens[1], credentials)
    assert len(end_reasons(app)) == 1


@pytest.mark.parametrize("delay", [0, 30, 61])
def test_revoking_rotated_refresh_token_does_not_end_link(make_app: Callable[..., Any], delay: int) -> None:
    """This holds within the grace period too. At /token the token is a replay after the grace period."""
    app = https(make_app(**IDLE))
    _, public, clock = clients_and_clock(app)
    first = public.link()["refresh_token"]
    tokens = public.refresh(first).json
    clock.now += delay
    for form in ({"token": first}, {"token": first, "client_id": "app"}):
        assert app.post("/revoke", form).status_int == 200
    assert public.active(tokens["access_token"])
    if delay > 60:
        assert_refused(public.refresh(first), 400, "invalid_grant")
        assert end_reasons(app) == ["refresh token used twice"]
    else:
        # the response may have been lost, so it is repeated
        assert public.refresh(first).json["refresh_token"] == tokens["refresh_token"]
        revoke(public, tokens["refresh_token"])
        assert end_reasons(app) == ["revoked by its token"]


def test_revoking_expired_refresh_token_does_not_end_link(make_app: Callable[..., Any]) -> None:
    app = https(make_app(**IDLE, client__app__access_token_lifetime="7200"))
    _, public, clock = clients_and_clock(app)
    tokens = public.link()
    clock.now += 5000
    revoke(public, tokens["refresh_token"])
    assert public.active(tokens["access_token"])
    assert_refused(public.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_revoking_superseded_refresh_token_does_not_end_link(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    skill = overlap_skill(app)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json["refresh_token"]
    third = skill.refresh(second).json
    assert skill.revoke(first).status_int == 200
    assert skill.active(third["access_token"])
    # a refresh token that is still valid ends the link
    assert skill.revoke(second).status_int == 200
    assert not skill.active(third["access_token"])


def test_revoking_token_of_ended_link_changes_nothing(app_of_format: TestApp) -> None:
    home, public, _ = clients_and_clock(app_of_format)
    for skill in (home, public):
        tokens = skill.link()
        if skill.secret:
            assert skill.post("/introspect", {"token": tokens["access_token"]}).json["active"] is True
        revoke(skill, tokens["access_token"])
        for token in (tokens["access_token"], tokens["refresh_token"]):
            if skill.secret is None or token == tokens["access_token"]:
                revoke(skill, token)
            assert skill.revoke(token).status_int == 200
            assert not skill.active(token)
    assert end_reasons(app_of_format) == ["revoked by its token"] * 2


def test_expired_refresh_token_of_confidential_client_needs_no_credentials(make_app: Callable[..., Any]) -> None:
    """A valid refresh token requires credentials; an expired one is treated as unknown."""
    app = https(make_app(client__overlap__refresh_token_lifetime="60"))
    clock, skill = set_clock(app), overlap_skill(app)
    token = skill.link()["refresh_token"]
    assert_refused(app.post("/revoke", {"token": token}, status="*"), 401, "invalid_client")
    clock.now += 60
    revoke(skill, token)
    assert end_reasons(app) == []


def test_code_cannot_be_revoked_as_token(app_of_format: TestApp) -> None:
    home, _, _ = clients_and_clock(app_of_format)
    code = home.code()
    revoke(home, code)
    assert home.revoke(code).status_int == 200
    tokens = home.redeem(code).json
    revoke(home, code)
    assert home.active(tokens["access_token"])


def scopes_of(skill: Skill, token: str) -> Any:
    return skill.post("/introspect", {"token": token}).json.get("scope")


def restart(make_app: Callable[..., Any], app: TestApp, **changes: str | None) -> Skill:
    """Starts a server with other settings on the same database; returns its client `home`."""
    url = services_of(app.app.registry).settings.database
    # another client has all scopes, because the ini must not have texts of unused scopes
    return Skill(https(make_app(database=url, client__overlap__scopes=HOME_SCOPES, **changes)))


@pytest.mark.parametrize(
    ("configured", "remaining"),
    [
        ("email profile", "profile email"),
        ("order_car", "order_car"),
        ("email order_car basic_profile profile", HOME_SCOPES),
        ("email read write", "email"),
    ],
)
def test_scope_removed_from_client_is_removed_from_its_tokens(
    make_app: Callable[..., Any], configured: str, remaining: str
) -> None:
    before = Skill(https(make_app()))
    code, tokens = before.code(), before.link()
    after = restart(make_app, before.app, client__home__scopes=configured)
    assert scopes_of(after, tokens["access_token"]) == remaining
    refreshed = after.refresh(tokens["refresh_token"]).json
    assert (refreshed["scope"], scopes_of(after, refreshed["access_token"])) == (remaining, remaining)
    # the same holds for a code issued before the change
    redeemed = after.redeem(code).json
    assert (redeemed["scope"], scopes_of(after, redeemed["access_token"])) == (remaining, remaining)
    if remaining != HOME_SCOPES:
        assert_refused(after.refresh(tokens["refresh_token"], scope=HOME_SCOPES), 400, "invalid_scope")
    # a scope that is configured again is in the token again
    restored = restart(make_app, before.app)
    assert scopes_of(restored, tokens["access_token"]) == HOME_SCOPES


def test_userinfo_has_claims_of_remaining_scopes(make_app: Callable[..., Any]) -> None:
    before = Skill(https(make_app()))
    token = before.link()["access_token"]

    def claims(skill: Skill) -> set[str]:
        return set(skill.app.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).json)

    always = {"sub", "preferred_username"}
    assert claims(before) == {*always, "name", "email"}
    assert claims(restart(make_app, before.app, client__home__scopes="order_car email")) == {*always, "email"}
    assert claims(restart(make_app, before.app, client__home__scopes="order_car")) == always
    # the setting `claims` adds its claims without a scope
    assert claims(restart(make_app, before.app, client__home__scopes="order_car", client__home__claims="name")) == {
        *always,
        "name",
    }


def test_claim_removed_from_client_is_no_longer_returned(make_app: Callable[..., Any], tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    changes = {"database": url, "client__home__token_format": "jwt"}
    before = Skill(https(make_app(client__home__claims="name email", **changes)))
    tokens = before.link(scope="order_car")
    after = Skill(https(make_app(client__home__claims="email", **changes)))
    state = after.post("/introspect", {"token": tokens["access_token"]}).json
    assert ("name" in state, state["email"]) == (False, "ada@example.com")
    claims = unverified_claims(after.refresh(tokens["refresh_token"]).json["access_token"])
    assert ("name" in claims, claims["email"]) == (False, "ada@example.com")


def test_token_without_remaining_scopes_is_inactive(make_app: Callable[..., Any]) -> None:
    """Its refresh token is refused too. A token that never had scopes stays active."""
    before = Skill(https(make_app()))
    code, tokens = before.code(scope="email"), before.link(scope="email profile")
    narrow = before.refresh(tokens["refresh_token"], scope="email").json["access_token"]
    after = restart(make_app, before.app, client__home__scopes="order_car profile")
    # the other token still has the scope profile
    assert scopes_of(after, tokens["access_token"]) == "profile"
    assert after.post("/introspect", {"token": narrow}).json == INACTIVE
    assert not after.active(narrow)
    assert_refused(after.redeem(code), 400, "invalid_grant")
    without_scopes = restart(make_app, before.app, client__home__scopes="order_car")
    assert without_scopes.post("/introspect", {"token": tokens["access_token"]}).json == INACTIVE
    assert_refused(without_scopes.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    # the link has not ended, so the token is active again with its scopes
    assert scopes_of(restart(make_app, before.app), narrow) == "email"
    # the inactive token can still end the link
    revoke(without_scopes, tokens["access_token"])
    assert not restart(make_app, before.app).active(tokens["access_token"])


def test_token_of_client_without_scopes_stays_active(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    alexa = Alexa(app)
    alexa.parameters |= {"client_id": "expiring", "redirect_uri": "https://expiring.example.com/cb"}
    del alexa.parameters["scope"]
    token = alexa.link()["access_token"]
    state = alexa.introspect(token, "expiring", "the expiring client's secret").json
    assert (state["active"], state["scope"]) == (True, "")


@pytest.mark.parametrize("days", [0, 400])
def test_token_without_expiry_stays_active_until_revoked(make_app: Callable[..., Any], days: int) -> None:
    app = https(make_app())
    clock, alexa = set_clock(app), Alexa(app)
    token = alexa.link()["access_token"]
    clock.now += days * DAY
    assert alexa.introspect(token).json["active"] is True
    revoke(Skill(app), token)
    assert alexa.introspect(token).json == INACTIVE
