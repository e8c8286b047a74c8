"""What the verbs have in common: an ini's settings, its database and its backends. A fault ends the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.loader import StartError, app_settings, loader
from linkauth.config.plugins import read_settings
from linkauth.config.settings import Settings, SettingsError
from linkauth.login.dispatch import NamedBackend
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.redaction import reason
from linkauth.services import open_backends, open_storage


def settings_of(ini: str) -> Settings:
    """The settings of an ini file."""
    try:
        return read_settings(app_settings(ini, loader(ini)))
    except (StartError, SettingsError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def opened(ini: str, current: bool = True) -> Iterator[tuple[Settings, Engine]]:
    """The settings of an ini file and its database; `current` demands this version's schema."""
    settings = settings_of(ini)
    try:
        with open_storage(settings, current) as engine:
            yield settings, engine
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except UnicodeError:
        raise click.ClickException("a value on the command line is not text in UTF-8") from None
    except (SQLAlchemyError, StorageUnavailableError) as error:
        raise click.ClickException(f"{ini}: the database failed: {reason(error)}") from None


@contextmanager
def backends_of(ini: str) -> Iterator[tuple[Settings, tuple[NamedBackend, ...]]]:
    """The settings of an ini file and its backends in their order, without the database."""
    settings = settings_of(ini)
    try:
        with open_backends(settings) as backends:
            yield settings, backends
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
