"""Tests of the refresh policies `stable`, `overlap` and `rotate`, and of the grace period."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from webtest import TestApp

from linkauth.services import services_of
from tests.conftest import https
from tests.protocol.flow import DAY, Skill, app_skill, assert_refused, overlap_skill, set_clock


def public_client(make_app: Callable[..., Any], grace: int = 60) -> tuple[Skill, Any]:
    app = https(make_app(client__app__refresh_grace=str(grace)))
    return app_skill(app), set_clock(app)


def test_overlap_accepts_old_token_until_successor_is_used(app: TestApp) -> None:
    skill = overlap_skill(app)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json["refresh_token"]
    # the response was lost, so the client has only the old token
    third = skill.refresh(first).json["refresh_token"]
    assert len({first, second, third}) == 3
    fourth = skill.refresh(third).json["refresh_token"]
    refused = skill.refresh(first)
    assert_refused(refused, 400, "invalid_grant")
    # the link has not ended
    assert skill.refresh(fourth).status_int == 200


def test_overlap_accepts_concurrent_refreshes(app: TestApp) -> None:
    skill = overlap_skill(app)
    first = skill.link()["refresh_token"]
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: skill.refresh(first), range(16)))
    assert {response.status_int for response in responses} == {200}
    assert len({response.json["refresh_token"] for response in responses}) == 16
    last = responses[-1].json["refresh_token"]
    assert skill.refresh(last).status_int == 200
    assert_refused(skill.refresh(first), 400, "invalid_grant")


def test_overlap_works_for_years(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    skill, clock = overlap_skill(app), set_clock(app)
    token = skill.link()["refresh_token"]
    for _ in range(50):
        clock.now += 30 * DAY
        token = skill.refresh(token).json["refresh_token"]
    assert skill.active(skill.refresh(token).json["access_token"])


def test_rotate_repeats_successor_within_grace_period(make_app: Callable[..., Any]) -> None:
    skill, clock = public_client(make_app)
    first = skill.link()["refresh_token"]
    responses = []
    for seconds in (0, 1, 28, 30):
        clock.now += seconds
        responses.append(skill.refresh(first).json)
    assert len({response["refresh_token"] for response in responses}) == 1
    assert len({response["access_token"] for response in responses}) == 4
    assert all(skill.active(response["access_token"]) for response in responses)
    last = skill.refresh(responses[0]["refresh_token"])
    assert last.status_int == 200
    assert last.json["refresh_token"] not in (first, responses[0]["refresh_token"])


def test_rotate_accepts_concurrent_refreshes_within_grace_period(make_app: Callable[..., Any]) -> None:
    skill, _ = public_client(make_app)
    token = skill.link()["refresh_token"]
    for _ in range(5):
        with ThreadPoolExecutor(8) as threads:
            responses = list(threads.map(lambda _, used=token: skill.refresh(used), range(16)))
        assert {response.status_int for response in responses} == {200}, [response.text for response in responses]
        successors = {response.json["refresh_token"] for response in responses}
        assert len(successors) == 1
        token = successors.pop()


@pytest.mark.parametrize(("grace", "age", "valid"), [(60, 59, True), (60, 60, False), (0, 0, False), (5, 4, True)])
def test_rotate_ends_link_for_reuse_after_grace_period(
    make_app: Callable[..., Any], grace: int, age: int, valid: bool
) -> None:
    skill, clock = public_client(make_app, grace)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json
    clock.now += age
    repeated = skill.refresh(first)
    assert repeated.status_int == (200 if valid else 400)
    assert skill.active(second["access_token"]) is valid
    assert skill.refresh(second["refresh_token"]).status_int == (200 if valid else 400)


def test_rotate_without_grace_period_refuses_reuse_despite_clock_skew(make_app: Callable[..., Any]) -> None:
    """The clock of the second server is one second behind."""
    skill, clock = public_client(make_app, 0)
    first = skill.link()["refresh_token"]
    assert skill.refresh(first).status_int == 200
    clock.now -= 1
    assert_refused(skill.refresh(first), 400, "invalid_grant")


def test_rotate_with_grace_period_tolerates_clock_skew(make_app: Callable[..., Any]) -> None:
    skill, clock = public_client(make_app)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json["refresh_token"]
    clock.now -= 3
    assert skill.refresh(first).json["refresh_token"] == second


def test_rotate_works_for_years_and_detects_recent_reuse(make_app: Callable[..., Any]) -> None:
    skill, clock = public_client(make_app)
    chain = [skill.link()["refresh_token"]]
    for _ in range(60):
        clock.now += 7 * DAY
        chain.append(skill.refresh(chain[-1]).json["refresh_token"])
    # a token rotated long ago was deleted: it is refused, but does not end the link
    assert_refused(skill.refresh(chain[0]), 400, "invalid_grant")
    chain.append(skill.refresh(chain[-1]).json["refresh_token"])
    # reuse of a recently rotated token ends the link
    assert_refused(skill.refresh(chain[-4]), 400, "invalid_grant")
    assert_refused(skill.refresh(chain[-1]), 400, "invalid_grant")


@pytest.mark.parametrize("policy", ["overlap", "rotate", "stable"])
def test_policy_may_change_during_link(make_app: Callable[..., Any], policy: str) -> None:
    app = https(make_app())
    token = Skill(app).link()["refresh_token"]
    url = services_of(app.app.registry).settings.database
    for each in ("rotate", policy, "overlap", policy):
        skill = Skill(https(make_app(database=url, client__home__refresh=each)))
        token = skill.refresh(token).json["refresh_token"]
    assert skill.refresh(token).status_int == 200


@pytest.mark.parametrize("policy", ["overlap", "stable"])
def test_rotated_token_is_refused_under_another_policy(make_app: Callable[..., Any], policy: str) -> None:
    app = https(make_app(client__home__refresh="rotate"))
    first = Skill(app).link()["refresh_token"]
    second = Skill(app).refresh(first).json["refresh_token"]
    url = services_of(app.app.registry).settings.database
    later = Skill(https(make_app(database=url, client__home__refresh=policy)))
    assert_refused(later.refresh(first), 400, "invalid_grant")
    assert later.refresh(second).status_int == 200


def test_successor_depends_on_secret_of_server(make_app: Callable[..., Any]) -> None:
    """Another secret gives the same token another successor."""
    skill, _ = public_client(make_app)
    first = skill.link()["refresh_token"]
    settings = services_of(skill.app.app.registry).settings
    other_secret = "another secret of 32 characters or more"
    other = app_skill(https(make_app(database=settings.database, secret=other_secret)))
    second = skill.refresh(first).json["refresh_token"]
    # refused even within the grace period, because this server cannot compute the successor
    assert_refused(other.refresh(first), 400, "invalid_grant")
    assert len(second) == len(first) == 43
