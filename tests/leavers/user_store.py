"""A user store in memory whose answers a test decides, and links of its people in a real database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from linkauth.backends import (
    Account,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    Lookup,
    Reason,
    UnknownUser,
    WrongPassword,
)
from linkauth.login.dispatch import NamedBackend
from linkauth.login.leaver_sweep import LeaverSweep, SweepOptions, SweepReport
from linkauth.storage import LeaverSweeps, open_engine, upgrade
from linkauth.storage.tables import leases, leaver_sweeps, leavers, links

NOW = 1_900_000_000


class Directory(CredentialBackend, Lookup):
    """Knows every subject, except for those in `answers`: an account, an exception, or None if the person is gone.

    `asked` are the subjects that were looked up. `before` is called with each of them before the answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.is_down = False
        self.before: Callable[[str], object] = lambda _: None

    def refuse(self, reason: Reason, *subjects: str, reasons: tuple[Reason, ...] | None = None) -> None:
        for subject in subjects:
            self.answers[subject] = Account(Identity(subject, "x"), reason, reasons=reasons)

    def authenticate(self, username: str, password: str) -> Identity:
        raise WrongPassword

    def find(self, username: str) -> Account:
        raise UnknownUser

    def look_up(self, subject: str) -> Account:
        self.before(subject)
        self.asked.append(subject)
        if self.is_down:
            raise BackendUnavailable("connection refused")
        answer = self.answers.get(subject, Account(Identity(subject, f"person {subject}")))
        if answer is None:
            raise UnknownUser
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]


def add_links(engine: Engine, subjects: Sequence[str], backend: str = "corp", per_person: int = 1) -> None:
    """Inserts links of the client `alexa`."""
    row = {"client_id": "alexa", "scope": "", "grant": "implicit", "locale": "en", "created_at": NOW}
    rows = [
        {**row, "backend": backend, "subject": subject, "username": f"person {subject}"}
        for subject in subjects
        for _ in range(per_person)
    ]
    with engine.begin() as connection:
        connection.execute(insert(links), rows)


def ended(engine: Engine) -> dict[str, str]:
    """Returns the reason of each ended link by subject."""
    with engine.connect() as connection:
        rows = connection.execute(select(links.c.subject, links.c.end_reason).where(links.c.ended_at.is_not(None)))
        return {subject: reason for subject, reason in rows.all()}  # noqa: C416


def empty_engine(url: str) -> Engine:
    """Returns the engine of the database at `url`, with linkauth's tables and without links."""
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    with engine.begin() as connection:
        for table in (links, leavers, leaver_sweeps, leases):
            connection.execute(delete(table))
    return engine


class Sweeper:
    """Sweeps the backend `corp`. Each call is another process, as far as the storage can see it.

    `before` is called before each look-up with the number of look-ups so far, and stops the sweep if it returns True.
    """

    def __init__(self, engine: Engine, backend: CredentialBackend) -> None:
        self.engine, self.backend = engine, backend
        self.waits: list[float] = []
        self.before: Callable[[int], object] = lambda _: False
        self.progress = 0

    def __call__(self, **options: Any) -> SweepReport:
        storage, named = LeaverSweeps(self.engine), NamedBackend("corp", self.backend)
        assert storage.take_lease() is None
        self.waits.clear()
        try:
            sweep = LeaverSweep(named, storage, SweepOptions(**options), self._wait, self._seen)
            return sweep.run(storage.active_links().get("corp", 0))
        finally:
            storage.give_lease_back()

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return bool(self.before(len(self.waits) - 1))

    def _seen(self, count: int) -> None:
        self.progress += count
