"""The tables of portals and business applications, as their installers create them, with one person in each.

The columns are those of Spring Security 6 (JdbcDaoImpl), Nextcloud 30, Moodle 4.5, Gitea 1.22, Redmine 6, TYPO3 13,
Odoo 17, FOSUserBundle 2 and GitLab 17, without columns that do not concern accounts. The statements work in SQLite and
in the database of the application.
"""

from __future__ import annotations

import base64
import hashlib

from passlib.context import CryptContext

from .applications import Application
from .forums import ADA, DISCOURSE, KONRAD, MYBB, PASSWORD, VBULLETIN, hexadecimal
from .vectors import PASSWORDS, stored_hash


def symfony(salt: str) -> str:
    """Returns what MessageDigestPasswordEncoder('sha512', true, 5000) of Symfony 5 returns."""
    salted = PASSWORD + b"{" + salt.encode() + b"}"
    digest = hashlib.sha512(salted).digest()
    for _ in range(1, 5_000):
        digest = hashlib.sha512(digest + salted).digest()
    return base64.b64encode(digest).decode()


SPRING_SECURITY = Application(
    "spring-security",
    """CREATE TABLE users (username varchar(50) NOT NULL PRIMARY KEY, password varchar(500) NOT NULL,
    enabled boolean NOT NULL);
    CREATE TABLE authorities (username varchar(50) NOT NULL, authority varchar(50) NOT NULL,
    CONSTRAINT fk_authorities_users FOREIGN KEY (username) REFERENCES users (username));
    CREATE UNIQUE INDEX ix_auth_username ON authorities (username, authority);""",
    "users",
    {"username": "ada", "password": "{bcrypt}" + stored_hash("bcrypt", "B"), "enabled": True},
    "ada",
    "ada",
    further=(("authorities", {"username": "ada", "authority": "ROLE_USER"}),),
)
NEXTCLOUD = Application(
    "nextcloud",
    """CREATE TABLE oc_users (uid varchar(64) NOT NULL DEFAULT '' PRIMARY KEY, displayname varchar(64) DEFAULT NULL,
    password varchar(255) NOT NULL DEFAULT '', uid_lower varchar(64) DEFAULT NULL);
    CREATE TABLE oc_preferences (userid varchar(64) NOT NULL DEFAULT '', appid varchar(32) NOT NULL DEFAULT '',
    configkey varchar(64) NOT NULL DEFAULT '', configvalue longtext DEFAULT NULL,
    PRIMARY KEY (userid, appid, configkey));""",
    "oc_users",
    {"uid": "Ada", "displayname": "Ada Lovelace", "password": "3|" + stored_hash("argon2", "B"), "uid_lower": "ada"},
    "ada",
    "Ada",
    further=(
        ("oc_preferences", {"userid": "Ada", "appid": "settings", "configkey": "email", "configvalue": ADA}),
        ("oc_preferences", {"userid": "Ada", "appid": "core", "configkey": "lang", "configvalue": "false"}),
        ("oc_preferences", {"userid": "eve", "appid": "core", "configkey": "enabled", "configvalue": "false"}),
    ),
)
MOODLE = Application(
    "moodle",
    """CREATE TABLE mdl_user (id bigint NOT NULL PRIMARY KEY, auth varchar(20) NOT NULL DEFAULT 'manual',
    confirmed smallint NOT NULL DEFAULT 0, policyagreed smallint NOT NULL DEFAULT 0,
    deleted smallint NOT NULL DEFAULT 0, suspended smallint NOT NULL DEFAULT 0, mnethostid bigint NOT NULL DEFAULT 0,
    username varchar(100) NOT NULL DEFAULT '', password varchar(255) NOT NULL DEFAULT '',
    idnumber varchar(255) NOT NULL DEFAULT '', firstname varchar(100) NOT NULL DEFAULT '',
    lastname varchar(100) NOT NULL DEFAULT '', email varchar(100) NOT NULL DEFAULT '');
    CREATE UNIQUE INDEX mdl_user_mneuse_uix ON mdl_user (mnethostid, username);
    CREATE TABLE mdl_user_preferences (id bigint NOT NULL PRIMARY KEY, userid bigint NOT NULL,
    name varchar(255) NOT NULL DEFAULT '', value varchar(1333) NOT NULL DEFAULT '');
    CREATE TABLE mdl_config (id bigint NOT NULL PRIMARY KEY, name varchar(255) NOT NULL DEFAULT '',
    value text NOT NULL);""",
    "mdl_user",
    {
        **{"id": 7, "auth": "manual", "confirmed": 1, "mnethostid": 1, "username": "ada", "firstname": "Ada"},
        **{"password": stored_hash("sha512_crypt", "B"), "lastname": "Lovelace", "email": ADA},
    },
    "ada",
    "7",
    further=(
        ("mdl_config", {"id": 1, "name": "mnet_localhost_id", "value": "1"}),
        ("mdl_config", {"id": 2, "name": "auth", "value": "ldap,email"}),
        (
            "mdl_user",
            {
                **{"id": 1, "confirmed": 1, "mnethostid": 1, "username": "guest", "firstname": "Guest user"},
                **{"password": stored_hash("bcrypt", "A"), "email": "root@localhost"},
            },
        ),
        # the same name on another host
        ("mdl_user", {"id": 9, "auth": "mnet", "confirmed": 1, "mnethostid": 3, "username": "ada"}),
    ),
    refused={"id": 8, "username": "konrad", "email": KONRAD, "suspended": 1},
)
GITEA_SALT = "00112233445566778899aabbccddeeff"
_GITEA = stored_hash("gitea", "B").split("\n")
GITEA = Application(
    "gitea",
    """CREATE TABLE "user" (id bigint NOT NULL PRIMARY KEY, lower_name varchar(255) NOT NULL UNIQUE,
    name varchar(255) NOT NULL UNIQUE, full_name varchar(255), email varchar(255) NOT NULL, keep_email_private boolean,
    passwd varchar(255) NOT NULL, passwd_hash_algo varchar(255) DEFAULT 'argon2',
    must_change_password boolean NOT NULL DEFAULT false, login_type integer, login_source bigint NOT NULL DEFAULT 0,
    login_name varchar(255), type integer, salt varchar(32), is_active boolean, is_admin boolean,
    prohibit_login boolean NOT NULL DEFAULT false);""",
    '"user"',
    {
        **{"id": 7, "lower_name": "ada", "name": "Ada", "full_name": "Ada Lovelace", "email": ADA, "login_type": 0},
        **{"passwd": _GITEA[0], "passwd_hash_algo": _GITEA[1], "type": 0, "salt": GITEA_SALT},
        **{"is_active": True, "must_change_password": False, "prohibit_login": False},
    },
    "ada",
    "7",
    further=(
        (
            '"user"',
            {
                **{"id": 6, "lower_name": "staff", "name": "staff", "email": "", "passwd": "", "type": 1},
                **{"is_active": True, "login_type": 0},
            },
        ),
    ),
    refused={"id": 8, "name": "konrad", "lower_name": "konrad", "email": KONRAD, "prohibit_login": True},
)
REDMINE = Application(
    "redmine",
    """CREATE TABLE users (id integer NOT NULL PRIMARY KEY, login varchar(255) NOT NULL DEFAULT '',
    hashed_password varchar(40) NOT NULL DEFAULT '', firstname varchar(30) NOT NULL DEFAULT '',
    lastname varchar(255) NOT NULL DEFAULT '', admin boolean NOT NULL DEFAULT false, status integer NOT NULL DEFAULT 1,
    auth_source_id integer, type varchar(255), salt varchar(64), must_change_passwd boolean NOT NULL DEFAULT false,
    passwd_changed_on timestamp NULL);
    CREATE TABLE email_addresses (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL,
    address varchar(255) NOT NULL, is_default boolean NOT NULL DEFAULT false);
    CREATE TABLE settings (id integer NOT NULL PRIMARY KEY, name varchar(255) NOT NULL DEFAULT '', value text,
    updated_on timestamp NULL);""",
    "users",
    {
        **{"id": 7, "login": "ada", "firstname": "Ada", "lastname": "Lovelace", "status": 1, "type": "User"},
        "hashed_password": hexadecimal("sha1", "82090c953c4a0000a7db253b0691a6b4", hexadecimal("sha1", PASSWORD)),
        **{"salt": "82090c953c4a0000a7db253b0691a6b4", "must_change_passwd": False},
        "passwd_changed_on": "2026-01-02 03:04:05",
    },
    "ada",
    "7",
    further=(
        ("settings", {"id": 1, "name": "password_max_age", "value": "36500"}),
        ("email_addresses", {"id": 1, "user_id": 7, "address": ADA, "is_default": True}),
        ("email_addresses", {"id": 2, "user_id": 7, "address": "a@example.com", "is_default": False}),
        ("users", {"id": 2, "login": "", "lastname": "Anonymous", "status": 0, "type": "AnonymousUser"}),
        ("users", {"id": 3, "login": "", "lastname": "Staff", "status": 1, "type": "Group"}),
    ),
    refused={"id": 8, "login": "konrad", "status": 3},
)
TYPO3 = Application(
    "typo3",
    """CREATE TABLE fe_users (uid integer NOT NULL PRIMARY KEY, pid integer NOT NULL DEFAULT 0,
    tstamp integer NOT NULL DEFAULT 0, crdate integer NOT NULL DEFAULT 0, deleted smallint NOT NULL DEFAULT 0,
    disable smallint NOT NULL DEFAULT 0, starttime integer NOT NULL DEFAULT 0, endtime integer NOT NULL DEFAULT 0,
    username varchar(255) NOT NULL DEFAULT '', password varchar(255) NOT NULL DEFAULT '', usergroup text,
    name varchar(160) NOT NULL DEFAULT '', first_name varchar(50) NOT NULL DEFAULT '',
    last_name varchar(50) NOT NULL DEFAULT '', email varchar(255) NOT NULL DEFAULT '');""",
    "fe_users",
    {
        **{"uid": 7, "username": "ada", "password": stored_hash("argon2", "B"), "usergroup": "1"},
        **{"name": "Ada Lovelace", "email": ADA},
    },
    "ada",
    "7",
    further=(("fe_users", {"uid": 6, "username": "ada", "deleted": 1, "password": stored_hash("bcrypt", "B")}),),
    refused={"uid": 8, "username": "konrad", "email": KONRAD, "disable": 1},
)
ODOO = Application(
    "odoo",
    """CREATE TABLE res_partner (id integer NOT NULL PRIMARY KEY, name varchar, email varchar, active boolean);
    CREATE TABLE res_users (id integer NOT NULL PRIMARY KEY, company_id integer NOT NULL, partner_id integer NOT NULL,
    active boolean DEFAULT true, login varchar NOT NULL UNIQUE, password varchar, share boolean);""",
    "res_users",
    {
        **{"id": 7, "company_id": 1, "partner_id": 70, "active": True, "login": "ada"},
        # the context of odoo/addons/base/models/res_users.py, with fewer rounds
        "password": CryptContext(["pbkdf2_sha512"], pbkdf2_sha512__rounds=1_000).hash(PASSWORDS["B"]),
    },
    "ada",
    "7",
    further=(
        ("res_partner", {"id": 70, "name": "Ada Lovelace", "email": ADA, "active": True}),
        ("res_users", {"id": 4, "company_id": 1, "partner_id": 70, "active": False, "login": "public"}),
    ),
    refused={"id": 8, "login": "konrad", "company_id": 1, "active": False},
)
SYMFONY_FOS = Application(
    "symfony-fos",
    """CREATE TABLE fos_user (id integer NOT NULL PRIMARY KEY, username varchar(180) NOT NULL,
    username_canonical varchar(180) NOT NULL UNIQUE, email varchar(180) NOT NULL,
    email_canonical varchar(180) NOT NULL UNIQUE, enabled smallint NOT NULL, salt varchar(255) DEFAULT NULL,
    password varchar(255) NOT NULL, confirmation_token varchar(180) DEFAULT NULL, roles text NOT NULL);""",
    "fos_user",
    {
        **{"id": 7, "username": "Ada", "username_canonical": "ada", "email": ADA, "email_canonical": ADA},
        **{"enabled": 1, "salt": "i5zxo4gv7qs8kgs0g4o8cgkccs4gk8w", "roles": "a:0:{}"},
        "password": symfony("i5zxo4gv7qs8kgs0g4o8cgkccs4gk8w"),
    },
    "ada",
    "7",
    refused={
        **{"id": 8, "username": "konrad", "username_canonical": "konrad", "email": KONRAD, "email_canonical": KONRAD},
        "enabled": 0,
    },
)
GITLAB = Application(
    "gitlab",
    """CREATE TABLE users (id integer NOT NULL PRIMARY KEY, email varchar DEFAULT '' NOT NULL UNIQUE,
    encrypted_password varchar DEFAULT '' NOT NULL, name varchar DEFAULT '' NOT NULL, admin boolean DEFAULT false,
    failed_attempts integer DEFAULT 0, locked_at timestamp, username varchar, state varchar DEFAULT 'active' NOT NULL,
    confirmed_at timestamp, password_expires_at timestamp, password_automatically_set boolean DEFAULT false,
    user_type smallint DEFAULT 0 NOT NULL);""",
    "users",
    {
        **{"id": 7, "email": ADA, "name": "Ada Lovelace", "username": "ada", "state": "active", "user_type": 0},
        **{"encrypted_password": stored_hash("bcrypt", "B"), "confirmed_at": "2026-01-02 03:04:05"},
    },
    "ada",
    "7",
    further=(("users", {"id": 6, "email": "ghost@example.com", "username": "ghost", "user_type": 5}),),
    refused={"id": 8, "username": "konrad", "email": KONRAD, "state": "blocked"},
)
PLATFORMS = (
    *(SPRING_SECURITY, NEXTCLOUD, MOODLE, GITEA, DISCOURSE, REDMINE, TYPO3, ODOO, SYMFONY_FOS, GITLAB, VBULLETIN, MYBB),
)
