"""Tests of the rules that each settings class checks, and of the names that must refer to other settings."""

from __future__ import annotations

import re

import pytest

from linkauth.config.plugins import settings_class
from linkauth.config.settings import ClientSettings, Settings, SettingsError, ThrottleSettings, read
from linkauth.services.clients import create_clients
from linkauth.testing import settings_of
from linkauth_sql import SQLSettings
from tests.unit.config.test_settings import VALID

SECRET = "b7e3a90c51d8f264"
CLIENT = {"name": {"": "x"}, "grants": ("implicit",), "redirect_uris": ("https://c.example/cb",)}
REQUIRED = {"public_url": "https://link.example.com", "service_name": {"": "x"}, "database": "x", "secret": SECRET * 2}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"grants": ("magic",)}, "grants"),
        ({"grants": ("Implicit",)}, "grants"),
        ({"grants": ("implicit", "password")}, "grants"),
        ({"grants": ()}, "grants"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"redirect_uris": ("https://c.example/cb", "http://c.example/cb")}, "redirect_uris"),
        ({"platform_ids": {"alexa_vendor_id": "m2abcdef"}}, "alexa_vendor_id"),
        ({"platform_ids": {"alexa_vendor_id": "M2/../X"}}, "alexa_vendor_id"),
        ({"platform_ids": {"alexa_vendor_id": "M2A"}}, "alexa_vendor_id"),
        ({"secret": "x" * 15}, "secret"),
        ({"scopes": ("ok", 'a"b')}, "scopes"),
        ({"scopes": ("a\\b",)}, "scopes"),
        ({"scopes": ("é",)}, "scopes"),
        ({"access_token_lifetime": -1}, "access_token_lifetime"),
        ({"client_id": "é"}, "client_id"),
        ({"client_id": "a\n"}, "client_id"),
        ({"client_id": "x" * 256}, "client_id"),
    ],
)
def test_invalid_client_setting_is_refused(changes: dict[str, object], key: str) -> None:
    assert [name for name, _ in settings_of(ClientSettings, **{**CLIENT, **changes}).faults()] == [key]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grants": (), "redirect_uris": (), "secret": SECRET},
        {"redirect_uris": (), "platform_ids": {"alexa_vendor_id": "M2AAAAAAAAAAAA"}},
        {"access_token_lifetime": 360},
        {"scopes": ("!", "a:b/c", "x" * 200)},
        {"client_id": "amzn1.application-oa2-client.x y"},
    ],
)
def test_valid_client_settings_are_accepted(changes: dict[str, object]) -> None:
    assert list(settings_of(ClientSettings, **{**CLIENT, **changes}).faults()) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["account_failures", "account_window", "address_failures", "address_window"])
@pytest.mark.parametrize("value", [0, -1])
def test_throttle_setting_must_be_positive(key: str, value: int) -> None:
    assert list(ThrottleSettings(**{key: value}).faults()) == [(key, "is not a positive number")]
    assert list(ThrottleSettings(**{key: 1}).faults()) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://link.example.com",
        "ftp://link.example.com",
        "link.example.com",
        "https://",
        "https://link.example.com/",
        "https://link.example.com/x/",
        "https://link.example.com/?",
        "https://link.example.com?",
        "https://link.example.com#",
        "https://link.example.com?x=1",
        "https://link.example.com#x",
        "https://user@link.example.com",
        "https://@link.example.com",
        "https://[::1",
        "https://link.example.com:x",
        "https://link.example.com:99999",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "https://link.example.com/a b",
        # links in pages would lead to the host "auth"
        "https://link.example.com//auth",
        "https://link.example.com/auth//v1",
        # browsers normalise dot segments away
        "https://link.example.com/..",
        "https://link.example.com/./auth",
        "https://link.example.com/auth/../v1",
        "https://link example.com",
        "javascript:alert(1)",
    ],
)
def test_invalid_public_url_is_refused(url: str) -> None:
    assert {name for name, _ in Settings(**{**REQUIRED, "public_url": url}).faults()} == {"public_url"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "https"),
    [
        ("https://link.example.com", True),
        ("https://link.example.com:8443/linkauth", True),
        ("https://link.example.com/~auth/v1.2/..a/.b-_", True),
        ("https://[2001:db8::1]", True),
        ("http://127.0.0.1:6543", False),
        ("http://localhost", False),
        ("http://[::1]:6543", False),
    ],
)
def test_valid_public_url_is_accepted(url: str, https: bool) -> None:
    result = Settings(**{**REQUIRED, "public_url": url})  # type: ignore[arg-type]
    assert list(result.faults()) == []
    assert result.https == https


@pytest.mark.parametrize("url", ["HTTPS://link.example.com", "Https://link.example.com"])
def test_uppercase_scheme_does_not_disable_https(url: str) -> None:
    result = Settings(**{**REQUIRED, "public_url": url})  # type: ignore[arg-type]
    assert result.https or [name for name, _ in result.faults()] == ["public_url"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"secret": "x" * 31}, "secret"),
        ({"default_language": "english"}, "default_language"),
        ({"default_language": "EN"}, "default_language"),
        ({"default_language": "de_DE"}, "default_language"),
        ({"default_language": "../de"}, "default_language"),
    ],
)
def test_invalid_top_level_setting_is_refused(changes: dict[str, object], key: str) -> None:
    assert [name for name, _ in Settings(**{**REQUIRED, **changes}).faults()] == [key]  # type: ignore[arg-type]


def faults(**changes: str) -> list[str]:
    ini = {**VALID, **{"linkauth." + key.replace("__", "."): value for key, value in changes.items()}}
    with pytest.raises(SettingsError) as caught:
        read(ini, settings_class)
    return [key.removeprefix("linkauth.") for key, _ in caught.value.faults]


def test_reference_to_unknown_client_is_refused() -> None:
    assert set(faults(simulator__client="nobody")) == {"simulator.client"}
    assert faults(client__server__introspects="alexa nobody") == ["client.server.introspects"]


def test_typical_mistakes_are_named_with_their_remedy() -> None:
    for key, value, problem in (
        ("backend.corp", "", "has keys, but linkauth.backends does not list it: add it there"),
        ("backend.staff.accepts", "@example.com", r"has a pattern without \*, which no user name matches: write"),
        ("backend.staff.accepts", "*@a.example CORP\\", r"has a pattern without \*, which no user name matches: write"),
        ("client.alexa.grants", "implicit,authorization_code", "contains a comma between its values"),
        ("client.server.secret", '"k7Jq2mZx9Wb4Tn8Vc5Rd"', "is in quotes, which would be part of it: write it without"),
    ):
        with pytest.raises(SettingsError, match=re.escape(f"linkauth.{key}: ") + problem):
            read({**VALID, f"linkauth.{key}" if value else "linkauth.backend.corp.use": value or "sql"}, settings_class)
    with pytest.raises(SettingsError, match=r"backend\.corp\.use: is missing: name the plugin of this backend"):
        read({**VALID, "linkauth.backends": "staff corp"}, settings_class)
    accepted = read({**VALID, "linkauth.backend.staff.accepts": "*@example.com CORP\\* ada"}, settings_class)
    assert accepted.backends[0].accepts == ("*@example.com", "CORP\\*", "ada")


def test_duplicate_client_id_is_refused() -> None:
    assert faults(client__server__client_id="alexa") == ["client.server.client_id"]
    assert faults(client__server__client_id="x", client__alexa__client_id="x") == ["client.server.client_id"]


def test_text_of_scope_without_client_is_refused() -> None:
    assert faults(scope__fly="Fly") == ["scope.fly"]
    with pytest.raises(SettingsError, match=r"fly: is not a known key, because no client has this scope: add it"):
        read({**VALID, "linkauth.scope.fly": "Fly"}, settings_class)
    assert faults(scope__fly__de="Fliegen") == ["scope.fly.de"]


def test_scope_name_with_dots_and_languages_is_read() -> None:
    dotted = {"linkauth.client.alexa.scopes": "a a.de a.b", "linkauth.scope.a": "A", "linkauth.scope.a.fr": "F"}
    more = {"linkauth.scope.a.de": "D", "linkauth.scope.a.b": "B", "linkauth.scope.a.b.fr": "BF"}
    ini = {key: value for key, value in VALID.items() if key != "linkauth.scope.ride"}
    result = read({**ini, **dotted, **more}, settings_class).scopes
    assert result == {"a": {"": "A", "fr": "F"}, "a.de": {"": "D"}, "a.b": {"": "B", "fr": "BF"}}


def test_translated_scope_text_requires_text_without_language() -> None:
    ini = {key: value for key, value in VALID.items() if key != "linkauth.scope.ride"}
    with pytest.raises(SettingsError, match=r"linkauth\.scope\.ride: is missing"):
        read({**ini, "linkauth.scope.ride.de": "Taxi"}, settings_class)


def test_unreadable_platform_id_is_the_only_fault() -> None:
    ini = {key: value for key, value in VALID.items() if key != "linkauth.client.alexa.redirect_uris"}
    with pytest.raises(SettingsError) as raised:
        read({**ini, "linkauth.client.alexa.alexa_vendor_id": "env:NOT_SET_ANYWHERE"}, settings_class)
    problem = "names the environment variable 'NOT_SET_ANYWHERE', which is not set"
    assert raised.value.faults == [("linkauth.client.alexa.alexa_vendor_id", problem)]


def test_clients_are_built_from_settings() -> None:
    extra = {
        "linkauth.client.alexa.client_id": "the-id",
        "linkauth.client.alexa.alexa_vendor_id": "M2AAAAAAAAAAAA",
        "linkauth.client.alexa.access_token_lifetime": "3600",
        "linkauth.client.alexa.require_state": "on",
        "linkauth.client.server.introspects": "alexa",
    }
    alexa, server = create_clients(read({**VALID, **extra}, settings_class).clients)
    hosts = ("pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp")
    paths = ("api/skill/link/M2AAAAAAAAAAAA", "spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA")
    amazon = {f"https://{host}/{path}" for host in hosts for path in paths}
    assert set(alexa.redirect_uris) == {"https://layla.amazon.com/cb", *amazon}
    assert (alexa.client_id, alexa.implicit_lifetime, alexa.require_state) == ("the-id", 3600, True)
    assert alexa.secret_sha256 is None
    assert server.introspects == {"the-id"}
    assert server.grants == frozenset()
    assert server.secret_sha256 is not None


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, ["table"]),
        ({"table": "people"}, ["subject_column", "username_columns", "password_column"]),
        ({"query": "select 1"}, ["query"]),
        ({"query": "select :username", "table": "people"}, ["query"]),
        ({"query": "select :username", "name_column": "name"}, ["name_column"]),
        ({"query": "select :username", "timeout": 0}, ["timeout"]),
        ({"query": "select :username", "timeout": 31}, ["timeout"]),
    ],
)
def test_invalid_sql_settings_are_refused(changes: dict[str, object], keys: list[str]) -> None:
    result = [key for key, _ in settings_of(SQLSettings, url="x", **changes).faults()]  # type: ignore[arg-type]
    assert set(keys) <= set(result)
    assert list(settings_of(SQLSettings, url="x", query="select :username").faults()) == []


def test_scope_with_colon_is_written_percent_encoded() -> None:
    scopes = {"linkauth.client.alexa.scopes": "orders orders:read https://x.example/y=%z ride"}
    texts = {
        "linkauth.scope.orders": "See orders",
        "linkauth.scope.orders%3Aread": "Read",
        "linkauth.scope.orders%3Aread.de": "Lesen",
        "linkauth.scope.https%3A//x.example/y%3D%25z": "Y",
    }
    result = read({**VALID, **scopes, **texts}, settings_class).scopes
    assert result["orders"] == {"": "See orders"}
    assert result["orders:read"] == {"": "Read", "de": "Lesen"}
    assert result["https://x.example/y=%z"] == {"": "Y"}


@pytest.mark.parametrize(
    ("scope", "key", "value", "advice"),
    [
        ("orders:read", "orders", "read = Place orders", "orders%3Aread"),
        ("orders:read", "orders", "read.de=Bestellen", "orders%3Aread"),
        ("https://x.example/y", "https", "//x.example/y = Y", "https%3A//x.example/y"),
    ],
)
def test_key_cut_at_colon_is_reported_with_correct_spelling(scope: str, key: str, value: str, advice: str) -> None:
    """An ini parser reads `orders:read = Place orders` as the key `orders`."""
    ini = {**VALID, "linkauth.client.alexa.scopes": f"ride {scope}", f"linkauth.scope.{key}": value}
    with pytest.raises(SettingsError) as raised:
        read(ini, settings_class)
    message = f"contains a colon, which ends an ini key: write linkauth.scope.{advice}"
    assert raised.value.faults == [(f"linkauth.scope.{scope}", message)]
    # a text that only begins like the cut key is accepted
    fine = {**VALID, "linkauth.client.alexa.scopes": "ride orders orders:read", "linkauth.scope.orders": "read orders"}
    assert read(fine, settings_class).scopes["orders"] == {"": "read orders"}
