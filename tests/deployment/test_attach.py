"""The three blocks of the README that attach an SQL table, a directory and a login API: each of them signs people in.

Only addresses and the secret of the service account are changed, and the LDAP preset, since the server is OpenLDAP.
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

from plugins.http.tests.api import API, Asked, Reply
from tests.alexa import Alexa
from tests.conftest import ROOT, STAFF_SETTINGS, https
from tests.servers import openldap

PASSWORD = "Grace-Hopper-1906"


def blocks_of(document: str) -> list[str]:
    return re.findall(r"```ini\n(.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL)


def block_of(plugin: str) -> dict[str, str]:
    """The settings of the README's block for a plugin, without `linkauth.`."""
    (block,) = [block for block in blocks_of("README.md") if f".use = {plugin}\n" in block]
    return settings_in(block)


def settings_in(block: str) -> dict[str, str]:
    lines = [line.partition(" = ") for line in block.splitlines()]
    return {key.removeprefix("linkauth."): value for key, _, value in lines}


@pytest.fixture
def attached(make_app: Callable[..., Any]) -> Callable[..., Alexa]:
    """`attached(plugin, changes, further)`: the app with the block and further settings, in which keys change."""

    def attach(plugin: str, changes: Mapping[str, str], further: Mapping[str, str] | None = None) -> Alexa:
        settings = block_of(plugin) | (further or {})
        prefix = f"backend.{settings['backends']}."
        for key, value in changes.items():
            assert prefix + key in settings or key == "tls_ca_file", key
            settings[prefix + key] = value
        for key, value in settings.items():
            # an ini file doubles it, and these settings are no file
            settings[key] = value.replace("%%", "%")
        named = {key.replace(".", "__"): value for key, value in settings.items()}
        return Alexa(https(make_app(**{**dict.fromkeys(STAFF_SETTINGS), **named})))

    return attach


def signs_in(alexa: Alexa, username: str, password: str) -> dict[str, Any]:
    """Refuses a wrong password, links with the right one; gives what the token's introspection says."""
    assert alexa.submit(username, "wrong", status=403).status_int == 403
    response: dict[str, Any] = alexa.introspect(alexa.link(username, password)["access_token"]).json
    return response


def test_the_sql_block_attaches_a_django_table(attached: Callable[..., Alexa], tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "intranet.sqlite")) as table, table:
        table.execute(
            "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT, password TEXT, email TEXT, first_name TEXT,"
            " last_name TEXT, is_active BOOLEAN)"
        )
        stored = django_pbkdf2_sha256.using(rounds=1_000).hash(PASSWORD)
        row = (7, "grace", stored, "grace@example.com", "Grace", "Hopper", True)
        table.execute("INSERT INTO auth_user VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    alexa = attached("sql", {"url": f"sqlite:///{tmp_path}/intranet.sqlite"})
    assert signs_in(alexa, "grace", PASSWORD)["sub"] == "intranet:7"


def test_the_manual_of_backends_attaches_a_table_by_its_columns(attached: Callable[..., Alexa], tmp_path: Path) -> None:
    (block,) = [block for block in blocks_of("docs/backends.md") if "password_column" in block]
    with closing(sqlite3.connect(tmp_path / "intranet.sqlite")) as table, table:
        table.execute("CREATE TABLE people (id INTEGER, login TEXT, email TEXT, password_hash TEXT, active INTEGER)")
        stored = ldap_salted_sha1.hash(PASSWORD)
        rows = [(7, "grace", "grace@example.com", stored, 1), (8, "ada", "ada@example.com", stored, 0)]
        table.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", rows)
    further = {**settings_in(block), "backend.intranet.preset": "none"}
    alexa = attached("sql", {"url": f"sqlite:///{tmp_path}/intranet.sqlite"}, further)
    assert signs_in(alexa, "Grace@example.com", PASSWORD)["sub"] == "intranet:7"
    assert alexa.submit("ada", PASSWORD, status=403).status_int == 403


def test_the_manual_of_backends_has_the_blocks_of_the_readme() -> None:
    assert set(blocks_of("README.md")) <= set(blocks_of("docs/backends.md"))


def test_the_ldap_block_attaches_a_directory(attached: Callable[..., Alexa]) -> None:
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
        found = signs_in(alexa, f"CORP\\{person.username}", person.password)
        assert found["sub"].startswith("corp:")
        assert found["username"] == person.username


def test_the_http_block_attaches_a_login_api(attached: Callable[..., Alexa]) -> None:
    def reply_to(request: Asked) -> Reply:
        given = json.loads(request.body)
        if given == {"login": "grace", "secret": PASSWORD}:
            return Reply(200, json.dumps({"result": {"ok": True, "id": "77"}}))
        return Reply(200, json.dumps({"result": {"ok": False, "code": "E17"}}))

    api = API(reply_to)
    try:
        alexa = attached("http", {"url": f"{api.url}/login"})
        assert signs_in(alexa, "grace", PASSWORD)["sub"] == "legacy:77"
    finally:
        api.stop()
