"""The settings for common applications. The ini file overrides them.

`{prefix}` is replaced by the setting `table_prefix`. A column in parentheses is an SQL expression. A mapping
contains the value for each kind of database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from linkauth_sql.platform_presets import PLATFORM_PRESETS

Preset = Literal[
    "none",
    "django",
    "wordpress",
    "drupal",
    "drupal7",
    "joomla",
    "phpbb",
    "mediawiki",
    "laravel",
    "devise",
    "aspnet-identity",
    "keycloak",
    "spring-security",
    "nextcloud",
    "moodle",
    "gitea",
    "discourse",
    "redmine",
    "typo3",
    "odoo",
    "symfony-fos",
    "gitlab",
    "vbulletin",
    "mybb",
]
KEYS_WITH_QUERY = (
    "table_prefix",
    "schemes",
    "password_form",
    "password_prefixes",
    "digest",
    "new_scheme",
    "locked_seconds",
    "time_form",
)
"""The settings of a preset that also apply to a `query`, which selects the table and the columns itself."""
COLUMN_KINDS = (
    "active",
    "disabled",
    "locked",
    "locked_until",
    "lock_enabled",
    "expires",
    "must_change",
    "password_expires",
)
"""The kinds of columns that decide whether an account may sign in, also used in `optional_columns`."""


def _of_kind(kind: str, columns: str) -> tuple[str, ...]:
    return tuple(f"{kind}:{column}" for column in columns.split())


_RAILS_AND_LARAVEL_COLUMNS = (
    *_of_kind("active", "active is_active enabled is_enabled approved is_approved approved_at state status"),
    *_of_kind("disabled", "deleted_at discarded_at archived_at banned_at blocked_at suspended_at disabled_at"),
    *_of_kind(
        "disabled", "deactivated_at deleted is_deleted banned is_banned blocked is_blocked suspended is_suspended"
    ),
    *_of_kind("disabled", "disabled is_disabled archived is_archived"),
    *_of_kind("locked_until", "banned_until blocked_until suspended_until locked_until"),
)
"""Columns that libraries for soft deletes, states and bans add to a users table."""

_SEVERAL_TABLES = "an account of it has rows in several tables"
VALUE_LABEL = "value@"
"""What the labels of the columns begin with that `digest` uses. The name in `digest` follows."""
UNREGISTRABLE: Mapping[str, str] = {
    "drupal": _SEVERAL_TABLES,
    # the number of an account is from the table sequences
    "drupal7": _SEVERAL_TABLES,
    "keycloak": _SEVERAL_TABLES,
    "mediawiki": "its user names begin with a capital letter, and it forms them by rules of its own",
    "phpbb": "it compares user names in a form of its own, which only phpBB computes",
    **dict.fromkeys(PLATFORM_PRESETS, "linkauth does not know all that it stores for a new account"),
}
"""The presets that cannot register accounts, and the reason."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "django": {
        "table": "{prefix}auth_user",
        "subject_column": "id",
        "username_columns": ("username",),
        "password_column": "password",
        "given_name_column": "first_name",
        "family_name_column": "last_name",
        "email_column": "email",
        "active_column": "is_active",
        # every Django supports it without an additional package
        "new_scheme": "django_pbkdf2_sha256",
        "new_account": ("is_superuser=false", "is_staff=false", "is_active=true", "date_joined=now"),
    },
    "wordpress": {
        "table_prefix": "wp_",
        "table": "{prefix}users",
        "subject_column": "ID",
        "username_columns": ("user_login", "user_email"),
        # WordPress supports only MariaDB and MySQL, where these columns ignore case and have an index
        "username_match": "collation",
        "password_column": "user_pass",
        "name_column": "display_name",
        "email_column": "user_email",
        "disabled_column": "user_status",
        # BuddyPress: 1 is spam, 2 is not activated yet
        "disabled_values": ("2",),
        # these columns exist only in a multisite network
        "optional_columns": _of_kind("disabled", "spam deleted"),
        "schemes": ("strong", "phpass"),
        "password_form": "slashed",
        # WordPress 6.8 and later verify it with password_verify(), older versions with phpass, which uses crypt()
        "new_scheme": "bcrypt",
        "new_account": ("user_nicename={username}", "user_registered=now", "user_status=0"),
    },
    "drupal": {
        "table": "{prefix}users_field_data",
        # the table has one row per language of a person
        "where": "default_langcode = 1",
        "subject_column": "uid",
        "username_columns": ("name", "mail"),
        "password_column": "pass",
        "name_column": "name",
        "email_column": "mail",
        "active_column": "status",
        "schemes": ("strong", "phpass"),
        # Drupal 10.1 and later; older versions accept only drupal7
        "new_scheme": "bcrypt",
    },
    "drupal7": {
        "table": "{prefix}users",
        "where": "uid > 0",
        "subject_column": "uid",
        "username_columns": ("name", "mail"),
        "password_column": "pass",
        "name_column": "name",
        "email_column": "mail",
        "active_column": "status",
        "schemes": ("strong", "phpass"),
        "new_scheme": "drupal7",
    },
    "joomla": {
        "table_prefix": "jos_",
        "table": "{prefix}users",
        "subject_column": "id",
        "username_columns": ("username",),
        "password_column": "password",
        "name_column": "name",
        "email_column": "email",
        # the column activation is not used: it also contains tokens for forgotten passwords
        "disabled_column": "block",
        "must_change_column": "requireReset",
        "schemes": ("strong", "phpass"),
        "new_scheme": "bcrypt",
        "new_account": ("registerDate=now", "params={}"),
    },
    "phpbb": {
        "table_prefix": "phpbb_",
        "table": "{prefix}users",
        # type 2 is the anonymous visitor and robots
        "where": "user_type <> 2",
        "subject_column": "user_id",
        "username_columns": ("username",),
        "password_column": "user_password",
        "name_column": "username",
        "email_column": "user_email",
        # 0 is normal, 1 is inactive (for any user_inactive_reason), 3 is a founder
        "active_column": "user_type",
        "active_values": ("0", "3"),
        "disabled_values": ("1", "2"),
        "locked_until_column": (
            "(SELECT MAX(CASE WHEN ban_end = 0 THEN 99999999999 ELSE ban_end END) FROM {prefix}banlist"
            " WHERE ban_exclude = 0 AND (ban_userid = {prefix}users.user_id OR (ban_email <> '' AND"
            " LOWER({prefix}users.user_email) LIKE LOWER(REPLACE(ban_email, '*', '%')))))"
        ),
        "password_changed_column": "user_passchg",
        "time_form": "seconds",
        "schemes": ("strong", "phpass"),
        "password_form": "html",
        "new_scheme": "bcrypt",
    },
    "mediawiki": {
        "table": "{prefix}user",
        "subject_column": "user_id",
        "username_columns": ("user_name",),
        "password_column": "user_password",
        "name_column": "user_real_name",
        "email_column": "user_email",
        # blocks are not read: they forbid edits, and sign-ins only if the wiki sets $wgBlockDisablesLogin
        "password_expires_column": "user_password_expires",
        "time_form": "digits",
        "new_scheme": "mediawiki_pbkdf2",
    },
    "laravel": {
        "table": "{prefix}users",
        "subject_column": "id",
        "username_columns": ("email",),
        "password_column": "password",
        "name_column": "name",
        "email_column": "email",
        "optional_columns": (
            *_RAILS_AND_LARAVEL_COLUMNS,
            "locked:locked_at",
            *_of_kind("active", "confirmed confirmed_at"),
        ),
        # by default Laravel accepts only the scheme that it uses itself
        "new_scheme": "bcrypt",
        "new_account": ("created_at=now", "updated_at=now"),
    },
    "devise": {
        "table": "users",
        "subject_column": "id",
        "username_columns": ("email",),
        "password_column": "encrypted_password",
        "email_column": "email",
        "active_column": "confirmed_at",
        "locked_column": "locked_at",
        # the default of unlock_in in Devise
        "locked_seconds": 3_600,
        # expired_at is from the module :expirable of devise-security
        "optional_columns": (*_RAILS_AND_LARAVEL_COLUMNS, "expires:expired_at"),
        "new_scheme": "bcrypt",
        "new_account": ("created_at=now", "updated_at=now", "confirmed_at=now"),
    },
    "aspnet-identity": {
        "table": "{prefix}AspNetUsers",
        "subject_column": "Id",
        "username_columns": ("UserName",),
        "password_column": "PasswordHash",
        "email_column": "Email",
        "active_column": "EmailConfirmed",
        "locked_until_column": "LockoutEnd",
        "lock_enabled_column": "LockoutEnabled",
        # columns that applications commonly add to IdentityUser
        "optional_columns": (
            *_of_kind("active", "IsActive Active IsEnabled Enabled IsApproved Approved"),
            *_of_kind(
                "disabled", "IsDeleted Deleted DeletedAt DeletedOn IsDisabled Disabled IsBlocked Blocked IsBanned"
            ),
            *_of_kind("disabled", "IsSuspended IsArchived DeactivatedAt"),
        ),
        "schemes": ("strong", "aspnet_v2"),
        "new_scheme": "aspnet_v3",
        "new_account": (
            *("Id=uuid", "NormalizedUserName={USERNAME}", "NormalizedEmail={EMAIL}", "EmailConfirmed=true"),
            *("SecurityStamp=uuid", "ConcurrencyStamp=uuid", "PhoneNumberConfirmed=false", "TwoFactorEnabled=false"),
            *("LockoutEnabled=true", "AccessFailedCount=0"),
        ),
    },
    "keycloak": {
        "table": "user_entity",
        "join": "LEFT JOIN credential ON credential.user_id = user_entity.id AND credential.type = 'password'",
        "subject_column": "user_entity.id",
        "username_columns": ("user_entity.username", "user_entity.email"),
        "password_column": "credential.secret_data",
        "password_parameters_column": "credential.credential_data",
        "given_name_column": "user_entity.first_name",
        "family_name_column": "user_entity.last_name",
        "email_column": "user_entity.email",
        "active_column": "user_entity.enabled",
        # the actions that Keycloak requires at the next sign-in; temporary brute-force locks are not in the database
        "disabled_column": (
            "(CASE WHEN EXISTS (SELECT 1 FROM user_required_action WHERE user_required_action.user_id = user_entity.id"
            " AND user_required_action.required_action = 'VERIFY_EMAIL') THEN 1 ELSE 0 END)"
        ),
        "must_change_column": (
            "(CASE WHEN EXISTS (SELECT 1 FROM user_required_action WHERE user_required_action.user_id = user_entity.id"
            " AND user_required_action.required_action = 'UPDATE_PASSWORD') THEN 1 ELSE 0 END)"
        ),
    },
    **PLATFORM_PRESETS,
}
