"""Tests of SignIn: the outcome of several backends, and the input that reaches none of them."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.config.settings import ThrottleSettings
from linkauth.login.dispatch import NamedBackend
from linkauth.login.sign_in import PASSWORD_LIMIT, USERNAME_LIMIT, Person, SignIn
from linkauth.login.throttle import Throttle

ADDRESS = "192.0.2.1"
PASSWORD = "the typed password"


@dataclass(frozen=True)
class NoSettings:
    """The settings of a backend that has none."""


class Backend(CredentialBackend):
    """A backend with one result for every sign-in, which records the calls."""

    Settings = NoSettings

    def __init__(self, result: Any, checks: Any = ()) -> None:
        self.result = result
        self.checks = checks
        self.calls: list[tuple[str, str]] = []
        self.closed = False

    def authenticate(self, username: str, password: str) -> Identity:
        self.calls.append((username, password))
        if isinstance(self.result, BaseException):
            raise self.result
        result: Identity = self.result
        return result

    def check(self) -> Iterable[Check]:
        if isinstance(self.checks, Exception):
            raise self.checks
        return iter(self.checks)

    def close(self) -> None:
        self.closed = True


GOOD = Identity("7", "ada")
OUTCOMES: dict[str, Callable[[], Any]] = {
    "good": lambda: GOOD,
    "unknown": UnknownUser,
    "wrong": WrongPassword,
    "unproven": lambda: AccountRefused("locked"),
    "proven": lambda: AccountRefused("locked", proven=True),
    "unavailable": lambda: BackendUnavailable("down"),
    "misconfigured": lambda: BackendMisconfigured("search base"),
    "broken": lambda: RuntimeError("anything"),
}
EXPECTED = {
    "good": Person,
    "wrong": WrongPassword,
    "unproven": AccountRefused,
    "proven": AccountRefused,
    "unavailable": BackendUnavailable,
    "misconfigured": BackendMisconfigured,
    "broken": BackendUnavailable,
}


def build(*backends: Backend, accepts: tuple[tuple[str, ...], ...] = (), **throttle: int) -> SignIn:
    patterns = accepts or ((),) * len(backends)
    named = [NamedBackend(f"b{number}", each, patterns[number]) for number, each in enumerate(backends)]
    return SignIn(named, Throttle(ThrottleSettings(**throttle)))


def outcome(sign_in: SignIn, username: str = "ada", password: str = PASSWORD) -> Any:
    """Returns the Person or the exception."""
    try:
        return sign_in(username, password, ADDRESS)
    except Exception as error:
        return error


@pytest.mark.parametrize("first", OUTCOMES)
@pytest.mark.parametrize("second", OUTCOMES)
def test_first_outcome_other_than_unknown_user_decides(first: str, second: str) -> None:
    backends = Backend(OUTCOMES[first]()), Backend(OUTCOMES[second]())
    result = outcome(build(*backends))
    last = second if first == "unknown" else first
    assert type(result) is EXPECTED.get(last, UnknownUser)
    assert backends[0].calls == [("ada", PASSWORD)]
    # no later backend can stand in for an unavailable one, because the name may belong to that one
    if first not in ("unknown", "unavailable", "misconfigured", "broken"):
        assert backends[1].calls == []
    if isinstance(result, Person):
        assert result == Person("b0" if first == "good" else "b1", GOOD)


@pytest.mark.parametrize("first", OUTCOMES)
def test_first_outcome_other_than_unknown_user_decides_among_three(first: str) -> None:
    for names in itertools.product([first], OUTCOMES, OUTCOMES):
        backends = [Backend(OUTCOMES[name]()) for name in names]
        result = outcome(build(*backends))
        last = next((index for index, name in enumerate(names) if name != "unknown"), 2)
        assert type(result) is EXPECTED.get(names[last], UnknownUser), names
        assert [len(backend.calls) for backend in backends] == [int(index <= last) for index in range(3)], names


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("good", False),
        ("unknown", True),
        ("wrong", True),
        ("unproven", True),
        ("proven", False),
        ("unavailable", False),
        ("misconfigured", False),
        ("broken", False),
    ],
)
def test_outcome_counts_as_failed_attempt(name: str, counts: bool) -> None:
    sign_in = build(Backend(OUTCOMES[name]()), account_failures=1)
    outcome(sign_in)
    assert (type(outcome(sign_in)) is Throttled) == counts


def test_throttled_attempt_calls_no_backend() -> None:
    backend = Backend(WrongPassword())
    sign_in = build(backend, account_failures=2)
    result = [type(outcome(sign_in)) for _ in range(4)]
    assert result == [WrongPassword, WrongPassword, Throttled, Throttled]
    assert len(backend.calls) == 2


@pytest.mark.parametrize(
    ("username", "calls"),
    [
        ("ada@emea.example.com", [True, False, True]),
        ("ADA@EMEA.EXAMPLE.COM", [True, False, True]),
        ("CORP\\ada", [False, True, True]),
        ("corp\\ada", [False, True, True]),
        ("ada", [False, False, True]),
        ("ada@emea.example.com.evil.example", [False, False, True]),
    ],
)
def test_accepts_selects_backends(username: str, calls: list[bool]) -> None:
    backends = [Backend(UnknownUser()) for _ in range(3)]
    sign_in = build(*backends, accepts=(("*@emea.example.com",), ("CORP\\*", "X\\*"), ()))
    assert type(outcome(sign_in, username)) is UnknownUser
    assert [bool(backend.calls) for backend in backends] == calls


def test_unavailable_backend_that_does_not_accept_name_is_skipped() -> None:
    down, good = Backend(BackendUnavailable()), Backend(GOOD)
    sign_in = build(down, good, accepts=(("*@emea.example.com",), ()))
    assert outcome(sign_in, "ada") == Person("b1", GOOD)
    assert type(outcome(sign_in, "ada@emea.example.com")) is BackendUnavailable


HOSTILE = {
    "empty name": ("", PASSWORD),
    "spaces as a name": (" \t\u3000\n", PASSWORD),
    "NUL in the name": ("ada\0", PASSWORD),
    "long name": ("a" * (USERNAME_LIMIT + 1), PASSWORD),
    "surrogate in the name": ("ada\ud800", PASSWORD),
    "empty password": ("ada", ""),
    "NUL in the password": ("ada", "pass\0word"),
    "NUL as the password": ("ada", "\0"),
    "long password": ("ada", "p" * (PASSWORD_LIMIT + 1)),
    "surrogate in the password": ("ada", "\udfff"),
    "bomb": ("a" + "\u0315\u0300" * 32_768, PASSWORD),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_credentials_reach_no_backend(case: str) -> None:
    backend = Backend(GOOD)
    assert type(outcome(build(backend), *HOSTILE[case])) is WrongPassword
    assert backend.calls == []


@pytest.mark.parametrize(
    ("username", "password", "seen"),
    [
        ("  ada\t", " \u3000 ", ("ada", " \u3000 ")),
        ("a" * USERNAME_LIMIT, "p" * PASSWORD_LIMIT, ("a" * USERNAME_LIMIT, "p" * PASSWORD_LIMIT)),
        ("Ada", "PaSs\n", ("Ada", "PaSs\n")),
        ("jo\u0308rg", "u\u0308", ("jo\u0308rg", "u\u0308")),
    ],
)
def test_name_is_trimmed_and_password_is_unchanged(username: str, password: str, seen: Any) -> None:
    backend = Backend(GOOD)
    assert outcome(build(backend), username, password) == Person("b0", GOOD)
    assert backend.calls == [seen]


@pytest.mark.parametrize("error", [RuntimeError(PASSWORD), KeyError(PASSWORD), UnicodeError(PASSWORD), ValueError()])
def test_unexpected_exception_is_unavailable_and_hides_password(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    result = outcome(build(Backend(error)))
    assert type(result) is BackendUnavailable
    assert result.__cause__ is None
    assert PASSWORD not in str(result) + caplog.text
    assert "b0" in caplog.text
    assert type(error).__name__ in caplog.text
    assert "authenticate" in caplog.text


UNUSABLE: dict[str, Any] = {
    "empty subject": Identity("", "ada"),
    "long subject": Identity("x" * 256, "ada"),
    "NUL in the subject": Identity("7\0", "ada"),
    "surrogate in the subject": Identity("\ud800", "ada"),
    "a number as the subject": Identity(7, "ada"),  # type: ignore[arg-type]
    "no subject": Identity(None, "ada"),  # type: ignore[arg-type]
    "nothing": None,
    "a name": "ada",
    "true": True,
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_identity_without_valid_subject_is_unavailable(case: str, caplog: pytest.LogCaptureFixture) -> None:
    assert type(outcome(build(Backend(UNUSABLE[case])))) is BackendUnavailable
    assert "b0" in caplog.text


@pytest.mark.parametrize(
    ("name", "level"), [("wrong", "INFO"), ("unavailable", "WARNING"), ("misconfigured", "ERROR"), ("broken", "ERROR")]
)
def test_log_level_depends_on_outcome(name: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    outcome(build(Backend(OUTCOMES[name]())))
    assert [record.levelname for record in caplog.records] == [level]
    assert PASSWORD not in caplog.text


def test_check_reports_each_backend() -> None:
    checks = [Check("connect", True), Check("bind", False, "refused")]
    sign_in = build(Backend(GOOD, checks[:1]), Backend(GOOD, checks), Backend(GOOD))
    assert sign_in.check() == {"b0": True, "b1": False, "b2": True}


def test_backend_whose_check_crashes_is_unhealthy() -> None:
    assert build(Backend(GOOD, RuntimeError()), Backend(GOOD)).check() == {"b0": False, "b1": True}


def test_concurrent_health_requests_run_one_check() -> None:
    backend = Backend(GOOD, [Check("connect", True)])
    checks, slow = [], threading.Barrier(6)
    check = backend.check

    def counted() -> Any:
        checks.append(1)
        return check()

    backend.check = counted  # type: ignore[method-assign]
    sign_in = build(backend)

    def ask(_: int) -> Any:
        slow.wait()
        return sign_in.check()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(ask, range(6))) == [{"b0": True}] * 6
    sign_in.check()
    assert len(checks) == 1
