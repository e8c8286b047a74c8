"""Everything that is stored about a person: shows it, and erases it.

PERSONAL and NOT_PERSONAL name every table and every column; a test compares them with the tables.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, func, or_, select, update

from linkauth.identities import person_key
from linkauth.mail.message import Mail
from linkauth.storage.engine import Reader, Writer
from linkauth.storage.journal_table import journal
from linkauth.storage.link_ends import end_links, log_links
from linkauth.storage.mail_rows import MailRows
from linkauth.storage.tables import (
    challenges,
    codes,
    comparisons,
    leaver_sweeps,
    leavers,
    links,
    outbox,
    passkeys,
    recovery_codes,
    second_factors,
    tokens,
)

END_REASON = "erased"


@dataclass(frozen=True)
class Personal:
    """A table with rows about people. `shown` are the columns of an export, `left_out` the others with the reason."""

    table: Table
    shown: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


_DIGEST = "the digest of a secret"
_ENCRYPTED = "encrypted secrets"
_INTERNAL = "a number of linkauth that says nothing about the person"
PERSONAL = (
    Personal(
        links,
        (
            *("id", "backend", "subject", "username", "client_id", "scope", "grant", "locale", "claims", "created_at"),
            *("token_issued_at", "first_used_at", "last_used_at", "ended_at", "end_reason"),
        ),
    ),
    Personal(
        tokens,
        ("link_id", "kind", "issued_at", "expires_at", "scope", "used_at"),
        {"digest": _DIGEST, "generation": _INTERNAL, "jti": "the ID of a token"},
    ),
    Personal(
        codes, ("link_id", "redirect_uri", "expires_at", "used_at"), {"digest": _DIGEST, "code_challenge": _DIGEST}
    ),
    Personal(
        journal,
        ("at", "link_id", "client_id", "step", "cause", "source", "detail", "name", "request"),
        {
            "id": _INTERNAL,
            "attempt": "the digest of a request",
            "name_key": "the digest of a name",
        },
    ),
    Personal(
        comparisons,
        (
            *("shadow", "backend", "subject", "username", "outcome", "same_subject", "compared_at", "asked"),
            "unavailable",
        ),
    ),
    Personal(
        challenges,
        ("purpose", "backend", "subject", "tries_left", "created_at", "expires_at", "used_at", "end_reason"),
        {"digest": _DIGEST, "request": "the digest of a request", "code": _DIGEST, "data": _ENCRYPTED}
        | {"extended": _INTERNAL},
    ),
    Personal(
        outbox,
        ("created_at", "attempts", "due_at", "outcome", "done_at"),
        {"id": _INTERNAL, "recipient": "the digest of an address", "source": "the digest of an IP address"}
        | {"leased_until": _INTERNAL, "sealed": "an encrypted mail, which may contain a code", "key_id": _INTERNAL},
    ),
    Personal(
        second_factors,
        ("backend", "subject", "username", "failures", "waits_until", "enrolled_at", "used_at"),
        {"enrolment": "remembered devices are bound to it", "sealed": _ENCRYPTED, "key_ids": _INTERNAL}
        | {"last_step": _INTERNAL},
    ),
    Personal(recovery_codes, ("backend", "subject", "used_at"), {"digest": _DIGEST}),
    Personal(
        passkeys,
        ("backend", "subject", "created_at", "used_at"),
        {"credential_id": "the ID of a key", "enrolment": "remembered devices are bound to it"}
        | {"public_key": "a key", "sign_count": _INTERNAL},
    ),
    Personal(leavers, ("backend", "subject")),
    Personal(
        leaver_sweeps,
        ("backend", "started_at", "position", "witness"),
        {"is_complete": _INTERNAL, "counts": "numbers of all people"},
    ),
)
NOT_PERSONAL: Mapping[str, str] = {
    "deny_list": "the number of a version",
    "signing_keys": "the keys of this service",
    "leases": "the names of servers",
    "watches": "how far the changes of a user store were followed",
    "throttle_counters": "failures of a bucket that many names or addresses share, for at most an hour",
}
"""The tables without rows about people, and what they have."""


@dataclass(frozen=True)
class Subject:
    """Whose data it is: an account, all its known user names, and its known email addresses."""

    backend: str
    subject: str
    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


class PersonalData:
    """Shows and erases what is stored about a person. `secrets` are those of the ini file, the current one first.

    The methods raise SQLAlchemyError.
    """

    def __init__(self, engine: Engine, secrets: Sequence[str]) -> None:
        self._reader, self._writer, self._secrets = Reader(engine), Writer(engine), tuple(secrets)

    def accounts(self, name: str) -> list[tuple[str, str]]:
        """Returns the accounts (backend and subject) that have had this user name, in any case."""
        found: dict[tuple[str, str], None] = {}
        # lower() of SQLite, and of PostgreSQL with the locale C, converts only ASCII letters
        spellings = {name, name.lower(), name.encode("utf-8", "replace").lower().decode("utf-8")}
        with self._reader.connect() as connection:
            for table in (links, second_factors, comparisons):
                named = select(table.c.backend, table.c.subject).where(func.lower(table.c.username).in_(spellings))
                found |= {(row.backend, row.subject): None for row in connection.execute(named)}
        return list(found)

    def known(self, backend: str, subject: str) -> Subject:
        """Returns an account with the user names and the email addresses that are stored."""
        names, addresses = set(), set()
        with self._reader.connect() as connection:
            for table in (links, second_factors, comparisons):
                names |= set(
                    connection.execute(select(table.c.username).where(_owned(table, backend, subject))).scalars()
                )
            claims = select(links.c.claims).where(_owned(links, backend, subject))
            for text in connection.execute(claims).scalars():
                email = json.loads(text).get("email")
                addresses |= {email} if isinstance(email, str) else set()
        return Subject(backend, subject, frozenset(names), frozenset(addresses))

    def export(self, person: Subject) -> dict[str, Any]:
        """Returns the rows about a person by table, and which columns are left out and why."""
        document: dict[str, Any] = {}
        with self._reader.connect() as connection:
            conditions = self._conditions(connection, person)
            for each in PERSONAL:
                columns = [each.table.c[name] for name in each.shown]
                rows = connection.execute(select(*columns).where(conditions[each.table.name])).mappings()
                document[each.table.name] = [_shown(row) for row in rows]
        left_out = {each.table.name: dict(each.left_out) for each in PERSONAL if each.left_out}
        return {"stored": document, "left_out": left_out, "not_about_people": dict(NOT_PERSONAL)}

    def count(self, person: Subject) -> dict[str, int]:
        """Returns how many rows about a person there are, by table."""
        with self._reader.connect() as connection:
            conditions = self._conditions(connection, person)
            counted = {
                each.table.name: select(func.count()).select_from(each.table).where(conditions[each.table.name])
                for each in PERSONAL
            }
            return {name: connection.execute(statement).scalar_one() for name, statement in counted.items()}

    def erase(self, person: Subject, now: int) -> dict[str, int]:
        """Ends the links of a person and erases every row about them. Returns the number of rows by table.

        A JWT is accepted by its verifiers until it expires, unless the deny list contains it. So its row remains until
        then, and so does its link, without anything about the person.
        """
        with self._writer.begin() as connection:
            ended = end_links(connection, _owned(links, person.backend, person.subject), END_REASON, now)
            conditions = self._conditions(connection, person)
            # evaluated before the links are erased, to which the others belong
            numbers = list(connection.execute(select(links.c.id).where(conditions["links"])).scalars())
            valid = and_(tokens.c.jti.is_not(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now))
            erased: dict[str, int] = {}
            for each in PERSONAL:
                table, condition = each.table, conditions[each.table.name]
                if table in (links, leaver_sweeps):
                    continue
                condition = and_(condition, ~valid) if table is tokens else condition
                erased[table.name] = connection.execute(delete(table).where(condition)).rowcount
            erased["leaver_sweeps"] = _forget_in_sweeps(connection, person)
            kept = select(tokens.c.link_id).where(tokens.c.link_id.in_(numbers))
            nobody = {"backend": "", "subject": "", "username": "", "claims": "{}", "locale": ""}
            anonymous = update(links).where(links.c.id.in_(numbers), links.c.id.in_(kept)).values(**nobody)
            count = connection.execute(anonymous).rowcount
            rest = delete(links).where(_owned(links, person.backend, person.subject))
            erased["links"] = connection.execute(rest).rowcount + count
        log_links("link ended", ended, END_REASON)
        return {each.table.name: erased[each.table.name] for each in PERSONAL}

    def _conditions(self, connection: Connection, person: Subject) -> dict[str, ColumnElement[bool]]:
        """Returns the condition for the rows about a person, by table."""
        account = (person.backend, person.subject)
        own = {each.table.name: _owned(each.table, *account) for each in PERSONAL if "subject" in each.table.c}
        numbers = list(connection.execute(select(links.c.id).where(own["links"])).scalars())
        keys = [person_key(name, secret) for name in person.names for secret in self._secrets]
        sweep = or_(leaver_sweeps.c.position == person.subject, leaver_sweeps.c.witness == person.subject)
        return own | {
            "tokens": tokens.c.link_id.in_(numbers),
            "codes": codes.c.link_id.in_(numbers),
            "journal": or_(journal.c.link_id.in_(numbers), journal.c.name_key.in_(keys)),
            "outbox": outbox.c.id.in_(list(self._mails(connection, person.addresses))),
            "leaver_sweeps": and_(leaver_sweeps.c.backend == person.backend, sweep),
        }

    def _mails(self, connection: Connection, addresses: Collection[str]) -> Iterator[int]:
        """Yields the numbers of the mails to these addresses: those that count for a limit, and those that wait."""
        wanted = {each.lower() for each in addresses}
        readers = [MailRows(secret) for secret in self._secrets]
        digests = [rows.recipient_digest(Mail("test", each, "", "")) for rows in readers for each in wanted]
        yield from connection.execute(select(outbox.c.id).where(outbox.c.recipient.in_(digests))).scalars()
        waiting = select(outbox.c.id, outbox.c.sealed, outbox.c.key_id).where(outbox.c.sealed.is_not(None))
        for row in connection.execute(waiting).all() if wanted else ():
            found = next(filter(None, (rows.read(row.sealed, row.key_id) for rows in readers)), None)
            if found is not None and found[0].recipient.lower() in wanted:
                yield row.id


def _owned(table: Table, backend: str, subject: str) -> ColumnElement[bool]:
    return and_(table.c.backend == backend, table.c.subject == subject)


def _forget_in_sweeps(connection: Connection, person: Subject) -> int:
    """Removes a person from the state of an interrupted sweep, which then looks a few people up again."""
    of_backend = leaver_sweeps.c.backend == person.backend
    witness = update(leaver_sweeps).where(of_backend, leaver_sweeps.c.witness == person.subject).values(witness="")
    position = update(leaver_sweeps).where(of_backend, leaver_sweeps.c.position == person.subject)
    count = connection.execute(witness).rowcount
    return max(count, connection.execute(position.values(position=person.subject[:-1])).rowcount)


def _shown(row: Any) -> dict[str, Any]:
    """Returns a row for a document; the claims of a link are an object in it."""
    found = dict(row)
    if "claims" in found:
        found["claims"] = json.loads(found["claims"])
    return found
