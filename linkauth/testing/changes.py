"""Contract tests for ChangeFeed. They check it only if `backend.offers` contains it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

import pytest

from linkauth.backends import COOKIE_LIMIT, BackendUnavailable, ChangeFeed, Changes, CredentialBackend, Lookup
from linkauth.testing.names import NamesContract
from linkauth.testing.store import Known, Store, wait_for_recovery

REPORT_SECONDS = 30
"""How long a test waits for a report."""


@dataclass(frozen=True)
class Leaver:
    """A person of the user store whom no other test uses. `disable` and `enable` change whether they may sign in."""

    subject: str
    disable: Callable[[], object]
    enable: Callable[[], object]


class ChangesContract(NamesContract):
    """The tests of BackendContract for ChangeFeed."""

    @pytest.fixture
    def leaver(self, store: Store) -> Leaver | None:
        """A person who is enabled. Required for ChangeFeed."""
        return None

    def test_changes_begin_with_everybody(self, backend: CredentialBackend, leaver: Leaver | None) -> None:
        if feed := _feed(backend, leaver):
            assert Lookup in backend.offers
            for cookie in (b"", b"not a cookie", b"\0\xff"):
                with closing(feed.follow(cookie)) as changes:
                    before = _until(changes, lambda seen: seen.is_current)
                assert next(seen for seen in before if seen.everybody or seen.subjects).everybody
            assert 0 < len(_last_cookie(before)) <= COOKIE_LIMIT

    def test_a_change_is_reported_while_it_is_followed(self, backend: CredentialBackend, leaver: Leaver | None) -> None:
        if (feed := _feed(backend, leaver)) and leaver and isinstance(backend, Lookup):
            with closing(feed.follow(b"")) as changes:
                _until(changes, lambda seen: seen.is_current)
                # a report also comes if nothing changes
                assert isinstance(next(changes), Changes)
                leaver.disable()
                try:
                    _until(changes, lambda seen: leaver.subject in seen.subjects)
                    assert backend.look_up(leaver.subject).refused
                finally:
                    leaver.enable()
                _until(changes, lambda seen: leaver.subject in seen.subjects)
                assert not backend.look_up(leaver.subject).refused

    def test_a_change_is_reported_later(self, backend: CredentialBackend, leaver: Leaver | None) -> None:
        if (feed := _feed(backend, leaver)) and leaver:
            with closing(feed.follow(b"")) as changes:
                cookie = _last_cookie(_until(changes, lambda seen: seen.is_current and bool(seen.cookie)))
            leaver.disable()
            try:
                with closing(feed.follow(cookie)) as changes:
                    found = _until(changes, lambda seen: seen.is_current)
                assert any(leaver.subject in seen.subjects or seen.everybody for seen in found)
                with closing(feed.follow(_last_cookie(found) or cookie)) as changes:
                    assert not any(seen.everybody for seen in _until(changes, lambda seen: seen.is_current)[:1])
            finally:
                leaver.enable()

    def test_changes_of_a_broken_store_are_unavailable(self, store: Store, known: Known, leaver: Leaver | None) -> None:
        backend = store.backend()
        if feed := _feed(backend, leaver):
            wait_for_recovery(backend, known)
            with closing(feed.follow(b"")) as changes:
                _until(changes, lambda seen: seen.is_current)
                store.breaks()
                try:
                    with pytest.raises(BackendUnavailable):
                        _until(changes, lambda seen: False)
                    with pytest.raises(BackendUnavailable), closing(feed.follow(b"")) as others:
                        _until(others, lambda seen: False)
                finally:
                    store.returns()
            wait_for_recovery(backend, known)
            with closing(feed.follow(b"")) as changes:
                _until(changes, lambda seen: seen.is_current)
        backend.close()


def _feed(backend: CredentialBackend, leaver: Leaver | None) -> ChangeFeed | None:
    """Returns the backend if it offers ChangeFeed, otherwise None."""
    if ChangeFeed not in backend.offers or not isinstance(backend, ChangeFeed):
        return None
    assert leaver is not None, "the backend offers ChangeFeed: define the fixture `leaver`"
    return backend


def _until(changes: Generator[Changes, None, None], is_expected: Callable[[Changes], bool]) -> list[Changes]:
    """Returns the reports up to the first that is expected."""
    deadline, seen = time.monotonic() + REPORT_SECONDS, list[Changes]()
    while time.monotonic() < deadline:
        seen.append(next(changes))
        if is_expected(seen[-1]):
            return seen
    raise AssertionError(f"no such report within {REPORT_SECONDS} seconds; the last one is {seen[-1]}")


def _last_cookie(seen: list[Changes]) -> bytes:
    return next((each.cookie for each in reversed(seen) if each.cookie), b"")
