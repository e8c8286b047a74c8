"""A real Django makes its own auth_user rows, with each of its hashers, and reads what is written to them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password, get_hasher, make_password
from django.core.management import call_command

from linkauth.backends import AccountRefused, Lookup, Registration, WrongPassword
from linkauth.testing import BackendContract, Known
from linkauth_sql import hashes
from linkauth_sql.hashes import identify, verify

from .stores import SQLiteFile
from .vectors import PASSWORDS

HASHERS = "django.contrib.auth.hashers."
POWERS = {"password_change": True, "password_recovery": True, "registration": True}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a Django whose only person is ada; it is closed, and may be copied."""
    path = tmp_path_factory.mktemp("django") / "db.sqlite3"
    names = ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt")
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        PASSWORD_HASHERS=[f"{HASHERS}{name}PasswordHasher" for name in names],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from django.db import connections

    ada = User.objects.create_user("ada", "ada@example.com", None, first_name="Ada", last_name="Lovelace")
    ada.password = cheap("pbkdf2_sha1")
    ada.save()
    connections.close_all()
    return path


def cheap(name: str) -> str:
    """The password B, hashed by one of Django's hashers as few times as it can, so that the tests are quick."""
    hasher = get_hasher(name)
    if name == "argon2":
        hasher.time_cost, hasher.memory_cost, hasher.parallelism = 1, 64, 1
        return str(hasher.encode(PASSWORDS["B"], hasher.salt()))
    return str(hasher.encode(PASSWORDS["B"], hasher.salt(), iterations=1_000))


class DjangoStore(SQLiteFile):
    """A copy of the project's database."""

    def __init__(self, path: Path, project: Path, **changes: Any) -> None:
        path.write_bytes(project.read_bytes())
        super().__init__(path, "", {"preset": "django", **changes})

    @property
    def stored(self) -> str:
        ((text,),) = self.run("SELECT password FROM auth_user WHERE username = 'ada'")
        return str(text)


@pytest.fixture
def store(tmp_path: Path, project: Path) -> DjangoStore:
    return DjangoStore(tmp_path / "copy.sqlite3", project)


class TestDjango(BackendContract):
    @pytest.fixture
    def known(self) -> Known:
        return Known("ada", PASSWORDS["B"], "1")

    @pytest.fixture
    def store(self, tmp_path: Path, project: Path) -> DjangoStore:
        store = DjangoStore(tmp_path / "copy.sqlite3", project, new_scheme="django_argon2", **POWERS)
        store.run("UPDATE auth_user SET password = ?", cheap("argon2"))
        return store


@pytest.mark.parametrize("hasher", ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt", "bcrypt_sha256", "scrypt"])
@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_each_of_its_hashers(store: DjangoStore, hasher: str, password: str) -> None:
    # with bcrypt 5 a Django refuses what is longer, older ones cut it off
    made = make_password(password[:72] if hasher == "bcrypt" else password, hasher=hasher)
    assert identify(made)[0].name == f"django_{hasher}"
    store.run("UPDATE auth_user SET password = ?", made)
    identity = store.backend().authenticate("ADA", password)
    assert (identity.subject, identity.username) == ("1", "ada")
    assert (identity.name, identity.email) == ("Ada Lovelace", "ada@example.com")
    with pytest.raises(WrongPassword):
        store.backend().authenticate("ada", "x" + password)


def test_only_the_url_is_the_deployers(store: DjangoStore) -> None:
    backend = store.backend()
    assert backend.authenticate("ada", PASSWORDS["B"]).claims == {"given_name": "Ada", "family_name": "Lovelace"}
    assert [(check.ok, check.warning) for check in backend.check()] == [(True, False)] * 2
    assert backend.offers == {Lookup}


def test_an_account_that_is_not_active(store: DjangoStore) -> None:
    store.run("UPDATE auth_user SET is_active = 0")
    with pytest.raises(AccountRefused) as refused:
        store.backend().authenticate("ada", PASSWORDS["B"])
    assert refused.value.reason == "disabled"


def test_an_account_without_a_usable_password(store: DjangoStore) -> None:
    store.run("UPDATE auth_user SET password = ?", make_password(None))
    for password in ("", "!", store.stored):
        with pytest.raises(WrongPassword):
            store.backend().authenticate("ada", password)


@pytest.mark.parametrize("scheme", ["django_pbkdf2_sha256", "django_argon2"])
def test_django_reads_a_password_that_was_changed(store: DjangoStore, scheme: str) -> None:
    store.backend(password_change=True, new_scheme=scheme).change_password("ada", PASSWORDS["B"], "Quartz-52-meadow")
    assert identify(store.stored)[0].name == scheme
    assert check_password("Quartz-52-meadow", store.stored)
    assert not check_password(PASSWORDS["B"], store.stored)


def test_django_reads_what_was_hashed_anew(store: DjangoStore) -> None:
    before = store.stored
    backend = store.backend(rehash=True)
    backend.authenticate("ada", PASSWORDS["B"])
    after = store.stored
    assert (identify(before)[0].name, identify(after)[0].name) == ("django_pbkdf2_sha1", "django_pbkdf2_sha256")
    seen = []
    # and would not hash it once more itself
    assert check_password(PASSWORDS["B"], after, setter=seen.append)
    assert not seen
    backend.authenticate("ada", PASSWORDS["B"])
    assert store.stored == after


def test_django_knows_who_registered(store: DjangoStore) -> None:
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
    assert check_password("compiler-1952", row[7])


def test_a_salted_sha1_of_an_old_django_wants_to_be_named(store: DjangoStore) -> None:
    old = f"sha1$a1b2${hashlib.sha1(b'a1b2' + PASSWORDS['A'].encode()).hexdigest()}"
    store.run("UPDATE auth_user SET password = ?", old)
    with pytest.raises(WrongPassword):
        store.backend().authenticate("ada", PASSWORDS["A"])
    named = store.backend(schemes=("strong", "django_sha1"))
    assert named.authenticate("ada", PASSWORDS["A"]).subject == "1"
    assert verify(*identify(old), (PASSWORDS["A"].encode(),))
    assert not hashes.SCHEMES["django_sha1"].strong
