"""Loads the settings of an ini file and opens its database or backends, for the commands.

Errors of the settings and the database become click.ClickException, which ends the command with a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from linkauth.config.settings import Settings
    from linkauth.login.dispatch import NamedBackend


def load_settings(ini: str) -> Settings:
    """Returns the settings of an ini file. Raises click.ClickException if they are invalid."""
    from linkauth.config.loader import StartError, app_settings, loader
    from linkauth.config.plugins import read_settings
    from linkauth.config.reader import SettingsError

    try:
        return read_settings(app_settings(ini, loader(ini)))
    except (StartError, SettingsError) as error:
        raise click.ClickException(str(error)) from None


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
    """Opens the backends of an ini file, in the configured order. It does not open the database."""
    settings = load_settings(ini)

    from linkauth.config.reader import SettingsError
    from linkauth.login.opening import opened_backends

    try:
        with opened_backends(settings) as backends:
            yield settings, backends
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
