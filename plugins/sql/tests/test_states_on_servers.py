"""Account states in the column types of PostgreSQL and MariaDB, and names that are equal in their collations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendMisconfigured, NameTaken, UnknownUser, WrongPassword
from linkauth_sql import SQLBackend

from .servers import PASSWORD, MariaDBStore, PostgreSQLStore, ServerStore
from .stores import ALL_POWERS

OTHER = "zuse-1910"
ON_POSTGRESQL: list[tuple[str, str, Any, str | None]] = [
    *(("active", "TEXT", value, "disabled") for value in ("ja", "blocked", "はい", "", None)),
    ("active", "TEXT", "active", None),
    ("active", "BOOLEAN", None, "disabled"),
    *(("active", "INTEGER", value, "disabled") for value in (2, -1, 0)),
    *(
        ("active", "NUMERIC", value, reason)
        for value, reason in (("1.00", None), ("0.5", "disabled"), ("NaN", "disabled"))
    ),
    *(("active", "BIT(2)", value, "disabled") for value in ("01", "10")),
    ("active", "BIT(1)", "1", None),
    *(("active", "JSONB", json.dumps(value), "disabled") for value in ({"on": True}, [1], "ja")),
    ("active", "JSONB", "true", None),
    ("active", "TEXT[]", ["yes"], "disabled"),
    ("active", "TIMESTAMPTZ", "infinity", "disabled"),
    ("active", "BYTEA", b"\x02", "disabled"),
    ("expires", "TEXT", "25-NOV-26", "account_expired"),
    ("expires", "INTERVAL", "1 day", "account_expired"),
    ("expires", "BIGINT", -1, "account_expired"),
    ("expires", "BIGINT", 2**63 - 1, None),
    ("expires", "DOUBLE PRECISION", "NaN", "account_expired"),
    ("locked_until", "TIME", "12:00", "locked"),
    ("locked_until", "BOOLEAN", True, "locked"),
    ("locked_until", "NUMERIC", "Infinity", "locked"),
    ("must_change", "TEXT", "peut-être", "must_change_password"),
]
ON_MARIADB: list[tuple[str, str, Any, str | None]] = [
    *(("active", "VARCHAR(40)", value, "disabled") for value in ("ja", "pending", "はい", "")),
    ("active", "VARCHAR(40)", "Enabled", None),
    *(("active", "TINYINT NULL", value, "disabled") for value in (None, 2, -1)),
    *(("active", "BIT(8)", value, reason) for value, reason in ((1, None), (2, "disabled"), (0, "disabled"))),
    ("active", "ENUM('yes', 'invited')", "invited", "disabled"),
    ("active", "ENUM('yes', 'invited')", "yes", None),
    ("active", "JSON", '{"on": true}', "disabled"),
    ("active", "DECIMAL(3,1)", "0.5", "disabled"),
    ("active", "SET('yes', 'no')", "yes,no", "disabled"),
    ("active", "BINARY(4)", b"yes", None),
    ("active", "DATETIME", "0000-00-00 00:00:00", "disabled"),
    ("expires", "VARCHAR(40)", "25-NOV-26", "account_expired"),
    ("expires", "DATE", "0000-00-00", None),
    ("expires", "DATE", "2099-02-00", "account_expired"),
    ("expires", "TIME", "12:00:00", "account_expired"),
    ("expires", "BIGINT", -1, "account_expired"),
    ("locked_until", "TINYINT", 1, "locked"),
    ("must_change", "VARCHAR(40)", "vielleicht", "must_change_password"),
]


@pytest.fixture(params=["postgresql_store", "mariadb_store"])
def store(request: pytest.FixtureRequest) -> ServerStore:
    store: ServerStore = request.getfixturevalue(request.param)
    return store


def reason_of(backend: SQLBackend) -> str | None:
    refused = backend.find("jörg").refused
    if refused is None:
        assert backend.authenticate("jörg", PASSWORD)
        return None
    with pytest.raises(AccountRefused, match=refused):
        backend.authenticate("jörg", PASSWORD)
    return refused


@pytest.mark.parametrize(("column", "type_", "value", "reason"), ON_POSTGRESQL, ids=lambda each: ascii(each)[:24])
def test_states_in_postgresql_types(
    postgresql_store: PostgreSQLStore, column: str, type_: str, value: Any, reason: str | None
) -> None:
    postgresql_store.run(f"ALTER TABLE people DROP COLUMN {column}, ADD COLUMN {column} {type_}")
    postgresql_store.run(f"UPDATE people SET {column} = %s::{type_}", value)
    backend = postgresql_store.backend()
    assert reason_of(backend) == reason
    is_odd = reason is not None and value not in (None, "", 0)
    assert is_odd == any(check.name == "states" for check in backend.check())


@pytest.mark.parametrize(("column", "type_", "value", "reason"), ON_MARIADB, ids=lambda each: ascii(each)[:24])
def test_states_in_mariadb_types(
    mariadb_store: MariaDBStore, column: str, type_: str, value: Any, reason: str | None
) -> None:
    mariadb_store.run(f"ALTER TABLE people DROP COLUMN {column}, ADD COLUMN {column} {type_}")
    # other programs or older versions may have stored invalid dates
    mariadb_store.run(f"SET STATEMENT sql_mode = 'ALLOW_INVALID_DATES' FOR UPDATE people SET {column} = %s", value)
    backend = mariadb_store.backend()
    assert reason_of(backend) == reason
    assert all(check.ok for check in backend.check())


def test_unreadable_column_is_an_outage(postgresql_store: PostgreSQLStore) -> None:
    store = postgresql_store
    store.run("DROP ROLE IF EXISTS narrow")
    store.run("CREATE ROLE narrow LOGIN")
    store.run(
        "GRANT SELECT (id, login, email, hash, active, locked_until, must_change, expires, changed) ON people TO narrow"
    )
    store.url = store.server.url.replace("linkauth@", "narrow@")
    optional = ("disabled:deleted_at",)
    assert store.backend().authenticate("jörg", PASSWORD).subject == "1"
    store.run("ALTER TABLE people ADD COLUMN deleted_at TIMESTAMPTZ DEFAULT now()")
    with pytest.raises(BackendMisconfigured, match="optional_columns"):
        store.backend(optional_columns=optional).authenticate("jörg", PASSWORD)
    store.run("GRANT SELECT (deleted_at) ON people TO narrow")
    with pytest.raises(AccountRefused, match="disabled"):
        store.backend(optional_columns=optional).authenticate("jörg", PASSWORD)
    store.run("DROP OWNED BY narrow")


def test_new_columns_take_effect_immediately(store: ServerStore) -> None:
    backend = store.backend(optional_columns=("disabled:deleted_at", "active:State", "locked_until:banned_until"))
    assert reason_of(backend) is None
    moments = ((None, None), ("2024-01-01 00:00:00", "disabled"))
    states = (("active", None), ("invited", "disabled"), (None, "disabled"))
    # timestamps of MariaDB end in 2038
    ends = (("2024-01-01 00:00:00", None), ("2037-01-01 00:00:00", "locked"))
    added = [("deleted_at", "TIMESTAMP NULL", *each) for each in moments]
    added += [("state", "VARCHAR(20)", *each) for each in states]
    added += [("banned_until", "TIMESTAMP NULL", *each) for each in ends]
    for column, type_, value, reason in added:
        store.run(f"ALTER TABLE people ADD COLUMN {column} {type_}")
        store.run(f"UPDATE people SET {column} = %s", value)
        assert reason_of(backend) == reason
        assert all(check.ok for check in backend.check())
        store.run(f"ALTER TABLE people DROP COLUMN {column}")


def subject_of(backend: SQLBackend, name: str, password: str) -> str:
    subject = backend.authenticate(name, password).subject
    account = backend.find(name)
    assert account.identity.subject == subject
    assert backend.look_up(subject).identity == account.identity
    return subject


def test_exact_spelling_selects_the_row(store: ServerStore) -> None:
    for index in ("DROP INDEX login", "DROP INDEX login ON people"):
        if isinstance(store, MariaDBStore) == index.endswith("people"):
            store.run(index)
    store.add("JÖRG", OTHER, email="jörg@example.com")
    for match in ("lower", "collation"):
        backend = store.backend(**{**ALL_POWERS, "new_account": ("active=true",)}, username_match=match)
        assert subject_of(backend, "Jörg", PASSWORD) == "1"
        assert subject_of(backend, "JÖRG", OTHER) == "2"
        assert subject_of(backend, "Jo\u0308rg", PASSWORD) == "1"
        for name, password in (("Jörg", OTHER), ("JÖRG", PASSWORD)):
            with pytest.raises(WrongPassword):
                backend.authenticate(name, password)
        for name in ("jörg", "JöRG", "jorg", "Jorg"):
            with pytest.raises(UnknownUser):
                backend.authenticate(name, PASSWORD)
            with pytest.raises(UnknownUser):
                backend.find(name)
            with pytest.raises(UnknownUser):
                backend.change_password(name, PASSWORD, "Another-word-52")
            with pytest.raises(UnknownUser):
                backend.recipient(name)
        # with a case-sensitive collation, names are case-sensitive too
        others = () if match == "collation" and isinstance(store, PostgreSQLStore) else ("jörg", "JöRG")
        for name in (*others, "Jörg"):
            with pytest.raises(NameTaken):
                backend.register(name, "Another-word-52", {})
        (names,) = [check for check in backend.check() if check.name == "names"]
        assert names.detail.endswith("must be typed in the exact spelling: 1")


def test_accents_are_significant_despite_collation(store: ServerStore) -> None:
    if isinstance(store, PostgreSQLStore):
        options = "provider = icu, locale = 'und-u-ks-level1', deterministic = false"
        store.run(f"CREATE COLLATION IF NOT EXISTS loose ({options})")
        store.run("DROP INDEX login")
        store.run("ALTER TABLE people ALTER login TYPE TEXT COLLATE loose")
    for match in ("lower", "collation"):
        backend = store.backend(username_match=match)
        assert subject_of(backend, "JÖRG", PASSWORD) == "1"
        for name in ("jorg", "jôrg", "jörg "[:4] + "\u0301", "jör"):
            with pytest.raises(UnknownUser):
                backend.authenticate(name, PASSWORD)


def test_trailing_spaces_and_citext(store: ServerStore) -> None:
    if isinstance(store, PostgreSQLStore):
        store.run("CREATE EXTENSION IF NOT EXISTS citext")
        store.run("DROP INDEX login")
        store.run("ALTER TABLE people ALTER login TYPE CITEXT")
    else:
        store.run("DROP INDEX login ON people")
        store.add("Jörg ", OTHER)
    store.add("JÖRG", OTHER)
    backend = store.backend(username_match="collation")
    assert subject_of(backend, "Jörg", PASSWORD) == "1"
    assert backend.authenticate("JÖRG", OTHER).username == "JÖRG"
    with pytest.raises(UnknownUser):
        backend.authenticate("jörg", PASSWORD)


def test_subjects_equal_in_collation_are_different(store: ServerStore) -> None:
    store.run("DROP TABLE IF EXISTS keyed")
    store.run("CREATE TABLE keyed (id VARCHAR(20), login VARCHAR(20), hash VARCHAR(200), active INT)")
    for subject in ("a1", "A1"):
        store.run(f"INSERT INTO keyed SELECT '{subject}', 'x{subject}', hash, 1 FROM people")
    settings = dict.fromkeys(("email_column", "locked_until_column", "must_change_column", "expires_column"), "")
    backend = store.backend(table="keyed", username_columns=("login",), password_changed_column="", **settings)
    for subject in ("a1", "A1"):
        assert backend.look_up(subject).identity.username == f"x{subject}"
    with pytest.raises(UnknownUser):
        backend.look_up("Á1")


def test_two_rows_of_one_name_refuse_the_sign_in(store: ServerStore) -> None:
    store.add("other", "zuse-1910", email="Jörg")
    with pytest.raises(BackendMisconfigured, match="more than one row"):
        store.backend().authenticate("Jörg", PASSWORD)


def test_infinity_is_a_valid_time(postgresql_store: PostgreSQLStore) -> None:
    store = postgresql_store
    for value, reason in (("infinity", "locked"), ("-infinity", None)):
        store.run("UPDATE people SET locked_until = %s", value)
        assert store.backend().find("jörg").refused == reason
    store.run("UPDATE people SET locked_until = NULL, expires = 'infinity'")
    assert store.backend().find("jörg").refused is None
