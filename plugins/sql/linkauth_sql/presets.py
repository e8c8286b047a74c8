"""What the usual applications want: data, and not code. A preset overrides the defaults, the ini overrides both.

`{prefix}` stands for the setting `table_prefix`; a column in parentheses is an SQL expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "table_prefix": "",
    "table": "",
    "join": "",
    "where": "",
    "subject_column": "",
    "username_columns": (),
    "username_match": "lower",
    "password_column": "",
    "password_parameters_column": "",
    "name_column": "",
    "given_name_column": "",
    "family_name_column": "",
    "email_column": "",
    "active_column": "",
    "disabled_column": "",
    "locked_column": "",
    "locked_seconds": 0,
    "locked_until_column": "",
    "lock_enabled_column": "",
    "expires_column": "",
    "password_expires_column": "",
    "must_change_column": "",
    "password_changed_column": "",
    "schemes": ("strong",),
    "password_form": "typed",
    "new_scheme": "argon2",
    "new_account": (),
    "time_form": "timestamp",
}

WHERE_PEOPLE_ARE = frozenset(DEFAULTS) - {
    *("table_prefix", "schemes", "password_form", "new_scheme", "locked_seconds", "time_form"),
}
"""What a `query` says itself."""

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
        # what every Django takes, without a package of its own
        "new_scheme": "django_pbkdf2_sha256",
        "new_account": ("is_superuser=false", "is_staff=false", "is_active=true", "date_joined=now"),
    },
    "wordpress": {
        "table_prefix": "wp_",
        "table": "{prefix}users",
        "subject_column": "ID",
        "username_columns": ("user_login", "user_email"),
        # on MariaDB and MySQL only, where its columns ignore case and have an index
        "username_match": "collation",
        "password_column": "user_pass",
        "name_column": "display_name",
        "email_column": "user_email",
        "disabled_column": "user_status",
        "schemes": ("strong", "phpass"),
        "password_form": "slashed",
        # WordPress since 6.8 takes it by password_verify, older ones by phpass, which asks crypt()
        "new_scheme": "bcrypt",
        "new_account": ("user_nicename={username}", "user_registered=now", "user_status=0"),
    },
    "drupal": {
        "table": "{prefix}users_field_data",
        # one row for each language of a person
        "where": "default_langcode = 1",
        "subject_column": "uid",
        "username_columns": ("name", "mail"),
        "password_column": "pass",
        "name_column": "name",
        "email_column": "mail",
        "active_column": "status",
        "schemes": ("strong", "phpass"),
        # Drupal since 10.1; older ones take drupal7 only
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
        "disabled_column": "block",
        "must_change_column": "requireReset",
        "schemes": ("strong", "phpass"),
        "new_scheme": "bcrypt",
    },
    "phpbb": {
        "table_prefix": "phpbb_",
        "table": "{prefix}users",
        # 2 is for the anonymous visitor and for robots
        "where": "user_type <> 2",
        "subject_column": "user_id",
        "username_columns": ("username",),
        "password_column": "user_password",
        "name_column": "username",
        "email_column": "user_email",
        "active_column": "(CASE WHEN user_type = 1 THEN 0 ELSE 1 END)",
        "locked_until_column": (
            "(SELECT MAX(CASE WHEN ban_end = 0 THEN 99999999999 ELSE ban_end END) FROM {prefix}banlist"
            " WHERE ban_userid = {prefix}users.user_id AND ban_exclude = 0)"
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
        # by default Laravel takes no other hash than the one it makes
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
        # Devise's unlock_in
        "locked_seconds": 3_600,
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
        "schemes": ("strong", "aspnet_v2"),
        "new_scheme": "aspnet_v3",
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
    },
}
