"""Checks and upgrades the schema version of the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy import Engine, column, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.settings import Settings, SettingsError
from linkauth.redaction import reason, redact
from linkauth.storage import postgresql
from linkauth.storage.deadline import OPERATOR_SECONDS, START_SECONDS, operation
from linkauth.storage.engine import open_engine
from linkauth.storage.tables import VERSION_TABLE

HEAD = "0009"
"""The newest migration. It is repeated here so that a start does not import Alembic; a test compares them."""
KEY = "linkauth.database"


def revision(engine: Engine) -> str | None:
    """Returns the schema version of the database, None if it has none. Raises SettingsError if it cannot be read."""
    file = _file(engine)
    with _settings_errors(engine):
        if file is not None and not os.path.exists(file):
            # connecting would create it
            return None
        with operation(START_SECONDS), engine.connect() as connection:
            if not inspect(connection).has_table(VERSION_TABLE):
                return None
            return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()


def require_current(engine: Engine) -> None:
    """Raises SettingsError with the command to run unless the schema version is the one of this code."""
    found = revision(engine)
    if found == HEAD:
        return
    if found is None:
        problem = "has no linkauth tables; create them with: linkauth db upgrade <ini file>"
    elif found < HEAD:
        problem = f"has schema {found}, but this version needs {HEAD}; run: linkauth db upgrade <ini file>"
    else:
        problem = f"has schema {found}, newer than {HEAD} of this version; install the newer version of linkauth"
    raise SettingsError([(KEY, problem)])


@contextmanager
def open_storage(settings: Settings, current: bool = True) -> Iterator[Engine]:
    """Open the database with the long timeouts of operator commands, and close it at exit.

    If `current` is true, the database must have the schema of this version. Raises SettingsError or SQLAlchemyError.
    """
    engine = open_engine(settings.database, for_operator=True)
    try:
        if current:
            require_current(engine)
        yield engine
    finally:
        engine.dispose()


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Applies the missing migrations in one transaction. Returns the schema version before and after.

    Creates a missing SQLite file and its directory. Raises SettingsError on failure.
    """
    before = revision(engine)
    if before is not None and before > HEAD:
        require_current(engine)
    if before != HEAD:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "linkauth.storage:migrations")
        with _settings_errors(engine):
            if file := _file(engine):
                file.parent.mkdir(parents=True, exist_ok=True)
            with operation(OPERATOR_SECONDS), engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    postgresql.lift_limits(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    return before, HEAD


def readable_by_others(engine: Engine) -> list[Path]:
    """Returns the files of an SQLite database that other accounts of this machine may read or write."""
    file = _file(engine)
    files = [file.with_name(file.name + suffix) for suffix in ("", "-wal", "-shm")] if file else []
    return [each for each in files if _mode(each) & 0o077]


def unwritable(engine: Engine) -> str | None:
    """Returns why this account cannot create or write the file of an SQLite database, or None. It leaves no file."""
    file = _file(engine)
    if file is None:
        return None
    try:
        exists = file.exists()
    except OSError as error:
        return f"cannot be opened: {reason(error)}"
    if exists:
        return None if os.access(file, os.R_OK | os.W_OK) else f"cannot be opened: this account cannot write {file}"
    # `upgrade` creates missing folders
    folder = next(each for each in file.absolute().parents if os.path.exists(each))
    if not folder.is_dir():
        return f"cannot be opened: {folder} is not a folder"
    try:
        with TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"cannot be opened: this account cannot write to {folder}: {redact(error.strerror)}"


def _mode(file: Path) -> int:
    """Returns the mode of a file; 0 if it does not exist, because SQLite may delete -wal and -shm files at any time."""
    try:
        return file.stat().st_mode
    except FileNotFoundError:
        return 0


def _file(engine: Engine) -> Path | None:
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


@contextmanager
def _settings_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        # SQLite does not say why it cannot open a file
        problem = unwritable(engine) or f"cannot be opened: {reason(error)}"
        raise SettingsError([(KEY, problem)]) from error
