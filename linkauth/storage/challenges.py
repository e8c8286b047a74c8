"""Stores challenges, and the mails with their codes in the same transaction."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from sqlalchemy import BigInteger, Engine, and_, bindparam, func, literal, select, update

from linkauth.login.challenges import (
    CLAIM_SECONDS,
    CODE_SECONDS,
    FLOW_SECONDS,
    MAIL_WINDOW_SECONDS,
    MAILS_PER_RECIPIENT,
    MAILS_PER_SOURCE,
    Challenge,
    ChallengeKey,
    ChallengeOver,
    WrongCode,
)
from linkauth.mail.message import Mail
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.mail_rows import COUNT_MAILS, INSERT_MAIL, MailRows, limited, to_nobody
from linkauth.storage.sealing import derived_keys, open_seal, seal
from linkauth.storage.statements import Prepared, dialect_insert, parameter
from linkauth.storage.tables import challenges

Result = TypeVar("Result")
Ending = Literal["unknown", "expired", "tries", "replaced", "used"]

CLOCK_SECONDS = 300
"""How far the clocks of two servers may differ. A challenge that is from further in the future has expired: the clock
was set back, perhaps to a time before an expired challenge."""

_NEW = (
    *(challenges.c.digest, challenges.c.purpose, challenges.c.request, challenges.c.backend, challenges.c.subject),
    *(challenges.c.code, challenges.c.data, challenges.c.tries_left, challenges.c.created_at, challenges.c.expires_at),
    challenges.c.extended,
)
_CHANGED = (
    *(challenges.c.tries_left, challenges.c.expires_at, challenges.c.extended),
    *(challenges.c.used_at, challenges.c.end_reason),
)
_FOUND = (
    *(challenges.c.backend, challenges.c.subject, challenges.c.code, challenges.c.data, challenges.c.created_at),
    *_CHANGED,
)
_presented = challenges.c.digest == bindparam("presented", type_=challenges.c.digest.type)
_presented_purpose = challenges.c.purpose == bindparam("presented_purpose", type_=challenges.c.purpose.type)
_presented_key = and_(
    _presented,
    _presented_purpose,
    challenges.c.request == bindparam("presented_request", type_=challenges.c.request.type),
)
_others_of_account = and_(
    challenges.c.backend == bindparam("of_backend", type_=challenges.c.backend.type),
    challenges.c.subject == bindparam("of_subject", type_=challenges.c.subject.type),
    challenges.c.end_reason.is_(None),
    ~_presented,
)

_FIND = select(*_FOUND).where(_presented_key)
_CHANGE = (
    update(challenges)
    .where(_presented)
    .values({column: bindparam(f"new_{column.name}", type_=column.type) for column in _CHANGED})
)
# includes challenges that are claimed, because they can be released
_REPLACE_ALL = update(challenges).where(_others_of_account).values(end_reason="replaced")
_REPLACE = _REPLACE_ALL.where(_presented_purpose)
_RELEASE = update(challenges).where(_presented_key).values(used_at=None)
_FINISH = update(challenges).where(_presented).values(data=None, end_reason="finished")
_LOCK = select(func.pg_advisory_xact_lock(literal(0x6C696E6B61757468, BigInteger)))
"""The number is the ASCII codes of linkauth."""


class ChallengeStore:
    """Implements `linkauth.login.challenges.Challenges`. `secret` and `previous` are from the ini file.

    Every method raises StorageUnavailableError if the database fails. `sweep` is called with the time of each new
    challenge, so that old rows are deleted also if nobody links.

    What a person without the correct code sees is the same for accounts that exist and for those that do not. So a
    wrong code for a replaced challenge is a wrong code; only the correct one gets the answer "replaced".
    """

    def __init__(
        self,
        engine: Engine,
        secret: str,
        previous: Sequence[str] = (),
        sweep: Callable[[int], None] = lambda now: None,
    ) -> None:
        self._engine, self._sweep = engine, sweep
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._is_postgresql = engine.dialect.name == "postgresql"
        self._keys = derived_keys("linkauth challenges", (secret, *previous))
        self._mails = MailRows(secret, previous)
        new = dialect_insert(engine)(challenges).values({column: parameter(column) for column in _NEW})
        self._insert = Prepared(engine, new.on_conflict_do_nothing())
        self._lock, self._count, self._insert_mail, self._replace, self._replace_all = (
            Prepared(engine, statement) for statement in (_LOCK, COUNT_MAILS, INSERT_MAIL, _REPLACE, _REPLACE_ALL)
        )
        self._lock_found, self._change, self._release, self._finish = (
            Prepared(engine, statement) for statement in (_FIND.with_for_update(), _CHANGE, _RELEASE, _FINISH)
        )

    def start(self, challenge: Challenge, mail: Mail, source: str) -> None:
        now = challenge.created_at
        self._sweep(now)
        recipient, from_source = self._mails.recipient_digest(mail), self._mails.source_digest(source)
        counts = {"recipient": recipient, "source": from_source, "since": now - MAIL_WINDOW_SECONDS}
        account, no_account = _account(challenge), _account(replace(challenge, subject=""))
        row, mail_row = self._row(challenge), self._mails.waiting(mail, now, recipient, from_source)
        # nobody gets the code of a mail that is not sent; without the account, the number of its rows is limited
        unsent_row = {**row, "code": os.urandom(32), "backend": "", "subject": ""}

        def work(connection: Any) -> None:
            self._wait_for_others(connection)
            to_recipient, for_source = self._count.execute(connection, counts).fetchone()
            is_source_limited = for_source >= MAILS_PER_SOURCE
            is_limited = is_source_limited or to_recipient >= MAILS_PER_RECIPIENT
            is_sent = mail.recipient != "" and not is_limited
            if not self._insert.execute(connection, row if is_sent else unsent_row).rowcount:
                return
            if is_limited:
                new_mail = limited(mail_row, is_source_limited)
            else:
                new_mail = mail_row if is_sent else to_nobody(mail_row)
            self._insert_mail.execute(connection, new_mail)
            self._replace.execute(connection, account if is_sent else no_account)

        self._transact(work)

    def _row(self, challenge: Challenge) -> dict[str, Any]:
        data = json.dumps(dict(challenge.data)).encode("ascii")
        return {
            "digest": challenge.key.digest,
            "purpose": challenge.key.purpose,
            "request": challenge.key.request,
            "backend": challenge.backend,
            "subject": challenge.subject,
            "code": challenge.code or os.urandom(32),
            "data": seal(data, *self._keys) if challenge.data else None,
            "tries_left": challenge.tries_left,
            "created_at": challenge.created_at,
            "expires_at": challenge.expires_at,
            "extended": False,
        }

    def find(self, key: ChallengeKey, now: int) -> Challenge | None:
        with storage_errors(self._engine), self._reader.connect() as connection:
            row = connection.execute(_FIND, _parameters(key)).first()
        found = None if row is None else _Found(row)
        if found is None or found.end_reason == "finished" or now < found.created_at - CLOCK_SECONDS:
            return None
        return self._opened(key, found)

    def check(self, key: ChallengeKey, code: bytes, now: int) -> Challenge:
        return self._try(key, code, now, use=False)

    def claim(self, key: ChallengeKey, code: bytes, now: int) -> Challenge:
        return self._try(key, code, now, use=True)

    def _try(self, key: ChallengeKey, code: bytes, now: int, use: bool) -> Challenge:
        def work(connection: Any) -> tuple[_Found, Ending | None, bool] | None:
            row = self._lock_found.execute(connection, _parameters(key)).fetchone()
            if row is None:
                return None
            found = _Found(row)
            is_correct = hmac.compare_digest(found.code, code)
            ending = found.attempt(is_correct, now, use)
            self._change.execute(connection, {"presented": key.digest, **found.changed()})
            return found, ending, is_correct

        result = self._transact(work)
        if result is None:
            raise ChallengeOver("unknown")
        found, ending, is_correct = result
        if ending:
            raise ChallengeOver(ending)
        if not is_correct:
            raise WrongCode(found.tries_left)
        challenge = self._opened(key, found)
        if challenge is None:
            if use:
                self.release(key)
            raise ChallengeOver("unknown")
        return challenge

    def _opened(self, key: ChallengeKey, found: _Found) -> Challenge | None:
        """Returns a stored challenge with its data; None if no secret in the ini file decrypts them."""
        data = b"{}" if found.data is None else open_seal(found.data, *self._keys)
        if data is None:
            return None
        times = {"created_at": found.created_at, "expires_at": found.expires_at}
        account = {"backend": found.backend, "subject": found.subject}
        return Challenge(key, found.code, **times, **account, data=json.loads(data), tries_left=found.tries_left)

    def release(self, key: ChallengeKey) -> None:
        with storage_errors(self._engine):
            self._writer.run(lambda connection: self._release.execute(connection, _parameters(key)).close())

    def finish(self, challenge: Challenge, mail: Mail | None, now: int) -> None:
        account = _account(challenge)
        mail_row = None if mail is None else self._mails.waiting(mail, now)

        def work(connection: Any) -> None:
            self._wait_for_others(connection)
            self._replace_all.execute(connection, account)
            self._finish.execute(connection, account)
            if mail_row is not None:
                self._insert_mail.execute(connection, mail_row)

        self._transact(work)

    def _wait_for_others(self, connection: Any) -> None:
        """Waits for other transactions that start or finish a challenge. SQLite has one writer at a time.

        They wait for all others, and not only for those of the same person. Otherwise starts for a name with an account
        would wait for each other, those for a name without one would not, and the time of a response would show it.
        """
        if self._is_postgresql:
            self._lock.execute(connection, {}).close()

    def _transact(self, work: Callable[[Any], Result]) -> Result:
        with storage_errors(self._engine):
            return self._writer.transact(work)


class _Found:
    """A stored challenge during an attempt, which may change it."""

    def __init__(self, row: Sequence[Any]) -> None:
        self.backend, self.subject, code, self.data, self.created_at = row[:5]
        self.code = bytes(code)
        self.tries_left, self.expires_at, self.extended, self.used_at, self.end_reason = row[5:]

    def is_used(self, now: int) -> bool:
        """Whether the challenge is claimed or finished."""
        return self.used_at is not None and (self.end_reason == "finished" or now - self.used_at < CLAIM_SECONDS)

    def attempt(self, is_correct: bool, now: int, use: bool) -> Ending | None:
        """Returns why the challenge is over; None if the code is correct, or if there are more tries."""
        if self.is_used(now):
            return "used"
        if now < self.created_at - CLOCK_SECONDS:
            return "expired"
        if self.end_reason == "expired" or now >= self.expires_at:
            # stored, so that it remains expired if the clock is set back
            self.end_reason = "expired"
            return "expired"
        if self.tries_left <= 0:
            return "tries"
        if not is_correct:
            self.tries_left -= 1
            return None if self.tries_left else "tries"
        if self.end_reason:
            return "replaced"
        if not self.extended:
            latest = max(self.expires_at, self.created_at + FLOW_SECONDS)
            self.expires_at, self.extended = min(self.expires_at + CODE_SECONDS, latest), True
        if use:
            self.used_at = now
        return None

    def changed(self) -> dict[str, Any]:
        return {f"new_{column.name}": getattr(self, column.name) for column in _CHANGED}


def _parameters(key: ChallengeKey) -> dict[str, Any]:
    return {"presented": key.digest, "presented_request": key.request, "presented_purpose": key.purpose}


def _account(challenge: Challenge) -> dict[str, Any]:
    """Returns the parameters of the other challenges of an account. Without an account, they select none."""
    # a random subject, because there may be many challenges without an account
    subject = challenge.subject or os.urandom(16).hex()
    return {**_parameters(challenge.key), "of_backend": challenge.backend, "of_subject": subject}
