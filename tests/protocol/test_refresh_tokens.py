"""Tests of refresh tokens; test_races.py tests concurrent uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from webtest import TestApp

from linkauth.oauth2.requests import ClientRequest
from linkauth.storage import LinkAdmin, LinkFilter
from linkauth.storage.tables import tokens
from linkauth.storage.usage import sweep
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
def grace_app(make_app: Callable[..., Any]) -> TestApp:
    return https(make_app(client__app__refresh_grace="60"))


@pytest.fixture
def clock(grace_app: TestApp) -> Clock:
    return set_clock(grace_app)


def test_refresh_gives_new_access_token(home: Skill) -> None:
    token_response = home.link()
    response = home.refresh(token_response["refresh_token"])
    assert response.status_int == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert set(response.json) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert response.json["expires_in"] >= 360
    assert response.json["access_token"] != token_response["access_token"]
    assert home.active(token_response["access_token"])
    assert home.active(response.json["access_token"])


def test_scope_may_be_narrowed_but_not_widened(home: Skill) -> None:
    token_response = home.link(scope="order_car profile")
    token = token_response["refresh_token"]
    narrow = home.refresh(token, scope="profile").json
    assert narrow["scope"] == "profile"
    state = home.post("/introspect", {"token": narrow["access_token"]}).json
    assert (state["active"], state["scope"]) == (True, "profile")
    # the scope of the refresh token itself does not change
    assert home.refresh(token).json["scope"] == "order_car profile"
    assert home.refresh(token, scope="profile order_car profile").json["scope"] == "profile order_car"
    for wider in ("order_car profile email", "email", "unknown", "order_car  profile", '"', "ORDER_CAR", " "):
        assert_refused(home.refresh(token, scope=wider), 400, "invalid_scope")
    assert home.refresh(token, scope="").json["scope"] == "order_car profile"


def test_refresh_token_is_refused_for_another_client(home: Skill) -> None:
    token = home.link()["refresh_token"]
    assert_refused(overlap_skill(home.app).refresh(token), 400, "invalid_grant")
    assert_refused(app_skill(home.app).refresh(token), 400, "invalid_grant")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for alone in (form, {**form, "client_id": "home"}, {**form, "client_id": "home", "client_secret": ""}):
        assert_refused(home.app.post("/token", alone, status="*"), 401, "invalid_client")
    assert home.refresh(token).status_int == 200


@pytest.mark.parametrize("kind", ["access_token", "code"])
def test_other_token_is_refused_as_refresh_token(home: Skill, kind: str) -> None:
    code = home.code()
    token = code if kind == "code" else home.redeem(code).json[kind]
    assert_refused(home.refresh(token), 400, "invalid_grant")


def test_reuse_of_rotated_token_ends_link(grace_app: TestApp, clock: Clock) -> None:
    public = app_skill(grace_app)
    first = public.link()
    second = public.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    clock.now += 61
    assert_refused(public.refresh(first["refresh_token"]), 400, "invalid_grant")
    for each in (first, second):
        assert not public.active(each["access_token"])
        assert_refused(public.refresh(each["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("rotations", [2, 3, 10])
def test_reuse_ends_link_after_further_rotations(grace_app: TestApp, clock: Clock, rotations: int) -> None:
    """A thief who rotates a stolen token several times must not escape the end of the link."""
    public = app_skill(grace_app)
    stolen = public.link()["refresh_token"]
    thief = {"refresh_token": stolen}
    for _ in range(rotations):
        thief = public.refresh(thief["refresh_token"]).json
    clock.now += 61
    assert_refused(public.refresh(stolen), 400, "invalid_grant")
    assert not public.active(thief["access_token"])
    assert_refused(public.refresh(thief["refresh_token"]), 400, "invalid_grant")


def test_reuse_within_grace_period_ends_link_if_successor_was_used(grace_app: TestApp, clock: Clock) -> None:
    public = app_skill(grace_app)
    first = public.link()["refresh_token"]
    second = public.refresh(first).json["refresh_token"]
    third = public.refresh(second).json
    clock.now += 1
    assert_refused(public.refresh(first), 400, "invalid_grant")
    assert_refused(public.refresh(third["refresh_token"]), 400, "invalid_grant")
    assert not public.active(third["access_token"])


def test_stable_token_works_a_thousand_times_over_a_year(grace_app: TestApp, clock: Clock) -> None:
    home = Skill(grace_app)
    token_response = home.link()
    token = token_response["refresh_token"]

    form = {"grant_type": "refresh_token", "refresh_token": token}
    request = ClientRequest(form, basic("home", "the-home-clients-secret")["Authorization"])

    def refresh(_: int) -> Any:
        return server_of(grace_app).token(request)

    with ThreadPoolExecutor(2) as two:
        for _ in range(500):
            responses = list(two.map(refresh, range(2)))
            assert [response["refresh_token"] for response in responses] == [token, token]
            assert len({response["access_token"] for response in responses}) == 2
            clock.now += 365 * DAY / 500
    # the response is lost, and Alexa repeats the request
    home.refresh(token)
    last = home.refresh(token).json
    assert home.active(last["access_token"])
    assert not home.active(token_response["access_token"])
    sweep(engine_of(grace_app), int(clock.now))
    with engine_of(grace_app).connect() as connection:
        rows = connection.execute(
            select(func.count()).where(tokens.c.link_id.in_(select(func.max(tokens.c.link_id))))
        ).scalar()
    # sweeps delete rows one day after they expired, so the database does not grow over the year
    assert rows is not None
    assert 2 <= rows <= 12


@contextmanager
def failing_insertions(engine: Engine, at_commit: bool) -> Iterator[None]:
    """Lets each transaction that inserts tokens fail, at the insertion or at the commit."""
    action = "INSERT INTO unknown_link VALUES (-1)" if at_commit else "SELECT RAISE(ABORT, 'the disk is full')"
    with engine.begin() as connection:
        # the foreign key is checked at the commit
        connection.exec_driver_sql(
            "CREATE TABLE unknown_link (id INTEGER REFERENCES links (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        connection.exec_driver_sql(f"CREATE TRIGGER failure AFTER INSERT ON tokens BEGIN {action}; END")
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER failure")
        connection.exec_driver_sql("DROP TABLE unknown_link")


@pytest.mark.parametrize("at_commit", [False, True])
def test_failed_refresh_leaves_old_token_valid(grace_app: TestApp, clock: Clock, at_commit: bool) -> None:
    public = app_skill(grace_app)
    first = public.link()["refresh_token"]
    with failing_insertions(engine_of(grace_app), at_commit):
        response = public.refresh(first)
        assert_refused(response, 503, "temporarily_unavailable")
        assert int(response.headers["Retry-After"]) > 0
    clock.now += 3600
    second = public.refresh(first)
    assert second.status_int == 200
    assert public.refresh(second.json["refresh_token"]).status_int == 200


@pytest.mark.parametrize("at_commit", [False, True])
def test_failed_redemption_leaves_code_valid(grace_app: TestApp, at_commit: bool) -> None:
    home = Skill(grace_app)
    code = home.code()
    with failing_insertions(engine_of(grace_app), at_commit):
        assert_refused(home.redeem(code), 503, "temporarily_unavailable")
    assert home.redeem(code).status_int == 200


def test_refresh_token_of_ended_link_is_refused(home: Skill) -> None:
    token_response = home.link()
    other = home.link()
    link_admin = LinkAdmin(engine_of(home.app))
    assert link_admin.end(LinkFilter(person="staff:1", client_id="home"), "has left", 1) >= 2
    for each in (token_response, other):
        assert_refused(home.refresh(each["refresh_token"]), 400, "invalid_grant")
        assert not home.active(each["access_token"])


def app_with(make_app: Callable[..., Any], before: TestApp, **changes: str) -> TestApp:
    """Returns the app with other settings on the database of `before`."""
    return https(make_app(database=str(engine_of(before).url), **changes))


def test_refresh_token_of_removed_client_is_refused(make_app: Callable[..., Any], grace_app: TestApp) -> None:
    token_response = Skill(grace_app).link()
    without = {f"client__home__{key}": None for key in ("name", "grants", "secret", "alexa_vendor_id", "scopes")}
    changes: Any = {**without, "clients": "alexa other single expiring skill-backend app overlap"}
    app = app_with(make_app, grace_app, scope__profile=None, scope__email=None, **changes)
    removed = Skill(app)
    assert_refused(removed.refresh(token_response["refresh_token"]), 401, "invalid_client")
    assert not removed.active(token_response["access_token"])
    # the token is valid again when the client is configured again
    assert Skill(grace_app).refresh(token_response["refresh_token"]).status_int == 200


def test_refresh_is_refused_after_grant_is_removed_from_client(
    make_app: Callable[..., Any], grace_app: TestApp
) -> None:
    token_response = Skill(grace_app).link()
    app = app_with(make_app, grace_app, client__home__grants="implicit")
    assert_refused(Skill(app).refresh(token_response["refresh_token"]), 400, "unauthorized_client")
    assert_refused(Skill(app).redeem(Skill(grace_app).code()), 400, "unauthorized_client")


def test_refresh_omits_scope_removed_from_client(make_app: Callable[..., Any], grace_app: TestApp) -> None:
    token_response = Skill(grace_app).link(scope="order_car profile")
    app = app_with(
        make_app, grace_app, client__home__scopes="order_car basic_profile", scope__profile=None, scope__email=None
    )
    narrowed = Skill(app).refresh(token_response["refresh_token"]).json
    assert narrowed["scope"] == "order_car"
    assert Skill(app).post("/introspect", {"token": narrowed["access_token"]}).json["scope"] == "order_car"
    assert_refused(Skill(app).refresh(token_response["refresh_token"], scope="profile"), 400, "invalid_scope")


def test_refresh_is_refused_if_no_scope_remains(make_app: Callable[..., Any], grace_app: TestApp) -> None:
    token_response = Skill(grace_app).link(scope="email profile")
    app = app_with(
        make_app, grace_app, client__home__scopes="order_car basic_profile", scope__profile=None, scope__email=None
    )
    assert_refused(Skill(app).refresh(token_response["refresh_token"]), 400, "invalid_grant")
    assert Skill(grace_app).refresh(token_response["refresh_token"]).json["scope"] == "email profile"


@pytest.mark.parametrize("refresh", ["stable", "overlap", "rotate"])
def test_refresh_token_expires_when_idle(make_app: Callable[..., Any], refresh: str) -> None:
    app = https(make_app(client__home__refresh=refresh, client__home__refresh_token_idle=str(180 * DAY)))
    home, clock = Skill(app), set_clock(app)
    token = home.link()["refresh_token"]
    for _ in range(5):
        clock.now += 179 * DAY
        token = home.refresh(token).json["refresh_token"]
    clock.now += 180 * DAY
    assert_refused(home.refresh(token), 400, "invalid_grant")


@pytest.mark.parametrize("refresh", ["stable", "overlap", "rotate"])
def test_refresh_token_expires_at_end_of_lifetime(make_app: Callable[..., Any], refresh: str) -> None:
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


def test_refresh_token_does_not_expire_by_default(grace_app: TestApp, clock: Clock) -> None:
    home = Skill(grace_app, redirect_uri=HOME)
    token = home.link()["refresh_token"]
    clock.now += 20 * 365 * DAY
    assert home.refresh(token).json["refresh_token"] == token


def test_removed_expiry_setting_applies_to_existing_tokens(make_app: Callable[..., Any]) -> None:
    app = https(make_app(client__home__refresh_token_idle=str(DAY)))
    clock = set_clock(app)
    token = Skill(app).link()["refresh_token"]
    later = app_with(make_app, app)
    server_of(later)._clock = clock
    assert Skill(later).refresh(token).status_int == 200
    clock.now += 30 * DAY
    assert Skill(later).refresh(token).status_int == 200
