"""Tests of the presets of portals, forums and business applications: their states, in SQLite and in their databases."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from linkauth.backends import AccountRefused, UnknownUser, WrongPassword
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.platform_presets import PLATFORM_PRESETS
from linkauth_sql.presets import UNREGISTRABLE
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from . import forums, platforms
from .applications import Application
from .platforms import GITEA_SALT
from .stores import ApplicationStore
from .vectors import PASSWORDS, stored_hash

NOW = datetime.now(UTC)
SOON, LATER = NOW - timedelta(hours=2), NOW + timedelta(hours=2)
EPOCH = int(time.time())
ISO = "%Y-%m-%d %H:%M:%S"
OLD_GITEA = hashlib.pbkdf2_hmac("sha256", PASSWORDS["B"].encode(), bytes.fromhex(GITEA_SALT), 10_000, 50).hex()
"""The hash of an early release of Gitea, which did not store the name of the algorithm."""
Change = tuple[str, dict[str, Any]] | str
"""A row of another table, or a statement."""


def _of_single_sign_on(email: str) -> Change:
    row = {"id": 1, "user_id": 7, "external_id": "a", "last_payload": "", "external_email": email}
    return "single_sign_on_records", row


STATES: list[tuple[Application, dict[str, Any], tuple[Change, ...], str | None]] = [
    (platforms.SPRING_SECURITY, {"enabled": False}, (), "disabled"),
    (platforms.SPRING_SECURITY, {}, ("DELETE FROM authorities",), "unknown"),
    (
        platforms.SPRING_SECURITY,
        {},
        ("ALTER TABLE users ADD COLUMN creds_expired boolean", "UPDATE users SET creds_expired = TRUE"),
        "must_change_password",
    ),
    (
        platforms.SPRING_SECURITY,
        {},
        ("ALTER TABLE users ADD COLUMN account_non_locked boolean", "UPDATE users SET account_non_locked = FALSE"),
        "disabled",
    ),
    *(
        (
            platforms.NEXTCLOUD,
            {},
            (("oc_preferences", {"userid": "Ada", "appid": "core", "configkey": "enabled", "configvalue": value}),),
            reason,
        )
        for value, reason in (("false", "disabled"), ("true", None), ("perhaps", "disabled"))
    ),
    (platforms.MOODLE, {"confirmed": 0}, (), "disabled"),
    (platforms.MOODLE, {"suspended": 1}, (), "disabled"),
    *((platforms.MOODLE, change, (), "unknown") for change in ({"deleted": 1}, {"auth": "nologin"}, {"auth": "ldap"})),
    (platforms.MOODLE, {"auth": "email"}, (), None),
    *(
        (
            platforms.MOODLE,
            {"auth": "email"},
            (f"UPDATE mdl_config SET value = '{methods}' WHERE name = 'auth'",),
            reason,
        )
        for methods, reason in (("ldap,emailx", "unknown"), ("", "unknown"), ("email", None))
    ),
    # the duration of a lock, in seconds; 0 has no end
    *(
        (
            platforms.MOODLE,
            {},
            (
                ("mdl_user_preferences", {"id": 1, "userid": 7, "name": "login_lockout", "value": str(EPOCH - 7_200)}),
                ("mdl_config", {"id": 3, "name": "lockoutduration", "value": duration}),
            ),
            reason,
        )
        for duration, reason in (("0", "locked"), ("86400", "locked"), ("3600", None))
    ),
    *(
        (
            platforms.MOODLE,
            {},
            (("mdl_user_preferences", {"id": 1, "userid": 7, "name": name, "value": value}),),
            reason,
        )
        for name, value, reason in (
            ("auth_forcepasswordchange", "1", "must_change_password"),
            ("auth_forcepasswordchange", "0", None),
            ("login_lockout", str(EPOCH - 60), "locked"),
            ("login_lockout", str(EPOCH - 7_200), None),
            ("login_failed_count", "10", None),
        )
    ),
    (platforms.GITEA, {"prohibit_login": True}, (), "disabled"),
    (platforms.GITEA, {"is_active": False}, (), "disabled"),
    (platforms.GITEA, {"must_change_password": True}, (), "must_change_password"),
    (platforms.GITEA, {"login_type": 2}, (), "unknown"),
    (platforms.GITEA, {"type": 1}, (), "unknown"),
    *((platforms.GITEA, {"passwd": OLD_GITEA, "passwd_hash_algo": name}, (), None) for name in ("", None, "pbkdf2")),
    (forums.DISCOURSE, {"active": False}, (), "disabled"),
    (forums.DISCOURSE, {}, ("DELETE FROM email_tokens",), None),
    *(
        (forums.DISCOURSE, {}, (f"UPDATE email_tokens SET {change}", *further), reason)
        for change, further, reason in (
            ("confirmed = FALSE", (), "disabled"),
            ("email = 'other@example.com'", (), "disabled"),
            ("email = 'Ada@Example.com'", (), None),
            ("confirmed = FALSE", (_of_single_sign_on("ADA@example.com"),), None),
            ("confirmed = FALSE", (_of_single_sign_on("other@example.com"),), "disabled"),
        )
    ),
    (forums.DISCOURSE, {"suspended_till": LATER.strftime(ISO)}, (), "locked"),
    (forums.DISCOURSE, {"suspended_till": SOON.strftime(ISO)}, (), None),
    (forums.DISCOURSE, {"silenced_till": LATER.strftime(ISO)}, (), None),
    (forums.DISCOURSE, {"staged": True}, (), "unknown"),
    (forums.DISCOURSE, {}, (f"UPDATE user_passwords SET password_expired_at = '{SOON:{ISO}}'",), "password_expired"),
    *(
        (
            forums.DISCOURSE,
            {"approved": approved},
            (("site_settings", {"id": 1, "name": "must_approve_users", "data_type": 5, "value": value}),),
            reason,
        )
        for approved, value, reason in ((False, "t", "disabled"), (True, "t", None), (False, "f", None))
    ),
    *((platforms.REDMINE, {"status": status}, (), "disabled") for status in (0, 2, 3, 9)),
    (platforms.REDMINE, {"must_change_passwd": True}, (), "must_change_password"),
    (platforms.REDMINE, {"auth_source_id": 1}, (), "unknown"),
    *(
        (platforms.REDMINE, {"passwd_changed_on": changed}, (f"UPDATE settings SET value = '{days}'",), reason)
        for changed, days, reason in (
            (f"{NOW - timedelta(days=91):{ISO}}", "90", "password_expired"),
            (f"{NOW - timedelta(days=89):{ISO}}", "90", None),
            (None, "90", "password_expired"),
            (None, "0", None),
        )
    ),
    (platforms.REDMINE, {"passwd_changed_on": None}, ("DELETE FROM settings",), None),
    (platforms.TYPO3, {"disable": 1}, (), "disabled"),
    (platforms.TYPO3, {"deleted": 1}, (), "unknown"),
    (platforms.TYPO3, {"endtime": EPOCH - 60}, (), "account_expired"),
    (platforms.TYPO3, {"endtime": EPOCH + 3_600, "starttime": EPOCH - 60}, (), None),
    (platforms.TYPO3, {"starttime": EPOCH + 3_600}, (), "locked"),
    (platforms.ODOO, {"active": False}, (), "disabled"),
    (platforms.ODOO, {"active": None}, (), "disabled"),
    (platforms.SYMFONY_FOS, {"enabled": 0}, (), "disabled"),
    (platforms.SYMFONY_FOS, {"salt": None, "password": stored_hash("bcrypt", "B")}, (), None),
    (
        platforms.SYMFONY_FOS,
        {},
        ("ALTER TABLE fos_user ADD COLUMN locked smallint", "UPDATE fos_user SET locked = 1"),
        "locked",
    ),
    (
        platforms.SYMFONY_FOS,
        {},
        (
            "ALTER TABLE fos_user ADD COLUMN expires_at varchar(30)",
            f"UPDATE fos_user SET expires_at = '{SOON:{ISO}}'",
        ),
        "account_expired",
    ),
    *(
        (platforms.GITLAB, {"state": state}, (), "disabled")
        for state in ("blocked", "ldap_blocked", "blocked_pending_approval", "banned", "deactivated", "unheard_of")
    ),
    (platforms.GITLAB, {"confirmed_at": None}, (), "disabled"),
    (platforms.GITLAB, {"user_type": 6}, (), "unknown"),
    # not a time before now, because a lock ends after 10 minutes and these tests may run later
    (platforms.GITLAB, {"locked_at": LATER.strftime(ISO)}, (), "locked"),
    (platforms.GITLAB, {"locked_at": SOON.strftime(ISO)}, (), None),
    (platforms.GITLAB, {"password_expires_at": SOON.strftime(ISO)}, (), "password_expired"),
    *((forums.VBULLETIN, {"usergroupid": group}, (), "disabled") for group in (3, 4, 8, 9, 99)),
    *(
        (forums.VBULLETIN, {}, (("userban", {"userid": 7, "liftdate": end}),), reason)
        for end, reason in ((0, "locked"), (EPOCH + 3_600, "locked"), (EPOCH - 3_600, None))
    ),
    *((forums.MYBB, {"usergroup": group}, (), "disabled") for group in (5, 7)),
    *(
        (forums.MYBB, {"additionalgroups": groups}, (), reason)
        for groups, reason in (("7", "disabled"), ("2,7", "disabled"), ("7,3", "disabled"), ("77,27", None))
    ),
    (forums.MYBB, {"coppauser": 1}, (), "disabled"),
    (forums.MYBB, {"loginlockoutexpiry": EPOCH + 600}, (), "locked"),
    *(
        (forums.MYBB, {}, (("mybb_banned", {"uid": 7, "lifted": end}),), reason)
        for end, reason in ((0, "locked"), (EPOCH + 3_600, "locked"), (EPOCH - 3_600, None))
    ),
]


def refusal(backend: SQLBackend, application: Application) -> str | None:
    """Signs in, and returns the reason of a refusal, which is shown only after the right password."""
    try:
        subject = backend.authenticate(application.username, PASSWORDS["B"]).subject
    except UnknownUser:
        return "unknown"
    except AccountRefused as refused:
        with pytest.raises(WrongPassword):
            backend.authenticate(application.username, "wrong")
        return refused.reason if refused.proven else "not proven"
    return None if subject == application.subject else "another account"


def test_account_states(tmp_path: Path) -> None:
    assert {application.preset for application, *_ in STATES} == set(PLATFORM_PRESETS)
    for number, (application, columns, changes, reason) in enumerate(STATES):
        store = ApplicationStore(tmp_path / f"{number}.sqlite", application)
        if columns:
            store.change(**columns)
        for change in changes:
            if isinstance(change, str):
                store.run(change)
            else:
                store.insert(*change)
        with closing(store.backend()) as backend:
            assert refusal(backend, application) == reason, (application.preset, columns, changes)


def test_new_accounts_and_passwords_are_refused_where_they_cannot_be_made() -> None:
    assert set(PLATFORM_PRESETS) <= set(UNREGISTRABLE)
    writing = set()
    for name in PLATFORM_PRESETS:
        settings = settings_of(SQLSettings, url="sqlite:///x", preset=name, password_change=True)
        if not list(settings.faults()):
            writing.add(name)
    assert writing == {"typo3", "gitlab"}


ON_MARIADB = (platforms.NEXTCLOUD, platforms.MOODLE, platforms.REDMINE, platforms.TYPO3, platforms.SYMFONY_FOS)
ON_MARIADB += (forums.VBULLETIN, forums.MYBB)
ON_POSTGRESQL = (platforms.SPRING_SECURITY, platforms.MOODLE, platforms.GITEA, forums.DISCOURSE, platforms.REDMINE)
ON_POSTGRESQL += (platforms.ODOO, platforms.GITLAB)


def created(engine: Engine, application: Application) -> Iterator[str]:
    """Creates the tables of an application with its rows, yields the name of each, and drops them."""
    tables = [line.split()[2] for line in application.schema.splitlines() if "CREATE TABLE" in line]
    with engine.begin() as connection:
        for statement in application.schema.split(";"):
            if statement.strip():
                connection.execute(text(statement.replace("longtext", "text")))
        for table, row in ((application.table, application.person), *application.further):
            marks = ", ".join(f":v{number}" for number in range(len(row)))
            values = {f"v{number}": value for number, value in enumerate(row.values())}
            connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"), values)
    yield from tables
    with engine.begin() as connection:
        for table in reversed(tables):
            connection.execute(text(f"DROP TABLE {table}"))


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_presets_on_the_databases_of_the_applications(kind: str, request: pytest.FixtureRequest) -> None:
    server: MariaDB | PostgreSQL = request.getfixturevalue("maria" if kind == "mariadb" else "postgres")
    engine = create_engine(server.url)
    for application in ON_MARIADB if kind == "mariadb" else ON_POSTGRESQL:
        assert list(_checked(engine, application, server.url))
    engine.dispose()


def _checked(engine: Engine, application: Application, url: str) -> Iterator[str]:
    given: dict[str, Any] = {"url": url, "preset": application.preset, **application.settings}
    for number, table in enumerate(created(engine, application)):
        if number == 0:
            with closing(SQLBackend(settings_of(SQLSettings, **given))) as backend:
                assert [check for check in backend.check() if check.warning or not check.ok] == [], application.preset
                assert refusal(backend, application) is None, application.preset
                account = backend.look_up(application.subject)
                assert account.refused is None
                with pytest.raises(UnknownUser):
                    backend.authenticate("nobody", PASSWORDS["B"])
        yield table
