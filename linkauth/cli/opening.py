"""What verbs have in common: the ini's settings, its database and its backends, or one sentence why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.loader import StartError, app_settings, loader
from linkauth.config.plugins import open_backends, settings_class
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.login.dispatch import NamedBackend, close
from linkauth.oauth2.errors import StoreUnavailableError
from linkauth.redaction import reason
from linkauth.storage import open_engine, require_current


def settings_of(ini: str) -> Settings:
    """The settings of an ini file; faults end the command."""
    try:
        return read(app_settings(ini, loader(ini)), settings_class)
    except (StartError, SettingsError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def opened(ini: str, current: bool = True) -> Iterator[tuple[Settings, Engine]]:
    """The settings of an ini file and its database, whose schema must be `current`; faults end the command."""
    settings = settings_of(ini)
    try:
        engine = open_engine(settings.database, patient=True)
        try:
            if current:
                require_current(engine)
            yield settings, engine
        finally:
            engine.dispose()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except UnicodeError:
        raise click.ClickException("a value on the command line is not text in UTF-8") from None
    except (SQLAlchemyError, StoreUnavailableError) as error:
        raise click.ClickException(f"{ini}: the database failed: {reason(error)}") from None


@contextmanager
def backends_of(ini: str) -> Iterator[tuple[Settings, list[NamedBackend]]]:
    """The settings of an ini file and its backends in their order, without the database; faults end the command."""
    settings = settings_of(ini)
    try:
        backends = [NamedBackend(*each) for each in open_backends(settings)]
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    try:
        yield settings, backends
    finally:
        for named in backends:
            close(named)
