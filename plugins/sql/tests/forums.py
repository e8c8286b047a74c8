"""The tables of Discourse 3.4, vBulletin 4 and MyBB 1.8, with one person in each; see `platforms`."""

from __future__ import annotations

import hashlib

from .applications import Application
from .vectors import PASSWORDS, stored_hash

ADA = "ada@example.com"
KONRAD = "konrad@example.com"
PASSWORD = PASSWORDS["B"].encode()


def hexadecimal(name: str, *parts: str | bytes) -> str:
    return hashlib.new(name, b"".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()


_DISCOURSE = stored_hash("discourse", "B").split("\n")
DISCOURSE = Application(
    "discourse",
    """CREATE TABLE users (id integer NOT NULL PRIMARY KEY, username varchar(60) NOT NULL, created_at timestamp,
    name varchar, active boolean DEFAULT false NOT NULL, username_lower varchar(60) NOT NULL UNIQUE,
    admin boolean DEFAULT false NOT NULL, approved boolean DEFAULT false NOT NULL, suspended_at timestamp,
    suspended_till timestamp, silenced_till timestamp, staged boolean DEFAULT false NOT NULL);
    CREATE TABLE user_passwords (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL UNIQUE,
    password_hash varchar(64) NOT NULL, password_salt varchar(32) NOT NULL, password_algorithm varchar(64) NOT NULL,
    password_expired_at timestamp, created_at timestamp, updated_at timestamp);
    CREATE TABLE user_emails (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL, email varchar(513) NOT NULL,
    "primary" boolean DEFAULT false NOT NULL, normalized_email varchar);
    CREATE TABLE email_tokens (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL, email varchar NOT NULL,
    confirmed boolean DEFAULT false NOT NULL, expired boolean DEFAULT false NOT NULL, token_hash varchar NOT NULL);
    CREATE TABLE single_sign_on_records (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL,
    external_id varchar NOT NULL, last_payload text NOT NULL, external_email varchar);
    CREATE TABLE site_settings (id integer NOT NULL PRIMARY KEY, name varchar NOT NULL, data_type integer NOT NULL,
    value text);""",
    "users",
    {
        **{"id": 7, "username": "Ada", "username_lower": "ada", "name": "Ada Lovelace", "active": True},
        **{"admin": False, "approved": False, "staged": False},
    },
    "ada",
    "7",
    further=(
        (
            "user_passwords",
            {
                **{"id": 1, "user_id": 7, "password_hash": _DISCOURSE[0]},
                **{"password_salt": "00112233445566778899aabbccddeeff", "password_algorithm": _DISCOURSE[1]},
            },
        ),
        ("user_emails", {"id": 1, "user_id": 7, "email": ADA, '"primary"': True}),
        ("email_tokens", {"id": 1, "user_id": 7, "email": ADA, "confirmed": True, "token_hash": "x"}),
        ("user_emails", {"id": 2, "user_id": 7, "email": "ada@other.example.com", '"primary"': False}),
        (
            "users",
            {
                **{"id": -1, "username": "system", "username_lower": "system", "active": True, "admin": True},
                **{"approved": True, "staged": False},
            },
        ),
    ),
)
VBULLETIN = Application(
    "vbulletin",
    """CREATE TABLE user (userid integer NOT NULL PRIMARY KEY, usergroupid smallint NOT NULL DEFAULT 0,
    username varchar(100) NOT NULL DEFAULT '', password char(32) NOT NULL DEFAULT '', passworddate date,
    email char(100) NOT NULL DEFAULT '', salt char(30) NOT NULL DEFAULT '');
    CREATE TABLE usergroup (usergroupid smallint NOT NULL PRIMARY KEY, title char(100) NOT NULL DEFAULT '',
    genericoptions integer NOT NULL DEFAULT 0);
    CREATE TABLE userban (userid integer NOT NULL DEFAULT 0 PRIMARY KEY, usergroupid smallint NOT NULL DEFAULT 0,
    adminid integer NOT NULL DEFAULT 0, bandate integer NOT NULL DEFAULT 0, liftdate integer NOT NULL DEFAULT 0);""",
    "user",
    {
        **{"userid": 7, "usergroupid": 2, "username": "Ada", "email": ADA, "salt": "xZ=,"},
        "password": hexadecimal("md5", hexadecimal("md5", PASSWORD), "xZ=,"),
    },
    "ada",
    "7",
    further=(
        ("usergroup", {"usergroupid": 2, "title": "Registered Users", "genericoptions": 63}),
        ("usergroup", {"usergroupid": 3, "title": "Users Awaiting Email Confirmation", "genericoptions": 32}),
        ("usergroup", {"usergroupid": 4, "title": "(COPPA) Users Awaiting Moderation", "genericoptions": 32}),
        ("usergroup", {"usergroupid": 8, "title": "Banned Users", "genericoptions": 0}),
        ("usergroup", {"usergroupid": 9, "title": "Spammers", "genericoptions": 31}),
    ),
    refused={"userid": 8, "username": "konrad", "email": KONRAD, "usergroupid": 8},
)
MYBB = Application(
    "mybb",
    """CREATE TABLE mybb_users (uid integer NOT NULL PRIMARY KEY, username varchar(120) NOT NULL DEFAULT '' UNIQUE,
    password varchar(500) NOT NULL DEFAULT '', salt varchar(10) NOT NULL DEFAULT '',
    loginkey varchar(50) NOT NULL DEFAULT '', email varchar(220) NOT NULL DEFAULT '',
    usergroup smallint NOT NULL DEFAULT 0, additionalgroups varchar(200) NOT NULL DEFAULT '',
    coppauser smallint NOT NULL DEFAULT 0, loginattempts smallint NOT NULL DEFAULT 0,
    loginlockoutexpiry integer NOT NULL DEFAULT 0);
    CREATE TABLE mybb_usergroups (gid smallint NOT NULL PRIMARY KEY, title varchar(120) NOT NULL DEFAULT '',
    isbannedgroup smallint NOT NULL DEFAULT 0);
    CREATE TABLE mybb_banned (uid integer NOT NULL DEFAULT 0, gid integer NOT NULL DEFAULT 0,
    dateline integer NOT NULL DEFAULT 0, bantime varchar(50) NOT NULL DEFAULT '',
    lifted integer NOT NULL DEFAULT 0);""",
    "mybb_users",
    {
        **{"uid": 7, "username": "Ada", "email": ADA, "usergroup": 2, "additionalgroups": "17,4", "salt": "k1JAxxQq"},
        "password": hexadecimal("md5", hexadecimal("md5", "k1JAxxQq"), hexadecimal("md5", PASSWORD)),
    },
    "ada",
    "7",
    further=(
        ("mybb_usergroups", {"gid": 2, "title": "Registered"}),
        ("mybb_usergroups", {"gid": 7, "title": "Banned", "isbannedgroup": 1}),
    ),
    refused={"uid": 8, "username": "konrad", "email": KONRAD, "usergroup": 7},
)
