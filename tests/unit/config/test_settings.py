"""Tests of the settings of the ini file: each wrong setting is reported by its key and never with its value."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest

from linkauth.config.plugins import settings_class
from linkauth.config.reader import keys_of
from linkauth.config.second_factor import SecondFactorSettings
from linkauth.config.settings import (
    ClientSettings,
    Settings,
    SettingsError,
    SimulatorSettings,
    ThrottleSettings,
    read,
)
from linkauth.login.opening import opened_backends
from linkauth.storage import open_engine
from linkauth.storage.tables import links
from linkauth_sql import SQLSettings
from linkauth_theme_default import Parameters

VALID = {
    "linkauth.public_url": "https://link.example.com",
    "linkauth.service_name": "Example Rides",
    "linkauth.database": "sqlite:////tmp/nothing-is-opened.sqlite",
    "linkauth.secret": "b7e3a90c51d8f264e09d17c5a3b86f42",
    "linkauth.backends": "staff",
    "linkauth.backend.staff.use": "sql",
    "linkauth.backend.staff.url": "sqlite:////tmp/nothing-is-opened.sqlite",
    "linkauth.backend.staff.query": "select 1 as subject, 2 as password from people where login = :username",
    "linkauth.clients": "alexa server",
    "linkauth.client.alexa.name": "Ride Hailer",
    "linkauth.client.alexa.grants": "implicit",
    "linkauth.client.alexa.redirect_uris": "https://layla.amazon.com/cb",
    "linkauth.client.alexa.scopes": "ride",
    "linkauth.client.server.name": "Server",
    "linkauth.client.server.secret": "b7e3a90c51d8f264",
    "linkauth.scope.ride": "Order a taxi",
}


def settings(**changes: str | None) -> Settings:
    """Returns the settings of VALID with changes; `__` stands for a dot, and None removes a key."""
    ini: dict[str, str | None] = {**VALID}
    ini |= {"linkauth." + key.replace("__", "."): value for key, value in changes.items()}
    return read({key: value for key, value in ini.items() if value is not None}, settings_class)


def faults(**changes: str | None) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    return {key.removeprefix("linkauth."): problem for key, problem in caught.value.faults}


def test_valid_ini_is_read() -> None:
    result = settings()
    assert result.public_url == "https://link.example.com"
    assert result.https
    assert result.service_name == {"": "Example Rides"}
    assert [(each.name, each.use, each.accepts) for each in result.backends] == [("staff", "sql", ())]
    assert result.clients["alexa"].redirect_uris == ("https://layla.amazon.com/cb",)
    assert result.scopes == {"ride": {"": "Order a taxi"}}
    assert result.throttle == ThrottleSettings(10, 900, 100, 600)
    assert result.database_upgrade == "command"
    assert [theme.name for theme in result.themes.values()] == ["default"]


def test_name_longer_than_its_database_column_is_refused() -> None:
    for key, column in (("backends", links.c.backend), ("clients", links.c.client_id)):
        limit = column.type.length
        assert f"{limit} characters" in faults(**{key: "x" * (limit + 1)})[key]
        assert key not in faults(**{key: "x" * limit})


def test_one_of_several_backends_may_be_shadow() -> None:
    assert [each.shadow for each in settings(backend__staff__shadow="false").backends] == [False]
    second = {f"backend__new__{key}": VALID[f"linkauth.backend.staff.{key}"] for key in ("use", "url", "query")}
    two = settings(backends="new staff", **second, backend__new__shadow="Yes").backends
    assert [(each.name, each.shadow) for each in two] == [("new", True), ("staff", False)]
    assert "nobody could sign in" in faults(backend__staff__shadow="true")["backends"]
    both = faults(backends="new staff", **second, backend__new__shadow="on", backend__staff__shadow="on")
    assert list(both) == ["backends"]
    assert faults(backend__staff__shadow="maybe") == {"backend.staff.shadow": "is neither true nor false"}
    # the only fault is that of the other backend
    assert list(faults(backends="new staff", backend__staff__shadow="on")) == ["backend.new.use"]


def test_repr_contains_no_secret() -> None:
    shown = repr(settings())
    assert "b7e3a90c51d8f264" not in shown
    assert "nothing-is-opened" not in shown
    assert "link.example.com" in shown


@pytest.mark.parametrize(
    "key",
    [
        *("public_url", "service_name", "database", "secret", "backends", "backend.staff.use", "backend.staff.url"),
        *("client.alexa.name", "client.alexa.redirect_uris"),
    ],
)
def test_missing_required_key_is_reported(key: str) -> None:
    changes: dict[str, str | None] = {key.replace(".", "__"): None}
    if key == "backends":
        changes |= {f"backend__staff__{name}": None for name in ("use", "url", "query")}
    if key == "backend.staff.use":
        changes |= {f"backend__staff__{name}": "x" for name in ("url", "query")}
    result = faults(**changes)
    assert list(result) == [key]
    assert "is missing" in result[key]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("public_ulr", "public_url"),
        ("backend.staff.usr", "backend.staff.use"),
        ("backend.staff.tabel", "backend.staff.table"),
        ("client.alexa.redirect_uri", "client.alexa.redirect_uris"),
        ("client.alexa.allow_implicit", ""),
        ("throttle.account_failure", "throttle.account_failures"),
        ("theme.default.acent", "theme.default.accent"),
        ("scope.rides", "scope.ride"),
        ("xyzzy", ""),
    ],
)
def test_unknown_key_is_reported_with_nearest_known_key(key: str, nearest: str) -> None:
    problem = faults(**{key.replace(".", "__"): "x"})[key]
    assert problem.startswith("is not a known key")
    if nearest:
        assert problem.endswith(f"the nearest known key is linkauth.{nearest}")


def test_all_faults_are_reported_at_once() -> None:
    result = faults(
        public_url="ftp://x",
        secret="short",
        backend__staff__timeout="x",
        client__alexa__grants="magic",
        client__server__secret="short",
        throttle__account_failures="0",
        theme__default__accent="red",
        simulator__client="nobody",
        typo="x",
    )
    assert result.keys() >= {"backend.staff.timeout", "client.alexa.grants", "client.server.secret", "typo"}
    assert result.keys() >= {"throttle.account_failures", "theme.default.accent", "simulator.client"}
    assert result.keys() >= {"public_url", "secret"}


@pytest.mark.parametrize(
    ("changes", "key", "problem"),
    [
        ({"backend__staff__use": "ldpa"}, "backend.staff.use", "is not one of the installed backends: "),
        ({"backend__staff__use": "sqll"}, "backend.staff.use", "; the nearest name is sql"),
        ({"theme": "defualt"}, "theme", "; the nearest name is default"),
        ({"theme": "nothing"}, "theme", "is not one of the installed themes: "),
        ({"client__alexa__theme": "defualt"}, "client.alexa.theme", "; the nearest name is default"),
    ],
)
def test_name_of_missing_plugin_is_reported(changes: dict[str, str | None], key: str, problem: str) -> None:
    result = faults(**changes)
    assert list(result) == [key]
    assert problem in result[key]


@pytest.mark.parametrize(
    "entry", ["object", "linkauth.nothing:X", "linkauth.config.settings:Nothing", "linkauth.config.settings:Settings"]
)
def test_entry_point_that_is_no_backend_is_reported(entry: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "linkauth_odd-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: linkauth-odd\nVersion: 1.0\n", "utf-8")
    target = entry if ":" in entry else "builtins:object"
    (metadata / "entry_points.txt").write_text(f"[linkauth.backends]\nodd = {target}\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(faults(backend__staff__use="odd")) == ["backend.staff.use"]


CLASSES: dict[str, type] = {
    "": Settings,
    "client.alexa.": ClientSettings,
    "throttle.": ThrottleSettings,
    "simulator.": SimulatorSettings,
    "second_factor.": SecondFactorSettings,
    "backend.staff.": SQLSettings,
    "theme.default.": Parameters,
}
# these fields are lists of names or nested settings, and have no value of their own
NAMES = ("backends", "sign_ins", "clients", "themes", "scopes", "throttle", "simulator", "second_factor")
KEYS = [
    prefix + key
    for prefix, cls in CLASSES.items()
    for each in fields(cls)
    for key in keys_of(each)
    if not (prefix == "" and each.name in NAMES)
]
CANARY = "hunter2canary"
SHAPES = (
    CANARY,
    f"{CANARY} and more {CANARY}",
    f"{CANARY}://{CANARY}:{CANARY}@{CANARY}/{CANARY}",
    f"https://{CANARY}:{CANARY}@[{CANARY}/#{CANARY}",
    f"postgresql+{CANARY}://{CANARY}:{CANARY}@{CANARY}/{CANARY}",
    f"sqlite:///{CANARY}/{CANARY}",
    f"12{CANARY}",
    f'"{CANARY}\\*',
)


@pytest.mark.parametrize("key", [*KEYS, "backend.staff.use", "backend.staff.accepts", "scope.ride", "unknown"])
def test_message_never_contains_value(key: str) -> None:
    messages = []
    for shape in SHAPES:
        try:
            result = settings(**{key.replace(".", "__"): shape})
            with opened_backends(result):
                pass
            with suppress(ModuleNotFoundError):
                open_engine(result.database).dispose()
        except SettingsError as error:
            messages.append(str(error))
    assert not [message for message in messages if CANARY in message]


@pytest.mark.parametrize(
    "key", ["client.alexa.grants", "secret", "public_url", "throttle.account_window", "theme", "unknown"]
)
def test_canary_value_is_refused(key: str) -> None:
    assert key in faults(**{key.replace(".", "__"): "hunter2canary"})


@pytest.mark.parametrize(
    "uri",
    [
        "https://*.example.com/cb",
        "https://example.com/*",
        "https://example.com/cb#",
        "https://example.com/cb#x",
        "http://example.com/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.2/cb",
        "https://user@example.com/cb",
        "https://@example.com/cb",
        "/cb",
        "//example.com/cb",
        "example.com/cb",
        "https:example.com",
        "https:/example.com/cb",
        "https:///cb",
        "https://",
        "HTTPS://example.com/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "com.evil:/cb",
        "https://exämple.com/cb",
        "https://example.com\\cb",
        "https://example.com/\x7f",
        "https://[::1",
        "https://example.com:x/",
        "https://example.com:99999/",
    ],
)
def test_invalid_redirect_uri_is_refused(uri: str) -> None:
    result = faults(client__alexa__redirect_uris=f"https://ok.example/cb {uri}")
    assert list(result) == ["client.alexa.redirect_uris"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/cb",
        "https://example.com",
        "https://example.com:8443/cb?a=b&c=%20",
        "https://xn--exmple-cua.com/cb",
        "http://127.0.0.1:8000/cb",
        "http://localhost/cb",
        "http://[::1]:8000/cb",
        "https://example.com/a@b",
    ],
)
def test_valid_redirect_uri_is_accepted(uri: str) -> None:
    assert settings(client__alexa__redirect_uris=uri).clients["alexa"].redirect_uris == (uri,)
