"""A backend on trial, in the real app: it is compared and counted, and nobody who signs in can tell it is there."""

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


@pytest.mark.parametrize("word", OUTCOMES)
def test_every_answer_is_counted_and_none_decides(
    shadow_app: ShadowApp, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    username = f"good.{word}"
    response = shadow_app.login(username)
    token = redirect_parameters(response)["access_token"]
    assert Alexa(shadow_app.app).introspect(token).json["sub"] == f"corp:id of {username}"
    row = shadow_app.asked(username)
    assert (row["shadow"], row["backend"], row["username"]) == ("trial", "corp", username.upper())
    assert (row["outcome"], row["same_subject"]) == OUTCOMES[word]
    assert row["unavailable"] == (OUTCOMES[word][0] == "unavailable")
    assert abs(row["compared_at"] - time.time()) < DEADLINE
    assert PASSWORD not in caplog.text


def test_every_answer_has_a_test() -> None:
    assert set(ERRORS) <= set(OUTCOMES)


@pytest.mark.parametrize("word", [word for word in ERRORS if word != "crash"])
def test_who_is_not_let_in_is_not_asked_about(shadow_app: ShadowApp, word: str) -> None:
    username = f"{word}.good"
    assert shadow_app.login(username).status in (403, 503)
    shadow_app.settled()
    assert username in shadow_app.corp.asked
    assert username not in shadow_app.trial.asked
    assert shadow_app.row(username) is None


def test_a_change_of_the_password_is_not_compared(shadow_app: ShadowApp) -> None:
    username = "expired.good@change"
    assert "Choose a new password" in shadow_app.login(username).text
    fields = {"username": username, "password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
    assert redirect_parameters(
        post(shadow_app.app, query(), {"form_token": form_token(shadow_app.app, query()), **fields})
    )
    shadow_app.settled()
    assert username not in shadow_app.trial.asked
    # from the next sign-in on it is
    assert shadow_app.login(username).status == 303
    assert shadow_app.asked(username)["outcome"] == "agree"


def test_nobody_is_locked_out_there_by_linking_again(shadow_app: ShadowApp) -> None:
    username = "good.wrong@again"
    for turn in range(5):
        assert shadow_app.login(username).status == 303
        if turn > 2:
            shadow_app.settled()
    assert shadow_app.asked(username)["outcome"] == "wrong_password"
    assert shadow_app.trial.asked.count(username) == 1
    an_hour_ago = comparisons.update().values(compared_at=comparisons.c.compared_at - shadows.RETRY_SECONDS)
    with shadow_app.engine.begin() as connection:
        connection.execute(an_hour_ago)
    shadow_app.trial.now[username] = "good"
    shadow_app.login(username)
    assert shadow_app.asked(username, 2)["outcome"] == "agree"


def test_an_outage_overwrites_nothing_that_is_known(shadow_app: ShadowApp) -> None:
    username = "good.good@outage"
    shadow_app.login(username)
    before = shadow_app.asked(username)
    shadow_app.trial.now[username] = "down"
    shadow_app.login(username)
    after = shadow_app.asked(username, 2)
    assert dict(after) == {**before, "asked": 2, "unavailable": 1}
    # and one that was down at first becomes known
    username = "good.down@first"
    shadow_app.login(username)
    assert shadow_app.asked(username)["outcome"] == "unavailable"
    shadow_app.trial.now[username] = "renumbered"
    shadow_app.login(username)
    after = shadow_app.asked(username, 2)
    assert (after["outcome"], after["same_subject"], after["unavailable"]) == ("agree", False, 1)


def test_accepts_counts_for_a_shadow_too(make_shadow_app: Callable[..., ShadowApp]) -> None:
    shadow_app = make_shadow_app(backend__trial__accepts="*@new good.good.*")
    for username in ("good.good@old", "good.good@new"):
        assert shadow_app.login(username).status == 303
    shadow_app.settled()
    assert shadow_app.asked("good.good@new")
    assert "good.good@old" not in shadow_app.trial.asked


def test_health_does_not_ask_it(shadow_app: ShadowApp) -> None:
    ready = shadow_app.app.get("/health/ready", status=200).json
    assert set(ready["backends"]) == {"corp"}


def test_a_shadow_that_hangs_holds_up_nobody(
    make_shadow_app: Callable[..., ShadowApp], caplog: pytest.LogCaptureFixture
) -> None:
    shadow_app = make_shadow_app()
    people = [f"good.hang@{number}" for number in range(THREADS + QUEUE_SIZE + 5)]
    for username in people[:THREADS]:
        assert shadow_app.login(username).status == 303
    wait_for(lambda: len(shadow_app.trial.asked) == THREADS)
    for username in people[THREADS:]:
        assert shadow_app.login(username).status == 303
    assert shadow_app.shadow.dropped == 5
    assert not shadow_app.trial.released.is_set()
    told = [message for message in caplog.messages if "dropped" in message]
    assert told == ["backend trial (shadow): too slow to be compared with, 1 dropped so far"]
    shadow_app.trial.released.set()
    for username in people[: THREADS + QUEUE_SIZE]:
        shadow_app.asked(username)
    assert shadow_app.row(people[-1]) is None


def test_who_waited_too_long_is_not_asked_about(
    make_shadow_app: Callable[..., ShadowApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_app = make_shadow_app()
    monkeypatch.setattr(shadows, "MAX_AGE_SECONDS", -1)
    assert shadow_app.login("good.good@late").status == 303
    wait_for(lambda: shadow_app.shadow.dropped == 1)
    assert "good.good@late" not in shadow_app.trial.asked


def test_who_waits_too_long_behind_one_that_hangs_is_given_up(
    make_shadow_app: Callable[..., ShadowApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_app = make_shadow_app()
    for number in range(THREADS):
        shadow_app.login(f"good.hang@old-{number}")
    wait_for(lambda: len(shadow_app.trial.asked) == THREADS)
    for number in range(3):
        shadow_app.login(f"good.good@old-{number}")
    monkeypatch.setattr(shadows, "MAX_AGE_SECONDS", 0)
    shadow_app.login("good.good@new")
    # their passwords are gone before the store is back
    assert (shadow_app.shadow.dropped, shadow_app.shadow._queue.qsize()) == (3, 1)
    monkeypatch.undo()
    # somebody who was given up may wait again, behind whoever waits
    shadow_app.login("good.good@old-2")
    assert shadow_app.shadow._queue.qsize() == 2
    shadow_app.trial.released.set()
    for username in ("good.good@new", "good.good@old-2"):
        assert shadow_app.asked(username)["outcome"] == "agree"
    assert shadow_app.row("good.good@old-0") is None


def test_nothing_holds_the_password_afterwards(shadow_app: ShadowApp) -> None:
    shadow_app.login("good.good@held")
    shadow_app.asked("good.good@held")

    def alive() -> list[Any]:
        gc.collect()
        return [each for each in gc.get_objects() if type(each) is AcceptedSignIn]

    wait_for(lambda: alive() == [])


def test_the_end_waits_for_no_shadow_that_hangs(make_shadow_app: Callable[..., ShadowApp]) -> None:
    shadow_app = make_shadow_app()
    for number in range(THREADS + 3):
        shadow_app.login(f"good.hang@end-{number}")
    wait_for(lambda: len(shadow_app.trial.asked) == THREADS)
    shadow_app.services.close()
    # the shadow hangs still, and would for 30 s
    assert any(thread.is_alive() for thread in shadow_app.shadow._threads)
    assert not shadow_app.trial.released.is_set()
    assert shadow_app.corp.closed
    shadow_app.trial.released.set()
    # what waited is gone, and what is found out too late is not written
    wait_for(lambda: not any(thread.is_alive() for thread in shadow_app.shadow._threads))
    assert len(shadow_app.trial.asked) == THREADS
    assert shadow_app.row("good.hang@end-0") is None
    # a server that is ending still answers
    assert shadow_app.login("good.good").status == 303


def test_the_end_of_one_that_is_well_closes_it(make_shadow_app: Callable[..., ShadowApp]) -> None:
    shadow_app = make_shadow_app()
    shadow_app.login("good.good")
    shadow_app.asked("good.good")
    shadow_app.services.close()
    assert shadow_app.trial.closed


def test_a_storage_that_fails_is_only_logged(
    make_shadow_app: Callable[..., ShadowApp], caplog: pytest.LogCaptureFixture
) -> None:
    shadow_app = make_shadow_app()
    with shadow_app.engine.begin() as connection:
        connection.execute(text("ALTER TABLE comparisons RENAME TO elsewhere"))
    assert shadow_app.login("good.good").status == 303
    wait_for(lambda: "what was compared is not kept: OperationalError" in caplog.text)
    # what cannot be counted is not asked
    assert shadow_app.trial.asked == []
    with shadow_app.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO comparisons"))
    shadow_app.login("good.good")
    shadow_app.asked("good.good")


def test_no_thread_is_one_drop(make_shadow_app: Callable[..., ShadowApp], monkeypatch: pytest.MonkeyPatch) -> None:
    shadow_app = make_shadow_app()

    start = Thread.start

    def none_left(thread: Thread) -> None:
        if thread.name == "shadow trial":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", none_left)
    assert shadow_app.login("good.good@first").status == 303
    monkeypatch.undo()
    assert (shadow_app.shadow.dropped, shadow_app.shadow._queue.qsize()) == (1, 0)
    shadow_app.login("good.good@second")
    shadow_app.asked("good.good@second")


def test_several_servers_on_one_database_count_exactly(make_shadow_app: Callable[..., ShadowApp]) -> None:
    first = make_shadow_app()
    second = make_shadow_app(database=str(first.engine.url))
    people = [f"good.good@{number}" for number in range(5)]
    with ThreadPoolExecutor(4) as threads:
        responses = threads.map(lambda turn: (first, second)[turn % 2].login(people[turn % 5]).status, range(40))
        assert set(responses) == {303}
    for each in (first, second):
        each.settled()
    for username in people:
        # somebody who is being asked about already is not asked about twice
        first.asked(username, first.trial.asked.count(username) + second.trial.asked.count(username))
