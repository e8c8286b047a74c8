"""A user store in memory whose answers a test decides, and links of its people in a real database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, insert, select

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
from linkauth.storage import LeaverSweeps
from linkauth.storage.tables import links

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


class Sweeper:
    """Sweeps the backend `corp`. Each call is another process, as far as the storage can see it."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self.engine, self.directory = engine, directory
        self.waits: list[float] = []
        self.stops_after: int | None = None
        self.progress = 0

    def __call__(self, **options: Any) -> SweepReport:
        storage = LeaverSweeps(self.engine)
        assert storage.take_lease() is None
        sweep = LeaverSweep(
            NamedBackend("corp", self.directory), storage, SweepOptions(**options), self._wait, self._seen
        )
        try:
            return sweep.run(storage.active_links().get("corp", 0))
        finally:
            storage.give_lease_back()

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.stops_after is not None and len(self.directory.asked) >= self.stops_after

    def _seen(self, count: int) -> None:
        self.progress += count
