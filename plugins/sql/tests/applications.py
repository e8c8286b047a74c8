"""The tables of the applications of the presets, as their installers create them, with one person in each.

The columns are those of WordPress 6, Drupal 10 and 7, Joomla 5, phpBB 3.3, MediaWiki 1.39, Laravel 11,
Devise 4, ASP.NET Core Identity 8 (Entity Framework) and Keycloak 26. The types are the equivalents in SQLite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .vectors import stored_hash


@dataclass(frozen=True)
class Application:
    """`schema` creates the tables. `person` is the row of a person whose password is B of `vectors`."""

    preset: str
    schema: str
    table: str
    person: Mapping[str, Any]
    username: str
    subject: str
    further: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """(table, row) of further rows."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, Any] = field(default_factory=dict)
    """The columns in which the row of a second person, whose account is disabled, differs."""


WORDPRESS = Application(
    "wordpress",
    """CREATE TABLE wp_users (ID INTEGER PRIMARY KEY AUTOINCREMENT, user_login TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
    user_pass TEXT NOT NULL DEFAULT '', user_nicename TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
    user_email TEXT NOT NULL DEFAULT '' COLLATE NOCASE, user_url TEXT NOT NULL DEFAULT '',
    user_registered TEXT NOT NULL DEFAULT '0000-00-00 00:00:00', user_activation_key TEXT NOT NULL DEFAULT '',
    user_status INTEGER NOT NULL DEFAULT 0, display_name TEXT NOT NULL DEFAULT '');
    CREATE INDEX user_login_key ON wp_users (user_login); CREATE INDEX user_email ON wp_users (user_email);""",
    "wp_users",
    {
        "ID": 7,
        "user_login": "ada",
        "user_pass": stored_hash("slashed", "B"),
        "user_email": "ada@example.com",
        "display_name": "Ada Lovelace",
    },
    "ada",
    "7",
    refused={"ID": 8, "user_login": "konrad", "user_email": "konrad@example.com", "user_status": 2},
)
DRUPAL = Application(
    "drupal",
    """CREATE TABLE users_field_data (uid INTEGER NOT NULL, langcode TEXT NOT NULL, preferred_langcode TEXT,
    preferred_admin_langcode TEXT, name TEXT NOT NULL COLLATE NOCASE, pass TEXT, mail TEXT COLLATE NOCASE,
    timezone TEXT, status INTEGER, created INTEGER NOT NULL DEFAULT 0, changed INTEGER, access INTEGER,
    login INTEGER, init TEXT, default_langcode INTEGER NOT NULL, PRIMARY KEY (uid, langcode));""",
    "users_field_data",
    {
        **{"uid": 7, "langcode": "en", "name": "ada", "pass": stored_hash("bcrypt", "B"), "mail": "ada@example.com"},
        **{"status": 1, "default_langcode": 1},
    },
    "ada",
    "7",
    # the anonymous visitor, whose name is empty
    further=(("users_field_data", {"uid": 0, "langcode": "en", "name": "", "status": 0, "default_langcode": 1}),),
)
DRUPAL7 = Application(
    "drupal7",
    """CREATE TABLE users (uid INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '', pass TEXT NOT NULL DEFAULT '',
    mail TEXT DEFAULT '', theme TEXT NOT NULL DEFAULT '', signature TEXT NOT NULL DEFAULT '', signature_format TEXT,
    created INTEGER NOT NULL DEFAULT 0, access INTEGER NOT NULL DEFAULT 0, login INTEGER NOT NULL DEFAULT 0,
    status INTEGER NOT NULL DEFAULT 0, timezone TEXT, language TEXT NOT NULL DEFAULT '',
    picture INTEGER NOT NULL DEFAULT 0, init TEXT DEFAULT '', data BLOB, UNIQUE (name));""",
    "users",
    {"uid": 7, "name": "ada", "pass": stored_hash("drupal7", "B"), "mail": "ada@example.com", "status": 1},
    "ada",
    "7",
    further=(("users", {"uid": 0, "name": "", "status": 0}),),
    refused={"uid": 8, "name": "konrad", "mail": "konrad@example.com", "status": 0},
)
JOOMLA = Application(
    "joomla",
    """CREATE TABLE x7_users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL DEFAULT '',
    username TEXT NOT NULL DEFAULT '', email TEXT NOT NULL DEFAULT '', password TEXT NOT NULL DEFAULT '',
    block INTEGER NOT NULL DEFAULT 0, sendEmail INTEGER DEFAULT 0, registerDate TEXT NOT NULL,
    lastvisitDate TEXT, activation TEXT NOT NULL DEFAULT '', params TEXT NOT NULL, lastResetTime TEXT,
    resetCount INTEGER NOT NULL DEFAULT 0, otpKey TEXT NOT NULL DEFAULT '', otep TEXT NOT NULL DEFAULT '',
    requireReset INTEGER NOT NULL DEFAULT 0, authProvider TEXT NOT NULL DEFAULT '', UNIQUE (username));""",
    "x7_users",
    {
        "id": 7,
        "name": "Ada Lovelace",
        "username": "ada",
        "email": "ada@example.com",
        "password": stored_hash("phpass", "B"),
        "registerDate": "2026-01-02 03:04:05",
        "params": "{}",
    },
    "ada",
    "7",
    settings={"table_prefix": "x7_"},
    refused={"id": 8, "username": "konrad", "email": "konrad@example.com", "block": 1},
)
PHPBB = Application(
    "phpbb",
    """CREATE TABLE phpbb_users (user_id INTEGER PRIMARY KEY AUTOINCREMENT, user_type INTEGER NOT NULL DEFAULT 0,
    group_id INTEGER NOT NULL DEFAULT 3, user_permissions TEXT NOT NULL DEFAULT '', user_ip TEXT NOT NULL DEFAULT '',
    user_regdate INTEGER NOT NULL DEFAULT 0, username TEXT NOT NULL DEFAULT '', username_clean TEXT NOT NULL DEFAULT '',
    user_password TEXT NOT NULL DEFAULT '', user_passchg INTEGER NOT NULL DEFAULT 0,
    user_email TEXT NOT NULL DEFAULT '', user_inactive_reason INTEGER NOT NULL DEFAULT 0,
    user_inactive_time INTEGER NOT NULL DEFAULT 0, UNIQUE (username_clean));
    CREATE TABLE phpbb_banlist (ban_id INTEGER PRIMARY KEY AUTOINCREMENT, ban_userid INTEGER NOT NULL DEFAULT 0,
    ban_ip TEXT NOT NULL DEFAULT '', ban_email TEXT NOT NULL DEFAULT '', ban_start INTEGER NOT NULL DEFAULT 0,
    ban_end INTEGER NOT NULL DEFAULT 0, ban_exclude INTEGER NOT NULL DEFAULT 0, ban_reason TEXT);""",
    "phpbb_users",
    {
        **{"user_id": 7, "username": "Ada", "username_clean": "ada", "user_password": stored_hash("html", "B")},
        **{"user_email": "ada@example.com", "user_passchg": 1_700_000_000},
    },
    "ada",
    "7",
    further=(("phpbb_users", {"user_id": 1, "user_type": 2, "username": "Anonymous", "username_clean": "anonymous"}),),
    refused={
        **{"user_id": 8, "username": "Konrad", "username_clean": "konrad"},
        **{"user_email": "konrad@example.com", "user_type": 1},
    },
)
MEDIAWIKI = Application(
    "mediawiki",
    """CREATE TABLE user (user_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, user_name BLOB NOT NULL DEFAULT '',
    user_real_name BLOB NOT NULL DEFAULT '', user_password BLOB NOT NULL, user_newpassword BLOB NOT NULL DEFAULT '',
    user_newpass_time BLOB, user_email TEXT NOT NULL DEFAULT '', user_touched BLOB NOT NULL DEFAULT '',
    user_token BLOB NOT NULL DEFAULT '', user_email_authenticated BLOB, user_email_token BLOB,
    user_email_token_expires BLOB, user_registration BLOB, user_editcount INTEGER, user_password_expires BLOB);
    CREATE UNIQUE INDEX user_name ON user (user_name);""",
    "user",
    {
        **{"user_id": 7, "user_name": b"Ada", "user_real_name": b"Ada Lovelace"},
        **{"user_password": stored_hash("mediawiki_pbkdf2", "B").encode(), "user_email": "ada@example.com"},
    },
    "ada",
    "7",
)
LARAVEL = Application(
    "laravel",
    """CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL,
    email_verified_at TEXT, password TEXT NOT NULL, remember_token TEXT, created_at TEXT, updated_at TEXT);
    CREATE UNIQUE INDEX users_email_unique ON users (email);""",
    "users",
    {"id": 7, "name": "Ada Lovelace", "email": "ada@example.com", "password": stored_hash("bcrypt", "B")},
    "ada@example.com",
    "7",
    refused={"id": 8, "email": "konrad@example.com", "deleted_at": "2026-01-02 03:04:05"},
)
DEVISE = Application(
    "devise",
    """CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, email TEXT DEFAULT '' NOT NULL,
    encrypted_password TEXT DEFAULT '' NOT NULL, reset_password_token TEXT, reset_password_sent_at TEXT,
    remember_created_at TEXT, confirmation_token TEXT, confirmed_at TEXT, confirmation_sent_at TEXT,
    unconfirmed_email TEXT, failed_attempts INTEGER DEFAULT 0 NOT NULL, unlock_token TEXT, locked_at TEXT,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
    CREATE UNIQUE INDEX index_users_on_email ON users (email);""",
    "users",
    {
        **{"id": 7, "email": "ada@example.com", "encrypted_password": stored_hash("bcrypt", "B")},
        **dict.fromkeys(("confirmed_at", "created_at", "updated_at"), "2026-01-02 03:04:05.678901"),
    },
    "ada@example.com",
    "7",
    refused={"id": 8, "email": "konrad@example.com", "confirmed_at": None},
)
ASPNET = Application(
    "aspnet-identity",
    """CREATE TABLE AspNetUsers (Id TEXT NOT NULL PRIMARY KEY, UserName TEXT, NormalizedUserName TEXT, Email TEXT,
    NormalizedEmail TEXT, EmailConfirmed INTEGER NOT NULL, PasswordHash TEXT, SecurityStamp TEXT, ConcurrencyStamp TEXT,
    PhoneNumber TEXT, PhoneNumberConfirmed INTEGER NOT NULL, TwoFactorEnabled INTEGER NOT NULL, LockoutEnd TEXT,
    LockoutEnabled INTEGER NOT NULL, AccessFailedCount INTEGER NOT NULL);
    CREATE UNIQUE INDEX UserNameIndex ON AspNetUsers (NormalizedUserName);""",
    "AspNetUsers",
    {
        **{"Id": "0c5f6a80-7f4e-4d55-9a36-0c6b0a5a7b11", "UserName": "ada", "NormalizedUserName": "ADA"},
        **{"Email": "ada@example.com", "NormalizedEmail": "ADA@EXAMPLE.COM", "EmailConfirmed": 1},
        **{"PasswordHash": stored_hash("aspnet_v3", "B"), "PhoneNumberConfirmed": 0, "TwoFactorEnabled": 0},
        **{"LockoutEnd": None, "LockoutEnabled": 1, "AccessFailedCount": 0},
    },
    "ada",
    "0c5f6a80-7f4e-4d55-9a36-0c6b0a5a7b11",
    refused={
        **{"Id": "8", "UserName": "konrad", "NormalizedUserName": "KONRAD", "Email": "konrad@example.com"},
        **{"LockoutEnd": "9999-12-31 23:59:59"},
    },
)
_SECRET, _, _HOW = stored_hash("keycloak", "B").partition("\n")
KEYCLOAK = Application(
    "keycloak",
    """CREATE TABLE realm (id TEXT NOT NULL PRIMARY KEY, name TEXT UNIQUE);
    CREATE TABLE user_entity (id TEXT NOT NULL PRIMARY KEY, email TEXT, email_constraint TEXT,
    email_verified INTEGER NOT NULL DEFAULT 0, enabled INTEGER NOT NULL DEFAULT 0, federation_link TEXT,
    first_name TEXT, last_name TEXT, realm_id TEXT, username TEXT, created_timestamp INTEGER,
    service_account_client_link TEXT, not_before INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE credential (id TEXT NOT NULL PRIMARY KEY, salt BLOB, type TEXT, user_id TEXT, created_date INTEGER,
    user_label TEXT, secret_data TEXT, credential_data TEXT, priority INTEGER);
    CREATE TABLE user_required_action (user_id TEXT NOT NULL, required_action TEXT NOT NULL DEFAULT ' ',
    PRIMARY KEY (required_action, user_id));""",
    "user_entity",
    {
        **{"id": "b3b0e0a4-5b2e-4d50-8f8e-2a3f1f1d8c01", "username": "ada", "email": "ada@example.com", "enabled": 1},
        **{"first_name": "Ada", "last_name": "Lovelace", "realm_id": "staff-realm"},
    },
    "ada",
    "b3b0e0a4-5b2e-4d50-8f8e-2a3f1f1d8c01",
    further=(
        ("realm", {"id": "staff-realm", "name": "staff"}),
        ("realm", {"id": "master-realm", "name": "master"}),
        # the same name in another realm
        ("user_entity", {"id": "other", "username": "ada", "realm_id": "master-realm", "enabled": 1}),
        (
            "credential",
            {
                **{"id": "c1", "type": "password", "user_id": "b3b0e0a4-5b2e-4d50-8f8e-2a3f1f1d8c01"},
                **{"secret_data": _SECRET, "credential_data": _HOW},
            },
        ),
        # a second factor is not a password
        ("credential", {"id": "c2", "type": "otp", "user_id": "b3b0e0a4-5b2e-4d50-8f8e-2a3f1f1d8c01"}),
    ),
    settings={"where": "user_entity.realm_id = (SELECT id FROM realm WHERE name = 'staff')"},
)
APPLICATIONS = (WORDPRESS, DRUPAL, DRUPAL7, JOOMLA, PHPBB, MEDIAWIKI, LARAVEL, DEVISE, ASPNET, KEYCLOAK)
