"""Several servers of one database: which one is called, and where is written."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import make_url

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.testing import FailoverContract, Known, settings_of
from linkauth.testing.relay import Relay
from linkauth_sql import SQLBackend, SQLSettings
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from .servers import PASSWORD, MariaDBStore, PostgreSQLStore, ServerStore
from .stores import ALL_POWERS

WRITING = {**ALL_POWERS, "new_account": ("active=true",), "rehash": True}
URL = "postgresql://db1/people"


def urls_at(store: ServerStore, ports: Sequence[int]) -> list[str]:
    url = make_url(store.url)
    return [url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False) for port in ports]


class SQLFailover(FailoverContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("Jörg", PASSWORD, "1")

    @pytest.fixture
    def target(self, store: ServerStore) -> tuple[str, int]:
        self.store = store
        return "127.0.0.1", make_url(store.url).port or 0

    def open_backend(
        self, target: tuple[str, int], ports: Sequence[int], retry_down_after: int, seconds: int
    ) -> SQLBackend:
        url, *others = urls_at(self.store, ports)
        limits = {"timeout": seconds, "retry_down_after": retry_down_after}
        return self.store.backend(url=url, fallback_urls=tuple(others), **limits)


class TestPostgreSQL(SQLFailover):
    @pytest.fixture
    def store(self, postgresql_store: ServerStore) -> ServerStore:
        return postgresql_store


class TestMariaDB(SQLFailover):
    @pytest.fixture
    def store(self, mariadb_store: ServerStore) -> ServerStore:
        return mariadb_store


def test_only_the_first_server_is_written_to(postgresql_store: PostgreSQLStore) -> None:
    address = ("127.0.0.1", make_url(postgresql_store.url).port or 0)
    first, second = Relay(address), Relay(address)
    with closing(first), closing(second):
        url, other = urls_at(postgresql_store, [first.port, second.port])
        backend = postgresql_store.backend(url=url, fallback_urls=(other,), **WRITING)
        first.stop()
        # reading goes on, and a failed write of a new hash fails no sign-in
        assert backend.authenticate("Jörg", PASSWORD).subject == "1"
        with pytest.raises(BackendUnavailable, match=str(first.port)):
            backend.change_password("Jörg", PASSWORD, "Quartz-52-meadow")
        first.start()
        assert backend.authenticate("Jörg", PASSWORD).subject == "1"
        backend.change_password("Jörg", PASSWORD, "Quartz-52-meadow")
        assert backend.authenticate("Jörg", "Quartz-52-meadow").subject == "1"


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_name_resolution_ends_at_the_timeout(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    over, waited_for = threading.Event(), list[str]()

    def hang(host: str, *_: object, **__: object) -> list[object]:
        if not over.wait(60):
            waited_for.append(host)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hang)
    url = f"{kind}://reader@db.example.com/people"
    with closing(SQLBackend(settings_of(SQLSettings, url=url, preset="django", timeout=1))) as backend:
        try:
            with pytest.raises(BackendUnavailable, match="cannot be resolved"):
                backend.authenticate("ada", "x")
            assert waited_for == []
        finally:
            over.set()


@pytest.mark.parametrize("store_class", [PostgreSQLStore, MariaDBStore])
def test_name_of_a_server_is_resolved_to_an_address_that_answers(
    store_class: type[PostgreSQLStore | MariaDBStore], postgres: PostgreSQL, maria: MariaDB, monkeypatch: Any
) -> None:
    server: Any = postgres if store_class is PostgreSQLStore else maria
    with closing(store_class(server, PASSWORD)) as store:
        port, kind = make_url(store.url).port or 0, (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        # nothing listens on the first one
        found = [(*kind, ("127.9.9.9", port)), (*kind, ("127.0.0.1", port))]
        url = make_url(store.url).set(host="db.example.com").render_as_string(hide_password=False)
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
        assert store.backend(url=url).authenticate("Jörg", PASSWORD).subject == "1"


def test_check_names_the_server_that_is_down(postgresql_store: PostgreSQLStore) -> None:
    first, second = (Relay(("127.0.0.1", make_url(postgresql_store.url).port or 0)) for _ in range(2))
    with closing(first), closing(second):
        url, other = urls_at(postgresql_store, [first.port, second.port])
        backend = postgresql_store.backend(url=url, fallback_urls=(other,))
        assert all(check.ok and not check.warning for check in backend.check())
        second.stop()
        found = [check for check in backend.check() if str(second.port) in check.name]
        assert [(check.ok, check.warning) for check in found] == [(True, True)]
        first.stop()
        found = [check for check in backend.check() if check.name.startswith("server ")]
        assert [check.ok for check in found] == [False, False]


def test_check_names_the_server_that_lacks_the_table(postgresql_store: PostgreSQLStore) -> None:
    """It answers, and would be of no use in an outage of the first one."""
    other = make_url(postgresql_store.url).set(database="template1").render_as_string(hide_password=False)
    found = {check.name: check for check in postgresql_store.backend(fallback_urls=(other,)).check()}
    (server,) = (check for name, check in found.items() if name.endswith("/template1"))
    assert (server.ok, server.warning) == (True, True)
    assert 'relation "people" does not exist' in server.detail
    assert found["look-up"].ok


def test_write_to_a_read_only_server_is_a_mistake_of_the_settings(
    postgresql_store: PostgreSQLStore,
) -> None:
    """It answers reading statements, so it must not become down."""
    url = f"{postgresql_store.url}?options=-c%20default_transaction_read_only%3Don"
    backend = postgresql_store.backend(url=url, fallback_urls=(postgresql_store.url,), failures_until_down=1, **WRITING)
    with pytest.raises(BackendMisconfigured, match="read-only"):
        backend.change_password("Jörg", PASSWORD, "Quartz-52-meadow")
    assert [server.failures for server in backend._database._servers.all] == [0, 0]
    (writing,) = (check for check in backend.check() if check.name == "writing")
    assert not writing.ok


@pytest.mark.parametrize(
    ("url", "other"),
    [
        (URL, "mariadb://db2/people"),
        ("sqlite:////srv/people.sqlite", "sqlite:////srv/others.sqlite"),
    ],
)
def test_servers_of_different_databases_are_refused(url: str, other: str) -> None:
    settings = settings_of(SQLSettings, url=url, fallback_urls=(other,), preset="django")
    assert [key for key, _ in settings.faults()] == ["fallback_urls"]


def test_wrong_fallback_url_is_named() -> None:
    with pytest.raises(ValueError, match=r"^fallback_urls: "):
        SQLBackend(settings_of(SQLSettings, url=URL, fallback_urls=("postgresql+none://db2/x",), preset="django"))
