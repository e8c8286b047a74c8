"""Regression tests: truncated passwords, implausible hashes, concurrent registrations, forks, TLS in the URL."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    NameTaken,
    UnknownUser,
)
from linkauth.testing import settings_of
from linkauth_sql import SQLBackend, SQLSettings
from linkauth_sql.hashes import (
    LENGTH_LIMITED_SCHEMES,
    MAX_HASH_CHARACTERS,
    SCHEMES,
    UnusableHash,
    identify,
    uses_every_byte,
    verify,
)
from linkauth_sql.passwords import Verifier
from linkauth_sql.times import parse_time
from linkauth_sql.values import time_in_form_of
from tests.servers import mariadb, postgresql

from .servers import MariaDBStore, PostgreSQLStore, ServerStore
from .stores import ALL_POWERS, SQLiteStore
from .test_hashes import PASSWORDS, VerifiedHashes, stored_hash
from .test_states import state_of

NEW = "Another-word-52"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_truncating_scheme_does_not_prove_every_byte() -> None:
    careless = {name for name, scheme in SCHEMES.items() if not uses_every_byte(scheme, b"x" * 100)}
    assert careless == {"bcrypt", "django_bcrypt", "des_crypt", "mysql323", "better_auth"}
    verifier = Verifier(frozenset(SCHEMES))
    assert verifier.proves_every_byte(stored_hash("bcrypt"), "x" * 72)
    assert not verifier.proves_every_byte(stored_hash("bcrypt"), "x" * 73)


@pytest.mark.parametrize("name", sorted(LENGTH_LIMITED_SCHEMES))
def test_overlong_password_is_truncated_and_never_correct(name: str) -> None:
    lengths: list[int] = []
    scheme, match = identify(stored_hash(name))

    def counting(_: object, password: bytes) -> bool:
        lengths.append(len(password))
        return True

    changed = replace(scheme, verify=counting)
    assert not verify(changed, match, (b"x" * 4_096,))
    assert verify(changed, match, (b"x" * 512,))
    assert lengths == [512, 512]


def test_wrong_passwords_do_not_change_the_dummy_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier(frozenset(SCHEMES))
    verifier.learn([stored_hash("argon2")] * 3)
    for _ in range(250):
        assert not verifier.verify(stored_hash("md5_crypt"), "a guess")
    verified = VerifiedHashes(monkeypatch)
    verifier.verify(None, "x")
    assert [identify(text)[0].name for text in verified.texts] == ["argon2"]


@pytest.mark.parametrize("locked", [date.max, datetime.max, "9999-12-31", "9999-12-31 23:59:59", 253402300799])
def test_permanent_lock_is_locked(locked: object) -> None:
    assert state_of({"locked": locked}, locked_seconds=3600).reason == "locked"
    assert state_of({"locked_until": locked}, locked_seconds=3600).reason == "locked"
    assert state_of({"expires": locked}, locked_seconds=3600).reason is None


def test_eight_digits_are_a_date() -> None:
    assert parse_time("20261125") == NOW.replace(hour=0) + timedelta(days=1)


@pytest.mark.parametrize(
    "url",
    [
        *(f"mariadb://reader@db/wiki?{key}" for key in ("ssl_disabled=true", "ssl_verify_cert=false")),
        "mysql://reader@db/wiki?read_default_file=x",
        "mssql+pyodbc://reader@db/wiki",
        *(f"postgresql://reader@db/wiki?{key}" for key in ("sslmode=disable", "sslrootcert=/x")),
    ],
)
def test_url_that_contradicts_tls_ca_file_is_refused(url: str) -> None:
    columns = {"subject_column": "id", "username_columns": ("login",), "password_column": "hash"}
    settings = settings_of(SQLSettings, url=url, table="people", tls_ca_file="system", **columns)
    with pytest.raises(ValueError, match="tls_ca_file"):
        SQLBackend(settings)


@pytest.mark.parametrize("name", ["keycloak", "mediawiki_pbkdf2", "django_scrypt", "werkzeug_scrypt"])
@pytest.mark.parametrize("size", [1, 15, 129, 2_900])
def test_digest_of_implausible_length_is_refused(name: str, size: int) -> None:
    digest = b"\0" * size
    text = base64.b64encode(digest).decode()
    broken = {
        "keycloak": f'{{"value":"{text}","salt":"AAAA"}}\n{{"hashIterations":1,"algorithm":"pbkdf2-sha512"}}',
        "mediawiki_pbkdf2": f":pbkdf2:sha512:1:64:AAAA:{text}",
        "django_scrypt": f"scrypt$2$AAAA$8$1${text}",
        "werkzeug_scrypt": f"scrypt:2:8:1$AAAA${digest.hex()}",
    }[name]
    if len(broken) > MAX_HASH_CHARACTERS:
        return
    scheme, match = identify(broken)
    assert scheme.name == name
    with pytest.raises(UnusableHash):
        verify(scheme, match, (b"x",))


def test_disabled_password_cannot_be_reset(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite")
    store.add("ada", None, email="ada@example.org")
    with closing(store.backend(password_recovery=True, email_column="email")) as backend:
        for locked in ("!", "*", "!$6$salt$hash", "*LK*"):
            store.run("UPDATE people SET hash = ?", locked)
            for ask in (lambda: backend.recipient("ada"), lambda: backend.reset_password("1", "Another-word-52")):
                with pytest.raises(AccountRefused, match="disabled"):
                    ask()
        # an account without a password may get its first one
        store.run("UPDATE people SET hash = NULL")
        backend.reset_password("1", "Another-word-52")
        assert backend.authenticate("ada", "Another-word-52").subject == "1"


def test_binary_subjects_are_found(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite")
    store.run("CREATE TABLE keyed (id BLOB PRIMARY KEY, login TEXT, hash TEXT)")
    store.run("INSERT INTO keyed VALUES (?, 'ada', ?)", b"\x0a\xff\x00\x10", stored_hash("argon2"))
    store.run("INSERT INTO keyed VALUES (?, 'eve', ?)", b"\x0a\xff\x00\x11", stored_hash("argon2"))
    with closing(
        store.backend(table="keyed", username_columns=("login",), active_column="", email_column="", name_column="")
    ) as backend:
        subject = backend.authenticate("ada", PASSWORDS["A"]).subject
        assert subject == "0aff0010"
        assert backend.look_up(subject).identity.username == "ada"
        for nobody in ("0aff", "0aff0012", "10", "ff"):
            with pytest.raises(UnknownUser):
                backend.look_up(nobody)


@pytest.mark.parametrize(
    ("present", "form", "expected"),
    [
        (None, "digits", "20261125120000"),
        (None, "seconds", int(NOW.timestamp())),
        (None, "milliseconds", int(NOW.timestamp() * 1000)),
        (1_900_000_000_000, "timestamp", int(NOW.timestamp() * 1000)),
        (1_900_000_000.5, "timestamp", int(NOW.timestamp())),
        ("20200101000000", "timestamp", "20261125120000"),
    ],
)
def test_time_is_written_in_the_form_of_the_column(present: object, form: str, expected: object) -> None:
    assert time_in_form_of(present, NOW, "mariadb", form) == expected


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_concurrent_registrations_of_one_name_create_one_account(kind: str) -> None:
    """The table has no unique index, as in WordPress. Each thread uses one of several backends, like processes."""
    with ExitStack() as stack:
        if kind == "postgresql":
            store: ServerStore = PostgreSQLStore(stack.enter_context(postgresql.running()), PASSWORDS["A"])
            store.run("DROP INDEX login")
        else:
            store = MariaDBStore(stack.enter_context(mariadb.running()), PASSWORDS["A"])
            for index in {row[2] for row in store.run("SHOW INDEX FROM people") if row[2] != "PRIMARY"}:
                store.run(f"DROP INDEX {index} ON people")
        stack.enter_context(closing(store))
        settings = {**ALL_POWERS, "new_account": ("active=true",), "timeout": 10}
        backends = [store.backend(**settings) for _ in range(4)]

        def register(number: int) -> str:
            try:
                return (
                    backends[number % 4].register(("newbie", "NEWBIE", "Newbie", "nEwbie")[number % 4], NEW, {}).subject
                )
            except NameTaken:
                return "taken"

        with ThreadPoolExecutor(8) as threads:
            found = sorted(threads.map(register, range(8)))
        assert found[1:] == ["taken"] * 7
        assert backends[0].authenticate("newbie", NEW).subject == found[0]


@pytest.mark.parametrize("query", ["?foo=1", "?charset=nope", "?ssl_ca=/nowhere.pem"])
def test_url_refused_by_driver_is_an_error(query: str) -> None:
    columns = {"subject_column": "id", "username_columns": ("login",), "password_column": "hash"}
    settings = settings_of(SQLSettings, url=f"mariadb://reader@127.0.0.1:1/wiki{query}", table="people", **columns)
    try:
        backend = SQLBackend(settings)
    except ValueError:
        return
    with closing(backend), pytest.raises(BackendUnavailable):
        backend.authenticate("ada", "x")


def test_unreadable_row_is_misconfigured() -> None:
    """The next backend must not be queried."""
    with (
        postgresql.running() as server,
        closing(PostgreSQLStore(server, PASSWORDS["A"], expires_column="changed")) as store,
        closing(store.backend()) as backend,
    ):
        store.run("UPDATE people SET changed = '20000-01-01'")
        with pytest.raises(BackendMisconfigured, match="cannot be read") as refused:
            backend.authenticate("jörg", PASSWORDS["A"])
        # the value may be a secret
        assert "20000" not in str(refused.value)


def test_error_omits_duplicate_value() -> None:
    with mariadb.running() as server, closing(MariaDBStore(server, PASSWORDS["A"])) as store:
        store.run("ALTER TABLE people ADD badge VARCHAR(20), ADD UNIQUE (badge)")
        store.run("UPDATE people SET badge = 'canary'")
        names = {"username_columns": ("login",), "new_account": ("active=true", "badge={badge}")}
        with (
            closing(store.backend(**{**ALL_POWERS, **names})) as backend,
            pytest.raises(BackendMisconfigured, match="Duplicate entry for key") as refused,
        ):
            backend.register("newbie", NEW, {"badge": "canary"})
        assert "canary" not in str(refused.value)


def test_forked_process_opens_its_own_connections() -> None:
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


def test_rehash_ignores_password_with_unchecked_suffix(tmp_path: Path) -> None:
    store, right = SQLiteStore(tmp_path / "people.sqlite"), PASSWORDS["A"]
    store.add("ada", None)
    store.run("UPDATE people SET hash = ?", stored_hash("des_crypt"))
    with closing(store.backend(rehash=True, schemes=("strong", "des_crypt"))) as backend:
        assert backend.authenticate("ada", right[:8] + "typo").subject == "1"
        assert backend.authenticate("ada", right).subject == "1"
