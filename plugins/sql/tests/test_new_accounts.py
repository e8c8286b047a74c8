"""Tests of the columns of a new account, and of what the settings and doctor say of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, Check
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.new_accounts import columns_of, profile_fields, row_of

from .servers import MariaDBStore, PostgreSQLStore, ServerStore
from .stores import ALL_POWERS, SCHEMA, SQLiteStore

NEW = "Quartz-52-meadow"
GRACE = {"email": "grace@example.com"}
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(params=["postgresql_store", "mariadb_store"])
def store(request: pytest.FixtureRequest) -> ServerStore:
    store: ServerStore = request.getfixturevalue(request.param)
    return store


ACTIVE = ("active=true",)


def opened(store: ServerStore, **changes: Any) -> SQLBackend:
    return store.backend(**{**ALL_POWERS, "new_account": ACTIVE, **changes})


def settings(**changes: Any) -> SQLSettings:
    columns = {"table": "people", "subject_column": "id", "username_columns": ("login",), "password_column": "hash"}
    given = {"url": "sqlite:///x", **columns, "email_column": "email", **changes}
    return settings_of(SQLSettings, **given)


def test_values_of_a_new_account() -> None:
    pairs = ("a=now", "b=true", "c=false", "d=null", "e=-7", "f=", "g={username}-x", "h={USERNAME}", "i=uuid")
    made = row_of(settings(new_account=pairs), "ada", "hash", {"email": "ada@example.com"}, NOW, "sqlite")
    assert [made[name] for name in "abcdefgh"] == ["2026-11-25 12:00:00", True, False, None, -7, "", "ada-x", "ADA"]
    assert len(made["i"]) == 36
    assert (made["login"], made["email"], made["hash"]) == ("ada", "ada@example.com", "hash")


@pytest.mark.parametrize(
    ("pair", "profile", "expected"),
    [
        ("x={phone}", {"phone": "0171"}, "0171"),
        ("x={PHONE}", {"phone": "ab"}, "AB"),
        ("x=+{phone}/{zip}", {"phone": "1"}, "+1/"),
        ("x={phone}", {"phone": ""}, "omitted"),
        ("x={phone}", {}, "omitted"),
        ("x={box}", {"box": "true"}, True),
        ("x=-{box}", {"box": "true"}, "-true"),
        ("x={}", {}, "{}"),
        ('x={"a":1}', {}, '{"a":1}'),
        # a value is never read as a field or a keyword
        ("x={phone}", {"phone": "{zip}", "zip": "7"}, "{zip}"),
        ("x={phone}", {"phone": "now"}, "now"),
        ("x={phone}", {"phone": "7"}, "7"),
    ],
)
def test_fields_of_the_registration_are_filled_in(pair: str, profile: dict[str, str], expected: Any) -> None:
    made = row_of(settings(new_account=(pair,)), "ada", "hash", profile, NOW, "mariadb")
    assert made.get("x", "omitted") == expected


def test_fields_without_a_place_are_not_kept() -> None:
    found = settings(new_account=("phone={phone}", "key={USERNAME}-{postal_code}"), name_column="(first || last)")
    assert profile_fields(found) == {"email", "phone", "postal_code"}
    assert columns_of(found) == ["email", "phone", "key", "login", "hash"]
    named = settings(username_columns=("email",), name_column="email", given_name_column="first")
    assert profile_fields(named) == {"given_name"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"new_account": ("phone={Phone}",)}, "new_account"),
        ({"new_account": ("phone={phone}", "PHONE=7")}, "new_account"),
        ({"new_account": ("login={email}",)}, "new_account"),
        ({"new_account": ("hash={phone}",)}, "new_account"),
        ({"registration": True, "email_column": ""}, "registration"),
        ({"registration": True, "email_column": "(lower(mail))"}, "email_column"),
        *(({"preset": preset, "table": "x", "registration": True}, "registration") for preset in ("drupal7", "phpbb")),
    ],
)
def test_settings_that_cannot_register_are_reported(changes: dict[str, Any], key: str) -> None:
    assert [found for found, _ in settings(**changes).faults()] == [key]


def registration_check(backend: SQLBackend) -> Check:
    (found,) = [check for check in backend.check() if check.name == "registration"]
    return found


def test_doctor_names_the_columns_that_a_new_account_lacks(store: ServerStore) -> None:
    assert registration_check(opened(store)).ok
    store.run("ALTER TABLE people ADD COLUMN tenant INT")
    store.run("UPDATE people SET tenant = 1")
    is_postgresql = isinstance(store, PostgreSQLStore)
    store.run(f"ALTER TABLE people {'ALTER tenant SET NOT NULL' if is_postgresql else 'MODIFY tenant INT NOT NULL'}")
    found = registration_check(opened(store))
    assert not found.ok
    assert "requires a value for tenant: set it in new_account, as tenant=value" in found.detail
    with pytest.raises(BackendMisconfigured):
        opened(store).register("grace", NEW, GRACE)
    complete = opened(store, new_account=(*ACTIVE, "tenant=1"))
    assert registration_check(complete).ok
    assert complete.register("grace", NEW, GRACE).username == "grace"


def test_doctor_names_the_columns_that_a_new_account_lacks_in_sqlite(tmp_path: Path) -> None:
    schema = SCHEMA.replace("active INT", "active INT, born TEXT NOT NULL, note TEXT NOT NULL DEFAULT ''")
    store = SQLiteStore(tmp_path / "people.sqlite", schema, **ALL_POWERS)
    found = registration_check(store.backend())
    assert not found.ok
    assert "requires a value for born:" in found.detail
    assert registration_check(store.backend(new_account=("active=1", "born={birthdate}"))).ok
    absent = registration_check(store.backend(new_account=("active=1", "born={birthdate}", "shoe_size=38")))
    assert not absent.ok
    assert "shoe_size" in absent.detail


def test_doctor_says_that_the_database_account_may_not_insert(mariadb_store: MariaDBStore) -> None:
    mariadb_store.url = mariadb_store.server.reader_url
    found = registration_check(mariadb_store.backend(**ALL_POWERS))
    assert not found.ok
    assert "no account can be created" in found.detail
