"""Tests of a shadow in the real app: it is compared, and has no influence on sign-ins."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from linkauth.login import shadows
from linkauth.login.shadows import QUEUE_SIZE, THREADS, AcceptedSignIn
from linkauth.storage.tables import comparisons
from tests.alexa import Alexa
from tests.backends.scripted import ERRORS, NEW, PASSWORD
from tests.backends.shadow_app import DEADLINE, ShadowApp, wait_for
from tests.web.raw_requests import form_token, post, query, redirect_parameters


@pytest.fixture(scope="module")
def shadow_app(make_shadow_app: Callable[..., ShadowApp]) -> ShadowApp:
    return make_shadow_app()


OUTCOMES = {
    "good": ("agree", True),
    "renumbered": ("agree", False),
    "renamed": ("other_username", True),
    "remailed": ("other_email", True),
    "unknown": ("unknown", None),
    "wrong": ("wrong_password", None),
    "locked": ("locked", None),
    "disabled": ("disabled", None),
    "expired": ("password_expired", None),
    "down": ("unavailable", None),
    "misconfigured": ("unavailable", None),
    "crash": ("unavailable", None),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_each_shadow_outcome_is_recorded_without_influence(
    shadow_app: ShadowApp, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    username = f"good.{outcome}"
    response = shadow_app.login(username)
    token = redirect_parameters(response)["access_token"]
    assert Alexa(shadow_app.app).introspect(token).json["sub"] == f"corp:id of {username}"
    row = shadow_app.comparison(username)
    assert (row["shadow"], row["backend"], row["username"]) == ("trial", "corp", username.upper())
    assert (row["outcome"], row["same_subject"]) == OUTCOMES[outcome]
    assert row["unavailable"] == (OUTCOMES[outcome][0] == "unavailable")
    assert abs(row["compared_at"] - time.time()) < DEADLINE
    assert PASSWORD not in caplog.text


def test_all_outcomes_are_tested() -> None:
    assert set(ERRORS) <= set(OUTCOMES)


@pytest.mark.parametrize("outcome", [outcome for outcome in ERRORS if outcome != "crash"])
def test_refused_sign_in_is_not_compared(shadow_app: ShadowApp, outcome: str) -> None:
    username = f"{outcome}.good"
    assert shadow_app.login(username).status in (403, 503)
    shadow_app.wait_until_idle()
    assert username in shadow_app.corp.usernames
    assert username not in shadow_app.trial.usernames
    assert shadow_app.row(username) is None


def test_password_change_is_not_compared(shadow_app: ShadowApp) -> None:
    username = "expired.good@change"
    assert "Choose a new password" in shadow_app.login(username).text
    fields = {"username": username, "password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
    assert redirect_parameters(
        post(shadow_app.app, query(), {"form_token": form_token(shadow_app.app, query()), **fields})
    )
    shadow_app.wait_until_idle()
    assert username not in shadow_app.trial.usernames
    # the next sign-in is compared
    assert shadow_app.login(username).status == 303
    assert shadow_app.comparison(username)["outcome"] == "agree"


def test_repeated_links_are_compared_once_per_hour(shadow_app: ShadowApp) -> None:
    username = "good.wrong@again"
    for number in range(5):
        assert shadow_app.login(username).status == 303
        if number > 2:
            shadow_app.wait_until_idle()
    assert shadow_app.comparison(username)["outcome"] == "wrong_password"
    assert shadow_app.trial.usernames.count(username) == 1
    an_hour_ago = comparisons.update().values(compared_at=comparisons.c.compared_at - shadows.RETRY_SECONDS)
    with shadow_app.engine.begin() as connection:
        connection.execute(an_hour_ago)
    shadow_app.trial.overrides[username] = "good"
    shadow_app.login(username)
    assert shadow_app.comparison(username, 2)["outcome"] == "agree"


def test_outage_of_shadow_does_not_overwrite_known_outcome(shadow_app: ShadowApp) -> None:
    username = "good.good@outage"
    shadow_app.login(username)
    before = shadow_app.comparison(username)
    shadow_app.trial.overrides[username] = "down"
    shadow_app.login(username)
    after = shadow_app.comparison(username, 2)
    assert dict(after) == {**before, "asked": 2, "unavailable": 1}
    # an outcome replaces an outage that was recorded first
    username = "good.down@first"
    shadow_app.login(username)
    assert shadow_app.comparison(username)["outcome"] == "unavailable"
    shadow_app.trial.overrides[username] = "renumbered"
    shadow_app.login(username)
    after = shadow_app.comparison(username, 2)
    assert (after["outcome"], after["same_subject"], after["unavailable"]) == ("agree", False, 1)


def test_accepts_applies_to_shadow(make_shadow_app: Callable[..., ShadowApp]) -> None:
    shadow_app = make_shadow_app(backend__trial__accepts="*@new good.good.*")
    for username in ("good.good@old", "good.good@new"):
        assert shadow_app.login(username).status == 303
    shadow_app.wait_until_idle()
    assert shadow_app.comparison("good.good@new")
    assert "good.good@old" not in shadow_app.trial.usernames


def test_health_does_not_include_shadow(shadow_app: ShadowApp) -> None:
    ready = shadow_app.app.get("/health/ready", status=200).json
    assert set(ready["backends"]) == {"corp"}


def test_hanging_shadow_does_not_delay_sign_ins(
    make_shadow_app: Callable[..., ShadowApp], caplog: pytest.LogCaptureFixture
) -> None:
    shadow_app = make_shadow_app()
    people = [f"good.hang@{number}" for number in range(THREADS + QUEUE_SIZE + 5)]
    for username in people[:THREADS]:
        assert shadow_app.login(username).status == 303
    wait_for(lambda: len(shadow_app.trial.usernames) == THREADS)
    for username in people[THREADS:]:
        assert shadow_app.login(username).status == 303
    assert shadow_app.shadow.dropped == 5
    assert not shadow_app.trial.released.is_set()
    dropped = [message for message in caplog.messages if "dropped" in message]
    assert dropped == ["backend trial (shadow): too slow, dropped comparisons: 1"]
    shadow_app.trial.released.set()
    for username in people[: THREADS + QUEUE_SIZE]:
        shadow_app.comparison(username)
    assert shadow_app.row(people[-1]) is None


def test_sign_in_that_waited_too_long_is_not_compared(
    make_shadow_app: Callable[..., ShadowApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_app = make_shadow_app()
    monkeypatch.setattr(shadows, "MAX_AGE_SECONDS", -1)
    assert shadow_app.login("good.good@late").status == 303
    wait_for(lambda: shadow_app.shadow.dropped == 1)
    assert "good.good@late" not in shadow_app.trial.usernames


def test_sign_ins_waiting_behind_hanging_shadow_are_dropped(
    make_shadow_app: Callable[..., ShadowApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_app = make_shadow_app()
    for number in range(THREADS):
        shadow_app.login(f"good.hang@old-{number}")
    wait_for(lambda: len(shadow_app.trial.usernames) == THREADS)
    for number in range(3):
        shadow_app.login(f"good.good@old-{number}")
    monkeypatch.setattr(shadows, "MAX_AGE_SECONDS", 0)
    shadow_app.login("good.good@new")
    # the waiting passwords are deleted before the shadow responds again
    assert (shadow_app.shadow.dropped, shadow_app.shadow._queue.qsize()) == (3, 1)
    monkeypatch.undo()
    # a dropped user may be queued again
    shadow_app.login("good.good@old-2")
    assert shadow_app.shadow._queue.qsize() == 2
    shadow_app.trial.released.set()
    for username in ("good.good@new", "good.good@old-2"):
        assert shadow_app.comparison(username)["outcome"] == "agree"
    assert shadow_app.row("good.good@old-0") is None


def test_password_is_released_after_comparison(shadow_app: ShadowApp) -> None:
    shadow_app.login("good.good@held")
    shadow_app.comparison("good.good@held")

    def alive() -> list[Any]:
        gc.collect()
        return [each for each in gc.get_objects() if type(each) is AcceptedSignIn]

    wait_for(lambda: alive() == [])


def test_close_does_not_wait_for_hanging_shadow(make_shadow_app: Callable[..., ShadowApp]) -> None:
    shadow_app = make_shadow_app()
    for number in range(THREADS + 3):
        shadow_app.login(f"good.hang@end-{number}")
    wait_for(lambda: len(shadow_app.trial.usernames) == THREADS)
    shadow_app.services.close()
    # the shadow still hangs, for up to HANG_SECONDS
    assert any(thread.is_alive() for thread in shadow_app.shadow._threads)
    assert not shadow_app.trial.released.is_set()
    assert shadow_app.corp.closed
    shadow_app.trial.released.set()
    # queued comparisons are dropped, and late results are not written
    wait_for(lambda: not any(thread.is_alive() for thread in shadow_app.shadow._threads))
    assert len(shadow_app.trial.usernames) == THREADS
    assert shadow_app.row("good.hang@end-0") is None
    # sign-ins still work after close()
    assert shadow_app.login("good.good").status == 303


def test_close_closes_idle_shadow(make_shadow_app: Callable[..., ShadowApp]) -> None:
    shadow_app = make_shadow_app()
    shadow_app.login("good.good")
    shadow_app.comparison("good.good")
    shadow_app.services.close()
    assert shadow_app.trial.closed


def test_database_failure_of_shadow_is_only_logged(
    make_shadow_app: Callable[..., ShadowApp], caplog: pytest.LogCaptureFixture
) -> None:
    shadow_app = make_shadow_app()
    with shadow_app.engine.begin() as connection:
        connection.execute(text("ALTER TABLE comparisons RENAME TO elsewhere"))
    assert shadow_app.login("good.good").status == 303
    wait_for(lambda: "comparison not stored: OperationalError" in caplog.text)
    # the shadow is not called if the comparison cannot be recorded
    assert shadow_app.trial.usernames == []
    with shadow_app.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO comparisons"))
    shadow_app.login("good.good")
    shadow_app.comparison("good.good")


def test_failed_thread_start_drops_one_comparison(
    make_shadow_app: Callable[..., ShadowApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_app = make_shadow_app()

    start = Thread.start

    def fail_for_shadow(thread: Thread) -> None:
        if thread.name == "shadow trial":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", fail_for_shadow)
    assert shadow_app.login("good.good@first").status == 303
    monkeypatch.undo()
    assert (shadow_app.shadow.dropped, shadow_app.shadow._queue.qsize()) == (1, 0)
    shadow_app.login("good.good@second")
    shadow_app.comparison("good.good@second")


def test_servers_on_one_database_count_exactly(make_shadow_app: Callable[..., ShadowApp]) -> None:
    first = make_shadow_app()
    second = make_shadow_app(database=str(first.engine.url))
    people = [f"good.good@{number}" for number in range(5)]
    with ThreadPoolExecutor(4) as threads:
        responses = threads.map(lambda number: (first, second)[number % 2].login(people[number % 5]).status, range(40))
        assert set(responses) == {303}
    for each in (first, second):
        each.wait_until_idle()
    for username in people:
        # a user whose comparison is in progress is not compared twice
        first.comparison(username, first.trial.usernames.count(username) + second.trial.usernames.count(username))
