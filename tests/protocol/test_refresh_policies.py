"""What becomes of a used refresh token: `refresh = stable | overlap | rotate`, and the grace of a lost answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from webtest import TestApp

from linkauth.services import services_of
from tests.conftest import https
from tests.protocol.flow import DAY, Skill, app_skill, assert_refused, overlap_skill, set_clock


def public(make_app: Callable[..., Any], grace: int = 60) -> tuple[Skill, Any]:
    app = https(make_app(client__app__refresh_grace=str(grace)))
    return app_skill(app), set_clock(app)


def test_overlap_keeps_the_old_one_until_the_new_one_was_used(app: TestApp) -> None:
    skill = overlap_skill(app)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json["refresh_token"]
    # the answer was lost: the old one is all that the client has
    third = skill.refresh(first).json["refresh_token"]
    assert len({first, second, third}) == 3
    fourth = skill.refresh(third).json["refresh_token"]
    refused = skill.refresh(first)
    assert_refused(refused, 400, "invalid_grant")
    # nobody is unlinked by that
    assert skill.refresh(fourth).status_int == 200


def test_overlap_lets_two_ask_at_once(app: TestApp) -> None:
    skill = overlap_skill(app)
    first = skill.link()["refresh_token"]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: skill.refresh(first), range(16)))
    assert {answer.status_int for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 16
    last = answers[-1].json["refresh_token"]
    assert skill.refresh(last).status_int == 200
    assert_refused(skill.refresh(first), 400, "invalid_grant")


def test_overlap_goes_on_for_years(make_app: Callable[..., Any]) -> None:
    app = https(make_app())
    skill, clock = overlap_skill(app), set_clock(app)
    token = skill.link()["refresh_token"]
    for _ in range(50):
        clock.now += 30 * DAY
        token = skill.refresh(token).json["refresh_token"]
    assert skill.active(skill.refresh(token).json["access_token"])


def test_rotate_repeats_the_same_successor_for_a_lost_answer(make_app: Callable[..., Any]) -> None:
    skill, clock = public(make_app)
    first = skill.link()["refresh_token"]
    answers = []
    for seconds in (0, 1, 28, 30):
        clock.now += seconds
        answers.append(skill.refresh(first).json)
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == 4
    assert all(skill.active(answer["access_token"]) for answer in answers)
    last = skill.refresh(answers[0]["refresh_token"])
    assert last.status_int == 200
    assert last.json["refresh_token"] not in (first, answers[0]["refresh_token"])


def test_rotate_lets_two_ask_at_once_within_the_grace(make_app: Callable[..., Any]) -> None:
    skill, _ = public(make_app)
    token = skill.link()["refresh_token"]
    for _ in range(5):
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _, used=token: skill.refresh(used), range(16)))
        assert {answer.status_int for answer in answers} == {200}, [answer.text for answer in answers]
        successors = {answer.json["refresh_token"] for answer in answers}
        assert len(successors) == 1
        token = successors.pop()


@pytest.mark.parametrize(("grace", "age", "lives"), [(60, 59, True), (60, 60, False), (0, 0, False), (5, 4, True)])
def test_rotate_ends_the_link_after_the_grace(make_app: Callable[..., Any], grace: int, age: int, lives: bool) -> None:
    skill, clock = public(make_app, grace)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json
    clock.now += age
    again = skill.refresh(first)
    assert again.status_int == (200 if lives else 400)
    assert skill.active(second["access_token"]) is lives
    assert skill.refresh(second["refresh_token"]).status_int == (200 if lives else 400)


def test_rotate_without_grace_is_strict_also_when_clocks_differ(make_app: Callable[..., Any]) -> None:
    """Two servers: the one that comes second is a second behind."""
    skill, clock = public(make_app, 0)
    first = skill.link()["refresh_token"]
    assert skill.refresh(first).status_int == 200
    clock.now -= 1
    assert_refused(skill.refresh(first), 400, "invalid_grant")


def test_rotate_with_grace_survives_when_clocks_differ(make_app: Callable[..., Any]) -> None:
    skill, clock = public(make_app)
    first = skill.link()["refresh_token"]
    second = skill.refresh(first).json["refresh_token"]
    clock.now -= 3
    assert skill.refresh(first).json["refresh_token"] == second


def test_rotate_goes_on_for_years_and_reuse_is_still_seen(make_app: Callable[..., Any]) -> None:
    skill, clock = public(make_app)
    chain = [skill.link()["refresh_token"]]
    for _ in range(60):
        clock.now += 7 * DAY
        chain.append(skill.refresh(chain[-1]).json["refresh_token"])
    # what was rotated away long ago is forgotten: refused, and it ends nothing
    assert_refused(skill.refresh(chain[0]), 400, "invalid_grant")
    chain.append(skill.refresh(chain[-1]).json["refresh_token"])
    # what was rotated away lately ends the family
    assert_refused(skill.refresh(chain[-4]), 400, "invalid_grant")
    assert_refused(skill.refresh(chain[-1]), 400, "invalid_grant")


@pytest.mark.parametrize("policy", ["overlap", "rotate", "stable"])
def test_a_policy_may_change_under_a_living_link(make_app: Callable[..., Any], policy: str) -> None:
    app = https(make_app())
    token = Skill(app).link()["refresh_token"]
    url = services_of(app.app.registry).settings.database
    for each in ("rotate", policy, "overlap", policy):
        skill = Skill(https(make_app(database=url, client__home__refresh=each)))
        token = skill.refresh(token).json["refresh_token"]
    assert skill.refresh(token).status_int == 200


@pytest.mark.parametrize("policy", ["overlap", "stable"])
def test_what_was_rotated_away_stays_dead_under_another_policy(make_app: Callable[..., Any], policy: str) -> None:
    app = https(make_app(client__home__refresh="rotate"))
    first = Skill(app).link()["refresh_token"]
    second = Skill(app).refresh(first).json["refresh_token"]
    url = services_of(app.app.registry).settings.database
    later = Skill(https(make_app(database=url, client__home__refresh=policy)))
    assert_refused(later.refresh(first), 400, "invalid_grant")
    assert later.refresh(second).status_int == 200


def test_a_successor_is_a_secret_of_the_server(make_app: Callable[..., Any]) -> None:
    """The same token under another secret has another successor."""
    skill, _ = public(make_app)
    first = skill.link()["refresh_token"]
    settings = services_of(skill.app.app.registry).settings
    other_secret = "another secret of 32 characters or more"
    other = app_skill(https(make_app(database=settings.database, secret=other_secret)))
    second = skill.refresh(first).json["refresh_token"]
    # within the grace, and yet not repeated: this server cannot know the successor
    assert_refused(other.refresh(first), 400, "invalid_grant")
    assert len(second) == len(first) == 43
