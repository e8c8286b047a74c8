"""Tests of the checks of a table, and of contradicting settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings, checks, hashes

from .stores import ALL_POWERS, COLUMNS, SQLiteStore
from .vectors import stored_hash


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite", schemes=("strong", "phpass"))
    store.add("ada", None, hash=stored_hash("bcrypt"))
    return store


def test_check_counts_hashes_by_scheme(store: SQLiteStore) -> None:
    for number in range(3):
        store.add(f"php-{number}", None, hash=stored_hash("phpass"))
    store.add("none", None)
    found = {check.name: check for check in store.backend().check()}
    assert (found["hashes"].ok, found["hashes"].warning) == (True, False)
    assert found["hashes"].detail == "phpass 3, bcrypt 1"
    store.run("UPDATE people SET hash = ? WHERE login = 'ada'", "0" * 32)
    (_, check) = store.backend(schemes=("strong",)).check()
    assert check.warning
    assert "3: is a phpass hash, which schemes does not allow" in check.detail
    assert "1: is a hex_md5 hash" in check.detail


def test_check_names_the_setting_of_a_missing_column_or_table(store: SQLiteStore) -> None:
    closed = store.path.parent / "none" / "people.sqlite"
    (check,) = store.backend(url=f"sqlite:///{closed}").check()
    assert check.detail.endswith("the file or its folder does not exist, or linkauth may not read it: correct url")
    for changes, key in (
        ({"subject_column": "no_such"}, "subject_column"),
        ({"username_columns": ("login", '"no Such"')}, "username_columns"),
        ({"active_column": "no_such", "active_values": ("1",)}, "active_column"),
        ({"table": "no_such"}, "table"),
    ):
        (check,) = store.backend(**changes).check()
        assert (check.name, check.ok) == ("look-up", False)
        assert check.detail.endswith(f": correct {key}"), check.detail
    # what other databases say
    settings = settings_of(SQLSettings, **{**store.settings, "password_column": "pw", "table": "staff.people"})
    for problem, key in (
        ('column "pw" does not exist', "password_column"),
        ("column people.pw does not exist", "password_column"),
        ('relation "staff.people" does not exist', "table"),
        ("(1054, \"Unknown column 'people.PW' in 'SELECT'\")", "password_column"),
        ("(1146, \"Table 'staff.people' doesn't exist\")", "table"),
        ("Invalid column name 'pw'.", "password_column"),
    ):
        assert checks.with_setting(problem, settings) == f"{problem}: correct {key}"
    assert checks.with_setting("permission denied for table people", settings) == "permission denied for table people"


def test_check_reports_missing_write_permission(store: SQLiteStore) -> None:
    store.path.chmod(0o400)
    found = {check.name: check for check in store.backend(**ALL_POWERS).check()}
    # root ignores file permissions
    assert set(found) == {"look-up", "hashes", "writing", "registration"}
    (*_, writing) = store.backend(password_change=True, password_changed_column="no_such").check()
    assert not writing.ok
    assert "no_such" in writing.detail


@pytest.mark.parametrize("columns", ["id, hash", "id AS subject, hash", "id, hash AS password"])
def test_check_reports_query_without_required_columns(store: SQLiteStore, columns: str) -> None:
    query = f"SELECT {columns} FROM people WHERE login = :username"
    backend = SQLBackend(settings_of(SQLSettings, url=store.settings["url"], query=query))
    (check,) = backend.check()
    assert not check.ok
    assert "no columns named subject and password" in check.detail
    with pytest.raises(BackendMisconfigured, match="no columns named"):
        backend.authenticate("ada", "x")


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({**COLUMNS, "schemes": ("rot13",)}, {"schemes"}),
        ({**COLUMNS, "new_scheme": "rot13"}, {"new_scheme"}),
        ({**COLUMNS, "new_scheme": "phpass", "rehash": True}, {"new_scheme"}),
        ({**COLUMNS, "new_account": ("what",)}, {"new_account"}),
        ({**COLUMNS, "email_column": "", "password_recovery": True}, {"password_recovery"}),
        ({"query": "SELECT :username", "rehash": True, "registration": True}, {"rehash", "registration"}),
        ({"preset": "keycloak", "password_change": True}, {"password_change"}),
        ({**COLUMNS, "password_days": -1, "locked_seconds": -1}, {"password_days", "locked_seconds"}),
        ({**COLUMNS, "subject_column": "people.id", "rehash": True}, {"subject_column"}),
        ({**COLUMNS, "must_change_column": "(1 = 1)", "rehash": True}, {"must_change_column"}),
        ({**COLUMNS, "active_values": ("a", "B"), "disabled_values": ("b",)}, {"active_values"}),
        ({**COLUMNS, "active_values": ("a,", "b")}, {"active_values"}),
        ({**COLUMNS, "locked_values": ("a",), "may_keep_values": ("b",)}, {"locked_values", "may_keep_values"}),
        ({**COLUMNS, "locked_values": ("a",), "optional_columns": ("locked:state",)}, set()),
        *(({**COLUMNS, "optional_columns": (pair,)}, {"optional_columns"}) for pair in ("x", "color:red", "active:")),
        ({**COLUMNS, "hash_milliseconds": 0, "hash_memory": 2_000}, {"hash_milliseconds", "hash_memory"}),
        ({"preset": "phpbb", "active_column": "none"}, set()),
        ({"query": "SELECT :username", "active_values": ("a",)}, set()),
        ({"query": "SELECT :username", "optional_columns": ("active:state",)}, {"optional_columns"}),
        ({"preset": "django"}, set()),
        ({"preset": "django", "query": "SELECT :username"}, set()),
    ],
)
def test_contradicting_settings_are_reported(settings: dict[str, Any], keys: set[str]) -> None:
    found = settings_of(SQLSettings, url="sqlite:///x", **settings)
    assert {key for key, _ in found.faults()} == keys
    if not keys:
        SQLBackend(found).close()


def test_repr_contains_no_secret() -> None:
    settings = settings_of(SQLSettings, url="mysql://u:canary@db/x", preset="devise", pepper="canary-pepper")
    assert "canary" not in repr(settings)
    assert hashes.parse_scheme_names(settings.schemes) == set(hashes.STRONG_SCHEMES)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("mariadb://reader@db.example.com/wiki", True),
        ("mariadb://reader@127.0.0.1/wiki", False),
        ("mariadb://reader@db.example.com/wiki?ssl_ca=/etc/ca.pem", False),
        ("postgresql://reader@/wiki?host=/var/run/postgresql", False),
        ("sqlite:///x", False),
    ],
)
def test_check_warns_of_unverified_server(url: str, warned: bool) -> None:
    check = checks._check_encryption(settings_of(SQLSettings, url=url, preset="mediawiki"))
    assert (check is not None and check.warning) == warned


def test_check_warns_of_unverified_fallback_server() -> None:
    urls = {"url": "postgresql://reader@localhost/wiki", "fallback_urls": ("postgresql://reader@db.example.com/wiki",)}
    settings = settings_of(SQLSettings, **urls, preset="mediawiki")
    assert checks._check_encryption(settings)
    assert not checks._check_encryption(replace(settings, tls_ca_file="system"))
