"""Refresh tokens. Simultaneous uses are in test_races.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError
from webtest import TestApp

from linkauth.oauth2.requests import ClientRequest
from linkauth.storage import LinkAdmin, LinkFilter
from linkauth.storage.tables import tokens
from tests.alexa import basic
from tests.conftest import https
from tests.protocol.flow import (
    DAY,
    HOME,
    Clock,
    Skill,
    app_skill,
    assert_refused,
    engine_of,
    overlap_skill,
    server_of,
    set_clock,
)


@pytest.fixture
def home(app: TestApp) -> Skill:
    return Skill(app)


@pytest.fixture(scope="module")
def timed(make_app: Callable[..., Any]) -> TestApp:
    return https(make_app(client__app__refresh_grace="60"))


@pytest.fixture
def clock(timed: TestApp) -> Clock:
    return set_clock(timed)


def test_a_refresh_gives_another_access_token(home: Skill) -> None:
    got = home.link()
    answer = home.refresh(got["refresh_token"])
    assert answer.status_int == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert answer.json["expires_in"] >= 360
    assert answer.json["access_token"] != got["access_token"]
    assert home.active(got["access_token"])
    assert home.active(answer.json["access_token"])


def test_a_scope_may_be_narrowed_and_never_widened(home: Skill) -> None:
    got = home.link(scope="order_car profile")
    token = got["refresh_token"]
    narrow = home.refresh(token, scope="profile").json
    assert narrow["scope"] == "profile"
    state = home.post("/introspect", {"token": narrow["access_token"]}).json
    assert (state["active"], state["scope"]) == (True, "profile")
    # the refresh token itself stays as wide as it was
    assert home.refresh(token).json["scope"] == "order_car profile"
    assert home.refresh(token, scope="profile order_car profile").json["scope"] == "profile order_car"
    for wider in ("order_car profile email", "email", "unknown", "order_car  profile", '"', "ORDER_CAR", " "):
        assert_refused(home.refresh(token, scope=wider), 400, "invalid_scope")
    assert home.refresh(token, scope="").json["scope"] == "order_car profile"


def test_a_refresh_token_is_its_clients_only(home: Skill) -> None:
    token = home.link()["refresh_token"]
    assert_refused(overlap_skill(home.app).refresh(token), 400, "invalid_grant")
    assert_refused(app_skill(home.app).refresh(token), 400, "invalid_grant")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for alone in (form, {**form, "client_id": "home"}, {**form, "client_id": "home", "client_secret": ""}):
        assert_refused(home.app.post("/token", alone, status="*"), 401, "invalid_client")
    assert home.refresh(token).status_int == 200


@pytest.mark.parametrize("kind", ["access_token", "code"])
def test_nothing_else_is_a_refresh_token(home: Skill, kind: str) -> None:
    code = home.code()
    token = code if kind == "code" else home.redeem(code).json[kind]
    assert_refused(home.refresh(token), 400, "invalid_grant")


def test_a_rotated_token_that_comes_again_ends_the_family(timed: TestApp, clock: Clock) -> None:
    public = app_skill(timed)
    first = public.link()
    second = public.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    clock.now += 61
    assert_refused(public.refresh(first["refresh_token"]), 400, "invalid_grant")
    for each in (first, second):
        assert not public.active(each["access_token"])
        assert_refused(public.refresh(each["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("rotations", [2, 3, 10])
def test_also_when_the_thief_has_rotated_on(timed: TestApp, clock: Clock, rotations: int) -> None:
    """Who stole a token and refreshes quickly must not outrun the family's end."""
    public = app_skill(timed)
    stolen = public.link()["refresh_token"]
    thief = {"refresh_token": stolen}
    for _ in range(rotations):
        thief = public.refresh(thief["refresh_token"]).json
    clock.now += 61
    assert_refused(public.refresh(stolen), 400, "invalid_grant")
    assert not public.active(thief["access_token"])
    assert_refused(public.refresh(thief["refresh_token"]), 400, "invalid_grant")


def test_even_within_the_grace_once_the_successor_was_used(timed: TestApp, clock: Clock) -> None:
    public = app_skill(timed)
    first = public.link()["refresh_token"]
    second = public.refresh(first).json["refresh_token"]
    third = public.refresh(second).json
    clock.now += 1
    assert_refused(public.refresh(first), 400, "invalid_grant")
    assert_refused(public.refresh(third["refresh_token"]), 400, "invalid_grant")
    assert not public.active(third["access_token"])


def test_alexas_token_works_a_thousand_times_over_a_year(timed: TestApp, clock: Clock) -> None:
    home = Skill(timed)
    got = home.link()
    token = got["refresh_token"]

    form = {"grant_type": "refresh_token", "refresh_token": token}
    asked = ClientRequest(form, basic("home", "the-home-clients-secret")["Authorization"])

    def refresh(_: int) -> Any:
        return server_of(timed).token(asked)

    with ThreadPoolExecutor(2) as two:
        for _ in range(500):
            answers = list(two.map(refresh, range(2)))
            assert [answer["refresh_token"] for answer in answers] == [token, token]
            assert len({answer["access_token"] for answer in answers}) == 2
            clock.now += 365 * DAY / 500
    # the answer to this one is lost, and Alexa asks again with what it has
    home.refresh(token)
    last = home.refresh(token).json
    assert home.active(last["access_token"])
    assert not home.active(got["access_token"])
    with engine_of(timed).connect() as connection:
        kept = connection.execute(
            select(func.count()).where(tokens.c.link_id.in_(select(func.max(tokens.c.link_id))))
        ).scalar()
    # what has expired for a day is forgotten, so a year does not fill the database
    assert kept is not None
    assert 2 <= kept <= 12


def test_a_storage_that_dies_half_way_leaves_the_old_token(timed: TestApp, clock: Clock) -> None:
    public = app_skill(timed)
    first = public.link()["refresh_token"]
    engine = engine_of(timed)

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO tokens"):
            raise OperationalError(statement, None, Exception("the disk is full"))

    event.listen(engine, "before_cursor_execute", die)
    try:
        answer = public.refresh(first)
        assert_refused(answer, 503, "temporarily_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        event.remove(engine, "before_cursor_execute", die)
    clock.now += 3600
    second = public.refresh(first)
    assert second.status_int == 200
    assert public.refresh(second.json["refresh_token"]).status_int == 200


def test_neither_is_a_code_lost(timed: TestApp, clock: Clock) -> None:
    home = Skill(timed)
    code = home.code()
    engine = engine_of(timed)

    def die(_connection: Any) -> None:
        raise OperationalError("COMMIT", None, Exception("the connection is gone"))

    event.listen(engine, "commit", die)
    try:
        assert_refused(home.redeem(code), 503, "temporarily_unavailable")
    finally:
        event.remove(engine, "commit", die)
    assert home.redeem(code).status_int == 200


def test_an_ended_link_refreshes_no_more(home: Skill) -> None:
    got = home.link()
    other = home.link()
    link_admin = LinkAdmin(engine_of(home.app))
    assert link_admin.end(LinkFilter(person="staff:1", client_id="home"), "has left", 1) >= 2
    for each in (got, other):
        assert_refused(home.refresh(each["refresh_token"]), 400, "invalid_grant")
        assert not home.active(each["access_token"])


def reopened(make_app: Callable[..., Any], before: TestApp, **changes: str) -> TestApp:
    """The app with other settings, on the same database."""
    return https(make_app(database=str(engine_of(before).url), **changes))


def test_a_client_that_is_gone_is_nobody(make_app: Callable[..., Any], timed: TestApp) -> None:
    got = Skill(timed).link()
    without = {f"client__home__{key}": None for key in ("name", "grants", "secret", "alexa_vendor_id", "scopes")}
    changes: Any = {**without, "clients": "alexa other single expiring skill-backend app overlap"}
    app = reopened(make_app, timed, scope__profile=None, scope__email=None, **changes)
    gone = Skill(app)
    assert_refused(gone.refresh(got["refresh_token"]), 401, "invalid_client")
    assert not gone.active(got["access_token"])
    # and it is back as it was when the deployer changes their mind
    assert Skill(timed).refresh(got["refresh_token"]).status_int == 200


def test_a_client_without_the_grant_refreshes_no_more(make_app: Callable[..., Any], timed: TestApp) -> None:
    got = Skill(timed).link()
    app = reopened(make_app, timed, client__home__grants="implicit")
    assert_refused(Skill(app).refresh(got["refresh_token"]), 400, "unauthorized_client")
    assert_refused(Skill(app).redeem(Skill(timed).code()), 400, "unauthorized_client")


def test_a_scope_that_the_client_lost_is_lost(make_app: Callable[..., Any], timed: TestApp) -> None:
    got = Skill(timed).link(scope="order_car profile")
    app = reopened(
        make_app, timed, client__home__scopes="order_car basic_profile", scope__profile=None, scope__email=None
    )
    less = Skill(app).refresh(got["refresh_token"]).json
    assert less["scope"] == "order_car"
    assert Skill(app).post("/introspect", {"token": less["access_token"]}).json["scope"] == "order_car"
    assert_refused(Skill(app).refresh(got["refresh_token"], scope="profile"), 400, "invalid_scope")


def test_a_link_whose_every_scope_is_lost_refreshes_no_more(make_app: Callable[..., Any], timed: TestApp) -> None:
    got = Skill(timed).link(scope="email profile")
    app = reopened(
        make_app, timed, client__home__scopes="order_car basic_profile", scope__profile=None, scope__email=None
    )
    assert_refused(Skill(app).refresh(got["refresh_token"]), 400, "invalid_grant")
    assert Skill(timed).refresh(got["refresh_token"]).json["scope"] == "email profile"


@pytest.mark.parametrize("refresh", ["stable", "overlap", "rotate"])
def test_a_refresh_token_dies_of_idleness(make_app: Callable[..., Any], refresh: str) -> None:
    app = https(make_app(client__home__refresh=refresh, client__home__refresh_token_idle=str(180 * DAY)))
    home, clock = Skill(app), set_clock(app)
    token = home.link()["refresh_token"]
    for _ in range(5):
        clock.now += 179 * DAY
        token = home.refresh(token).json["refresh_token"]
    clock.now += 180 * DAY
    assert_refused(home.refresh(token), 400, "invalid_grant")


@pytest.mark.parametrize("refresh", ["stable", "overlap", "rotate"])
def test_a_refresh_token_dies_of_age(make_app: Callable[..., Any], refresh: str) -> None:
    changes = {"client__home__refresh": refresh, "client__home__refresh_token_idle": str(180 * DAY)}
    app = https(make_app(client__home__refresh_token_lifetime=str(365 * DAY), **changes))
    home, clock = Skill(app), set_clock(app)
    token = home.link()["refresh_token"]
    for _ in range(3):
        clock.now += 121 * DAY
        token = home.refresh(token).json["refresh_token"]
    clock.now += 2 * DAY - 1
    token = home.refresh(token).json["refresh_token"]
    clock.now += 1
    assert_refused(home.refresh(token), 400, "invalid_grant")


def test_without_a_setting_it_does_not_die(timed: TestApp, clock: Clock) -> None:
    home = Skill(timed, redirect_uri=HOME)
    token = home.link()["refresh_token"]
    clock.now += 20 * 365 * DAY
    assert home.refresh(token).json["refresh_token"] == token


def test_an_expiry_that_the_deployer_takes_back_is_gone(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__home__refresh_token_idle=str(DAY)))
    clock = set_clock(app)
    token = Skill(app).link()["refresh_token"]
    later = reopened(make_app, app)
    server_of(later)._clock = clock
    assert Skill(later).refresh(token).status_int == 200
    clock.now += 30 * DAY
    assert Skill(later).refresh(token).status_int == 200
