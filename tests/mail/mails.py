"""Mails and texts for the tests of mails."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, delete, select

from linkauth.config.mail import MailSettings
from linkauth.mail.addresses import parse_sender
from linkauth.mail.compose import compose
from linkauth.mail.message import Mail
from linkauth.mail.outbox import StoredMail
from linkauth.mail.parts import Parts
from linkauth.mail.smtp import SMTP
from linkauth.mail.transport import OutgoingMail
from linkauth.storage import OutboxStore
from linkauth.storage.mail_rows import INSERT_MAIL, MailRows
from linkauth.storage.tables import outbox

SECRET = "c4n4ry-secret-of-the-tests-of-mails"
WAIT_SECONDS = 60
NOW = 1_800_000_000
CODE = "7KQ4MXRW"
ADA = "ada@example.com"
SENDER = parse_sender("Example Rides <no-reply@example.com>")


def mail(recipient: str = ADA, kind: Any = "recovery_code", **values: Any) -> Mail:
    return Mail(kind, recipient, "alexa", "en", **{"names": ("ada",), "code": CODE, "minutes": 15, **values})


def stored(recipient: str = ADA, number: int = 1, **values: Any) -> StoredMail:
    return StoredMail(number, mail(recipient, **values), NOW, 1, f"message-{number:020}")


def render(given: Mail) -> Parts:
    """Returns texts in which all values of a mail stand."""
    names = ", ".join(given.names)
    return Parts(
        f"Your code for {names}",
        f"Hello {names},\n\n{given.code[:4]}-{given.code[4:]}\n.\nis valid for {given.minutes} minutes.\n",
        f'<!DOCTYPE html><html lang="{given.language}"><body><b>{given.code[:4]}-{given.code[4:]}</b></body></html>',
    )


def outgoing(recipient: str = ADA, number: int = 1) -> OutgoingMail:
    given = stored(recipient, number)
    return compose(given, render(given.mail), SENDER)


def smtp(settings: dict[str, Any], **changes: Any) -> SMTP:
    return SMTP(MailSettings(**{**settings, **changes}), "link.example.com")


class Post:
    """The outbox in a database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.outbox = OutboxStore(engine, SECRET)

    def empty(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(outbox))

    def add(self, *mails: Mail, at: int | None = None) -> None:
        """Stores mails, which are due at once."""
        now = int(time.time()) if at is None else at
        with self.engine.begin() as connection:
            for each in mails:
                connection.execute(INSERT_MAIL, MailRows(SECRET).waiting(each, now))

    def rows(self) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(outbox).order_by(outbox.c.id)))

    def outcomes(self) -> list[str | None]:
        """Returns the outcome of each mail; None if it is not done."""
        return [row.outcome for row in self.rows()]

    def wait_until(self, is_met: Callable[[list[Any]], bool]) -> list[Any]:
        """Waits until the rows of the outbox meet a condition, and returns them."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_met(rows := self.rows()):
            assert time.monotonic() < deadline, [(row.outcome, row.attempts, row.due_at) for row in rows]
            # polls the condition of the loop
            time.sleep(0.005)
        return rows

    def wait_for_outcomes(self, *expected: str) -> list[Any]:
        """Waits until all mails are done, and checks their outcomes."""
        rows = self.wait_until(lambda rows: all(row.outcome for row in rows))
        assert [row.outcome for row in rows] == list(expected)
        return rows

    def close(self) -> None:
        self.outbox.close()
        self.engine.dispose()
