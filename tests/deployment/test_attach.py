"""Tests that people can sign in with the README's settings for an SQL table, a directory and a login API.

The tests change only addresses, the password of the service account, and the LDAP preset, because the server is
OpenLDAP.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import django_pbkdf2_sha256, ldap_salted_sha1

from plugins.http.tests.api import API, ReceivedRequest, Reply
from tests.alexa import Alexa
from tests.conftest import ROOT, STAFF_SETTINGS, https
from tests.servers import openldap

PASSWORD = "Grace-Hopper-1906"


def ini_blocks(document: str) -> list[str]:
    return re.findall(r"```ini\n(.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL)


def readme_settings(plugin: str) -> dict[str, str]:
    """Returns the settings for a plugin in README.md. The keys have no prefix `linkauth.`."""
    (block,) = [block for block in ini_blocks("README.md") if f".use = {plugin}\n" in block]
    return settings_in(block)


def settings_in(block: str) -> dict[str, str]:
    lines = [line.partition(" = ") for line in block.splitlines()]
    return {key.removeprefix("linkauth."): value for key, _, value in lines}


@pytest.fixture
def attached(make_app: Callable[..., Any]) -> Callable[..., Alexa]:
    """`attached(plugin, changes, extra_settings)` returns an Alexa app for linkauth with the README's settings.

    `changes` replace values of the backend; `extra_settings` are added.
    """

    def make_alexa(plugin: str, changes: Mapping[str, str], extra_settings: Mapping[str, str] | None = None) -> Alexa:
        settings = readme_settings(plugin) | (extra_settings or {})
        prefix = f"backend.{settings['backends']}."
        for key, value in changes.items():
            assert prefix + key in settings or key == "tls_ca_file", key
            settings[prefix + key] = value
        for key, value in settings.items():
            # a percent sign is doubled only in an ini file
            settings[key] = value.replace("%%", "%")
        keyword_settings = {key.replace(".", "__"): value for key, value in settings.items()}
        return Alexa(https(make_app(**{**dict.fromkeys(STAFF_SETTINGS), **keyword_settings})))

    return make_alexa


def sign_in(alexa: Alexa, username: str, password: str) -> dict[str, Any]:
    """Checks that a wrong password is refused, links with the right one, and returns the introspection response."""
    assert alexa.submit(username, "wrong", status=403).status_int == 403
    response: dict[str, Any] = alexa.introspect(alexa.link(username, password)["access_token"]).json
    return response


def test_people_in_a_django_table_sign_in_with_the_sql_settings_of_the_readme(
    attached: Callable[..., Alexa], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "intranet.sqlite")) as table, table:
        table.execute(
            "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT, password TEXT, email TEXT, first_name TEXT,"
            " last_name TEXT, is_active BOOLEAN)"
        )
        stored = django_pbkdf2_sha256.using(rounds=1_000).hash(PASSWORD)
        row = (7, "grace", stored, "grace@example.com", "Grace", "Hopper", True)
        table.execute("INSERT INTO auth_user VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    alexa = attached("sql", {"url": f"sqlite:///{tmp_path}/intranet.sqlite"})
    assert sign_in(alexa, "grace", PASSWORD)["sub"] == "intranet:7"


def test_people_sign_in_with_the_settings_for_column_names(attached: Callable[..., Alexa], tmp_path: Path) -> None:
    (block,) = [block for block in ini_blocks("docs/backends.md") if "intranet.password_column" in block]
    with closing(sqlite3.connect(tmp_path / "intranet.sqlite")) as table, table:
        table.execute("CREATE TABLE people (id INTEGER, login TEXT, email TEXT, password_hash TEXT, active INTEGER)")
        stored = ldap_salted_sha1.hash(PASSWORD)
        rows = [(7, "grace", "grace@example.com", stored, 1), (8, "ada", "ada@example.com", stored, 0)]
        table.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", rows)
    extra_settings = {**settings_in(block), "backend.intranet.preset": "none"}
    alexa = attached("sql", {"url": f"sqlite:///{tmp_path}/intranet.sqlite"}, extra_settings)
    assert sign_in(alexa, "Grace@example.com", PASSWORD)["sub"] == "intranet:7"
    assert alexa.submit("ada", PASSWORD, status=403).status_int == 403


def test_docs_backends_contains_the_settings_of_the_readme() -> None:
    assert set(ini_blocks("README.md")) <= set(ini_blocks("docs/backends.md"))


def test_people_in_a_directory_sign_in_with_the_ldap_settings_of_the_readme(attached: Callable[..., Alexa]) -> None:
    with openldap.running() as directory:
        changes = {
            "preset": "openldap",
            "uris": directory.a.ldaps,
            "bind_dn": directory.bind_dn,
            "bind_password": directory.bind_password,
            "user_base": directory.people_base,
            "tls_ca_file": str(directory.ca_file),
        }
        alexa = attached("ldap", changes)
        person = next(iter(directory.people.values()))
        claims = sign_in(alexa, f"CORP\\{person.username}", person.password)
        assert claims["sub"].startswith("corp:")
        assert claims["username"] == person.username


def test_people_of_a_login_api_sign_in_with_the_http_settings_of_the_readme(attached: Callable[..., Alexa]) -> None:
    def reply_to(request: ReceivedRequest) -> Reply:
        credentials = json.loads(request.body)
        if credentials == {"login": "grace", "secret": PASSWORD}:
            return Reply(200, json.dumps({"result": {"ok": True, "id": "77"}}))
        return Reply(200, json.dumps({"result": {"ok": False, "code": "E17"}}))

    api = API(reply_to)
    try:
        alexa = attached("http", {"url": f"{api.url}/login"})
        assert sign_in(alexa, "grace", PASSWORD)["sub"] == "legacy:77"
    finally:
        api.stop()
