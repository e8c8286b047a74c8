"""Tests that no output of linkauth contains part of a secret.

Every setting that may contain a secret has one with unusual characters. The tests search the output of the start, of
the commands, of the pages and of the log.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.deployment.planted_settings import FURTHER, PLANTED, PROVIDER, SECRETS, UNREACHABLE
from tests.deployment.secret_leaks import (
    CHARACTERS,
    encoded,
    ini_with,
    leaked_parts,
    output_of_commands,
    output_of_start_and_commands,
    password,
    secret_parts,
    secret_settings,
    start_output,
)
from tests.servers import mariadb, openldap, postgresql
from tests.servers.development_server import DevelopmentServer, free_port
from tests.servers.mariadb import MariaDB
from tests.servers.openldap import OpenLDAP
from tests.servers.postgresql import PostgreSQL

TESTED_SEPARATELY = {"simulator.people", "backend.corp.uris", "sign_in.login.private_key"}
"""simulator.people requires development.ini, backend.corp.uris accepts no secret, and a private key replaces the client
secret. They have separate tests."""


def test_every_setting_that_may_hold_a_secret_has_one() -> None:
    planted = {key.removesuffix(".X-Key") for key in PLANTED}
    assert planted | TESTED_SEPARATELY == secret_settings()


def test_no_command_prints_a_secret(tmp_path: Path) -> None:
    output = output_of_start_and_commands(ini_with(tmp_path, {**PLANTED, **FURTHER}))
    assert "linkauth.database: cannot be opened: connection failed" in output
    assert "Can't connect to MySQL server on" in output
    assert not leaked_parts(output, *SECRETS.values())


@pytest.mark.parametrize("source", ["file", "env"])
def test_no_command_prints_a_secret_from_a_file_or_the_environment(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = {}
    for key, value in PLANTED.items():
        name = "LINKAUTH_TEST_" + key.replace(".", "_").replace("-", "_")
        (tmp_path / name).write_text(value, "utf-8")
        monkeypatch.setenv(name, value)
        references[key] = f"file:{tmp_path / name}" if source == "file" else f"env:{name}"
    output = output_of_start_and_commands(
        ini_with(tmp_path, {**references, **FURTHER}),
        ("doctor", "--offline"),
        ("explain", "{ini}", "ada"),
        ("db", "upgrade"),
    )
    assert "linkauth.database: cannot be opened: connection failed" in output
    assert not leaked_parts(output, *SECRETS.values())


DRIVERS = ("sqlite", "postgresql+psycopg", "mariadb+pymysql", "nosuch")
COMMANDS_FOR = {
    "database": (("db", "upgrade"),),
    "backend.staff.url": (("doctor", "--offline"), ("explain", "{ini}", "ada")),
}
"""The commands that use the URL in a setting."""


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("key", COMMANDS_FOR)
def test_a_password_without_percent_encoding_is_not_printed(tmp_path: Path, driver: str, key: str) -> None:
    for number, character in enumerate([*CHARACTERS, CHARACTERS], 1):
        secret = password(number, character)
        for location in (f"{UNREACHABLE}/x", ""):
            ini = ini_with(tmp_path, {key: f"{driver}://reader:{secret}@{location}"})
            assert not leaked_parts(output_of_commands(ini, *COMMANDS_FOR[key]), secret), (character, location)
    assert not leaked_parts(output_of_start_and_commands(ini, ("doctor", "--offline")), secret)


@pytest.mark.parametrize("character", "@/#?% ")
@pytest.mark.parametrize("key", ["database", "backend.staff.url"])
def test_an_ambiguous_url_is_refused_with_the_correct_encoding(tmp_path: Path, key: str, character: str) -> None:
    url = f"postgresql+psycopg://reader:{password(1, character)}@db.example.com/x"
    refusal = start_output(ini_with(tmp_path, {key: url}))
    assert f"linkauth.{key}: contains " in refusal
    assert "write %40 for @, %2F for /" in refusal


@pytest.mark.parametrize("key", ["backend.legacy.url", "backend.legacy.check_url", "backend.corp.uris"])
def test_the_url_of_an_api_or_a_directory_must_not_contain_a_password(tmp_path: Path, key: str) -> None:
    for number, character in enumerate(["", *CHARACTERS, CHARACTERS], 1):
        secret = password(number, character)
        for port in ("", "1"):
            scheme = "ldap" if key.endswith("uris") else "https"
            url = f"{scheme}://reader:{port}{secret}@127.0.0.1:1/login"
            output = output_of_commands(ini_with(tmp_path, {key: url}), ("doctor", "--offline"))
            assert f"linkauth.{key}: " in output
            assert not leaked_parts(output, secret), (character, port)


def test_an_unusable_private_key_of_a_sign_in_provider_is_not_printed(tmp_path: Path) -> None:
    for secret in (password(1), f"-----BEGIN PRIVATE KEY----- {password(1)} -----END PRIVATE KEY-----"):
        keys = {"team_id": "TEAM", "key_id": "KEY", "private_key": secret}
        settings = {**PROVIDER, **{f"sign_in.login.{key}": value for key, value in keys.items()}}
        output = output_of_start_and_commands(ini_with(tmp_path, settings))
        assert "private_key is not a private key in PEM form" in output
        assert not leaked_parts(output, password(1))


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server that requires a password of the account `reader`. The password has all CHARACTERS."""
    with postgresql.running() as server:
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text("host all reader 127.0.0.1/32 scram-sha-256\n" + rules.read_text("utf-8"), "utf-8")
        with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
            literal = psycopg.sql.Literal(password(1))
            connection.execute(psycopg.sql.SQL("CREATE ROLE reader LOGIN PASSWORD {}").format(literal))
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="module")
def mariadb_server() -> Iterator[MariaDB]:
    with mariadb.running() as server:
        yield server


@pytest.fixture(scope="module")
def slapd() -> Iterator[OpenLDAP]:
    with openldap.running() as directory:
        yield directory


def test_a_wrong_password_for_postgresql_is_not_printed(tmp_path: Path, postgresql_server: PostgreSQL) -> None:
    wrong = password(2)
    for url in (
        f"postgresql+psycopg://reader:{encoded(wrong)}@127.0.0.1:{postgresql_server.port}/postgres",
        f"postgresql+psycopg://127.0.0.1:{postgresql_server.port}/postgres?user=reader&password={encoded(wrong)}",
        # libpq parses a database name that looks like a connection string
        f"postgresql+psycopg://reader:{encoded(wrong)}@127.0.0.1:{postgresql_server.port}/{encoded('x=' + wrong)}",
    ):
        output = output_of_start_and_commands(ini_with(tmp_path, {"database": url, "backend.staff.url": url}))
        assert not leaked_parts(output, wrong)
        assert 'password authentication failed for user "reader"' in output


def test_a_password_with_all_characters_is_accepted_by_postgresql(
    tmp_path: Path, postgresql_server: PostgreSQL
) -> None:
    url = f"postgresql+psycopg://reader:{encoded(password(1))}@127.0.0.1:{postgresql_server.port}/postgres"
    output = output_of_start_and_commands(ini_with(tmp_path, {"database": url, "backend.staff.url": url}))
    assert "linkauth.database: has no linkauth tables" in output
    assert 'relation "people" does not exist' in output
    assert not leaked_parts(output, password(1))


def test_error_messages_of_database_servers_are_redacted(
    tmp_path: Path, postgresql_server: PostgreSQL, mariadb_server: MariaDB
) -> None:
    """The password is also part of the database name, which the servers repeat if the database does not exist."""
    secret = password(1)
    pasted = secret[:29]
    url = f"postgresql+psycopg://reader:{encoded(secret)}@127.0.0.1:{postgresql_server.port}/{encoded(pasted)}"
    output = output_of_start_and_commands(ini_with(tmp_path, {"database": url, "backend.staff.url": url}))
    assert re.search(r'linkauth.database: cannot be opened: .*database "\*\*\*" does not exist', output)
    assert re.search(r'staff: look-up: .*database "\*\*\*" does not exist', output)
    assert not leaked_parts(output, secret)
    mariadb_server.run("CREATE USER odd@'%%' IDENTIFIED BY %s", (secret,))
    url = f"mariadb+pymysql://odd:{encoded(secret)}@127.0.0.1:{mariadb_server.port}/{encoded(pasted)}"
    output = output_of_start_and_commands(ini_with(tmp_path, {"backend.staff.url": url}))
    assert re.search(r"staff: look-up: .*Access denied for user 'odd'@'%' to database '\*\*\*'", output)
    assert not leaked_parts(output, secret)


def test_a_wrong_password_for_mariadb_is_not_printed(tmp_path: Path, mariadb_server: MariaDB) -> None:
    wrong = password(2)
    for driver in ("mariadb+pymysql", "mysql+pymysql", "mysql"):
        url = f"{driver}://reader:{encoded(wrong)}@127.0.0.1:{mariadb_server.port}/linkauth"
        output = output_of_start_and_commands(ini_with(tmp_path, {"backend.staff.url": url}))
        assert "Access denied for user 'reader'" in output
        assert not leaked_parts(output, wrong)


def test_a_wrong_password_for_a_directory_is_not_printed(tmp_path: Path, slapd: OpenLDAP) -> None:
    wrong = password(2)
    settings = {
        "backend.corp.bind_dn": slapd.bind_dn,
        "backend.corp.bind_password": wrong,
        "backend.corp.user_base": slapd.people_base,
    }
    for uri, reason in (
        (slapd.a.ldap, "the service account bind_dn is refused"),
        (f"ldap://127.0.0.1:{free_port()}", "no connection: Connection refused"),
    ):
        output = output_of_start_and_commands(ini_with(tmp_path, {**settings, "backend.corp.uris": uri}))
        assert reason in output
        assert not leaked_parts(output, wrong)


LOGGING = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = {formatters}
[logger_root]
level = DEBUG
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = {formatters}
[formatter_json]
class = linkauth.logs.JSONFormatter
[formatter_plain]
format = %(levelname)s %(name)s: %(message)s
"""


@pytest.mark.parametrize("formatter", ["json", "plain"])
def test_a_running_server_logs_no_secret(tmp_path: Path, formatter: str, postgresql_server: PostgreSQL) -> None:
    changes = {key: value for key, value in PLANTED.items() if key not in ("database", "client.alexa.secret")} | FURTHER
    database_url = f"postgresql+psycopg://reader:{encoded(password(2))}@127.0.0.1:{postgresql_server.port}/postgres"
    urls = {key: changes.pop(f"backend.staff.{key}").replace("%", "%%") for key in ("url", "fallback_urls")}
    server = DevelopmentServer(
        tmp_path,
        {
            **{key: value.replace("%", "%%") for key, value in changes.items()},
            "backends": "staff other legacy corp",
            "mail.sink": None,
            "backend.staff.url": database_url.replace("%", "%%"),
            **{f"backend.other.{key}": value for key, value in {**OTHER_BACKEND, **urls}.items()},
            "backend.legacy.use": "http",
            "backend.legacy.success": "/ok = true",
            "backend.legacy.subject": "/id",
            "backend.corp.use": "ldap",
            "backend.corp.uris": f"ldap://{UNREACHABLE}",
            "backend.corp.allow_cleartext": "true",
            "backend.corp.bind_dn": "cn=reader,dc=example,dc=com",
            "backend.corp.user_base": "dc=example,dc=com",
        },
    )
    ini = tmp_path / "served.ini"
    text = ini.read_text("utf-8")
    ini.write_text(text[: text.index("[loggers]")] + LOGGING.replace("{formatters}", formatter), "utf-8")
    server.start()
    try:
        environment = {**os.environ, "LINKAUTH_SIMULATE_PASSWORD": "lovelace-1815"}
        command = [Path(sys.executable).with_name("linkauth"), "simulate", "alexa", ini, "--user", "ada"]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    finally:
        server.stop()
    log = server.log.read_text("utf-8")
    assert "password authentication failed for user" in log
    assert not leaked_parts(log + result.stdout + result.stderr, *SECRETS.values(), password(2))


OTHER_BACKEND = {
    "use": "sql",
    "table": "people",
    "subject_column": "id",
    "username_columns": "login",
    "password_column": "password_hash",
}


def test_a_failed_start_prints_no_secret(tmp_path: Path) -> None:
    for secret, url in (
        (password(3), f"postgresql+psycopg://reader:{encoded(password(3))}@{UNREACHABLE}/x"),
        (password(4), f"postgresql+psycopg://reader:{password(4)}@{UNREACHABLE}/x"),
    ):
        for key in ("database", "simulator.people"):
            DevelopmentServer(tmp_path, {key: url.replace("%", "%%")})
            command = [Path(sys.executable).with_name("linkauth"), "serve", tmp_path / "served.ini"]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert result.returncode == 1
            assert f"linkauth.{key}: " in result.stderr
            assert secret_parts(secret)
            assert not leaked_parts(result.stdout + result.stderr, secret)
