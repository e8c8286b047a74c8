"""Tests of SignIn.change_password: which backends are called, which outcomes count as failed, what is raised."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import (
    Account,
    AccountRefused,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    Lookup,
    PasswordChange,
    PasswordRefused,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.config.settings import ThrottleSettings
from linkauth.login.dispatch import NamedBackend
from linkauth.login.sign_in import PASSWORD_LIMIT, PasswordChanged, PasswordChangeNeeded, Person, SignIn
from linkauth.login.throttle import Throttle
from tests.unit.login.test_sign_in import ADDRESS, GOOD, HOSTILE, NoSettings

CURRENT = "canary-1c0e, the current one"
NEW = "canary-5d2f, the new one"


def expired() -> AccountRefused:
    return AccountRefused("password_expired", proven=True)


class Scripted(CredentialBackend):
    """A backend whose sign-ins return or raise the next of `results`; the last one is repeated."""

    Settings = NoSettings

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.calls: list[tuple[str, ...]] = []

    def authenticate(self, username: str, password: str) -> Identity:
        self.calls.append((username, password))
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]


class Changing(Scripted, PasswordChange):
    """A Scripted backend that offers PasswordChange; the change raises `refused` if it is given."""

    def __init__(self, *results: Any, refused: Exception | None = None, disabled: bool = False) -> None:
        super().__init__(*results)
        self.refused = refused
        self.disabled = disabled

    @property
    def offers(self) -> frozenset[type]:
        return frozenset() if self.disabled else super().offers

    def change_password(self, username: str, current: str, new: str) -> None:
        self.calls.append((username, current, new))
        if self.refused:
            raise self.refused


def build(*backends: CredentialBackend, **throttle: int) -> SignIn:
    named = [NamedBackend(f"b{number}", each) for number, each in enumerate(backends)]
    return SignIn(named, Throttle(ThrottleSettings(**throttle)))


def outcome(sign_in: Callable[..., Person], *typed: str) -> Any:
    """Returns the Person or the exception."""
    try:
        return sign_in(*typed, ADDRESS)
    except Exception as error:
        return error


def change(sign_in: SignIn, username: str = "ada", current: str = CURRENT, new: str = NEW, repeated: str = NEW) -> Any:
    return outcome(sign_in.change_password, username, current, new, repeated)


@pytest.mark.parametrize("reason", ["password_expired", "must_change_password"])
def test_sign_in_with_expired_password_needs_change(reason: Any) -> None:
    sign_in = build(Scripted(UnknownUser()), Changing(AccountRefused(reason, proven=True)), account_failures=1)
    for _ in range(3):
        result = outcome(sign_in, "ada", CURRENT)
        assert type(result) is PasswordChangeNeeded
        assert result.reason == reason


@pytest.mark.parametrize(
    "backend",
    [
        Scripted(expired()),
        Changing(expired(), disabled=True),
        Changing(AccountRefused("disabled", proven=True)),
        Changing(AccountRefused("password_expired")),
        Changing(AccountRefused("password_expired", proven=False, revealed=True)),
        Changing(AccountRefused("password_expired", proven=True, revealed=False)),
    ],
)
def test_sign_in_without_possible_change_raises_refusal(backend: Scripted) -> None:
    result = outcome(build(backend), "ada", CURRENT)
    assert type(result) is AccountRefused
    assert result is backend.results[0]
    # a direct call of change_password is refused too
    assert change(build(backend)) is result
    assert [len(calls) for calls in backend.calls] == [2, 2]


@pytest.mark.parametrize("reason", ["password_expired", "must_change_password"])
def test_change_checks_current_password_changes_it_and_signs_in(reason: Any) -> None:
    first = AccountRefused(reason, proven=True)
    other, backend, last = Scripted(UnknownUser()), Changing(first, GOOD), Scripted(GOOD)
    assert change(build(other, backend, last), "  ada\t") == Person("b1", GOOD)
    assert backend.calls == [("ada", CURRENT), ("ada", CURRENT, NEW), ("ada", NEW)]
    assert other.calls == [("ada", CURRENT)]
    assert last.calls == []


@pytest.mark.parametrize("backend", [Scripted(GOOD), Changing(GOOD, disabled=True), Changing(GOOD)])
def test_password_that_has_not_expired_stays_and_signs_in(backend: Scripted) -> None:
    assert change(build(backend)) == Person("b0", GOOD)
    assert backend.calls == [("ada", CURRENT)]


@pytest.mark.parametrize(("new", "rule"), [("sunshine1!", "too_common"), ("Ada2026", "personal")])
def test_weak_new_password_is_refused_after_current_one_is_checked(new: str, rule: str) -> None:
    backend = Changing(expired(), GOOD)
    result = change(build(backend), new=new, repeated=new)
    assert type(result) is PasswordRefused
    assert result.rule == rule
    assert backend.calls == [("ada", CURRENT)]
    # the refusal does not count as a failed attempt, but a wrong current password does
    backend.results = [WrongPassword()]
    assert type(change(build(backend), new=new, repeated=new)) is WrongPassword


class WithLookup(Changing, Lookup):
    """A Changing backend that offers Lookup too."""

    def find(self, username: str) -> Account:
        return Account(Identity("7", "lovelace", "Ada King", "countess@difference.example"))

    def look_up(self, subject: str) -> Account:
        raise AssertionError


@pytest.mark.parametrize("new", ["lovelace7", "King-Ada!", "Countess_1", "difference 2026", "ADALOVELACE"])
def test_new_password_made_of_looked_up_names_is_refused(new: str) -> None:
    result = change(build(WithLookup(expired(), GOOD)), new=new, repeated=new)
    assert type(result) is PasswordRefused
    assert result.rule == "personal"


@pytest.mark.parametrize(
    ("current", "new", "repeated", "rule"),
    [
        (CURRENT, NEW, NEW + " ", "mismatch"),
        (CURRENT, NEW, "", "mismatch"),
        (CURRENT, "", NEW, "mismatch"),
        (CURRENT, "", "", "too_short"),
        (CURRENT, CURRENT, CURRENT, "used_before"),
        (CURRENT, "x" * (PASSWORD_LIMIT + 1), "x" * (PASSWORD_LIMIT + 1), "policy"),
        (CURRENT, "x\0", "x\0", "policy"),
        (CURRENT, "x\ud800", "x\ud800", "policy"),
    ],
)
def test_invalid_input_is_refused_without_calling_backend(current: str, new: str, repeated: str, rule: str) -> None:
    backend = Changing(GOOD)
    result = change(build(backend), "ada", current, new, repeated)
    assert type(result) is PasswordRefused
    assert result.rule == rule
    assert backend.calls == []


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_credentials_reach_no_backend(case: str) -> None:
    backend = Changing(GOOD)
    assert type(change(build(backend), *HOSTILE[case])) is WrongPassword
    assert backend.calls == []


OUTCOMES: dict[str, tuple[Callable[[], Changing], type[Exception], bool]] = {
    "unknown": (lambda: Changing(UnknownUser()), UnknownUser, True),
    "wrong": (lambda: Changing(WrongPassword()), WrongPassword, True),
    "locked": (lambda: Changing(AccountRefused("locked")), AccountRefused, True),
    "proven": (lambda: Changing(AccountRefused("locked", proven=True)), AccountRefused, False),
    "down": (lambda: Changing(BackendUnavailable()), BackendUnavailable, False),
    "broken": (lambda: Changing(RuntimeError(CURRENT)), BackendUnavailable, False),
    "refused": (lambda: Changing(expired(), GOOD, refused=PasswordRefused("policy")), PasswordRefused, False),
    "wrong at the change": (lambda: Changing(expired(), GOOD, refused=WrongPassword()), WrongPassword, True),
    "unknown at the change": (lambda: Changing(expired(), GOOD, refused=UnknownUser()), BackendUnavailable, False),
    "down at the change": (lambda: Changing(expired(), GOOD, refused=BackendUnavailable()), BackendUnavailable, False),
    "broken at the change": (lambda: Changing(expired(), GOOD, refused=KeyError(NEW)), BackendUnavailable, False),
    "refused afterwards": (lambda: Changing(expired(), AccountRefused("disabled", proven=True)), AccountRefused, False),
    "expired afterwards": (lambda: Changing(expired(), expired()), AccountRefused, False),
    "unknown afterwards": (lambda: Changing(expired(), UnknownUser()), PasswordChanged, False),
    "wrong afterwards": (lambda: Changing(expired(), WrongPassword()), PasswordChanged, False),
    "down afterwards": (lambda: Changing(expired(), BackendUnavailable()), PasswordChanged, False),
    "broken afterwards": (lambda: Changing(expired(), RuntimeError(NEW)), PasswordChanged, False),
    "nobody afterwards": (lambda: Changing(expired(), None), PasswordChanged, False),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_change_raises_expected_outcome_and_counts_failures(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    make, kind, counts = OUTCOMES[name]
    second = Scripted(GOOD if name != "unknown" else UnknownUser())
    sign_in = build(make(), second, account_failures=1)
    assert type(change(sign_in)) is kind
    # only an unknown name is passed to the next backend
    assert bool(second.calls) == (name == "unknown")
    assert (type(change(sign_in)) is Throttled) == counts
    assert CURRENT not in caplog.text
    assert NEW not in caplog.text


def test_change_clears_failures_and_throttled_change_calls_no_backend() -> None:
    backend = Changing(WrongPassword(), expired(), GOOD)
    sign_in = build(backend, account_failures=2)
    assert type(change(sign_in)) is WrongPassword
    assert type(change(sign_in)) is Person
    backend.results = [WrongPassword()]
    assert [type(change(sign_in)) for _ in range(3)] == [WrongPassword, WrongPassword, Throttled]
    assert type(outcome(sign_in, "ada", CURRENT)) is Throttled
