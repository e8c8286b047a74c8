"""Tests of `linkauth export` and `linkauth links erase`: everything that is stored about a person."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from linkauth.identities import person_key
from linkauth.mail.message import Mail
from linkauth.services import services_of
from linkauth.storage import journal_table
from linkauth.storage.mail_rows import INSERT_MAIL, MailRows
from linkauth.storage.personal_data import NOT_PERSONAL, PERSONAL
from linkauth.storage.tables import (
    challenges,
    comparisons,
    leaver_sweeps,
    leavers,
    links,
    metadata,
    outbox,
    passkeys,
    recovery_codes,
    second_factors,
    throttle_counters,
    tokens,
)
from tests.cli.test_links import LinkauthApp, linkauth

SECRET = "only for tests, 32 characters or more"
NOW = 1_800_000_000
CANARY = b"c4n4ry-digest-of-a-secret-32-byt"
EVERYTHING = {
    *("links", "tokens", "codes", "journal", "comparisons", "challenges", "outbox", "second_factors", "recovery_codes"),
    *("passkeys", "leavers", "leaver_sweeps"),
}


def test_every_table_and_every_column_is_classified() -> None:
    assert journal_table.journal.metadata is metadata
    named = {each.table.name for each in PERSONAL}
    assert named | set(NOT_PERSONAL) == set(metadata.tables), "classify the table in storage/personal_data.py"
    assert not named & set(NOT_PERSONAL)
    assert named == EVERYTHING, "add rows of the table to `fill`"
    for each in PERSONAL:
        columns = {column.name for column in each.table.columns}
        assert {*each.shown, *each.left_out} == columns, f"classify the columns of {each.table.name}"
        assert not set(each.shown) & set(each.left_out)
    # a table that looks as if it were about people is not among the others
    tables = [metadata.tables[name] for name in NOT_PERSONAL]
    assert all({"subject", "username", "recipient"}.isdisjoint(table.c.keys()) for table in tables)


def fill(app: LinkauthApp, subject: str, name: str, email: str) -> None:
    """Adds a row about a person to every table but those that a link fills."""
    number = int.from_bytes(subject.encode(), "big")
    digest = CANARY[:-4] + number.to_bytes(4, "big")
    account = {"backend": "staff", "subject": subject}
    with app.engine.begin() as connection:
        connection.execute(
            insert(comparisons).values(
                **account, shadow="new", username=name, outcome="ok", compared_at=NOW, asked=1, unavailable=0
            )
        )
        connection.execute(
            insert(challenges).values(
                **account,
                **{"digest": digest, "purpose": "recovery", "request": b"r", "code": CANARY, "tries_left": 5},
                **{"created_at": NOW, "expires_at": NOW, "extended": False},
            )
        )
        connection.execute(
            insert(second_factors).values(
                **account,
                **{"username": name, "enrolment": "e" * 22, "sealed": "c4n4ry-sealed", "key_ids": "k", "last_step": 1},
                **{"failures": 0, "waits_until": 0, "enrolled_at": NOW},
            )
        )
        connection.execute(insert(recovery_codes).values(**account, digest=digest))
        connection.execute(
            insert(passkeys).values(
                **account,
                **{"credential_id": digest, "enrolment": "e" * 22, "public_key": CANARY, "sign_count": 0},
                created_at=NOW,
            )
        )
        connection.execute(insert(leavers).values(**account))
        step = {
            "at": NOW,
            "client_id": "alexa",
            "step": "sign_in.refused",
            "cause": "wrong_password",
            "source": "staff",
        }
        step |= {"detail": "", "name": "hash:1", "request": "r"}
        connection.execute(insert(journal_table.journal).values(**step, name_key=person_key(name, SECRET)))
        mails = MailRows(SECRET)
        waiting = Mail("recovery_code", email.upper(), "alexa", "en", (name,), "c4n4rycode")
        connection.execute(INSERT_MAIL, mails.waiting(waiting, NOW))
        counted = mails.waiting(waiting, NOW, mails.recipient_digest(waiting)) | {"sealed": None, "key_id": None}
        connection.execute(INSERT_MAIL, {**counted, "due_at": None, "outcome": "sent", "done_at": NOW})


@pytest.fixture
def filled(make_app: Callable[..., Any]) -> LinkauthApp:
    wsgi = make_app()
    app = LinkauthApp(wsgi)
    app.link()
    app.link("grace", "hopper-1906")
    app.link_by_code()
    # the journal is complete, and gets no more steps
    services_of(wsgi.registry).events.close()
    fill(app, "1", "ada", "ada@example.com")
    fill(app, "2", "grace", "grace@example.com")
    with app.engine.begin() as connection:
        sweep = {"backend": "staff", "started_at": NOW, "position": "1", "witness": "1", "is_complete": False}
        connection.execute(insert(leaver_sweeps).values(**sweep, counts="{}"))
        connection.execute(insert(throttle_counters).values(key="account:1", record=b"", expires_at=NOW))
    return app


def counts(output: str) -> dict[str, int]:
    lines = [line.rpartition(": ") for line in output.splitlines()]
    return {name: int(number) for name, _, number in lines if number.isdecimal()}


def rows(app: LinkauthApp) -> dict[str, int]:
    with app.engine.connect() as connection:
        counted = {name: select(func.count()).select_from(table) for name, table in metadata.tables.items()}
        return {name: connection.execute(statement).scalar_one() for name, statement in counted.items()}


def test_everything_about_a_person_is_shown_and_no_secret(
    filled: LinkauthApp, caplog: pytest.LogCaptureFixture
) -> None:
    token = filled.link()
    with caplog.at_level(logging.INFO):
        output = linkauth("export", filled.ini, "--person", "ADA@example.com", "--as", "carol", expect=0)
    document = json.loads(output[output.index("{") :])
    assert document["person"]["backend"], document["person"]["subject"] == ("staff", "1")
    assert document["person"]["addresses"] == ["ada@example.com"]
    stored = document["stored"]
    assert {name for name, found in stored.items() if found} == EVERYTHING
    assert len(stored["links"]) == 3
    assert {each["step"] for each in stored["journal"]} >= {"sign_in.refused", "sign_in.succeeded", "link.created"}
    assert len(stored["outbox"]) == 2
    assert "c4n4ry" not in output
    assert token not in output
    assert "grace" not in output
    assert document["left_out"]["tokens"]["digest"] == "the digest of a secret"
    (line,) = [each.getMessage() for each in caplog.records if each.getMessage().startswith("admin.")]
    assert line.startswith("admin.person_exported: operator=carol ")
    assert "ada" not in line


def test_everything_about_a_person_is_erased_and_nothing_else(
    filled: LinkauthApp, caplog: pytest.LogCaptureFixture
) -> None:
    token, of_grace = filled.link(), filled.link("grace", "hopper-1906")
    before = rows(filled)
    counted = counts(linkauth("links", "erase", filled.ini, "--person", "staff:1", "--dry-run", expect=0))
    assert rows(filled) == before
    assert set(counted) == EVERYTHING
    assert all(counted.values())
    assert "Erase everything about staff:1" in linkauth("links", "erase", filled.ini, "--person", "ada", expect=1)
    assert rows(filled) == before
    with caplog.at_level(logging.INFO):
        erased = counts(linkauth("links", "erase", filled.ini, "--person", "ada", "--yes", expect=0))
    assert erased == counted
    after = rows(filled)
    # the state of a sweep is of everybody, and only forgets this person
    assert {name: before[name] - after[name] for name in EVERYTHING} == {**counted, "leaver_sweeps": 0}
    assert all(after[name] == before[name] for name in set(after) & set(NOT_PERSONAL) - {"deny_list"})
    assert not filled.is_active(token)
    assert filled.is_active(of_grace)
    assert "admin.person_erased" in caplog.text
    with filled.engine.connect() as connection:
        state = connection.execute(select(leaver_sweeps.c.position, leaver_sweeps.c.witness)).one()
        assert tuple(state) == ("", "")
        for table in metadata.tables.values():
            text = repr(connection.execute(select(table)).all()).lower()
            assert "ada" not in text, table.name
            assert "lovelace" not in text, table.name
    left = counts(linkauth("links", "erase", filled.ini, "--person", "staff:1", "--yes", expect=0))
    assert not any(left.values())


def test_a_jwt_stays_on_the_deny_list_without_the_person(filled: LinkauthApp) -> None:
    now = int(time.time())
    with filled.engine.begin() as connection:
        (first, *_) = connection.execute(
            select(links.c.id).where(links.c.subject == "1").order_by(links.c.id)
        ).scalars()
        of_link = update(tokens).where(tokens.c.link_id == first)
        connection.execute(of_link.values(jti="the ID of a JWT", expires_at=now + 600))
    linkauth("links", "erase", filled.ini, "--person", "ada", "--yes", expect=0)
    with filled.engine.connect() as connection:
        assert connection.execute(select(tokens.c.jti).where(tokens.c.link_id == first)).scalars().all() == [
            "the ID of a JWT"
        ]
        row = connection.execute(select(links).where(links.c.id == first)).one()
        assert (row.backend, row.subject, row.username, row.claims) == ("", "", "", "{}")
        assert row.ended_at is not None
        assert connection.execute(select(links.c.id).where(links.c.subject == "1")).all() == []


def test_a_person_is_found_by_a_former_address_and_after_the_backend_forgot_them(filled: LinkauthApp) -> None:
    with filled.engine.begin() as connection:
        for table in (links, comparisons, second_factors):
            connection.execute(update(table).where(table.c.subject == "1").values(subject="gone"))
        connection.execute(update(outbox).values(due_at=None))
    assert "nobody of that name is known" in linkauth("export", filled.ini, "--person", "nobody", expect=1)
    # ada is now somebody else in the user store: the operator must say whom they mean
    output = linkauth("export", filled.ini, "--person", "ada", expect=2)
    assert "several people have this name" in output
    assert "staff:gone" in output
    output = linkauth("export", filled.ini, "--person", "staff:gone", expect=0)
    document = json.loads(output[output.index("{") :])
    assert document["person"]["names"] == ["ada"]
    assert document["stored"]["outbox"] == []
    output = linkauth("export", filled.ini, "--person", "staff:gone", "--email", "Ada@Example.com", expect=0)
    document = json.loads(output[output.index("{") :])
    assert len(document["stored"]["outbox"]) == 2
