"""Loads the settings of an ini file and opens its database or backends, for the commands.

Errors of the settings and the database become click.ClickException, which ends the command with a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from linkauth.config.settings import Settings
    from linkauth.login.dispatch import NamedBackend


def load_settings(ini: str, for_themes: bool = False) -> Settings:
    """Returns the settings of an ini file, and applies `log_identities`. Raises click.ClickException if invalid.

    With `for_themes`, secrets that cannot be read are replaced by random ones, since a theme author has none.
    """
    from linkauth.config.loader import StartError, app_settings, loader
    from linkauth.config.plugins import read_settings
    from linkauth.config.reader import SettingsError
    from linkauth.login.log_identities import show_identities

    try:
        values = app_settings(ini, loader(ini))
        settings = read_settings(_with_random_secrets(values) if for_themes else values)
    except (StartError, SettingsError) as error:
        raise click.ClickException(str(error)) from None
    show_identities(settings)
    return settings


def _with_random_secrets(values: Mapping[str, str]) -> dict[str, str]:
    """Returns the values with another one for each secret whose file or environment variable cannot be read."""
    from secrets import token_hex

    from linkauth.config.references import dereference

    found = dict(values)
    for key, value in values.items():
        is_reference = key.startswith("linkauth.") and value.strip().startswith(("file:", "env:"))
        if not is_reference or not dereference(value.strip())[1]:
            continue
        if key == "linkauth.previous_secrets":
            del found[key]
        elif key.endswith(("secret", "password", "pepper")):
            found[key] = token_hex(32)
        elif key == "linkauth.database" or values.get(f"{key.rpartition('.')[0]}.use") == "sql":
            found[key] = "sqlite:////var/lib/linkauth/none.sqlite"
    return found


@contextmanager
def open_database(ini: str, current: bool = True) -> Iterator[tuple[Settings, Engine]]:
    """Opens the database of an ini file. With `current`, its schema must be that of this version.

    Raises click.ClickException for invalid settings and for database errors, also those inside the `with` block.
    """
    settings = load_settings(ini)

    from sqlalchemy.exc import SQLAlchemyError

    from linkauth.config.reader import SettingsError
    from linkauth.oauth2.errors import StorageUnavailableError
    from linkauth.redaction import reason
    from linkauth.storage import open_storage

    try:
        with open_storage(settings, current) as engine:
            yield settings, engine
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except UnicodeError:
        raise click.ClickException("a value on the command line is not valid UTF-8") from None
    except (SQLAlchemyError, StorageUnavailableError) as error:
        raise click.ClickException(f"{ini}: the database failed: {reason(error)}") from None


@contextmanager
def load_backends(ini: str) -> Iterator[tuple[Settings, tuple[NamedBackend, ...]]]:
    """Opens the backends of an ini file, in the configured order. It does not open the database.

    The messages of the backends show names in full, because the operator has typed them or looks for them. So they go
    to the terminal, and not to the configured log.
    """
    settings = load_settings(ini)

    from linkauth.cli.terminal_log import diverted, terminal_handler
    from linkauth.config.reader import SettingsError
    from linkauth.login.log_identities import show_identities
    from linkauth.login.opening import opened_backends

    show_identities(settings, "full")
    try:
        with diverted(terminal_handler()), opened_backends(settings) as backends:
            yield settings, backends
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
