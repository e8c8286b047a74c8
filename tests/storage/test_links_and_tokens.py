"""Tests of links and tokens on SQLite and PostgreSQL, including database failures."""

from __future__ import annotations

import math
import re
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from linkauth.config.settings import SettingsError
from linkauth.oauth2.tokens import Link, StorageUnavailableError, Token, digest, new_token
from linkauth.storage import KeyStore, LinkAdmin, LinkFilter, LinkStore, open_engine, require_current, schema, upgrade
from linkauth.storage.deadline_connection import DeadlineConnection
from linkauth.storage.tables import full_metadata
from tests.servers.postgresql import PostgreSQL, running

LINK = Link("staff", "1", "ada", "alexa", ("order_car", "basic_profile"), "implicit", "de", 1_700_000_000)


def clear(engine: Engine) -> None:
    full_metadata().drop_all(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS linkauth_version"))


def migrations_of(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"compare_type": True, "version_table": "linkauth_version"})


def find_token(store: LinkStore, token: Token) -> tuple[Link, Token] | None:
    """Looks up a token; returns its link without the database id, and the token, or None."""
    response = store.find(token.digest, token.kind)
    return response and (replace(response[0], id=None), response[1])


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{database_folder}/links.sqlite"
    else:
        url = request.getfixturevalue("postgresql").url
    # without the time limit of requests, which a busy machine exceeds
    engine = open_engine(url, for_operator=True)
    yield engine
    if request.param == "postgresql":
        clear(engine)
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Iterator[LinkStore]:
    upgrade(engine)
    with closing(LinkStore(engine)) as store:
        yield store


def test_token_is_found_by_digest_and_kind(store: LinkStore) -> None:
    token = new_token()
    stored = Token(digest(token), "access", 1_700_000_000, 1_700_003_600)
    store.create(LINK, (stored,))
    assert find_token(store, stored) == (LINK, stored)
    assert store.find(digest(token), "refresh") is None
    assert store.find(digest("another"), "access") is None


def test_only_sha256_of_token_is_stored(store: LinkStore, engine: Engine) -> None:
    token = new_token()
    assert len(token) == 43
    store.create(LINK, (Token(digest(token), "access", 1),))
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(text("SELECT * FROM tokens")).mappings()]
    assert [bytes(row["digest"]) for row in rows] == [sha256(token.encode()).digest()]
    assert token not in str(rows)


def test_link_and_tokens_are_written_in_one_transaction(store: LinkStore, engine: Engine) -> None:
    same = Token(digest(new_token()), "access", 1)
    with pytest.raises(StorageUnavailableError) as caught:
        store.create(LINK, (same, same))
    # the message of the database may contain values
    assert str(caught.value) in ("IntegrityError", "UniqueViolation")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM links")).scalar() == 0


def test_many_threads_write_concurrently(store: LinkStore) -> None:
    def link(number: int) -> bytes:
        token = Token(digest(new_token()), "access", number)
        store.create(LINK, (token,))
        return token.digest

    with ThreadPoolExecutor(16) as threads:
        digests = list(threads.map(link, range(160)))
    assert {result[1].issued_at for each in digests if (result := store.find(each, "access"))} == set(range(160))


def test_newest_migration_matches_table_definitions(engine: Engine) -> None:
    assert upgrade(engine) == (None, schema.HEAD)
    assert upgrade(engine) == (schema.HEAD, schema.HEAD)
    require_current(engine)
    with engine.connect() as connection:
        assert compare_metadata(migrations_of(connection), full_metadata()) == []


def test_schema_can_be_downgraded_and_upgraded(engine: Engine) -> None:
    upgrade(engine)
    config = Config()
    config.set_main_option("script_location", "linkauth.storage:migrations")
    steps = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    for below in [*steps[1:], "base"]:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, below)
    assert inspect(engine).get_table_names() == ["linkauth_version"]
    assert upgrade(engine) == (None, schema.HEAD)
    token = Token(digest(new_token()), "access", 1_700_000_000)
    with engine.connect() as connection:
        assert compare_metadata(migrations_of(connection), full_metadata()) == []
    with closing(LinkStore(engine)) as store:
        store.create(LINK, (token,))
        assert find_token(store, token) == (LINK, token)


def test_head_constant_is_head_of_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", "linkauth.storage:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


@pytest.mark.parametrize(
    ("version", "command"),
    [(None, "linkauth db upgrade"), ("0000", "linkauth db upgrade"), ("9999", "newer version of linkauth")],
)
def test_other_schema_version_is_refused_with_remedy(engine: Engine, version: str | None, command: str) -> None:
    if version:
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("UPDATE linkauth_version SET version_num = :version"), {"version": version})
    with pytest.raises(SettingsError, match=command):
        require_current(engine)


def test_schema_check_does_not_create_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "missing.sqlite"
    with pytest.raises(SettingsError, match="linkauth db upgrade"):
        require_current(open_engine(f"sqlite:///{path}"))
    assert not path.exists()


def test_sqlite_uses_wal_and_full_sync_and_readers_do_not_wait(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    token = Token(digest(new_token()), "access", 1)
    with closing(LinkStore(engine)) as store:
        store.create(LINK, (token,))
        with engine.begin():
            # a write transaction is open on another connection
            assert store.find(token.digest, "access")
    engine.dispose()


def test_locked_sqlite_raises_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "links.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=100")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(LinkStore(engine)) as store, pytest.raises(StorageUnavailableError):
            store.create(LINK, (Token(digest("x"), "access", 1),))
    engine.dispose()


def test_stopped_or_hung_postgresql_raises_unavailable_until_it_is_back(postgresql: PostgreSQL) -> None:
    engine = open_engine(postgresql.url)
    upgrade(engine)
    store = LinkStore(engine)
    token = Token(digest(new_token()), "access", 1)
    store.create(LINK, (token,))
    postgresql.stop()
    with pytest.raises(StorageUnavailableError):
        store.find(token.digest, "access")
    postgresql.start()
    assert find_token(store, token) == (LINK, token)
    postgresql.hang()
    try:
        with pytest.raises(StorageUnavailableError):
            store.find(token.digest, "access")
        with pytest.raises(StorageUnavailableError):
            store.create(LINK, (Token(digest(new_token()), "access", 1),))
    finally:
        postgresql.resume()
    assert find_token(store, token) == (LINK, token)
    store.close()
    clear(engine)
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:db?uri=true",
        "postgresql+nosuchdriver://u@h/d",
    ],
)
def test_unusable_url_is_reported_without_its_value(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^linkauth\.database: ") as error:
        open_engine(url)
    assert url not in str(error.value)


def test_readers_do_not_wait_for_writer(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    keys, link_admin = KeyStore(engine, "secret"), LinkAdmin(engine)
    with closing(LinkStore(engine)) as store, engine.begin():
        # the write transaction of engine.begin() is open
        assert store.revoked_tokens(0) == {}
        assert keys.load_readable() == []
        assert link_admin.count(LinkFilter()) == 0
    engine.dispose()


@pytest.mark.parametrize(("patient", "limit"), [(False, "1500ms"), (True, "0")])
def test_only_commands_have_no_time_limit(postgresql: PostgreSQL, patient: bool, limit: str) -> None:
    engine = open_engine(postgresql.url, patient)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == limit
        assert isinstance(connection.connection.driver_connection, DeadlineConnection) is not patient
    engine.dispose()


def test_cached_keys_are_returned_during_reload(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    keys = KeyStore(engine, "secret")
    created = keys.rotate(1, 2)
    assert [key.kid for key in keys.current()] == [created.kid]
    keys._cache = (-math.inf, keys._cache[1])
    with keys._lock, ThreadPoolExecutor(1) as other:
        assert [key.kid for key in other.submit(keys.current).result(30)] == [created.kid]
    engine.dispose()


def test_unavailable_error_names_its_cause(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    keys = KeyStore(engine, "secret")
    with closing(LinkStore(engine)) as store:
        with pytest.raises(StorageUnavailableError) as failed:
            store.revoked_tokens(0)
        assert str(failed.value) == "OperationalError: no such table: tokens"
        with pytest.raises(StorageUnavailableError, match=r"^OperationalError: no such table: signing_keys$"):
            keys.load_readable()
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "module", "sentence"),
    [
        ("postgresql+psycopg://db/x", "psycopg", "psycopg, which is not installed: pip install 'linkauth[postgresql]'"),
        ("postgresql+pg8000://db/x", "pg8000", "pg8000, which is not installed: pip install pg8000"),
    ],
)
def test_missing_driver_is_reported_with_install_command(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=f"linkauth.database: needs the database driver {re.escape(sentence)}"):
        open_engine(url)
