"""Tests with a real Django that creates rows of auth_user with each of its hashers, and verifies new hashes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import AccountRefused, AddressSearch, Lookup, Registration, WrongPassword
from linkauth.testing import BackendContract, Known
from linkauth_sql import hashes
from linkauth_sql.hashes import identify, verify

from .stores import SQLiteFile
from .vectors import PASSWORDS

ALL_POWERS = {"password_change": True, "password_recovery": True, "registration": True}


class Django:
    """A Django project in a separate process, because its settings are global. `path` is its database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        script = Path(__file__).with_name("django_project.py")
        command = [sys.executable, str(script), str(path), PASSWORDS["B"]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "ready"

    def ask(self, *question: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Django]:
    with closing(Django(tmp_path_factory.mktemp("django") / "db.sqlite3")) as project:
        yield project


class DjangoStore(SQLiteFile):
    """A copy of the database of the project."""

    def __init__(self, path: Path, django: Django, **changes: Any) -> None:
        path.write_bytes(django.path.read_bytes())
        super().__init__(path, "", {"preset": "django", **changes})

    @property
    def stored_hash(self) -> str:
        ((text,),) = self.run("SELECT password FROM auth_user WHERE username = 'ada'")
        return str(text)


@pytest.fixture
def store(tmp_path: Path, django: Django) -> DjangoStore:
    return DjangoStore(tmp_path / "copy.sqlite3", django)


class TestDjango(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", PASSWORDS["B"], "1")

    @pytest.fixture
    def store(self, tmp_path: Path, django: Django) -> DjangoStore:
        store = DjangoStore(tmp_path / "copy.sqlite3", django, new_scheme="django_argon2", **ALL_POWERS)
        store.run("UPDATE auth_user SET password = ?", django.ask("cheap", PASSWORDS["B"], "argon2"))
        return store

    @pytest.fixture
    def refused(self, store: DjangoStore) -> Known:
        row = {"username": "konrad", "email": "konrad@example.com", "password": store.stored_hash, "is_active": 0}
        row |= {"first_name": "", "last_name": "", "is_staff": 0, "is_superuser": 0, "date_joined": "2026-01-01"}
        store.insert("auth_user", row)
        return Known("konrad", PASSWORDS["B"], "2")


@pytest.mark.parametrize(
    "hasher", ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt", "bcrypt_sha256", "scrypt", "md5"]
)
@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_every_hasher_of_django(store: DjangoStore, django: Django, hasher: str, password: str) -> None:
    # with bcrypt 5 Django refuses longer passwords; with older versions it truncates them
    made = django.ask("make", password[:72] if hasher == "bcrypt" else password, hasher)
    assert identify(made)[0].name == f"django_{hasher}"
    store.run("UPDATE auth_user SET password = ?", made)
    # weak schemes are accepted only by name
    schemes = ("strong", "django_md5") if hasher == "md5" else ("strong",)
    identity = store.backend(schemes=schemes).authenticate("ADA", password)
    assert (identity.subject, identity.username) == ("1", "ada")
    assert (identity.name, identity.email) == ("Ada Lovelace", "ada@example.com")
    with pytest.raises(WrongPassword):
        store.backend(schemes=schemes).authenticate("ada", "x" + password)


def test_preset_needs_only_the_url(store: DjangoStore) -> None:
    backend = store.backend()
    assert backend.authenticate("ada", PASSWORDS["B"]).claims == {"given_name": "Ada", "family_name": "Lovelace"}
    assert [(check.ok, check.warning) for check in backend.check()] == [(True, False)] * 2
    assert backend.offers == {Lookup, AddressSearch}


def test_inactive_account_is_disabled(store: DjangoStore) -> None:
    store.run("UPDATE auth_user SET is_active = 0")
    with pytest.raises(AccountRefused) as refused:
        store.backend().authenticate("ada", PASSWORDS["B"])
    assert refused.value.reason == "disabled"


def test_unusable_password_is_wrong(store: DjangoStore, django: Django) -> None:
    store.run("UPDATE auth_user SET password = ?", django.ask("make", None, "default"))
    for password in ("", "!", store.stored_hash):
        with pytest.raises(WrongPassword):
            store.backend().authenticate("ada", password)


@pytest.mark.parametrize("scheme", ["django_pbkdf2_sha256", "django_argon2"])
def test_django_accepts_a_changed_password(store: DjangoStore, django: Django, scheme: str) -> None:
    store.backend(password_change=True, new_scheme=scheme).change_password("ada", PASSWORDS["B"], "Quartz-52-meadow")
    assert identify(store.stored_hash)[0].name == scheme
    assert django.ask("check", "Quartz-52-meadow", store.stored_hash)[0]
    assert not django.ask("check", PASSWORDS["B"], store.stored_hash)[0]


def test_django_accepts_a_rehashed_password(store: DjangoStore, django: Django) -> None:
    before = store.stored_hash
    backend = store.backend(rehash=True)
    backend.authenticate("ada", PASSWORDS["B"])
    after = store.stored_hash
    assert (identify(before)[0].name, identify(after)[0].name) == ("django_pbkdf2_sha1", "django_pbkdf2_sha256")
    # the password is correct, and Django would not rehash it
    assert django.ask("check", PASSWORDS["B"], after) == [True, False]
    assert django.ask("check", PASSWORDS["B"], before) == [True, True]
    backend.authenticate("ada", PASSWORDS["B"])
    assert store.stored_hash == after


def test_django_accepts_a_registered_account(store: DjangoStore, django: Django) -> None:
    backend = store.backend(registration=True, new_scheme="django_argon2")
    assert Registration in backend.offers
    profile = {"given_name": "Grace", "family_name": "Hopper", "email": "grace@example.com", "shoe_size": "38"}
    backend.register("grace", "compiler-1952", profile)
    (row,) = store.run(
        "SELECT first_name, last_name, email, is_active, is_staff, is_superuser, date_joined, password"
        " FROM auth_user WHERE username = 'grace'"
    )
    assert row[:6] == ("Grace", "Hopper", "grace@example.com", 1, 0, 0)
    assert row[6].startswith("20")
    assert django.ask("check", "compiler-1952", row[7])[0]


def test_salted_sha1_of_django_must_be_configured(store: DjangoStore) -> None:
    old = f"sha1$a1b2${hashlib.sha1(b'a1b2' + PASSWORDS['A'].encode()).hexdigest()}"
    store.run("UPDATE auth_user SET password = ?", old)
    with pytest.raises(WrongPassword):
        store.backend().authenticate("ada", PASSWORDS["A"])
    named = store.backend(schemes=("strong", "django_sha1"))
    assert named.authenticate("ada", PASSWORDS["A"]).subject == "1"
    assert verify(*identify(old), (PASSWORDS["A"].encode(),))
    assert not hashes.SCHEMES["django_sha1"].strong
