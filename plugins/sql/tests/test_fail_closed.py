"""Tests that a value that is not understood refuses the account, for every column that decides."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendMisconfigured, BackendUnavailable, WrongPassword
from linkauth_sql import SQLBackend, survey

from . import applications
from .applications import Application
from .stores import COLUMNS, ApplicationStore, SQLiteStore
from .vectors import PASSWORDS, stored_hash

PASSWORD = PASSWORDS["A"]
SCHEMA = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, email TEXT, hash TEXT, full_name TEXT, active DEFAULT 1,"
    " disabled, locked, lock_enabled DEFAULT 1, locked_until, expires, must_change, password_expires)"
)
KINDS = ("disabled", "locked", "lock_enabled", "locked_until", "expires", "must_change", "password_expires")
EVERY = {f"{kind}_column": kind for kind in KINDS}
LANGUAGES = ("ja", "oui", "sì", "verdadero", "はい", "да", "نعم", "हाँ", "nein", "non", "いいえ")
WORDS: tuple[Any, ...] = (*LANGUAGES, "blocked", "pending", "deleted", "-", "null", "1.0", '{"ok":true}', "1,0")
NUMBERS: tuple[Any, ...] = (2, -1, 0.5, 99, 20_000_000)
ODD_BYTES: tuple[Any, ...] = (b"\x02", b"\xff\xfe", b"ja")
FLAGS = (*WORDS, *NUMBERS, *ODD_BYTES)
TIMES: tuple[Any, ...] = (
    *("never", "nie", "-1", "soon", "25-NOV-26", "25-NOV-26 12.00.00 PM", "11/25/2026", "25.11.2026", "2026-02-30"),
    *(-1, 1, 30, 202611251200, 1_700_000_000_000_000, b"\xff", "はい", "2026-W99-9"),
)
REASONS: dict[str, tuple[str, tuple[Any, ...]]] = {
    # an empty active column refuses too
    "active": ("disabled", (*FLAGS, None, "", " ", 0, "inactive", "2099-01-01")),
    "disabled": ("disabled", (*FLAGS, 1, "true", "2024-01-01 10:00:00", "2099-01-01")),
    "locked": ("locked", (*FLAGS, 1, "2024-01-01 10:00:00", "2099-01-01")),
    "locked_until": ("locked", (*TIMES, "2099-01-01", 4_000_000_000)),
    "expires": ("account_expired", (*TIMES, "2020-01-01", 1_500_000_000)),
    "must_change": ("must_change_password", (*FLAGS, 1, "yes")),
    "password_expires": ("password_expired", (*TIMES, "2020-01-01")),
}
CASES = [(kind, value, reason) for kind, (reason, values) in REASONS.items() for value in values]


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "people.sqlite", SCHEMA, **EVERY)
    store.add("ada", None, hash=stored_hash("bcrypt"), email="ada@example.com")
    return store


def reason_of(backend: SQLBackend, name: str = "ada", password: str = PASSWORD) -> str | None:
    """Returns why a correct password is refused, or None. Asserts that a look-up returns the same."""
    refused = backend.find(name).refused
    if refused is None:
        assert backend.authenticate(name, password)
        return None
    with pytest.raises(AccountRefused) as raised:
        backend.authenticate(name, password)
    assert (raised.value.reason, raised.value.proven) == (refused, True)
    return refused


def test_every_state_column_is_tested() -> None:
    assert {f"{kind}_column" for kind in REASONS} | {"lock_enabled_column"} == {*EVERY, "active_column"}


@pytest.mark.parametrize(("kind", "value", "reason"), CASES, ids=lambda value: ascii(value)[:20])
def test_value_that_is_not_understood_refuses(store: SQLiteStore, kind: str, value: Any, reason: str) -> None:
    store.run(f"UPDATE people SET {kind} = ?", value)
    with closing(store.backend(password_recovery=True)) as backend:
        assert reason_of(backend) == reason
        with pytest.raises(WrongPassword):
            backend.authenticate("ada", "wrong")
        if value not in (1, "yes", "2020-01-01") or reason in ("disabled", "locked", "account_expired"):
            with pytest.raises(AccountRefused):
                backend.recipient("ada")


@pytest.mark.parametrize("value", [*FLAGS, None, "", 1])
def test_lock_applies_unless_explicitly_disabled(store: SQLiteStore, value: Any) -> None:
    store.run("UPDATE people SET locked = 1, lock_enabled = ?", value)
    with closing(store.backend()) as backend:
        assert reason_of(backend) == "locked"
        store.run("UPDATE people SET lock_enabled = 'no'")
        assert reason_of(backend) is None


@pytest.mark.parametrize("value", [1, True, "1", "t", "YES", "on", "active", "Enabled", b"\x01", "2024-01-01 10:00:00"])
def test_documented_values_allow_the_sign_in(store: SQLiteStore, value: Any) -> None:
    nothing = "disabled = 0, locked = NULL, expires = '', must_change = 'off', password_expires = 0"
    store.run(f"UPDATE people SET active = ?, {nothing}", value)
    with closing(store.backend()) as backend:
        assert reason_of(backend) is None


def test_only_configured_values_are_accepted(store: SQLiteStore) -> None:
    values = {"active_values": ("active", "Confirmed", "3"), "disabled_values": ("pending",)}
    with closing(store.backend(**values, locked_values=("x",), unlocked_values=("-",))) as backend:
        for value, reason in (("ACTIVE", None), ("confirmed", None), (3, None), ("yes", "disabled"), (1, "disabled")):
            store.run("UPDATE people SET active = ?", value)
            assert reason_of(backend) == reason
        for value, reason in (("-", None), ("X", "locked"), ("--", "locked")):
            store.run("UPDATE people SET active = 3, locked = ?", value)
            assert reason_of(backend) == reason
        store.run("UPDATE people SET locked = 0, disabled = 'confirmed'")
        assert reason_of(backend) is None
        store.run("UPDATE people SET disabled = 'pending'")
        assert reason_of(backend) == "disabled"


def test_unknown_value_is_logged_once_and_counted(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        store.add(f"p{number}", None, hash=stored_hash("bcrypt"), active="pending", email="a-secret@example.com")
    store.add("far", None, hash=stored_hash("bcrypt"), expires="x" * 500)
    with closing(store.backend()) as backend:
        for _ in range(2):
            for name in ("p0", "p1", "far"):
                assert reason_of(backend, name)
        assert caplog.text.count("'pending'") == 1
        assert "column=active_column" in caplog.text
        assert "name it in active_values or disabled_values" in caplog.text
        assert "secret" not in caplog.text
        assert "x" * 60 not in caplog.text
        (states,) = [check for check in backend.check() if check.name == "states"]
        assert (states.ok, states.warning) == (True, True)
        assert "accounts refused because a value is not understood: 4: " in states.detail
        assert "active_column 'pending' 3 (name it in active_values or disabled_values)" in states.detail
        assert "expires_column 'xxx" in states.detail
        assert "it is not a time: an SQL expression as the column can convert it to NULL" in states.detail
        assert len(states.detail) < 500
    with closing(store.backend(disabled_values=("pending",), expires_column="")) as backend:
        assert "states" not in {check.name for check in backend.check()}
        assert reason_of(backend, "p0") == "disabled"


def test_number_of_logged_values_is_limited(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with closing(store.backend()) as backend:
        for number in range(250):
            store.run("UPDATE people SET active = ?", f"state {number}")
            assert backend.find("ada").refused == "disabled"
    assert len(caplog.records) == 200


def test_slow_survey_is_cached(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(store.backend()) as backend:
        for quick, found in ((1_000, False), (-1, True), (1_000, True)):
            monkeypatch.setattr(survey, "QUICK_SURVEY_SECONDS", quick)
            assert ("states" in {check.name for check in backend.check()}) == found
            store.run("UPDATE people SET active = iif(active = 'ja', 1, 'ja')")


@pytest.mark.parametrize(
    "hash_text", [None, "", " ", "!", "*", "!!", "*LK*", "x", "{SASL}ada", "!" + stored_hash("bcrypt")]
)
def test_text_that_is_not_a_hash_refuses(store: SQLiteStore, hash_text: str | None) -> None:
    store.run("UPDATE people SET hash = ?", hash_text)
    with closing(store.backend(password_recovery=True)) as backend:
        for password in (PASSWORD, hash_text or "None", "!"):
            with pytest.raises(WrongPassword):
                backend.authenticate("ada", password)
        assert backend.find("ada").refused == "disabled"
        if (hash_text or "").strip():
            # password recovery must not replace a text that disables sign-ins
            with pytest.raises(AccountRefused):
                backend.recipient("ada")


def test_disallowed_scheme_is_described_in_the_refusal(store: SQLiteStore) -> None:
    with closing(store.backend(schemes=("argon2",))) as backend:
        account = backend.find("ada")
        assert account.refused == "disabled"
        assert "schemes does not allow" in account.facts["password"]


def test_query_columns_are_case_insensitive(store: SQLiteStore) -> None:
    query = "SELECT id AS Subject, hash AS PASSWORD, active AS Active, 1 AS actve FROM people WHERE login = :username"
    with closing(store.backend(query=query, **dict.fromkeys([*COLUMNS, *EVERY]))) as backend:
        assert backend.authenticate("ada", PASSWORD).subject == "1"
        store.run("UPDATE people SET active = 'no'")
        with pytest.raises(AccountRefused):
            backend.authenticate("ada", PASSWORD)
        (unknown,) = [check for check in backend.check() if check.name == "query"]
        assert "actve" in unknown.detail


@pytest.mark.parametrize("columns", ["0 AS active, 1 AS active", "0 AS active, 1 AS Active", "active, 0 AS ACTIVE"])
def test_query_with_duplicate_column_is_misconfigured(store: SQLiteStore, columns: str) -> None:
    query = f"SELECT id AS subject, hash AS password, 1 AS x, 2 AS x, {columns} FROM people WHERE login = :username"
    with closing(store.backend(query=query, **dict.fromkeys([*COLUMNS, *EVERY]))) as backend:
        for name in ("ada", "unknown"):
            with pytest.raises(BackendMisconfigured, match="more than one column named active: name each once"):
                backend.authenticate(name, PASSWORD)
        (look_up,) = backend.check()
        assert not look_up.ok


GONE = "2024-01-01 10:00:00"
MORE = [
    *((applications.LARAVEL, name, GONE, "disabled") for name in ("deleted_at", "discarded_at", "banned_at")),
    *((applications.DEVISE, name, GONE, "disabled") for name in ("deleted_at", "discarded_at", "Suspended_At")),
    *((applications.LARAVEL, "state", value, "disabled") for value in ("pending", "blocked", "", None, "ja", 7)),
    *((applications.DEVISE, "state", value, "disabled") for value in ("pending", None)),
    *((applications.DEVISE, "approved", value, "disabled") for value in (0, None)),
    (applications.LARAVEL, "is_active", 0, "disabled"),
    (applications.LARAVEL, "confirmed_at", None, "disabled"),
    (applications.LARAVEL, "confirmed_at", GONE, None),
    (applications.LARAVEL, "banned_until", "2099-01-01", "locked"),
    (applications.LARAVEL, "locked_at", GONE, "locked"),
    *((applications.WORDPRESS, name, 1, "disabled") for name in ("spam", "deleted")),
    (applications.ASPNET, "IsDeleted", 1, "disabled"),
    (applications.ASPNET, "isactive", 0, "disabled"),
    *((applications.LARAVEL, name, None, None) for name in ("deleted_at", "banned_until")),
    (applications.DEVISE, "state", "active", None),
    (applications.DEVISE, "expired_at", GONE, "account_expired"),
    *((applications.DEVISE, "expired_at", value, None) for value in (None, "2099-01-01 10:00:00")),
]


@pytest.mark.parametrize(("application", "column", "value", "reason"), MORE)
def test_optional_column_takes_effect_when_it_is_added(
    tmp_path: Path, application: Application, column: str, value: Any, reason: str | None
) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", application)
    name = application.username
    with closing(store.backend()) as backend:
        assert reason_of(backend, name, PASSWORDS["B"]) is None
        # a migration adds the column while the server runs
        store.run(f"ALTER TABLE {application.table} ADD COLUMN {column}")
        store.change(**{column: value})
        assert reason_of(backend, name, PASSWORDS["B"]) == reason
        assert (column in backend.find(name).facts) == (value is not None or reason is not None)
        store.run(f"ALTER TABLE {application.table} DROP COLUMN {column}")
        assert reason_of(backend, name, PASSWORDS["B"]) is None
    with closing(store.backend(optional_columns=("none",))) as backend:
        assert reason_of(backend, name, PASSWORDS["B"]) is None


def test_unreadable_columns_are_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", applications.LARAVEL)
    with closing(store.backend()) as backend:
        backend.authenticate("ada@example.com", PASSWORDS["B"])
        store.breaks()
        with pytest.raises(BackendUnavailable):
            backend.authenticate("ada@example.com", PASSWORDS["B"])
        store.returns()
        backend.authenticate("ada@example.com", PASSWORDS["B"])
        store.run("ALTER TABLE users RENAME TO people")
        with pytest.raises(BackendMisconfigured):
            backend.authenticate("ada@example.com", PASSWORDS["B"])


OF_APPLICATIONS = [
    *((applications.PHPBB, {"user_type": value}, "disabled") for value in (1, 4, 9, "x")),
    *((applications.WORDPRESS, {"user_status": value}, "disabled") for value in (1, 2, 3, "spam")),
    *((applications.DRUPAL, {"status": value}, "disabled") for value in (None, 2, "blocked")),
    *((applications.JOOMLA, {"block": value}, "disabled") for value in (1, 2, -1)),
    (applications.JOOMLA, {"requireReset": 2}, "must_change_password"),
    *((applications.ASPNET, {"EmailConfirmed": value}, "disabled") for value in (2, "ja")),
    *((applications.ASPNET, {"LockoutEnd": value}, "locked") for value in ("soon", -1, 1)),
    *((applications.KEYCLOAK, {"enabled": value}, "disabled") for value in (0, 2, "ja")),
    *((applications.DEVISE, {"confirmed_at": value}, "disabled") for value in ("soon", 2, "")),
    (applications.DEVISE, {"locked_at": "soon"}, "locked"),
    (applications.MEDIAWIKI, {"user_password_expires": b"never"}, "password_expired"),
]


@pytest.mark.parametrize(("application", "row", "reason"), OF_APPLICATIONS)
def test_unusual_values_in_tables_of_applications(
    tmp_path: Path, application: Application, row: dict[str, Any], reason: str
) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", application)
    store.change(**row)
    with closing(store.backend()) as backend:
        assert reason_of(backend, application.username, PASSWORDS["B"]) == reason


@pytest.mark.parametrize(
    ("action", "reason"), [("UPDATE_PASSWORD", "must_change_password"), ("VERIFY_EMAIL", "disabled")]
)
def test_keycloak_required_actions(tmp_path: Path, action: str, reason: str) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", applications.KEYCLOAK)
    row = {"user_id": applications.KEYCLOAK.subject, "required_action": action}
    store.insert("user_required_action", row)
    with closing(store.backend()) as backend:
        assert reason_of(backend, "ada", PASSWORDS["B"]) == reason


def test_phpbb_bans_by_email(tmp_path: Path) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", applications.PHPBB)
    with closing(store.backend()) as backend:
        store.insert("phpbb_banlist", {"ban_email": "*@other.example.com"})
        assert reason_of(backend, "Ada", PASSWORDS["B"]) is None
        store.insert("phpbb_banlist", {"ban_email": "*@EXAMPLE.com"})
        assert reason_of(backend, "Ada", PASSWORDS["B"]) == "locked"
