"""Tests of the presets on MariaDB, with the tables that the installers of the applications create."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import bcrypt
import pytest

from linkauth.backends import PasswordChange, UnknownUser, WrongPassword
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.presets import UNREGISTRABLE
from tests.servers import mariadb
from tests.servers.mariadb import MariaDB

from . import applications
from .applications import Application
from .vectors import PASSWORDS

NEW = "Quartz-52-meadow-Lantern"
CI = "COLLATE utf8mb4_unicode_520_ci"
TABLES: dict[str, tuple[Application, tuple[str, ...]]] = {
    "wordpress": (
        applications.WORDPRESS,
        (
            f"""CREATE TABLE wp_users (ID bigint(20) unsigned NOT NULL auto_increment,
            user_login varchar(60) NOT NULL default '', user_pass varchar(255) NOT NULL default '',
            user_nicename varchar(50) NOT NULL default '', user_email varchar(100) NOT NULL default '',
            user_url varchar(100) NOT NULL default '', user_registered datetime NOT NULL default '0000-00-00 00:00:00',
            user_activation_key varchar(255) NOT NULL default '', user_status int(11) NOT NULL default '0',
            display_name varchar(250) NOT NULL default '', PRIMARY KEY (ID), KEY user_login_key (user_login),
            KEY user_nicename (user_nicename), KEY user_email (user_email)) DEFAULT CHARSET utf8mb4 {CI}""",
        ),
    ),
    "drupal": (
        applications.DRUPAL,
        (
            """CREATE TABLE users_field_data (uid int(10) unsigned NOT NULL,
            langcode varchar(12) CHARACTER SET ascii NOT NULL, preferred_langcode varchar(12) CHARACTER SET ascii,
            preferred_admin_langcode varchar(12) CHARACTER SET ascii, name varchar(60) NOT NULL, pass varchar(255),
            mail varchar(254), timezone varchar(32), status tinyint(4), created int(11) NOT NULL DEFAULT 0,
            changed int(11), access int(11), login int(11), init varchar(254), default_langcode tinyint(4) NOT NULL,
            PRIMARY KEY (uid, langcode), UNIQUE KEY user__name (name, langcode)) DEFAULT CHARSET utf8mb4""",
        ),
    ),
    "drupal7": (
        applications.DRUPAL7,
        (
            """CREATE TABLE users (uid int(10) unsigned NOT NULL DEFAULT 0, name varchar(60) NOT NULL DEFAULT '',
            pass varchar(128) NOT NULL DEFAULT '', mail varchar(254) DEFAULT '', theme varchar(255) NOT NULL DEFAULT '',
            signature varchar(255) NOT NULL DEFAULT '', signature_format varchar(255),
            created int(11) NOT NULL DEFAULT 0, access int(11) NOT NULL DEFAULT 0, login int(11) NOT NULL DEFAULT 0,
            status tinyint(4) NOT NULL DEFAULT 0,
            timezone varchar(32), language varchar(12) NOT NULL DEFAULT '',
            picture int(11) NOT NULL DEFAULT 0,
            init varchar(254) DEFAULT '', data longblob, PRIMARY KEY (uid), UNIQUE KEY name (name))
            DEFAULT CHARSET utf8""",
        ),
    ),
    "joomla": (
        applications.JOOMLA,
        (
            """CREATE TABLE x7_users (id int NOT NULL AUTO_INCREMENT, name varchar(400) NOT NULL DEFAULT '',
            username varchar(150) NOT NULL DEFAULT '', email varchar(100) NOT NULL DEFAULT '',
            password varchar(100) NOT NULL DEFAULT '', block tinyint NOT NULL DEFAULT 0, sendEmail tinyint DEFAULT 0,
            registerDate datetime NOT NULL, lastvisitDate datetime,
            activation varchar(100) NOT NULL DEFAULT '', params text NOT NULL, lastResetTime datetime,
            resetCount int NOT NULL DEFAULT 0, otpKey varchar(1000) NOT NULL DEFAULT '',
            otep varchar(1000) NOT NULL DEFAULT '', requireReset tinyint NOT NULL DEFAULT 0,
            authProvider varchar(100) NOT NULL DEFAULT '', PRIMARY KEY (id), UNIQUE KEY idx_username (username))
            DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci""",
        ),
    ),
    "phpbb": (
        applications.PHPBB,
        (
            """CREATE TABLE phpbb_users (user_id int(10) unsigned NOT NULL auto_increment,
            user_type tinyint(2) NOT NULL DEFAULT 0, group_id mediumint(8) unsigned NOT NULL DEFAULT 3,
            user_permissions mediumtext NOT NULL DEFAULT '', user_ip varchar(40) NOT NULL DEFAULT '',
            user_regdate int(11) unsigned NOT NULL DEFAULT 0, username varchar(255) NOT NULL DEFAULT '',
            username_clean varchar(255) NOT NULL DEFAULT '', user_password varchar(255) NOT NULL DEFAULT '',
            user_passchg int(11) unsigned NOT NULL DEFAULT 0, user_email varchar(100) NOT NULL DEFAULT '',
            user_inactive_reason tinyint(2) NOT NULL DEFAULT 0, user_inactive_time int(11) unsigned NOT NULL DEFAULT 0,
            PRIMARY KEY (user_id), UNIQUE KEY username_clean (username_clean)) CHARACTER SET utf8 COLLATE utf8_bin""",
            """CREATE TABLE phpbb_banlist (ban_id int(10) unsigned NOT NULL auto_increment,
            ban_userid int(10) unsigned NOT NULL DEFAULT 0, ban_ip varchar(40) NOT NULL DEFAULT '',
            ban_email varchar(100) NOT NULL DEFAULT '', ban_start int(11) unsigned NOT NULL DEFAULT 0,
            ban_end int(11) unsigned NOT NULL DEFAULT 0, ban_exclude tinyint(1) unsigned NOT NULL DEFAULT 0,
            ban_reason varchar(255) NOT NULL DEFAULT '', PRIMARY KEY (ban_id)) CHARACTER SET utf8 COLLATE utf8_bin""",
        ),
    ),
    "mediawiki": (
        applications.MEDIAWIKI,
        (
            """CREATE TABLE user (user_id int(10) unsigned AUTO_INCREMENT NOT NULL,
            user_name varbinary(255) NOT NULL DEFAULT '', user_real_name varbinary(255) NOT NULL DEFAULT '',
            user_password tinyblob NOT NULL, user_newpassword tinyblob NOT NULL DEFAULT '',
            user_newpass_time binary(14), user_email tinytext NOT NULL DEFAULT '',
            user_touched binary(14) NOT NULL DEFAULT '20260101000000', user_token binary(32) NOT NULL DEFAULT '',
            user_email_authenticated binary(14), user_email_token binary(32), user_email_token_expires binary(14),
            user_registration binary(14), user_editcount int(10) unsigned, user_password_expires varbinary(14),
            UNIQUE KEY user_name (user_name), PRIMARY KEY (user_id)) DEFAULT CHARSET binary""",
        ),
    ),
    "laravel": (
        applications.LARAVEL,
        (
            """CREATE TABLE users (id bigint unsigned NOT NULL AUTO_INCREMENT, name varchar(255) NOT NULL,
            email varchar(255) NOT NULL, email_verified_at timestamp NULL, password varchar(255) NOT NULL,
            remember_token varchar(100), created_at timestamp NULL, updated_at timestamp NULL, PRIMARY KEY (id),
            UNIQUE KEY users_email_unique (email)) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci""",
        ),
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with mariadb.running() as started:
        yield started


@pytest.fixture(params=sorted(TABLES))
def installed(server: MariaDB, request: pytest.FixtureRequest) -> Iterator[Application]:
    """Creates the tables of an application with one person."""
    application, statements = TABLES[request.param]
    for statement in statements:
        # the installers disable strict mode, which does not allow zero dates
        server.run(f"SET STATEMENT sql_mode = '' FOR {statement}")
    for table, row in ((application.table, application.person), *application.further):
        names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        server.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
    yield application
    for statement in statements:
        server.run("DROP TABLE " + statement.split()[2])


def backend_of(server: MariaDB, application: Application, **changes: Any) -> SQLBackend:
    given = {"url": server.url, "preset": application.preset, "timeout": 5}
    settings = settings_of(SQLSettings, **given, **application.settings, **changes)
    assert not list(settings.faults())
    return SQLBackend(settings)


def test_preset_needs_only_the_url(server: MariaDB, installed: Application) -> None:
    with closing(backend_of(server, installed)) as backend:
        identity = backend.authenticate(installed.username, PASSWORDS["B"])
        assert identity.subject == installed.subject
        assert backend.authenticate(installed.username.upper(), PASSWORDS["B"]) == identity
        assert backend.look_up(identity.subject).identity == identity
        with pytest.raises(WrongPassword):
            backend.authenticate(installed.username, "a wrong one")
        for nobody in ("nobody", "ädä", f"{installed.username}%"):
            with pytest.raises(UnknownUser):
                backend.authenticate(nobody, PASSWORDS["B"])
        assert all(check.ok for check in backend.check())


def test_password_change_keeps_the_form_of_each_column(
    server: MariaDB, installed: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bcrypt.gensalt
    # the cost of new hashes does not matter here
    monkeypatch.setattr(bcrypt, "gensalt", lambda *_: real(4))
    with closing(backend_of(server, installed, password_change=True, password_days=30)) as backend:
        assert PasswordChange in backend.offers
        backend.change_password(installed.username, PASSWORDS["B"], NEW)
        assert backend.authenticate(installed.username, NEW).subject == installed.subject
        with pytest.raises(WrongPassword):
            backend.authenticate(installed.username, PASSWORDS["B"])
        # the new values can be read and changed again
        backend.change_password(installed.username, NEW, PASSWORDS["B"])
        assert backend.find(installed.username).refused is None


def test_preset_registers_an_account_or_says_that_it_cannot(
    server: MariaDB, installed: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda *_: real(4))
    if installed.preset in UNREGISTRABLE:
        found = settings_of(SQLSettings, url=server.url, preset=installed.preset, registration=True)  # type: ignore[arg-type]
        assert "registration" in [key for key, _ in found.faults()]
        return
    with closing(backend_of(server, installed, registration=True, password_recovery=True)) as backend:
        assert all(check.ok and not check.warning for check in backend.check())
        profile = {"email": "grace@example.com", "name": "Grace Hopper"}
        name = "grace@example.com" if installed.preset == "laravel" else "grace"
        identity = backend.register(name, NEW, profile)
        assert backend.authenticate(name.upper(), NEW) == identity
        assert (identity.name, identity.email) == ("Grace Hopper", "grace@example.com")
        assert backend.people_at("Grace@Example.com") == [identity]
        assert backend.recipient(name) == identity
        # equal for the collation of the column, and for the application
        assert backend.is_taken(name.replace("a", "á"))


def test_outdated_hash_is_replaced(server: MariaDB, installed: Application) -> None:
    with closing(backend_of(server, installed, rehash=True)) as backend:
        for _ in range(2):
            assert backend.authenticate(installed.username, PASSWORDS["B"]).subject == installed.subject
