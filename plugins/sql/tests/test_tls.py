"""Tests that the certificate and the name of a database server are verified."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from linkauth.backends import BackendMisconfigured
from linkauth.testing import settings_of
from linkauth_sql import SQLSettings
from tests.servers import mariadb, postgresql
from tests.servers.certificates import Authority, Kind

from .servers import PASSWORD, MariaDBStore, PostgreSQLStore

KINDS = get_args(Kind)
Servers = tuple[PostgreSQLStore, MariaDBStore]


@pytest.fixture(scope="module", params=KINDS)
def stores(request: pytest.FixtureRequest) -> Iterator[tuple[Kind, Servers]]:
    """The kind of certificate, and a PostgreSQL and a MariaDB server with such a certificate."""
    kind: Kind = request.param
    with (
        postgresql.running(kind) as first,
        mariadb.running(kind) as second,
        closing(PostgreSQLStore(first, PASSWORD)) as postgresql_store,
        closing(MariaDBStore(second, PASSWORD)) as mariadb_store,
    ):
        yield kind, (postgresql_store, mariadb_store)


def test_only_a_valid_certificate_is_accepted(stores: tuple[Kind, Servers], tmp_path: Path) -> None:
    kind, servers = stores
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(Authority("somebody else").pem)
    for store in servers:
        ca_file = store.server.ca_file
        for given in (ca_file, str(stranger), "system"):
            for host in ("127.0.0.1", "localhost"):
                url = store.url.replace("127.0.0.1", host)
                backend = store.backend(url=url, tls_ca_file=given)
                if kind == "good" and given == ca_file:
                    assert backend.authenticate("jörg", PASSWORD).subject == "1"
                else:
                    with pytest.raises(BackendMisconfigured):
                        backend.authenticate("jörg", PASSWORD)


def test_the_connection_is_encrypted(stores: tuple[Kind, Servers]) -> None:
    kind, servers = stores
    if kind == "good":
        # the row is found only if the server reports that the connection is encrypted
        postgresql_store, mariadb_store = servers
        is_on = "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
        encrypted = postgresql_store.backend(tls_ca_file=postgresql_store.server.ca_file, where=is_on)
        assert encrypted.authenticate("jörg", PASSWORD).subject == "1"
        is_on = (
            "(SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher')"
        )
        encrypted = mariadb_store.backend(tls_ca_file=mariadb_store.server.ca_file, where=is_on)
        assert encrypted.authenticate("jörg", PASSWORD).subject == "1"


def test_forked_process_reads_no_certificate_again(stores: tuple[Kind, Servers], tmp_path: Path) -> None:
    """It may have fewer permissions than the process that read the settings."""
    kind, (_, store) = stores
    if kind != "good":
        return
    copy = tmp_path / "ca.pem"
    copy.write_bytes(Path(store.server.ca_file).read_bytes())
    backend = store.backend(tls_ca_file=str(copy))
    copy.unlink()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(backend.authenticate("jörg", PASSWORD).subject != "1")
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert backend.authenticate("jörg", PASSWORD).subject == "1"


def test_server_without_tls_is_refused(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(Authority("linkauth's tests").pem)
    with postgresql.running() as first, mariadb.running() as second:
        second.run("SELECT 1")
        for store in (PostgreSQLStore(first, PASSWORD), MariaDBStore(second, PASSWORD)):
            with closing(store):
                assert store.backend().authenticate("jörg", PASSWORD).subject == "1"
                with pytest.raises(BackendMisconfigured):
                    store.backend(tls_ca_file=str(ca_file)).authenticate("jörg", PASSWORD)


def test_missing_tls_ca_file_is_refused_at_the_start(tmp_path: Path) -> None:
    settings = settings_of(SQLSettings, url="postgresql://x/y", preset="django", tls_ca_file=str(tmp_path / "none.pem"))
    assert [key for key, _ in settings.faults()] == ["tls_ca_file"]
    settings = settings_of(SQLSettings, url="sqlite:///x", preset="django", tls_ca_file="system")
    assert [key for key, _ in settings.faults()] == ["tls_ca_file"]
