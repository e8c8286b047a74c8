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
from linkauth.login.shadows import THREADS, WAITING, Accepted
from linkauth.storage.tables import comparisons
from tests.alexa import Alexa
from tests.backends.stated import ERRORS, NEW, PASSWORD
from tests.backends.trial import DEADLINE, OnTrial, wait_for
from tests.web.wire import answered, form_token, post, query


@pytest.fixture(scope="module")
def on_trial(make_trial: Callable[..., OnTrial]) -> OnTrial:
    return make_trial()


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
    on_trial: OnTrial, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    username = f"good.{word}"
    answer = on_trial.login(username)
    token = answered(answer)["access_token"]
    assert Alexa(on_trial.app).introspect(token).json["sub"] == f"corp:id of {username}"
    row = on_trial.asked(username)
    assert (row["shadow"], row["backend"], row["username"]) == ("trial", "corp", username.upper())
    assert (row["outcome"], row["same_subject"]) == OUTCOMES[word]
    assert row["unavailable"] == (OUTCOMES[word][0] == "unavailable")
    assert abs(row["compared_at"] - time.time()) < DEADLINE
    assert PASSWORD not in caplog.text


def test_every_answer_has_a_test() -> None:
    assert set(ERRORS) <= set(OUTCOMES)


@pytest.mark.parametrize("word", [word for word in ERRORS if word != "crash"])
def test_who_is_not_let_in_is_not_asked_about(on_trial: OnTrial, word: str) -> None:
    username = f"{word}.good"
    assert on_trial.login(username).status in (403, 503)
    on_trial.settled()
    assert username in on_trial.corp.asked
    assert username not in on_trial.trial.asked
    assert on_trial.row(username) is None


def test_a_change_of_the_password_is_not_compared(on_trial: OnTrial) -> None:
    username = "expired.good@change"
    assert "Choose a new password" in on_trial.login(username).text
    fields = {"username": username, "password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
    assert answered(post(on_trial.app, query(), {"form_token": form_token(on_trial.app, query()), **fields}))
    on_trial.settled()
    assert username not in on_trial.trial.asked
    # from the next sign-in on it is
    assert on_trial.login(username).status == 303
    assert on_trial.asked(username)["outcome"] == "agree"


def test_nobody_is_locked_out_there_by_linking_again(on_trial: OnTrial) -> None:
    username = "good.wrong@again"
    for turn in range(5):
        assert on_trial.login(username).status == 303
        if turn > 2:
            on_trial.settled()
    assert on_trial.asked(username)["outcome"] == "wrong_password"
    assert on_trial.trial.asked.count(username) == 1
    an_hour_ago = comparisons.update().values(compared_at=comparisons.c.compared_at - shadows.AGAIN_SECONDS)
    with on_trial.engine.begin() as connection:
        connection.execute(an_hour_ago)
    on_trial.trial.now[username] = "good"
    on_trial.login(username)
    assert on_trial.asked(username, 2)["outcome"] == "agree"


def test_an_outage_overwrites_nothing_that_is_known(on_trial: OnTrial) -> None:
    username = "good.good@outage"
    on_trial.login(username)
    before = on_trial.asked(username)
    on_trial.trial.now[username] = "down"
    on_trial.login(username)
    after = on_trial.asked(username, 2)
    assert dict(after) == {**before, "asked": 2, "unavailable": 1}
    # and one that was down at first becomes known
    username = "good.down@first"
    on_trial.login(username)
    assert on_trial.asked(username)["outcome"] == "unavailable"
    on_trial.trial.now[username] = "renumbered"
    on_trial.login(username)
    after = on_trial.asked(username, 2)
    assert (after["outcome"], after["same_subject"], after["unavailable"]) == ("agree", False, 1)


def test_accepts_counts_for_a_shadow_too(make_trial: Callable[..., OnTrial]) -> None:
    on_trial = make_trial(backend__trial__accepts="*@new good.good.*")
    for username in ("good.good@old", "good.good@new"):
        assert on_trial.login(username).status == 303
    on_trial.settled()
    assert on_trial.asked("good.good@new")
    assert "good.good@old" not in on_trial.trial.asked


def test_health_does_not_ask_it(on_trial: OnTrial) -> None:
    ready = on_trial.app.get("/health/ready", status=200).json
    assert set(ready["backends"]) == {"corp"}


def test_a_shadow_that_hangs_holds_up_nobody(
    make_trial: Callable[..., OnTrial], caplog: pytest.LogCaptureFixture
) -> None:
    on_trial = make_trial()
    people = [f"good.hang@{number}" for number in range(THREADS + WAITING + 5)]
    for username in people[:THREADS]:
        assert on_trial.login(username).status == 303
    wait_for(lambda: len(on_trial.trial.asked) == THREADS)
    for username in people[THREADS:]:
        assert on_trial.login(username).status == 303
    assert on_trial.shadow.dropped == 5
    assert not on_trial.trial.released.is_set()
    told = [message for message in caplog.messages if "dropped" in message]
    assert told == ["backend trial (shadow): too slow to be compared with, 1 dropped so far"]
    on_trial.trial.released.set()
    for username in people[: THREADS + WAITING]:
        on_trial.asked(username)
    assert on_trial.row(people[-1]) is None


def test_who_waited_too_long_is_not_asked_about(
    make_trial: Callable[..., OnTrial], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_trial = make_trial()
    monkeypatch.setattr(shadows, "AGE_SECONDS", -1)
    assert on_trial.login("good.good@late").status == 303
    wait_for(lambda: on_trial.shadow.dropped == 1)
    assert "good.good@late" not in on_trial.trial.asked


def test_who_waits_too_long_behind_one_that_hangs_is_given_up(
    make_trial: Callable[..., OnTrial], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_trial = make_trial()
    for number in range(THREADS):
        on_trial.login(f"good.hang@old-{number}")
    wait_for(lambda: len(on_trial.trial.asked) == THREADS)
    for number in range(3):
        on_trial.login(f"good.good@old-{number}")
    monkeypatch.setattr(shadows, "AGE_SECONDS", 0)
    on_trial.login("good.good@new")
    # their passwords are gone before the store is back
    assert (on_trial.shadow.dropped, on_trial.shadow._queue.qsize()) == (3, 1)
    monkeypatch.undo()
    # somebody who was given up may wait again, behind whoever waits
    on_trial.login("good.good@old-2")
    assert on_trial.shadow._queue.qsize() == 2
    on_trial.trial.released.set()
    for username in ("good.good@new", "good.good@old-2"):
        assert on_trial.asked(username)["outcome"] == "agree"
    assert on_trial.row("good.good@old-0") is None


def test_nothing_holds_the_password_afterwards(on_trial: OnTrial) -> None:
    on_trial.login("good.good@held")
    on_trial.asked("good.good@held")

    def alive() -> list[Any]:
        gc.collect()
        return [each for each in gc.get_objects() if type(each) is Accepted]

    wait_for(lambda: alive() == [])


def test_the_end_waits_for_no_shadow_that_hangs(make_trial: Callable[..., OnTrial]) -> None:
    on_trial = make_trial()
    for number in range(THREADS + 3):
        on_trial.login(f"good.hang@end-{number}")
    wait_for(lambda: len(on_trial.trial.asked) == THREADS)
    on_trial.services.close()
    # the shadow hangs still, and would for 30 s
    assert any(thread.is_alive() for thread in on_trial.shadow._threads)
    assert not on_trial.trial.released.is_set()
    assert on_trial.corp.closed
    on_trial.trial.released.set()
    # what waited is gone, and what is found out too late is not written
    wait_for(lambda: not any(thread.is_alive() for thread in on_trial.shadow._threads))
    assert len(on_trial.trial.asked) == THREADS
    assert on_trial.row("good.hang@end-0") is None
    # a server that is ending still answers
    assert on_trial.login("good.good").status == 303


def test_the_end_of_one_that_is_well_closes_it(make_trial: Callable[..., OnTrial]) -> None:
    on_trial = make_trial()
    on_trial.login("good.good")
    on_trial.asked("good.good")
    on_trial.services.close()
    assert on_trial.trial.closed


def test_a_storage_that_fails_is_only_logged(
    make_trial: Callable[..., OnTrial], caplog: pytest.LogCaptureFixture
) -> None:
    on_trial = make_trial()
    with on_trial.engine.begin() as connection:
        connection.execute(text("ALTER TABLE comparisons RENAME TO elsewhere"))
    assert on_trial.login("good.good").status == 303
    wait_for(lambda: "what was compared is not kept: OperationalError" in caplog.text)
    # what cannot be counted is not asked
    assert on_trial.trial.asked == []
    with on_trial.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO comparisons"))
    on_trial.login("good.good")
    on_trial.asked("good.good")


def test_no_thread_is_one_drop(make_trial: Callable[..., OnTrial], monkeypatch: pytest.MonkeyPatch) -> None:
    on_trial = make_trial()

    start = Thread.start

    def none_left(thread: Thread) -> None:
        if thread.name == "shadow trial":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", none_left)
    assert on_trial.login("good.good@first").status == 303
    monkeypatch.undo()
    assert (on_trial.shadow.dropped, on_trial.shadow._queue.qsize()) == (1, 0)
    on_trial.login("good.good@second")
    on_trial.asked("good.good@second")


def test_several_servers_on_one_database_count_exactly(make_trial: Callable[..., OnTrial]) -> None:
    first = make_trial()
    second = make_trial(database=str(first.engine.url))
    people = [f"good.good@{number}" for number in range(5)]
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(lambda turn: (first, second)[turn % 2].login(people[turn % 5]).status, range(40))
        assert set(answers) == {303}
    for each in (first, second):
        each.settled()
    for username in people:
        # somebody who is being asked about already is not asked about twice
        first.asked(username, first.trial.asked.count(username) + second.trial.asked.count(username))
