"""The laws of a credential backend, as tests."""

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
)
from linkauth.hashing import HashPool
from linkauth.testing.accounts import AccountsContract
from linkauth.testing.powers import HOSTILE_NAMES
from linkauth.testing.store import Known, Store, recovered

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


class BackendContract(AccountsContract):
    """Subclass it, and give the fixtures `store` and `known`. Nothing here may be overridden to do less."""

    tells_unknown: ClassVar[bool] = True
    """False where the store answers a name that it does not know as it answers a wrong password: then the backend must
    always say WrongPassword, so that no later backend takes the name over."""

    guards: ClassVar[bool] = True
    """False where the backend cannot tell the account before it asks for its password, as behind a login API: then it
    calls `guard` never, and an account with two names has two windows of the throttle."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        laws = [name for name in dir(BackendContract) if name.startswith("test_")]
        # in a class that stands before this one among the bases too
        if lost := [name for name in laws if getattr(cls, name) is not getattr(BackendContract, name)]:
            raise TypeError(f"{cls.__name__} replaces tests of its contract: {', '.join(lost)}")

    @pytest.fixture
    def backend(self, store: Store) -> Iterator[CredentialBackend]:
        backend = store.backend()
        yield backend
        backend.close()

    @contextmanager
    def work(self) -> Iterator[list[str]]:
        """Lists what the backend does that takes time while this is open; hashes are counted by themselves.

        A backend whose time goes elsewhere (binds, requests) overrides this and counts those.
        """
        done: list[str] = []
        run = HashPool.run

        def counting(pool: HashPool, function, *arguments):  # type: ignore[no-untyped-def]
            done.append("hash")
            return run(pool, function, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HashPool, "run", counting)
            yield done

    def test_settings_are_a_frozen_dataclass(self, backend: CredentialBackend) -> None:
        assert type(backend).Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]

    def test_the_right_password_gives_the_identity(self, backend: CredentialBackend, known: Known) -> None:
        identity = backend.authenticate(known.username, known.password)
        assert isinstance(identity, Identity)
        assert identity.subject == known.subject
        assert identity.username

    def test_the_identity_is_the_same_for_every_spelling(self, backend: CredentialBackend, known: Known) -> None:
        spelled = backend.authenticate(known.username.upper(), known.password)
        assert spelled == backend.authenticate(known.username, known.password)

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
        found: list[list[str]] = []
        for name in names:
            for password in (known.password, "wrong"):
                keys: list[str] = []
                with guarded(keys.append), suppress(WrongPassword):
                    backend.authenticate(name, password)
                found.append(keys)
        if not self.guards:
            assert not any(found), "it calls guard: take `guards = False` away"
            return
        assert all(found), "it looks at a password without a call of guard: call it, or say `guards = False`"
        assert len({key for keys in found for key in keys}) == 1, "an account must be guarded under one key"
        with guarded(_is_nobodys), pytest.raises(self._unknown):
            backend.authenticate("nobody-of-that-name", "wrong")

    def test_a_guarded_account_costs_what_a_wrong_password_costs(
        self, backend: CredentialBackend, known: Known
    ) -> None:
        """And its password is not looked at, or the store might lock it, or a right one be told by its time."""
        if not self.guards:
            return
        backend.authenticate(known.username, known.password)
        with self.work() as for_wrong, pytest.raises(WrongPassword):
            backend.authenticate(known.username, "wrong")
        for password in (known.password, "wrong"):
            with self.work() as done:
                before: list[str] = []

                def refuse(account: str, done: list[str] = done, before: list[str] = before) -> None:
                    before += done
                    raise Throttled(1)

                with guarded(refuse), pytest.raises(Throttled):
                    backend.authenticate(known.username, password)
            assert not {"hash", "bind"} & set(before), "guard is called after the password was looked at"
            assert done == for_wrong, "a guarded account must cost what a wrong password costs: give guard its `spend`"

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
        # the first try may learn what the store's hashes cost
        backend.authenticate(known.username, known.password)
        with self.work() as for_wrong, pytest.raises(WrongPassword):
            backend.authenticate(known.username, "wrong")
        with self.work() as for_unknown, pytest.raises(self._unknown):
            backend.authenticate("nobody-of-that-name", "wrong")
        assert for_wrong, "nothing was counted: override work()"
        assert for_unknown == for_wrong

    def test_no_password_in_logs_messages_or_reprs(
        self, store: Store, known: Known, caplog: pytest.LogCaptureFixture
    ) -> None:
        canary = "canary-4f1b-password"
        caplog.set_level(logging.DEBUG)
        backend = store.backend()
        said = [repr(backend), str(vars(backend))]
        for username, password in ((known.username, known.password), (known.username, canary), ("nobody", canary)):
            try:
                said.append(repr(backend.authenticate(username, password)))
            except BackendError as error:
                said += [str(error), repr(error), repr(error.__cause__)]
        backend.close()
        everything = "\n".join([*said, caplog.text])
        assert canary not in everything
        assert known.password not in everything

    def test_many_threads_get_their_own_answers(self, backend: CredentialBackend, known: Known) -> None:
        def ask(turn: int) -> object:
            try:
                if turn % 3 == 0:
                    return backend.authenticate(known.username, known.password).subject
                backend.authenticate(known.username if turn % 3 == 1 else "nobody-of-that-name", "wrong")
            except BackendError as error:
                return type(error)
            return None

        expected = {0: known.subject, 1: WrongPassword, 2: self._unknown}
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(ask, range(48)))
        assert answers == [expected[turn % 3] for turn in range(48)]

    def test_a_broken_store_is_unavailable_and_recovers_by_itself(self, store: Store, known: Known) -> None:
        store.breaks()
        backend = store.backend()
        try:
            for username, password in ((known.username, known.password), (known.username, ""), ("nobody", "wrong")):
                with pytest.raises(BackendUnavailable):
                    backend.authenticate(username, password)
            store.returns()
            assert recovered(backend, known).subject == known.subject
            # and again, with connections that were open when it broke
            store.breaks()
            with pytest.raises(BackendUnavailable):
                backend.authenticate(known.username, known.password)
        finally:
            store.returns()
        assert recovered(backend, known).subject == known.subject
        backend.close()

    def test_its_checks_are_well(self, backend: CredentialBackend) -> None:
        checks = list(backend.check())
        assert checks, "check() gives nothing: `linkauth doctor` and /health/ready would say that all is well"
        assert not [check for check in checks if not isinstance(check, Check) or not check.ok or not check.name]

    def test_its_checks_find_a_store_that_is_down(self, store: Store, known: Known) -> None:
        for connected in (False, True):
            backend = store.backend()
            if connected:
                recovered(backend, known)
            store.breaks()
            try:
                failed = [check for check in backend.check() if not check.ok]
            finally:
                store.returns()
            assert failed, "check() says that all is well while the store is down"
            assert all(check.name and check.detail for check in failed), "say in words what is wrong"
            recovered(backend, known)
            assert all(check.ok for check in backend.check())
            backend.close()


def _is_nobodys(account: str) -> None:
    raise AssertionError("guard is called for a name that nobody has")
