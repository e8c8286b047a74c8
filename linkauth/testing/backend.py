"""Contract tests for a credential backend."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import pytest

from linkauth.backends import (
    BackendError,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    Throttled,
    UnknownUser,
    WrongPassword,
    guarded,
    watched,
)
from linkauth.hashing import HashPool
from linkauth.testing.names import NamesContract
from linkauth.testing.powers import HOSTILE_NAMES
from linkauth.testing.store import Known, Store, wait_for_recovery

HOSTILE_PASSWORDS = (
    "wrong",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\u00ad",
    "\u200b",
    "x" * 1024,
    "é" * 73,
    "pass\r\nword",
    "*",
    "' OR 1=1--",
    "{0}",
    "🔑" * 20,
)


class BackendContract(NamesContract):
    """The base class for the tests of a backend. A subclass provides the fixtures `store` and `known`.

    A subclass cannot override the tests: defining such a class raises TypeError.
    """

    tells_unknown: ClassVar[bool] = True
    """False if the user store does not distinguish an unknown name from a wrong password. The backend must then raise
    WrongPassword for both, so that the sign-in does not continue with the next backend."""

    guards: ClassVar[bool] = True
    """False if the backend cannot identify the account before the password is checked, as with a login API. The backend
    must then never call `guard`, and the throttle counts each name of an account separately."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        contract_tests = [name for name in dir(BackendContract) if name.startswith("test_")]
        # also finds a replacement in a base class that precedes this one in the MRO
        if replaced := [name for name in contract_tests if getattr(cls, name) is not getattr(BackendContract, name)]:
            raise TypeError(f"{cls.__name__} replaces tests of its contract: {', '.join(replaced)}")

    @pytest.fixture
    def backend(self, store: Store) -> Iterator[CredentialBackend]:
        backend = store.backend()
        yield backend
        backend.close()

    @contextmanager
    def work(self) -> Iterator[list[str]]:
        """Yields a list of the expensive steps of the backend during the `with` block, for example ["hash"].

        This implementation records password hashes. Override it for a backend with other expensive steps, such as LDAP
        binds or HTTP requests.
        """
        steps: list[str] = []
        run = HashPool.run

        def counting(pool: HashPool, function, *arguments):  # type: ignore[no-untyped-def]
            steps.append("hash")
            return run(pool, function, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HashPool, "run", counting)
            yield steps

    def test_reports_contain_no_password(self, backend: CredentialBackend, known: Known) -> None:
        """What the backend reports to an operator who watches a sign-in does not contain the password."""
        reports: list[str] = []
        with watched(lambda what, seen: reports.append(f"{what}: {seen}")):
            with pytest.raises(WrongPassword):
                backend.authenticate(known.username, f"{known.password}-wrong")
            backend.authenticate(known.username, known.password)
        assert [line for line in reports if known.password in line] == []

    def test_settings_are_a_frozen_dataclass(self, backend: CredentialBackend) -> None:
        assert type(backend).Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]

    def test_the_right_password_gives_the_identity(self, backend: CredentialBackend, known: Known) -> None:
        identity = backend.authenticate(known.username, known.password)
        assert isinstance(identity, Identity)
        assert identity.subject == known.subject
        assert identity.username

    def test_the_identity_is_the_same_for_every_spelling(self, backend: CredentialBackend, known: Known) -> None:
        respelled = backend.authenticate(known.username.upper(), known.password)
        assert respelled == backend.authenticate(known.username, known.password)

    def test_a_wrong_password_is_a_wrong_password(self, backend: CredentialBackend, known: Known) -> None:
        for password in (known.password + "x", known.password[:-1], known.password.swapcase(), known.password + " "):
            with pytest.raises(WrongPassword):
                backend.authenticate(known.username, password)

    @property
    def _unknown(self) -> type[BackendError]:
        return UnknownUser if self.tells_unknown else WrongPassword

    def test_every_name_of_an_account_gives_its_identity(self, backend: CredentialBackend, known: Known) -> None:
        identity = backend.authenticate(known.username, known.password)
        for name in known.other_names:
            assert backend.authenticate(name, known.password) == identity
            with pytest.raises(WrongPassword):
                backend.authenticate(name, "wrong")

    def test_an_account_is_guarded_under_one_key_for_all_its_names(
        self, backend: CredentialBackend, known: Known
    ) -> None:
        names = [known.username, known.username.upper(), *known.other_names]
        guard_keys: list[list[str]] = []
        for name in names:
            for password in (known.password, "wrong"):
                keys: list[str] = []
                with guarded(keys.append), suppress(WrongPassword):
                    backend.authenticate(name, password)
                guard_keys.append(keys)
        if not self.guards:
            assert not any(guard_keys), "the backend calls guard(): remove `guards = False`"
            return
        assert all(guard_keys), (
            "the backend checks a password without calling guard(): call it, or set `guards = False`"
        )
        assert len({key for keys in guard_keys for key in keys}) == 1, (
            "guard() must be called with the same key for every name of an account"
        )
        with guarded(_reject_unknown_guard), pytest.raises(self._unknown):
            backend.authenticate("nobody-of-that-name", "wrong")

    def test_a_guarded_account_costs_what_a_wrong_password_costs(
        self, backend: CredentialBackend, known: Known
    ) -> None:
        """The password of a throttled account must not be checked either.

        Otherwise the user store could lock the account, or the response time could reveal the right password.
        """
        if not self.guards:
            return
        backend.authenticate(known.username, known.password)
        with self.work() as wrong_steps, pytest.raises(WrongPassword):
            backend.authenticate(known.username, "wrong")
        for password in (known.password, "wrong"):
            with self.work() as steps:
                steps_before_guard: list[str] = []

                def refuse(
                    account: str, steps: list[str] = steps, steps_before_guard: list[str] = steps_before_guard
                ) -> None:
                    steps_before_guard += steps
                    raise Throttled(1)

                with guarded(refuse), pytest.raises(Throttled):
                    backend.authenticate(known.username, password)
            assert not {"hash", "bind"} & set(steps_before_guard), "guard() is called after the password was checked"
            assert steps == wrong_steps, (
                "a throttled account must take as long as a wrong password: pass `spend` to guard()"
            )

    def test_an_unknown_name_is_unknown(self, backend: CredentialBackend, known: Known) -> None:
        with pytest.raises(self._unknown):
            backend.authenticate("nobody-of-that-name", known.password)

    def test_an_empty_password_never_succeeds(self, backend: CredentialBackend, known: Known) -> None:
        for username in (known.username, "nobody-of-that-name"):
            with pytest.raises((UnknownUser, WrongPassword)):
                backend.authenticate(username, "")

    @pytest.mark.parametrize("username", HOSTILE_NAMES)
    def test_a_hostile_name_is_nobody(self, backend: CredentialBackend, known: Known, username: str) -> None:
        with pytest.raises((UnknownUser, WrongPassword)):
            backend.authenticate(username, known.password)

    @pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
    def test_a_hostile_password_is_wrong(self, backend: CredentialBackend, known: Known, password: str) -> None:
        with pytest.raises(WrongPassword):
            backend.authenticate(known.username, password)

    def test_unknown_and_wrong_do_the_same_work(self, backend: CredentialBackend, known: Known) -> None:
        # the first sign-in may determine the cost parameters of the stored hashes
        backend.authenticate(known.username, known.password)
        with self.work() as wrong_steps, pytest.raises(WrongPassword):
            backend.authenticate(known.username, "wrong")
        with self.work() as unknown_steps, pytest.raises(self._unknown):
            backend.authenticate("nobody-of-that-name", "wrong")
        assert wrong_steps, "no steps were recorded: override work()"
        assert unknown_steps == wrong_steps

    def test_no_password_in_logs_messages_or_reprs(
        self, store: Store, known: Known, caplog: pytest.LogCaptureFixture
    ) -> None:
        canary = "canary-4f1b-password"
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        texts = [repr(backend), str(vars(backend))]
        for username, password in ((known.username, known.password), (known.username, canary), ("nobody", canary)):
            try:
                texts.append(repr(backend.authenticate(username, password)))
            except BackendError as error:
                texts += [str(error), repr(error), repr(error.__cause__)]
        backend.close()
        all_output = "\n".join([*texts, caplog.text])
        assert canary not in all_output
        assert known.password not in all_output

    def test_many_threads_get_their_own_answers(self, backend: CredentialBackend, known: Known) -> None:
        def call(number: int) -> object:
            try:
                if number % 3 == 0:
                    return backend.authenticate(known.username, known.password).subject
                backend.authenticate(known.username if number % 3 == 1 else "nobody-of-that-name", "wrong")
            except BackendError as error:
                return type(error)
            return None

        expected = {0: known.subject, 1: WrongPassword, 2: self._unknown}
        with ThreadPoolExecutor(16) as threads:
            results = list(threads.map(call, range(48)))
        assert results == [expected[number % 3] for number in range(48)]

    def test_a_broken_store_is_unavailable_and_recovers_by_itself(self, store: Store, known: Known) -> None:
        store.breaks()
        backend = store.backend()
        try:
            for username, password in ((known.username, known.password), (known.username, ""), ("nobody", "wrong")):
                with pytest.raises(BackendUnavailable):
                    backend.authenticate(username, password)
            store.returns()
            assert wait_for_recovery(backend, known).subject == known.subject
            # repeat with connections that were open when the user store failed
            store.breaks()
            with pytest.raises(BackendUnavailable):
                backend.authenticate(known.username, known.password)
        finally:
            store.returns()
        assert wait_for_recovery(backend, known).subject == known.subject
        backend.close()

    def test_its_checks_are_well(self, backend: CredentialBackend) -> None:
        checks = list(backend.check())
        assert checks, "check() returns no checks: `linkauth doctor` and /health/ready would report no problem"
        assert not [check for check in checks if not isinstance(check, Check) or not check.ok or not check.name]

    def test_its_checks_find_a_store_that_is_down(self, store: Store, known: Known) -> None:
        for connected in (False, True):
            backend = store.backend()
            if connected:
                wait_for_recovery(backend, known)
            store.breaks()
            try:
                failed = [check for check in backend.check() if not check.ok]
            finally:
                store.returns()
            assert failed, "check() reports no failure while the user store is down"
            assert all(check.name and check.detail for check in failed), "a failed check must have a name and a detail"
            wait_for_recovery(backend, known)
            assert all(check.ok for check in backend.check())
            backend.close()


def _reject_unknown_guard(account: str) -> None:
    raise AssertionError("guard() is called for an unknown name")
