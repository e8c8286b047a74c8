"""The rows of the outbox: their content, which is encrypted, and how they are counted for the limits of mails."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, select

from linkauth.mail.message import Mail
from linkauth.mail.outbox import Outcome
from linkauth.storage.sealing import derived_keys, key_id, open_seal, seal
from linkauth.storage.statements import parameter
from linkauth.storage.tables import outbox

_COLUMNS = (
    *(outbox.c.recipient, outbox.c.source, outbox.c.created_at, outbox.c.attempts, outbox.c.due_at),
    *(outbox.c.sealed, outbox.c.key_id, outbox.c.outcome, outbox.c.done_at),
)
_since = bindparam("since", type_=outbox.c.created_at.type)

INSERT_MAIL = insert(outbox).values({column: parameter(column) for column in _COLUMNS})
COUNT_MAILS = select(
    *(
        select(func.count()).where(and_(column == parameter(column), outbox.c.created_at > _since)).scalar_subquery()
        for column in (outbox.c.recipient, outbox.c.source)
    )
)
"""The number of mails to a recipient and for a source since `since`. Rows that do not count have random digests, so the
limits bound the number of rows that this reads."""


class MailRows:
    """Makes rows of the outbox and reads them. `secret` and `previous` are from the ini file."""

    def __init__(self, secret: str, previous: Sequence[str] = ()) -> None:
        self._keys = {key_id(key): key for key in derived_keys("linkauth outbox", (secret, *previous))}
        self._key_id = next(iter(self._keys))
        (self._digest_key,) = derived_keys("linkauth limits of mails", [secret])

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The IDs of the keys that can decrypt rows."""
        return tuple(self._keys)

    def recipient_digest(self, mail: Mail) -> bytes:
        """Returns the digest that counts the recipient; random if there is none."""
        return self._digest("recipient", mail.recipient.lower() or secrets.token_hex(16))

    def source_digest(self, source: str) -> bytes:
        """Returns the digest that counts a source."""
        return self._digest("source", source)

    def waiting(self, mail: Mail, now: int, recipient: bytes = b"", source: bytes = b"") -> dict[str, Any]:
        """Returns the row of a mail that is due at once. It does not count for a limit whose digest is b""."""
        content = {**asdict(mail), "message_id": secrets.token_urlsafe(18)}
        return {
            "recipient": recipient or os.urandom(32),
            "source": source or os.urandom(32),
            "created_at": now,
            "attempts": 0,
            "due_at": now,
            "sealed": seal(json.dumps(content).encode("ascii"), self._keys[self._key_id]),
            "key_id": self._key_id,
            "outcome": None,
            "done_at": None,
        }

    def read(self, sealed: str, key_id: str) -> tuple[Mail, str] | None:
        """Returns a mail and its message ID; None if no secret in the ini file decrypts it."""
        key = self._keys.get(key_id)
        plaintext = None if key is None else open_seal(sealed, key)
        if plaintext is None:
            return None
        content: dict[str, Any] = json.loads(plaintext)
        message_id: str = content.pop("message_id")
        return Mail(**{**content, "names": tuple(content["names"])}), message_id

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._digest_key, f"{kind} {text}".encode("utf-8", "surrogatepass"), "sha256")


def to_nobody(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row for a mail without a recipient, which is done at once.

    If the worker had to process such rows, a flood of unknown names would delay the mails of others until their codes
    have expired. The row counts for its source.
    """
    return {**row, **_done(row, "nobody")}


def limited(row: Mapping[str, Any], by_source: bool) -> dict[str, Any]:
    """Returns a row for a mail that is not sent because of a limit.

    It does not count for its recipient. It counts for its source, as if it were sent, unless the source is limited too:
    otherwise people could send mails for many names and then see whether a mail to themselves is sent, and so learn
    which of the names have accounts.
    """
    source = os.urandom(32) if by_source else row["source"]
    return {**row, **_done(row, "limited"), "recipient": os.urandom(32), "source": source}


def _done(row: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    return {"due_at": None, "sealed": None, "key_id": None, "outcome": outcome, "done_at": row["created_at"]}
