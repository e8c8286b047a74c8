"""Tests of every preset on the tables of its application: settings, account states and new passwords."""

from __future__ import annotations

import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    Lookup,
    PasswordChange,
    PasswordRecovery,
    UnknownUser,
    WrongPassword,
)
from linkauth.testing import settings_of
from linkauth_sql import hashes
from linkauth_sql.presets import PRESETS
from linkauth_sql.settings import SQLSettings

from . import applications
from .applications import APPLICATIONS, Application
from .platforms import PLATFORMS
from .stores import ApplicationStore
from .vectors import PASSWORDS, stored_hash

ALL_POWERS = {"password_change": True, "password_recovery": True}


@pytest.fixture(autouse=True)
def cheap_bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes new hashes cheap, because their cost does not matter in these tests."""
    real = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda *_: real(4))


def opened(tmp_path: Path, application: Application, **settings: Any) -> ApplicationStore:
    return ApplicationStore(tmp_path / f"{application.preset}.sqlite", application, **settings)


def sign_in(store: ApplicationStore, **settings: Any) -> str:
    """Signs in and returns the subject."""
    return store.backend(**settings).authenticate(store.application.username, PASSWORDS["B"]).subject


@pytest.mark.parametrize("application", [*APPLICATIONS, *PLATFORMS], ids=lambda application: application.preset)
def test_preset_needs_only_the_url(tmp_path: Path, application: Application) -> None:
    store = opened(tmp_path, application)
    assert sign_in(store) == application.subject
    given = {"url", "timeout", "preset", *application.settings}
    assert set(store.settings) == given
    backend = store.backend()
    assert all(check.ok and not check.warning for check in backend.check())
    assert Lookup in backend.offers
    assert PasswordChange not in backend.offers
    assert PasswordRecovery not in backend.offers
    account = backend.find(application.username)
    assert account.identity.email == ("" if application.preset == "spring-security" else "ada@example.com")
    assert account.refused is None
    assert account.facts["password"] in {*hashes.SCHEMES, hashes.DIGEST}


def test_presets_use_existing_settings_and_columns() -> None:
    assert {application.preset for application in (*APPLICATIONS, *PLATFORMS)} == set(PRESETS) - {"none", "django"}
    defaults = {item.name: item.default for item in fields(SQLSettings)}
    for name, preset in PRESETS.items():
        for url in (
            "sqlite:///x",
            "mysql://db/x",
            "mariadb+pymysql://db/x",
            "postgresql://db/x",
            "mssql+pyodbc://db/x",
        ):
            settings = settings_of(SQLSettings, url=url, preset=name)  # type: ignore[arg-type]
            assert all(type(getattr(settings, key)) is type(defaults[key]) for key in preset), name
            if name != "none":
                assert not list(settings.faults()), name
                assert hashes.parse_scheme_names(settings.schemes) >= {settings.new_scheme}
                assert all(getattr(settings, key) for key in preset), (name, url)
                assert "{prefix}" not in repr(settings)


TIMES = datetime.now(UTC)
SOON, LATER = TIMES - timedelta(hours=2), TIMES + timedelta(hours=2)
STATES: list[tuple[Application, dict[str, Any], str | None]] = [
    (applications.WORDPRESS, {"user_status": 1}, "disabled"),
    (applications.DRUPAL, {"status": 0}, "disabled"),
    (applications.DRUPAL7, {"status": 0}, "disabled"),
    (applications.JOOMLA, {"block": 1}, "disabled"),
    (applications.JOOMLA, {"requireReset": 1}, "must_change_password"),
    (applications.PHPBB, {"user_type": 1}, "disabled"),
    (applications.PHPBB, {"user_type": 3}, None),
    (applications.MEDIAWIKI, {"user_password_expires": SOON.strftime("%Y%m%d%H%M%S").encode()}, "password_expired"),
    (applications.MEDIAWIKI, {"user_password_expires": LATER.strftime("%Y%m%d%H%M%S").encode()}, None),
    (applications.DEVISE, {"confirmed_at": None}, "disabled"),
    (applications.DEVISE, {"locked_at": (TIMES - timedelta(minutes=5)).isoformat(" ")}, "locked"),
    # the lock ended after an hour
    (applications.DEVISE, {"locked_at": SOON.strftime("%Y-%m-%d %H:%M:%S")}, None),
    (applications.ASPNET, {"EmailConfirmed": 0}, "disabled"),
    (applications.ASPNET, {"LockoutEnd": LATER.strftime("%Y-%m-%d %H:%M:%S.1234567+00:00")}, "locked"),
    (applications.ASPNET, {"LockoutEnd": SOON.strftime("%Y-%m-%d %H:%M:%S.1234567+00:00")}, None),
    (applications.ASPNET, {"LockoutEnd": LATER.isoformat(" "), "LockoutEnabled": 0}, None),
    (applications.KEYCLOAK, {"enabled": 0}, "disabled"),
]


@pytest.mark.parametrize(("application", "row", "reason"), STATES)
def test_account_states(tmp_path: Path, application: Application, row: dict[str, Any], reason: str | None) -> None:
    store = opened(tmp_path, application)
    store.change(**row)
    backend = store.backend()
    assert backend.find(application.username).refused == reason
    if reason is None:
        assert sign_in(store) == application.subject
    else:
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate(application.username, PASSWORDS["B"])
        assert (refused.value.reason, refused.value.proven) == (reason, True)
        # the reason is not shown after a wrong password
        with pytest.raises(WrongPassword):
            backend.authenticate(application.username, "wrong")


@pytest.mark.parametrize(
    ("ban", "reason"),
    [
        ({"ban_end": 0}, "locked"),
        ({"ban_end": int(time.time()) + 3_600}, "locked"),
        ({"ban_end": int(time.time()) - 3_600}, None),
        ({"ban_end": 0, "ban_exclude": 1}, None),
        ({"ban_end": 0, "ban_userid": 8}, None),
    ],
)
def test_phpbb_ban_refuses_the_account(tmp_path: Path, ban: dict[str, Any], reason: str | None) -> None:
    store = opened(tmp_path, applications.PHPBB)
    store.insert("phpbb_banlist", {"ban_userid": 7, **ban})
    assert store.backend().find("ada").refused == reason


def test_phpbb_robots_are_unknown(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.PHPBB)
    with pytest.raises(UnknownUser):
        store.backend().find("anonymous")


def test_drupal_rows_of_several_languages_are_one_person(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.DRUPAL)
    store.insert("users_field_data", {**applications.DRUPAL.person, "langcode": "de", "default_langcode": 0})
    assert sign_in(store) == "7"


def test_keycloak_name_in_two_realms_needs_where(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.KEYCLOAK)
    with pytest.raises(BackendMisconfigured, match="more than one row"):
        sign_in(store, where="1 = 1")
    with pytest.raises(UnknownUser):
        sign_in(store, where="user_entity.realm_id = 'none'")


def test_preset_column_can_be_replaced_or_removed(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.DEVISE)
    store.run("ALTER TABLE users DROP COLUMN locked_at")
    with pytest.raises(BackendMisconfigured, match="locked_at"):
        sign_in(store)
    assert sign_in(store, locked_column="none") == "7"
    store.change(confirmed_at=None)
    assert sign_in(store, locked_column="none", active_column="none") == "7"


def test_query_uses_the_schemes_of_its_preset(tmp_path: Path) -> None:
    query = "SELECT ID AS subject, user_pass AS password FROM wp_users WHERE lower(user_login) = lower(:username)"
    store = opened(tmp_path, applications.WORDPRESS, query=query)
    assert sign_in(store) == "7"
    assert store.backend().offers == frozenset()


def test_names_that_differ_in_accents_are_different(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.WORDPRESS)
    store.insert("wp_users", {**applications.WORDPRESS.person, "ID": 8, "user_login": "ádá", "user_email": ""})
    backend = store.backend()
    assert backend.find("ádá").identity.subject == "8"
    assert backend.find("ADA").identity.subject == "7"


@pytest.mark.parametrize(
    ("application", "scheme"),
    [
        (applications.WORDPRESS, "bcrypt"),
        (applications.DRUPAL, "bcrypt"),
        (applications.DRUPAL7, "drupal7"),
        (applications.PHPBB, "bcrypt"),
        (applications.MEDIAWIKI, "mediawiki_pbkdf2"),
        (applications.ASPNET, "aspnet_v3"),
    ],
)
def test_new_password_verifies_as_in_the_application(tmp_path: Path, application: Application, scheme: str) -> None:
    store = opened(tmp_path, application, **ALL_POWERS)
    column = str(PRESETS[application.preset]["password_column"])
    store.backend().change_password(application.username, PASSWORDS["B"], 'Quartz "52" & more')
    ((written,),) = store.run(f"SELECT {column} FROM {application.table} WHERE {column} <> '' LIMIT 1")
    text = written.decode() if isinstance(written, bytes) else written
    found, match = hashes.identify(text)
    assert found.name == scheme
    # in the form that the application hashes
    passed = {"wordpress": r"Quartz \"52\" & more", "phpbb": "Quartz &quot;52&quot; &amp; more"}
    assert hashes.verify(found, match, (passed.get(application.preset, 'Quartz "52" & more').encode(),))


def test_phpbb_password_change_updates_the_time(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.PHPBB, **ALL_POWERS)
    store.backend().change_password("ada", PASSWORDS["B"], "Quartz-52-meadow")
    ((changed,),) = store.run("SELECT user_passchg FROM phpbb_users WHERE user_id = 7")
    assert abs(changed - time.time()) < 60


def test_weak_schemes_of_a_preset_must_be_configured(tmp_path: Path) -> None:
    store = opened(tmp_path, applications.JOOMLA)
    store.change(password=stored_hash("joomla_md5", "B"))
    with pytest.raises(WrongPassword):
        sign_in(store)
    assert sign_in(store, schemes=("strong", "joomla_md5")) == "7"
