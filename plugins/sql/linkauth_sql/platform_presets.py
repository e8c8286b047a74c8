"""The settings for portals, forums and business applications. `presets` describes the form.

REPLACE(',#,', '#', value) encloses a value in commas: the operator and the function for it differ between databases.
The number 99999999999 is a time in the year 5138.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SPRING_SECURITY: Mapping[str, Any] = {
    # the default schema of JdbcDaoImpl, which finds only people with an authority
    "table": "{prefix}users",
    "where": "EXISTS (SELECT 1 FROM {prefix}authorities WHERE {prefix}authorities.username = {prefix}users.username)",
    "subject_column": "username",
    "username_columns": ("username",),
    "password_column": "password",
    "active_column": "enabled",
    # the further columns that JdbcUserDetailsManager can read, and those of the interface UserDetails
    "optional_columns": (
        *("locked:acc_locked", "disabled:acc_expired", "must_change:creds_expired", "active:account_non_locked"),
        *("active:account_non_expired", "active:credentials_non_expired"),
    ),
    # the schemes spring_scrypt, spring_pbkdf2 and spring_standard read their prefix themselves
    "password_prefixes": ("{bcrypt}", "{argon2}", "{argon2@SpringSecurity_v5_8}", "{ldap}"),
}

NEXTCLOUD: Mapping[str, Any] = {
    "table_prefix": "oc_",
    "table": "{prefix}users",
    "subject_column": "uid",
    "username_columns": ("uid",),
    "password_column": "password",
    "name_column": "displayname",
    "email_column": (
        "(SELECT MAX(configvalue) FROM {prefix}preferences WHERE {prefix}preferences.userid = {prefix}users.uid"
        " AND appid = 'settings' AND configkey = 'email')"
    ),
    # only people who were disabled once have this preference
    "active_column": (
        "(COALESCE((SELECT MIN(configvalue) FROM {prefix}preferences WHERE {prefix}preferences.userid ="
        " {prefix}users.uid AND appid = 'core' AND configkey = 'enabled'), 'true'))"
    ),
    # bcrypt, Argon2i and Argon2id
    "password_prefixes": ("1|", "2|", "3|"),
}

MOODLE: Mapping[str, Any] = {
    "table_prefix": "mdl_",
    "table": "{prefix}user",
    # people of other sign-in methods have no password here; the guest's password is public
    "where": (
        "deleted = 0 AND username <> 'guest' AND CAST(mnethostid AS CHAR(20)) ="
        " (SELECT value FROM {prefix}config WHERE {prefix}config.name = 'mnet_localhost_id') AND (auth = 'manual' OR"
        # the method email may be switched off, and nobody can switch manual off
        " (auth = 'email' AND EXISTS (SELECT 1 FROM {prefix}config WHERE {prefix}config.name = 'auth'"
        " AND REPLACE(',#,', '#', value) LIKE '%,email,%')))"
    ),
    "subject_column": "id",
    "username_columns": ("username",),
    "password_column": "password",
    "given_name_column": "firstname",
    "family_name_column": "lastname",
    "email_column": "email",
    "active_column": "confirmed",
    "disabled_column": "suspended",
    "must_change_column": (
        "(SELECT MAX(value) FROM {prefix}user_preferences WHERE {prefix}user_preferences.userid = {prefix}user.id"
        " AND {prefix}user_preferences.name = 'auth_forcepasswordchange')"
    ),
    # a lockoutduration of 0 locks until an administrator unlocks; its default is 30 minutes
    "locked_until_column": (
        "(SELECT CASE WHEN COALESCE((SELECT MAX(value) FROM {prefix}config WHERE name = 'lockoutduration'), '1800')"
        " IN ('', '0') THEN 99999999999 ELSE CAST(value AS DECIMAL(20)) + CAST(COALESCE((SELECT MAX(value)"
        " FROM {prefix}config WHERE name = 'lockoutduration'), '1800') AS DECIMAL(20)) END"
        " FROM {prefix}user_preferences WHERE {prefix}user_preferences.userid = {prefix}user.id"
        " AND {prefix}user_preferences.name = 'login_lockout')"
    ),
    "new_scheme": "bcrypt",
}

GITEA: Mapping[str, Any] = {
    "table": "user",
    # organizations are rows of this table too; only the types 0 and 1 have their password here
    "where": "type = 0 AND login_type IN (0, 1)",
    "subject_column": "id",
    "username_columns": ("name", "email"),
    "password_column": "passwd",
    # rows of early releases do not name the algorithm
    "password_parameters_column": "(COALESCE(NULLIF(passwd_hash_algo, ''), 'pbkdf2'))",
    "salt_column": "salt",
    "name_column": "full_name",
    "email_column": "email",
    "active_column": "is_active",
    "disabled_column": "prohibit_login",
    "must_change_column": "must_change_password",
}

DISCOURSE: Mapping[str, Any] = {
    "table": "users",
    "join": (
        "LEFT JOIN user_passwords ON user_passwords.user_id = users.id"
        ' LEFT JOIN user_emails ON user_emails.user_id = users.id AND user_emails."primary" = TRUE'
    ),
    # the system and its robot have negative numbers; staged people are only authors of mails
    "where": "users.id > 0 AND users.staged = FALSE",
    "subject_column": "users.id",
    "username_columns": ("users.username", "user_emails.email"),
    "password_column": "user_passwords.password_hash",
    "password_parameters_column": "user_passwords.password_algorithm",
    "salt_column": "user_passwords.password_salt",
    "name_column": "users.name",
    "email_column": "user_emails.email",
    "active_column": "users.active",
    "disabled_column": (
        "(CASE WHEN users.approved = FALSE AND users.admin = FALSE AND EXISTS (SELECT 1 FROM site_settings"
        " WHERE site_settings.name = 'must_approve_users' AND site_settings.value = 't') THEN 1"
        # as email_confirmed? of its model User
        " WHEN EXISTS (SELECT 1 FROM email_tokens WHERE email_tokens.user_id = users.id) AND NOT EXISTS (SELECT 1"
        " FROM email_tokens WHERE email_tokens.user_id = users.id AND email_tokens.confirmed = TRUE"
        " AND LOWER(email_tokens.email) = LOWER(user_emails.email)) AND NOT EXISTS (SELECT 1"
        " FROM single_sign_on_records WHERE single_sign_on_records.user_id = users.id"
        " AND LOWER(single_sign_on_records.external_email) = LOWER(user_emails.email)) THEN 1 ELSE 0 END)"
    ),
    "locked_until_column": "users.suspended_till",
    "password_expires_column": "user_passwords.password_expired_at",
}

_REDMINE_DAYS = (
    "(SELECT MAX(value) FROM {prefix}settings WHERE {prefix}settings.name = 'password_max_age'"
    " AND value NOT IN ('', '0'))"
)
"""The maximum age of passwords, NULL if there is none."""
REDMINE: Mapping[str, Any] = {
    "table": "{prefix}users",
    # groups and the anonymous visitor are rows of this table too; others have their password in a directory
    "where": "type = 'User' AND auth_source_id IS NULL",
    "subject_column": "id",
    "username_columns": ("login",),
    "password_column": "hashed_password",
    "salt_column": "salt",
    "digest": "sha1(salt + sha1(password))",
    "schemes": ("strong", "digest"),
    "given_name_column": "firstname",
    "family_name_column": "lastname",
    "email_column": (
        "(SELECT MIN(address) FROM {prefix}email_addresses WHERE {prefix}email_addresses.user_id = {prefix}users.id"
        " AND {prefix}email_addresses.is_default = TRUE)"
    ),
    "active_column": "status",
    "active_values": ("1",),
    # anonymous, registered, locked
    "disabled_values": ("0", "2", "3"),
    "must_change_column": "must_change_passwd",
    # a maximum age of 0 days means no end; without a time of the last change, the password has expired
    "password_expires_column": {
        "mysql": f"(COALESCE(passwd_changed_on, '2000-01-01') + INTERVAL CAST({_REDMINE_DAYS} AS SIGNED) DAY)",
        "postgresql": (
            f"(COALESCE(passwd_changed_on, '2000-01-01') + CAST({_REDMINE_DAYS} AS INTEGER) * INTERVAL '1 day')"
        ),
        "sqlite": f"(datetime(COALESCE(passwd_changed_on, '2000-01-01'), {_REDMINE_DAYS} || ' days'))",
        "mssql": f"(DATEADD(day, CAST({_REDMINE_DAYS} AS INT), COALESCE(passwd_changed_on, '2000-01-01')))",
    },
}

TYPO3: Mapping[str, Any] = {
    "table": "fe_users",
    "where": "deleted = 0",
    "subject_column": "uid",
    "username_columns": ("username",),
    "password_column": "password",
    "name_column": "name",
    "given_name_column": "first_name",
    "family_name_column": "last_name",
    "email_column": "email",
    "disabled_column": "disable",
    # the account begins at this time
    "locked_until_column": "starttime",
    "expires_column": "endtime",
    "time_form": "seconds",
    "schemes": ("strong", "phpass"),
    "new_scheme": "bcrypt",
}

ODOO: Mapping[str, Any] = {
    "table": "res_users",
    "join": "JOIN res_partner ON res_partner.id = res_users.partner_id",
    "subject_column": "res_users.id",
    "username_columns": ("res_users.login",),
    "password_column": "res_users.password",
    "name_column": "res_partner.name",
    "email_column": "res_partner.email",
    "active_column": "res_users.active",
}

SYMFONY_FOS: Mapping[str, Any] = {
    "table": "fos_user",
    "subject_column": "id",
    "username_columns": ("username", "email"),
    "password_column": "password",
    "salt_column": "salt",
    # rows without a salt contain bcrypt or Argon2
    "digest": "base64(rounds(5000, sha512(raw(previous) + password + '{' + salt + '}')))",
    "name_column": "username",
    "email_column": "email",
    "active_column": "enabled",
    # the columns of FOSUserBundle 1
    "optional_columns": (
        *("locked:locked", "disabled:expired", "expires:expires_at", "must_change:credentials_expired"),
        "password_expires:credentials_expire_at",
    ),
}

GITLAB: Mapping[str, Any] = {
    "table": "users",
    # robots and ghosts have other types; NULL is of older releases
    "where": "COALESCE(user_type, 0) = 0",
    "subject_column": "id",
    "username_columns": ("username", "email"),
    "password_column": "encrypted_password",
    "name_column": "name",
    "email_column": "email",
    "active_column": "state",
    "active_values": ("active",),
    "disabled_values": ("blocked", "ldap_blocked", "blocked_pending_approval", "banned", "deactivated"),
    "optional_columns": ("active:confirmed_at",),
    "locked_column": "locked_at",
    # the default of failed_login_attempts_unlock_period_in_minutes
    "locked_seconds": 600,
    "password_expires_column": "password_expires_at",
    "new_scheme": "bcrypt",
}

VBULLETIN: Mapping[str, Any] = {
    "table": "{prefix}user",
    "subject_column": "userid",
    "username_columns": ("username",),
    "password_column": "password",
    "salt_column": "salt",
    "digest": "md5(md5(password) + salt)",
    "password_form": "entities",
    "schemes": ("strong", "digest"),
    "name_column": "username",
    "email_column": "email",
    # the groups 3 and 4 await the confirmation of the address and moderation; 32 marks the groups that are not banned
    "disabled_column": (
        "(CASE WHEN usergroupid NOT IN (3, 4) AND EXISTS (SELECT 1 FROM {prefix}usergroup WHERE"
        " {prefix}usergroup.usergroupid = {prefix}user.usergroupid AND genericoptions & 32 = 32) THEN 0 ELSE 1 END)"
    ),
    "locked_until_column": (
        "(SELECT MAX(CASE WHEN liftdate = 0 THEN 99999999999 ELSE liftdate END) FROM {prefix}userban"
        " WHERE {prefix}userban.userid = {prefix}user.userid)"
    ),
}

MYBB: Mapping[str, Any] = {
    "table_prefix": "mybb_",
    "table": "{prefix}users",
    "subject_column": "uid",
    "username_columns": ("username",),
    "password_column": "password",
    "salt_column": "salt",
    "digest": "md5(md5(salt) + md5(password))",
    "schemes": ("strong", "digest"),
    "name_column": "username",
    "email_column": "email",
    # group 5 awaits activation, and a COPPA user the consent of the parents; one banned group of several bans
    "disabled_column": (
        "(CASE WHEN usergroup = 5 OR coppauser <> 0 OR EXISTS (SELECT 1 FROM {prefix}usergroups WHERE isbannedgroup = 1"
        " AND (gid = usergroup OR REPLACE(',#,', '#', additionalgroups) LIKE"
        " REPLACE('%,#,%', '#', CAST(gid AS CHAR(10))))) THEN 1 ELSE 0 END)"
    ),
    "locked_until_column": (
        "(SELECT MAX(CASE WHEN lifted = 0 THEN 99999999999 ELSE lifted END) FROM {prefix}banned"
        " WHERE {prefix}banned.uid = {prefix}users.uid)"
    ),
    "optional_columns": ("locked_until:loginlockoutexpiry",),
}

PLATFORM_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "spring-security": SPRING_SECURITY,
    "nextcloud": NEXTCLOUD,
    "moodle": MOODLE,
    "gitea": GITEA,
    "discourse": DISCOURSE,
    "redmine": REDMINE,
    "typo3": TYPO3,
    "odoo": ODOO,
    "symfony-fos": SYMFONY_FOS,
    "gitlab": GITLAB,
    "vbulletin": VBULLETIN,
    "mybb": MYBB,
}
