"""The backend contract on real database servers, and tests of hangs, restarts and permissions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    PasswordRefused,
    UnknownUser,
)
from linkauth.testing import BackendContract, Known
from linkauth.testing.store import wait_for_recovery
from linkauth_sql.engine import CONNECTIONS
from tests.servers import mariadb
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from . import vectors
from .servers import PASSWORD, MariaDBStore, PostgreSQLStore, ServerStore
from .stores import ALL_POWERS

NARROW = "ALTER TABLE people MODIFY hash VARCHAR(60)"
WRITING = {**ALL_POWERS, "new_account": ("active=true",)}


class ServerContract(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("jörg", PASSWORD, "1")

    @pytest.fixture
    def refused(self, store: ServerStore) -> Known:
        store.add("konrad", "zuse-1910", email="konrad@example.com", active=False)
        return Known("konrad", "zuse-1910", "2")


class TestPostgreSQL(ServerContract):
    @pytest.fixture
    def store(self, postgres: PostgreSQL) -> Iterator[PostgreSQLStore]:
        with closing(PostgreSQLStore(postgres, PASSWORD, **{**WRITING, "table": "public.people"})) as store:
            yield store


class TestMariaDB(ServerContract):
    @pytest.fixture
    def store(self, maria: MariaDB) -> Iterator[MariaDBStore]:
        with closing(MariaDBStore(maria, PASSWORD, **WRITING)) as store:
            yield store


class TestMariaDBWithCollation(ServerContract):
    """With username_match = collation, and with a read-only database account."""

    @pytest.fixture
    def store(self, maria: MariaDB) -> Iterator[MariaDBStore]:
        with closing(MariaDBStore(maria, PASSWORD, username_match="collation")) as store:
            store.url = maria.reader_url
            yield store


@pytest.fixture(params=["postgresql_store", "mariadb_store"])
def store(request: pytest.FixtureRequest) -> PostgreSQLStore | MariaDBStore:
    store: PostgreSQLStore | MariaDBStore = request.getfixturevalue(request.param)
    return store


NOW = datetime.now(UTC)
STATES: list[tuple[dict[str, Any], str | None]] = [
    ({"active": False}, "disabled"),
    ({"active": None}, "disabled"),
    ({"locked_until": NOW + timedelta(hours=3)}, "locked"),
    ({"locked_until": NOW - timedelta(hours=3)}, None),
    ({"expires": date(2020, 1, 1)}, "account_expired"),
    ({"expires": NOW.date()}, None),
    ({"must_change": True}, "must_change_password"),
    ({"must_change": None}, None),
]


@pytest.mark.parametrize(("columns", "reason"), STATES)
def test_states_in_native_column_types(store: ServerStore, columns: dict[str, Any], reason: str | None) -> None:
    if isinstance(store, MariaDBStore) and "locked_until" in columns:
        columns = {"locked_until": columns["locked_until"].replace(tzinfo=None)}
    store.add("konrad", "zuse-1910", **columns)
    backend = store.backend()
    assert backend.find("konrad").refused == reason
    if reason:
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate("konrad", "zuse-1910")
        assert (refused.value.reason, refused.value.proven) == (reason, True)


def test_password_change_updates_related_columns(store: ServerStore) -> None:
    store.add("konrad", "zuse-1910", must_change=True)
    backend = store.backend(password_change=True)
    with pytest.raises(PasswordRefused, match="used_before"):
        backend.change_password("konrad", "zuse-1910", "zuse-1910")
    backend.change_password("konrad", "zuse-1910", "Quartz-52-meadow")
    assert backend.authenticate("konrad", "Quartz-52-meadow").username == "konrad"
    ((must_change, changed),) = store.run("SELECT must_change, changed FROM people WHERE login = 'konrad'")
    assert not must_change
    if isinstance(store, PostgreSQLStore):
        assert abs(changed.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(minutes=5)
    else:
        ((seconds,),) = store.run("SELECT TIMESTAMPDIFF(SECOND, changed, NOW()) FROM people WHERE login = 'konrad'")
        assert abs(seconds) < 300


def test_sign_in_works_after_server_restart(store: PostgreSQLStore | MariaDBStore) -> None:
    backend = store.backend()
    assert backend.authenticate("jörg", PASSWORD).subject == "1"
    store.server.stop()
    with pytest.raises(BackendUnavailable) as down:
        backend.authenticate("jörg", PASSWORD)
    assert not isinstance(down.value, BackendMisconfigured)
    store.server.start()
    # all connections of the pool are closed
    assert backend.authenticate("jörg", PASSWORD).subject == "1"
    store.server.stop()
    store.server.start()
    assert backend.authenticate("jörg", PASSWORD).subject == "1"


def test_unresponsive_server_fails_after_timeout(store: PostgreSQLStore | MariaDBStore) -> None:
    backend = store.backend(timeout=2)
    backend.authenticate("jörg", PASSWORD)
    store.server.hang()
    with ThreadPoolExecutor(1) as threads:
        try:
            for _ in range(2):
                # the server is unresponsive until the end of this block
                refused = threads.submit(backend.authenticate, "jörg", PASSWORD).exception(60)
                assert isinstance(refused, BackendUnavailable)
        finally:
            store.server.resume()
    assert wait_for_recovery(backend, Known("jörg", PASSWORD, "1")).subject == "1"


def test_threads_share_a_limited_number_of_connections(postgresql_store: PostgreSQLStore) -> None:
    backend = postgresql_store.backend(timeout=10)
    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(lambda _: backend.find("jörg").identity.subject, range(200)))
    assert found == ["1"] * 200
    condition = "usename = 'linkauth' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 20
    # connections of earlier tests may still be closing
    while (
        connections := postgresql_store.run(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}")[0][0]
    ) > CONNECTIONS:
        assert time.monotonic() < deadline, connections
    assert connections >= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"table": "persons"},
        {"password_column": "pw"},
        {"username_columns": ("uid",)},
        {"where": "no_such_column = 1"},
        {"where": "1 = = 1"},
    ],
)
def test_wrong_table_or_column_is_misconfigured(store: ServerStore, changes: dict[str, Any]) -> None:
    backend = store.backend(**changes)
    with pytest.raises(BackendMisconfigured):
        backend.authenticate("jörg", PASSWORD)
    (check,) = backend.check()
    assert not check.ok
    assert PASSWORD not in check.detail


def test_wrong_database_account_is_misconfigured(mariadb_store: MariaDBStore, postgres: PostgreSQL) -> None:
    store = mariadb_store
    maria = store.server
    wrong = [
        maria.url.replace(mariadb.PASSWORD, "wrong-canary"),
        maria.url.replace("/linkauth", "/nothing"),
        maria.url.replace("//linkauth", "//nobody"),
        postgres.url.replace("linkauth@", "nobody@"),
        postgres.url.replace("/postgres", "/nothing"),
    ]
    for url in wrong:
        store.url = url
        with pytest.raises(BackendMisconfigured) as refused:
            store.backend().authenticate("jörg", PASSWORD)
        assert "canary" not in str(refused.value)


def test_read_only_account_signs_in_and_cannot_write(
    mariadb_store: MariaDBStore, caplog: pytest.LogCaptureFixture
) -> None:
    store = mariadb_store
    store.url = store.server.reader_url
    # its hash is outdated and cannot be replaced
    assert store.backend(rehash=True).authenticate("jörg", PASSWORD).subject == "1"
    assert "could not be rehashed" in caplog.text
    backend = store.backend(password_change=True)
    with pytest.raises(BackendMisconfigured, match="denied"):
        backend.change_password("jörg", PASSWORD, "Quartz-52-meadow")
    found = {check.name: check for check in backend.check()}
    assert (found["look-up"].ok, found["hashes"].ok, found["writing"].ok) == (True, True, False)
    found = {check.name: check for check in store.backend(rehash=True).check()}
    assert (found["writing"].ok, found["writing"].warning) == (True, True)
    store.url = store.server.url
    assert all(check.ok and not check.warning for check in store.backend(password_change=True).check())


@pytest.mark.parametrize("match", ["lower", "collation"])
def test_umlaut_differs_from_base_letter(mariadb_store: MariaDBStore, match: str) -> None:
    store = mariadb_store
    store.add("müller", "zuse-1910")
    backend = store.backend(username_match=match)
    assert backend.find("MÜLLER").identity.username == "müller"
    # they are equal in utf8mb4_general_ci of MariaDB
    assert store.run("SELECT 'muller' = 'müller' COLLATE utf8mb4_general_ci") == [(1,)]
    for name in ("muller", "Mu\u0308ller\u0301", "mûller"):
        with pytest.raises(UnknownUser):
            backend.find(name)
    assert backend.find("Mu\u0308ller").identity.username == "müller"


def test_lookup_uses_the_index_of_the_name(mariadb_store: MariaDBStore) -> None:
    store = mariadb_store
    for number in range(50):
        store.add(f"somebody-{number}", "zuse-1910")
    condition = "login = 'JÖRG' AND lower(convert(login USING utf8mb4)) = lower('JÖRG') COLLATE utf8mb4_bin"
    plan = store.run(f"EXPLAIN SELECT * FROM people WHERE {condition}")
    assert plan[0][5] == "login"


def test_characters_outside_the_column_charset_are_unknown_names(mariadb_store: MariaDBStore) -> None:
    store = mariadb_store
    store.run("ALTER TABLE people CONVERT TO CHARACTER SET latin1")
    for match in ("lower", "collation"):
        backend = store.backend(username_match=match)
        assert backend.authenticate("JÖRG", PASSWORD).subject == "1"
        for name in ("🔑", "хорошо"):
            with pytest.raises(UnknownUser):
                backend.authenticate(name, PASSWORD)


def test_hash_is_never_truncated_to_the_column_width(store: ServerStore) -> None:
    store.run("UPDATE people SET hash = %s", vectors.stored_hash("bcrypt"))
    store.run("ALTER TABLE people ALTER hash TYPE VARCHAR(60)" if isinstance(store, PostgreSQLStore) else NARROW)
    if isinstance(store, MariaDBStore):
        store.run("SET GLOBAL sql_mode = ''")
    backend = store.backend(rehash=True, password_change=True)
    for _ in range(2):
        assert backend.authenticate("jörg", vectors.PASSWORDS["A"]).subject == "1"
    with pytest.raises(BackendMisconfigured, match="refuses the new password"):
        backend.change_password("jörg", vectors.PASSWORDS["A"], "Quartz-52-meadow")
    assert backend.authenticate("jörg", vectors.PASSWORDS["A"]).subject == "1"


@pytest.mark.parametrize(("workers", "warning"), [("1", False), ("9999", True)])
def test_check_reports_connection_limit(
    store: PostgreSQLStore | MariaDBStore, monkeypatch: pytest.MonkeyPatch, workers: str, warning: bool
) -> None:
    monkeypatch.setenv("LINKAUTH_WORKERS", workers)
    (found,) = [check for check in store.backend().check() if check.name == "connections"]
    sizes = f"{CONNECTIONS} for each of {workers} worker process(es), {CONNECTIONS * int(workers)} in total; "
    assert found.detail.startswith(sizes)
    allowed = int(found.detail.removeprefix(f"{sizes}the server allows ").partition(":")[0])
    mariadb_store = isinstance(store, MariaDBStore)
    ((most,),) = store.run("SELECT @@max_connections" if mariadb_store else "SHOW max_connections")
    # PostgreSQL reserves some connections for administrators
    assert int(most) - 10 <= allowed <= int(most)
    assert found.ok
    assert found.warning is warning
