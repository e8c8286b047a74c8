"""Tests that a failure at any point of a registration leaves no half-made account, and that the person can go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth.login import double_posts
from linkauth.login.challenges import CLAIM_SECONDS, ChallengeOver
from linkauth.login.dispatch import NamedBackend
from linkauth.login.registration import AccountCreated
from tests.backends.registering import RegisteringBackend
from tests.registration.desk import FIELDS, Desk


def failing(error: BaseException) -> Callable[[str], object]:
    def fail(_: str) -> None:
        raise error

    return fail


FAILURES: list[BaseException] = [
    *(BackendUnavailable("down"), BackendMisconfigured("search base"), UnknownUser(), WrongPassword()),
    *(RuntimeError("crash"), SystemExit(1)),
]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("method", ["is_taken", "people_at"])
def test_a_start_is_unavailable_with_the_backend(
    desk: Desk, backend: RegisteringBackend, error: BaseException, method: str
) -> None:
    if method == "is_taken" and isinstance(error, UnknownUser):
        return
    fred = desk.newcomer()
    backend.before[method] = failing(error)
    with pytest.raises(BackendUnavailable):
        fred.start()
    assert desk.mails() == []
    backend.before.clear()
    assert fred.start().kind == "registration_code"


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("method", ["is_taken", "people_at", "register"])
def test_a_failure_before_the_account_exists_keeps_the_code(
    desk: Desk, backend: RegisteringBackend, error: BaseException, method: str
) -> None:
    if method == "is_taken" and isinstance(error, UnknownUser):
        return
    fred = desk.newcomer()
    fred.start()
    backend.before[method] = failing(error)
    with pytest.raises(BackendUnavailable):
        fred.finish()
    assert backend.accounts == {}
    backend.before.clear()
    assert fred.finish().username == fred.typed["username"]
    assert len(backend.accounts) == 1


def test_a_lost_answer_of_the_backend_makes_no_second_account(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer()
    fred.start()
    backend.after["register"] = failing(BackendUnavailable("timeout"))
    with pytest.raises(BackendUnavailable) as failed:
        fred.finish()
    assert not isinstance(failed.value, AccountCreated)
    assert len(backend.accounts) == 1
    backend.after.clear()
    # the person presses the button again
    with pytest.raises(AccountCreated):
        fred.finish()
    assert len(backend.accounts) == 1


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_failed_sign_in_after_the_account_exists_says_so(
    desk: Desk, backend: RegisteringBackend, error: BaseException
) -> None:
    fred = desk.newcomer()
    fred.start()
    backend.before["authenticate"] = failing(error)
    with pytest.raises(AccountCreated):
        fred.finish()
    assert len(backend.accounts) == 1
    with pytest.raises(ChallengeOver, match="used"):
        fred.finish()


def test_a_storage_that_fails_after_the_account_exists_is_reported(
    desk: Desk, backend: RegisteringBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fred = desk.newcomer()
    fred.start()

    def fail(*_: Any) -> None:
        raise OSError("disk")

    monkeypatch.setattr(desk.store, "finish", fail)
    caplog.set_level(logging.ERROR)
    with pytest.raises(AccountCreated):
        fred.finish()
    assert "its challenge has not ended: reason=disk" in caplog.text
    assert len(backend.accounts) == 1


def test_another_account_under_the_new_name_is_not_signed_in(
    desk: Desk, backend: RegisteringBackend, caplog: pytest.LogCaptureFixture
) -> None:
    fred = desk.newcomer(username="swapped")
    fred.start()

    def swap(name: str) -> None:
        account = backend.accounts.pop(name)
        backend.add("first")
        backend.add(name, password=account.password)

    backend.before["authenticate"] = swap
    with pytest.raises(AccountCreated):
        fred.finish()
    assert "signs another account in" in caplog.text


def test_a_backend_that_no_longer_creates_accounts_is_unavailable(
    desk: Desk, backend: RegisteringBackend, make_desk: Callable[..., Desk]
) -> None:
    fred = desk.newcomer()
    fred.start()
    changed = make_desk(NamedBackend("renamed", backend, registration_fields=FIELDS))
    changed.now = desk.now
    fred.desk = changed
    with pytest.raises(BackendUnavailable):
        fred.finish()
    fred.desk = desk
    assert fred.finish().backend == "staff"


def test_a_process_that_is_killed_before_the_account_exists_leaves_a_usable_code(
    desk: Desk, backend: RegisteringBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fred = desk.newcomer()
    fred.start()
    with monkeypatch.context() as killed:
        # a killed process releases nothing
        killed.setattr(desk.store, "release", lambda key: None)
        backend.before["register"] = failing(RuntimeError("killed"))
        with pytest.raises(BackendUnavailable):
            fred.finish()
    backend.before.clear()
    monkeypatch.setattr(double_posts, "WAIT_SECONDS", 0)
    with pytest.raises(BackendUnavailable) as unavailable:
        fred.finish()
    assert not isinstance(unavailable.value, AccountCreated)
    assert desk.sign_up.typed(fred.visit, fred.challenge)["username"] == fred.typed["username"]
    desk.now += unavailable.value.retry_after
    assert fred.finish().username == fred.typed["username"]
    desk.now += CLAIM_SECONDS
    with pytest.raises(ChallengeOver, match="used"):
        fred.finish()
    assert len(backend.accounts) == 1


def test_a_process_that_is_killed_after_the_account_exists_is_followed_by_a_hint_to_sign_in(
    desk: Desk, backend: RegisteringBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fred = desk.newcomer()
    fred.start()
    with monkeypatch.context() as killed:
        killed.setattr(desk.store, "release", lambda key: None)
        backend.after["register"] = failing(RuntimeError("killed"))
        with pytest.raises(BackendUnavailable):
            fred.finish()
    backend.after.clear()
    desk.now += CLAIM_SECONDS
    with pytest.raises(AccountCreated):
        fred.finish()
    assert len(backend.accounts) == 1


def test_of_two_posts_with_a_refused_password_both_say_so(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer()
    fred.start()
    is_second_waiting = threading.Event()
    find = desk.store.find

    def observed(*arguments: Any) -> Any:
        is_second_waiting.set()
        return find(*arguments)

    desk.store.find = observed  # type: ignore[method-assign]
    backend.before["register"] = lambda _: is_second_waiting.wait(60)
    try:
        with ThreadPoolExecutor(2) as pool:
            posts = [pool.submit(fred.finish, "Qu4-mead") for _ in range(2)]
    finally:
        desk.store.find = find  # type: ignore[method-assign]
    assert [str(post.exception()) for post in posts] == ["too_short"] * 2
