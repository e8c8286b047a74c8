"""Typing mistakes that became passwords, work that guessers chose, forks, TLS that a URL switches off."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.hashes import LINEAR, SCHEMES, heeds_all, identify, verify
from linkauth_sql.passwords import Verifier
from linkauth_sql.states import moment, of_row
from tests.servers import postgresql

from .servers import PostgreSQLStore
from .stores import SQLiteStore
from .test_hashes import PASSWORDS, Counted, stored

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_what_an_old_hash_does_not_heed_proves_nothing() -> None:
    careless = {name for name, scheme in SCHEMES.items() if not heeds_all(scheme, b"x" * 100)}
    assert careless == {"bcrypt", "django_bcrypt", "des_crypt", "mysql323"}
    verifier = Verifier(frozenset(SCHEMES))
    assert verifier.proves(stored("bcrypt"), "x" * 72)
    assert not verifier.proves(stored("bcrypt"), "x" * 73)


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_a_password_without_end_is_cut_and_never_right(name: str) -> None:
    lengths: list[int] = []
    scheme, parts = identify(stored(name))

    def counting(_: object, password: bytes) -> bool:
        lengths.append(len(password))
        return True

    changed = replace(scheme, verify=counting)
    assert not verify(changed, parts, (b"x" * 4_096,))
    assert verify(changed, parts, (b"x" * 512,))
    assert lengths == [512, 512]


def test_guessing_does_not_choose_what_stands_in_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier(frozenset(SCHEMES))
    verifier.learn([stored("argon2")] * 3)
    for _ in range(250):
        assert not verifier.verify(stored("md5_crypt"), "a guess")
    counted = Counted(monkeypatch)
    verifier.verify(None, "x")
    assert [identify(text)[0].name for text in counted.texts] == ["argon2"]


@pytest.mark.parametrize("locked", [date.max, datetime.max, "9999-12-31", "9999-12-31 23:59:59", 253402300799])
def test_a_lock_for_ever_is_one(locked: object) -> None:
    assert of_row({"locked": locked}, NOW, 3600) == "locked"
    assert of_row({"locked_until": locked}, NOW, 3600) == "locked"
    assert of_row({"expires": locked}, NOW, 3600) is None


def test_eight_digits_are_a_day() -> None:
    assert moment("20261125", "expires_column") == NOW.replace(hour=0) + timedelta(days=1)


@pytest.mark.parametrize(
    "url",
    [
        *(f"mariadb://reader@db/wiki?{key}" for key in ("ssl_disabled=true", "ssl_verify_cert=false")),
        "mysql://reader@db/wiki?read_default_file=x",
        "mssql+pyodbc://reader@db/wiki",
        *(f"postgresql://reader@db/wiki?{key}" for key in ("sslmode=disable", "sslrootcert=/x")),
    ],
)
def test_a_url_that_switches_off_what_tls_ca_file_asks_for_stops_the_start(url: str) -> None:
    columns = {"subject_column": "id", "username_columns": ("login",), "password_column": "hash"}
    settings = SQLSettings(url, table="people", tls_ca_file="system", **columns)
    with pytest.raises(ValueError, match="tls_ca_file"):
        SQLBackend(settings)


def test_a_forked_process_has_connections_of_its_own() -> None:
    with (
        postgresql.running() as server,
        closing(PostgreSQLStore(server, PASSWORDS["A"])) as store,
        closing(store.backend()) as backend,
    ):
        assert backend.authenticate("jörg", PASSWORDS["A"]).subject == "1"
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                wrong = 99
                try:
                    found = [backend.authenticate("jörg", PASSWORDS["A"]).subject for _ in range(10)]
                    wrong = sum(subject != "1" for subject in found)
                finally:
                    os._exit(wrong)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes == [0, 0, 0]
        assert backend.authenticate("jörg", PASSWORDS["A"]).subject == "1"


def test_a_typing_mistake_behind_what_counted_becomes_no_password(tmp_path: Path) -> None:
    store, right = SQLiteStore(tmp_path / "people.sqlite"), PASSWORDS["A"]
    store.add("ada", None)
    store.run("UPDATE people SET hash = ?", stored("des_crypt"))
    with closing(store.backend(rehash=True, schemes=("strong", "des_crypt"))) as backend:
        assert backend.authenticate("ada", right[:8] + "typo").subject == "1"
        assert backend.authenticate("ada", right).subject == "1"
