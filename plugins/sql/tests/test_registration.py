"""Tests of registration: the columns of a new account, one transaction for all of it, and what doctor says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from linkauth.backends import BackendMisconfigured, BackendUnavailable, NameTaken
from linkauth_sql import SQLBackend
from linkauth_sql.transactions import Transaction

from .servers import PostgreSQLStore, ServerStore
from .stores import ALL_POWERS, SQLiteStore

NEW = "Quartz-52-meadow"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIELDS = ("phone={phone}", "zip={postal_code}", "born={birthdate}", "news={newsletter}", "code={country}-{postal_code}")
NEW_ACCOUNT = ("active=true", "changed=now", *FIELDS)
GRACE = {"email": "grace@example.com", "phone": "+4930123456", "postal_code": "01099", "country": "DE"}
GRACE |= {"birthdate": "1906-12-09", "newsletter": "true"}


@pytest.fixture(params=["postgresql_store", "mariadb_store"])
def store(request: pytest.FixtureRequest) -> ServerStore:
    store: ServerStore = request.getfixturevalue(request.param)
    column = "ALTER TABLE people ADD COLUMN "
    for definition in (
        *("phone VARCHAR(20)", "zip VARCHAR(10) NOT NULL DEFAULT 'none'", "born DATE", "code VARCHAR(20)"),
        f"news {'BOOLEAN' if isinstance(store, PostgreSQLStore) else 'TINYINT'} NOT NULL DEFAULT FALSE",
    ):
        store.run(column + definition)
    return store


def opened(store: ServerStore | SQLiteStore, **changes: Any) -> SQLBackend:
    return store.backend(**{**ALL_POWERS, "new_account": NEW_ACCOUNT, **changes})


def logins(store: ServerStore | SQLiteStore) -> list[str]:
    return sorted(login for (login,) in store.run("SELECT login FROM people"))


def test_every_field_is_stored_in_its_column(store: ServerStore) -> None:
    backend = opened(store)
    assert backend.profile_fields == {"email", "phone", "postal_code", "birthdate", "newsletter", "country"}
    assert backend.register("grace", NEW, GRACE).email == "grace@example.com"
    backend.register("hedy", NEW, {"email": "hedy@example.com", "phone": "", "birthdate": ""})
    columns = "SELECT phone, zip, born, news, code, changed IS NULL FROM people WHERE login = %s"
    assert store.run(columns, "grace") == [("+4930123456", "01099", date(1906, 12, 9), True, "DE-01099", False)]
    # an empty field leaves the default of its column
    assert store.run(columns, "hedy") == [(None, "none", None, False, "-", False)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"where": "login <> 'grace'"}, "cannot be found"),
        ({"new_account": ("active=false",)}, "could not sign in .disabled."),
        ({"new_account": ("active=true", "must_change=true")}, "could not sign in .must_change_password."),
    ],
)
def test_an_account_that_could_not_sign_in_is_not_created(
    store: ServerStore, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BackendMisconfigured, match=problem):
        opened(store, **changes).register("grace", NEW, GRACE)
    assert logins(store) == ["Jörg"]
    # the connection and the lock are free
    assert opened(store).register("grace", NEW, GRACE).username == "grace"


def test_an_account_that_could_not_sign_in_is_not_created_in_sqlite(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite", **ALL_POWERS)
    for changes in ({"where": "login <> 'grace'"}, {"new_account": "none"}):
        with pytest.raises(BackendMisconfigured):
            store.backend(**changes).register("grace", NEW, {"email": "grace@example.com"})
        assert logins(store) == []
    assert store.backend().register("grace", NEW, {"email": "grace@example.com"}).username == "grace"


def test_a_connection_lost_within_the_transaction_leaves_nothing(postgresql_store: PostgreSQLStore) -> None:
    store = postgresql_store
    store.run(
        "CREATE OR REPLACE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'"
    )
    store.run("CREATE TRIGGER die AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION die()")
    backend = opened(store, new_account=("active=true",))
    with pytest.raises(BackendUnavailable):
        backend.register("grace", NEW, GRACE)
    assert logins(store) == ["Jörg"]
    store.run("DROP TRIGGER die ON people")
    assert backend.register("grace", NEW, GRACE).username == "grace"


class LosingRelay:
    """A relay to a database server. It passes on the COMMIT after an INSERT, and withholds the answer."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            # this ends accept() in the thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, server = self._listener.accept()[0], socket.create_connection(self._target)
                threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Passes requests and answers on in turn, as both protocols do."""
        loses, inserted = threading.Event(), False
        threading.Thread(target=self._answers, args=(client, server, loses), daemon=True).start()
        with suppress(OSError):
            while data := client.recv(65536):
                inserted = inserted or b"INSERT" in data
                if inserted and b"COMMIT" in data:
                    loses.set()
                server.sendall(data)
        for each in (client, server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _answers(self, client: socket.socket, server: socket.socket, loses: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if loses.is_set():
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)


@pytest.fixture
def relay(store: ServerStore) -> Iterator[LosingRelay]:
    with closing(LosingRelay(make_url(store.url).port or 0)) as made:
        store.url = make_url(store.url).set(host="127.0.0.1", port=made.port).render_as_string(hide_password=False)
        yield made


def test_an_account_whose_commit_got_no_answer_is_found(store: ServerStore, relay: LosingRelay) -> None:
    """Otherwise the person would be told that the name is taken, by their own account."""
    backend = opened(store)
    identity = backend.register("grace", NEW, GRACE)
    assert relay.lost == 1
    assert logins(store) == ["Jörg", "grace"]
    assert backend.authenticate("grace", NEW) == identity


def test_a_name_that_the_application_takes_meanwhile_is_taken(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Transaction.write

    def late(transaction: Transaction, statement: Any) -> int:
        store.add("Grace", "another password")
        return write(transaction, statement)

    monkeypatch.setattr(Transaction, "write", late)
    backend = opened(store)
    with pytest.raises(NameTaken):
        backend.register("grace", NEW, GRACE)
    assert logins(store) == ["Grace", "Jörg"]


def test_an_address_that_the_table_allows_once_is_taken(store: ServerStore) -> None:
    store.run("CREATE UNIQUE INDEX address ON people (email)")
    backend = opened(store, username_columns=("login",))
    with pytest.raises(NameTaken):
        backend.register("grace", NEW, {"email": "joerg@example.com"})
    assert logins(store) == ["Jörg"]


def test_a_name_that_does_not_fit_is_taken_and_another_value_is_not(store: ServerStore) -> None:
    if isinstance(store, PostgreSQLStore):
        store.run("ALTER TABLE people ALTER login TYPE VARCHAR(64)")
    backend = opened(store)
    with pytest.raises(NameTaken):
        backend.register("g" * 65, NEW, GRACE)
    for changes in ({"postal_code": "9" * 11, "country": ""}, {"birthdate": "soon"}):
        with pytest.raises(BackendMisconfigured, match="refuses a value of the new row") as refused:
            backend.register("grace", NEW, {**GRACE, **changes})
        assert "9999" not in str(refused.value)
    assert logins(store) == ["Jörg"]


def test_a_lock_that_another_process_holds_is_not_waited_for_without_end(store: ServerStore) -> None:
    with closing(store.backend(**ALL_POWERS, timeout=2)) as backend, closing(opened(store, timeout=2)) as other:
        released, held = threading.Event(), threading.Event()

        def hold(_: Transaction) -> None:
            held.set()
            assert released.wait(60)

        label = "linkauth: accounts of people"
        thread = threading.Thread(target=lambda: other._database.transact(label, hold))
        thread.start()
        try:
            assert held.wait(60)
            with pytest.raises(BackendUnavailable, match="for too long"):
                backend.register("grace", NEW, {"email": "grace@example.com"})
        finally:
            released.set()
            thread.join()
        assert opened(store).register("grace", NEW, GRACE).username == "grace"
