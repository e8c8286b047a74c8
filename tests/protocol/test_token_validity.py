"""Only a living token proves anything, and only what its client still has: at every endpoint that takes one."""

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
from tests.protocol.histories import unverified

SERVER = basic("skill-backend", "the resource server's secret")
SECRET = "only for tests, 32 characters or more"
HOME_SCOPES = "order_car basic_profile profile email"
IDLE = {"client__app__refresh_token_idle": "5000", "client__app__refresh_grace": "60"}


def with_clock(app: TestApp) -> tuple[Skill, Skill, Clock]:
    """The confidential and the public client of an app, and its clock."""
    return Skill(app), app_skill(app), set_clock(app)


def revoke(skill: Skill, token: str, credentials: dict[str, str] | None = None) -> None:
    """Say /revoke of a token; the answer to a dead one is as good as any (RFC 7009 section 2.2)."""
    answer = skill.app.post("/revoke", {"token": token}, headers=credentials, status="*")
    assert (answer.status_int, answer.body) == (200, b"")


def ended(app: TestApp) -> list[str]:
    """Why links have ended, oldest first."""
    rows = LinkAdmin(engine_of(app)).links(LinkFilter(living=False))
    return [row["end_reason"] for row in rows if row["ended_at"] is not None]


@pytest.fixture(params=["opaque", "jwt"])
def app_of_format(request: pytest.FixtureRequest, make_app: Callable[..., Any], tmp_path: Any) -> TestApp:
    """An app whose clients of the code grant get tokens of that format."""
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    formats = {f"client__{name}__token_format": request.param for name in ("home", "app")}
    return https(make_app(database=url, **formats, **IDLE))


def test_an_expired_access_token_ends_nothing(app_of_format: TestApp) -> None:
    home, public, clock = with_clock(app_of_format)
    for skill in (home, public):
        got = skill.link()
        clock.now += 3600
        revoke(skill, got["access_token"])
        assert skill.revoke(got["access_token"]).status_int == 200
        assert ended(app_of_format) == []
        newer = skill.refresh(got["refresh_token"]).json["access_token"]
        # an older one that has expired is no proof beside a newer one
        revoke(skill, got["access_token"])
        assert skill.active(newer)
        clock.now += 3599
        revoke(skill, newer)
        assert ended(app_of_format) == ["revoked by its token"]
        with engine_of(app_of_format).begin() as connection:
            connection.exec_driver_sql("DELETE FROM links")


def test_an_expired_token_of_the_implicit_grant_ends_nothing(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__alexa__access_token_lifetime="400"))
    clock, alexa = set_clock(app), Alexa(app)
    tokens = [alexa.link()["access_token"] for _ in range(2)]
    clock.now += 399
    revoke(Skill(app), tokens[0], SERVER)
    assert len(ended(app)) == 1
    clock.now += 1
    for credentials in (None, SERVER, basic("alexa", "the alexa client's secret")):
        revoke(Skill(app), tokens[1], credentials)
    assert len(ended(app)) == 1


@pytest.mark.parametrize("later", [0, 30, 61])
def test_a_refresh_token_that_was_rotated_away_ends_nothing_at_revoke(make_app: Callable[..., Any], later: int) -> None:
    """Within the grace too. At /token it still is a replay, when the grace is over."""
    app = https(make_app(**IDLE))
    _, public, clock = with_clock(app)
    first = public.link()["refresh_token"]
    got = public.refresh(first).json
    clock.now += later
    for form in ({"token": first}, {"token": first, "client_id": "app"}):
        assert app.post("/revoke", form).status_int == 200
    assert public.active(got["access_token"])
    if later > 60:
        assert_refused(public.refresh(first), 400, "invalid_grant")
        assert ended(app) == ["refresh token used twice"]
    else:
        # the answer was lost perhaps, and is repeated
        assert public.refresh(first).json["refresh_token"] == got["refresh_token"]
        revoke(public, got["refresh_token"])
        assert ended(app) == ["revoked by its token"]


def test_an_expired_refresh_token_ends_nothing(make_app: Callable[..., Any]) -> None:
    app = https(make_app(**IDLE, client__app__access_token_lifetime="7200"))
    _, public, clock = with_clock(app)
    got = public.link()
    clock.now += 5000
    revoke(public, got["refresh_token"])
    assert public.active(got["access_token"])
    assert_refused(public.refresh(got["refresh_token"]), 400, "invalid_grant")


def test_a_superseded_refresh_token_ends_nothing(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    skill = overlap_skill(app)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json["refresh_token"]
    third = skill.refresh(second).json
    assert skill.revoke(first).status_int == 200
    assert skill.active(third["access_token"])
    # and one that still may be used ends it
    assert skill.revoke(second).status_int == 200
    assert not skill.active(third["access_token"])


def test_a_token_of_an_ended_link_changes_nothing_about_it(app_of_format: TestApp) -> None:
    home, public, _ = with_clock(app_of_format)
    for skill in (home, public):
        got = skill.link()
        if skill.secret:
            assert skill.post("/introspect", {"token": got["access_token"]}).json["active"] is True
        revoke(skill, got["access_token"])
        for token in (got["access_token"], got["refresh_token"]):
            if skill.secret is None or token == got["access_token"]:
                revoke(skill, token)
            assert skill.revoke(token).status_int == 200
            assert not skill.active(token)
    assert ended(app_of_format) == ["revoked by its token"] * 2


def test_a_dead_refresh_token_of_a_confidential_client_is_as_unknown(make_app: Callable[..., Any]) -> None:
    """A living one asks for credentials; a dead one tells nothing."""
    app = https(make_app(client__overlap__refresh_token_lifetime="60"))
    clock, skill = set_clock(app), overlap_skill(app)
    token = skill.link()["refresh_token"]
    assert_refused(app.post("/revoke", {"token": token}, status="*"), 401, "invalid_client")
    clock.now += 60
    revoke(skill, token)
    assert ended(app) == []


def test_a_code_is_no_token_before_and_after_it_was_redeemed(app_of_format: TestApp) -> None:
    home, _, _ = with_clock(app_of_format)
    code = home.code()
    revoke(home, code)
    assert home.revoke(code).status_int == 200
    got = home.redeem(code).json
    revoke(home, code)
    assert home.active(got["access_token"])


def scopes_of(skill: Skill, token: str) -> Any:
    return skill.post("/introspect", {"token": token}).json.get("scope")


def later(make_app: Callable[..., Any], app: TestApp, **changes: str | None) -> Skill:
    """The client `home` of a server that was started with other settings on the same database."""
    url = services_of(app.app.registry).settings.database
    # another client has them all, so that their sentences in the ini belong to somebody
    return Skill(https(make_app(database=url, client__overlap__scopes=HOME_SCOPES, **changes)))


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ("email profile", "profile email"),
        ("order_car", "order_car"),
        ("email order_car basic_profile profile", HOME_SCOPES),
        ("email read write", "email"),
    ],
)
def test_a_scope_that_was_taken_from_the_client_is_gone_from_its_tokens(
    make_app: Callable[..., Any], now: str, left: str
) -> None:
    before = Skill(https(make_app()))
    code, got = before.code(), before.link()
    after = later(make_app, before.app, client__home__scopes=now)
    assert scopes_of(after, got["access_token"]) == left
    refreshed = after.refresh(got["refresh_token"]).json
    assert (refreshed["scope"], scopes_of(after, refreshed["access_token"])) == (left, left)
    # and of a code from before the change
    redeemed = after.redeem(code).json
    assert (redeemed["scope"], scopes_of(after, redeemed["access_token"])) == (left, left)
    if left != HOME_SCOPES:
        assert_refused(after.refresh(got["refresh_token"], scope=HOME_SCOPES), 400, "invalid_scope")
    # what was taken away by mistake and is given again is there again
    again = later(make_app, before.app)
    assert scopes_of(again, got["access_token"]) == HOME_SCOPES


def test_userinfo_tells_what_the_client_still_may_know(make_app: Callable[..., Any]) -> None:
    before = Skill(https(make_app()))
    token = before.link()["access_token"]

    def claims(skill: Skill) -> set[str]:
        return set(skill.app.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).json)

    always = {"sub", "preferred_username"}
    assert claims(before) == {*always, "name", "email"}
    assert claims(later(make_app, before.app, client__home__scopes="order_car email")) == {*always, "email"}
    assert claims(later(make_app, before.app, client__home__scopes="order_car")) == always
    # the setting claims has a say of its own
    assert claims(later(make_app, before.app, client__home__scopes="order_car", client__home__claims="name")) == {
        *always,
        "name",
    }


def test_a_claim_that_was_taken_from_the_client_is_told_no_more(make_app: Callable[..., Any], tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    changes = {"database": url, "client__home__token_format": "jwt"}
    before = Skill(https(make_app(client__home__claims="name email", **changes)))
    got = before.link(scope="order_car")
    after = Skill(https(make_app(client__home__claims="email", **changes)))
    state = after.post("/introspect", {"token": got["access_token"]}).json
    assert ("name" in state, state["email"]) == (False, "ada@example.com")
    claims = unverified(after.refresh(got["refresh_token"]).json["access_token"])
    assert ("name" in claims, claims["email"]) == (False, "ada@example.com")


def test_a_token_that_has_lost_all_its_scopes_is_dead(make_app: Callable[..., Any]) -> None:
    """As its refresh token is. A token that never had any is not concerned."""
    before = Skill(https(make_app()))
    code, got = before.code(scope="email"), before.link(scope="email profile")
    narrow = before.refresh(got["refresh_token"], scope="email").json["access_token"]
    after = later(make_app, before.app, client__home__scopes="order_car profile")
    # the other one has profile still
    assert scopes_of(after, got["access_token"]) == "profile"
    assert after.post("/introspect", {"token": narrow}).json == INACTIVE
    assert not after.active(narrow)
    assert_refused(after.redeem(code), 400, "invalid_grant")
    gone = later(make_app, before.app, client__home__scopes="order_car")
    assert gone.post("/introspect", {"token": got["access_token"]}).json == INACTIVE
    assert_refused(gone.refresh(got["refresh_token"]), 400, "invalid_grant")
    # the link lives, and so does the token when the scopes are back
    assert scopes_of(later(make_app, before.app), narrow) == "email"
    # who holds it may still end the link
    revoke(gone, got["access_token"])
    assert not later(make_app, before.app).active(got["access_token"])


def test_a_client_without_scopes_is_not_concerned(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    alexa = Alexa(app)
    alexa.parameters |= {"client_id": "expiring", "redirect_uri": "https://expiring.example.com/cb"}
    del alexa.parameters["scope"]
    token = alexa.link()["access_token"]
    state = alexa.introspect(token, "expiring", "the expiring client's secret").json
    assert (state["active"], state["scope"]) == (True, "")


@pytest.mark.parametrize("days", [0, 400])
def test_an_endless_token_lives_on(make_app: Callable[..., Any], days: int) -> None:
    app = https(make_app())
    clock, alexa = set_clock(app), Alexa(app)
    token = alexa.link()["access_token"]
    clock.now += days * DAY
    assert alexa.introspect(token).json["active"] is True
    revoke(Skill(app), token)
    assert alexa.introspect(token).json == INACTIVE
