"""Runs the backend contract with every preset on the tables of its application."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, ClassVar

import bcrypt
import pytest

from linkauth.testing import BackendContract, Known, Newcomer

from . import applications, platforms
from .applications import Application
from .stores import ApplicationStore
from .vectors import PASSWORDS

ALL_POWERS = {"password_change": True, "password_recovery": True}
REGISTERING = {**ALL_POWERS, "registration": True}


@pytest.fixture(autouse=True)
def cheap_bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes new hashes cheap, because their cost does not matter in these tests."""
    real = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda *_: real(4))


class PresetContract(BackendContract):
    """The backend contract on the tables of the application of a subclass."""

    application: Application
    powers: ClassVar[dict[str, Any]] = ALL_POWERS

    @pytest.fixture
    def known(self) -> Known:
        return Known(self.application.username, PASSWORDS["B"], self.application.subject)

    @pytest.fixture
    def store(self, tmp_path: Path) -> ApplicationStore:
        return ApplicationStore(tmp_path / "people.sqlite", self.application, **self.powers)

    @pytest.fixture
    def refused(self, store: ApplicationStore) -> Known | None:
        application = self.application
        if not application.refused:
            return None
        row = {**application.person, **application.refused}
        store.insert(application.table, row)
        subject, username = list(application.refused.values())[:2]
        return Known(username, PASSWORDS["B"], str(subject))


class TestWordPress(PresetContract):
    application = applications.WORDPRESS
    powers: ClassVar[dict[str, Any]] = REGISTERING


class TestDrupal(PresetContract):
    application = applications.DRUPAL
    powers: ClassVar[dict[str, Any]] = {}


class TestDrupal7(PresetContract):
    application = applications.DRUPAL7


class TestJoomla(PresetContract):
    application = applications.JOOMLA
    powers: ClassVar[dict[str, Any]] = REGISTERING


class TestPhpBB(PresetContract):
    application = applications.PHPBB


class TestMediaWiki(PresetContract):
    application = applications.MEDIAWIKI
    disables_accounts: ClassVar[bool] = False


class PresetWithAddressesContract(PresetContract):
    """The user names are the email addresses."""

    powers: ClassVar[dict[str, Any]] = REGISTERING

    @pytest.fixture
    def newcomer(self) -> Newcomer:
        email = f"newcomer-{secrets.token_hex(6)}@example.com"
        return Newcomer(email, "Copper-31-harbour-Violet", {"email": email, "name": "New Comer"})


class TestLaravel(PresetWithAddressesContract):
    application = applications.LARAVEL

    @pytest.fixture
    def store(self, tmp_path: Path) -> ApplicationStore:
        store = ApplicationStore(tmp_path / "people.sqlite", self.application, **self.powers)
        store.run("ALTER TABLE users ADD COLUMN deleted_at TEXT")
        return store


class TestDevise(PresetWithAddressesContract):
    application = applications.DEVISE


class TestASPNETIdentity(PresetContract):
    application = applications.ASPNET
    powers: ClassVar[dict[str, Any]] = REGISTERING


class TestKeycloak(PresetContract):
    application = applications.KEYCLOAK
    # the passwords are in another table
    powers: ClassVar[dict[str, Any]] = {}


class TestRedmine(PresetContract):
    application = platforms.REDMINE
    # linkauth makes no salted digests
    powers: ClassVar[dict[str, Any]] = {}


class TestGitea(PresetContract):
    application = platforms.GITEA
    powers: ClassVar[dict[str, Any]] = {}
