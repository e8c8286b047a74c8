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
from passlib.hash import django_pbkdf2_sha256

from plugins.http.tests.api import API, Asked, Reply
from tests.alexa import Alexa
from tests.conftest import ROOT, STAFF, https
from tests.servers import openldap

PASSWORD = "Grace-Hopper-1906"


def block_of(plugin: str) -> dict[str, str]:
    """The settings of the README's block for a plugin, without `linkauth.`."""
    blocks = re.findall(r"```ini\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if f".use = {plugin}\n" in block]
    lines = [line.partition(" = ") for line in block.splitlines()]
    return {key.removeprefix("linkauth."): value for key, _, value in lines}


@pytest.fixture
def attached(make_app: Callable[..., Any]) -> Callable[[str, Mapping[str, str]], Alexa]:
    """`attached(plugin, changes)`: the app with the block, in which keys of its backend change."""

    def attach(plugin: str, changes: Mapping[str, str]) -> Alexa:
        settings = block_of(plugin)
        prefix = f"backend.{settings['backends']}."
        for key, value in changes.items():
            assert prefix + key in settings or key == "tls_ca_file", key
            settings[prefix + key] = value
        for key, value in settings.items():
            # an ini file doubles it, and these settings are no file
            settings[key] = value.replace("%%", "%")
        named = {key.replace(".", "__"): value for key, value in settings.items()}
        return Alexa(https(make_app(**{**dict.fromkeys(STAFF), **named})))

    return attach


def signs_in(alexa: Alexa, username: str, password: str) -> dict[str, Any]:
    """Refuses a wrong password, links with the right one; gives what the token's introspection says."""
    assert alexa.submit(username, "wrong", status=403).status_int == 403
    answer: dict[str, Any] = alexa.introspect(alexa.link(username, password)["access_token"]).json
    return answer


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
    def answers(asked: Asked) -> Reply:
        given = json.loads(asked.body)
        if given == {"login": "grace", "secret": PASSWORD}:
            return Reply(200, json.dumps({"result": {"ok": True, "id": "77"}}))
        return Reply(200, json.dumps({"result": {"ok": False, "code": "E17"}}))

    api = API(answers)
    try:
        alexa = attached("http", {"url": f"{api.url}/login"})
        assert signs_in(alexa, "grace", PASSWORD)["sub"] == "legacy:77"
    finally:
        api.stop()
