"""Tests that every secret can be changed without a refused request, in the steps of docs/operation.md.

Two servers with one PostgreSQL run behind HAProxy with the documented settings. They are restarted one after the other
while phones, platforms, skills and token verifiers send requests.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from linkauth.cli import main
from linkauth.cli.keys import PUBLICATION_SECONDS
from linkauth.storage import KeyStore, open_engine, upgrade
from linkauth.storage.tables import signing_keys
from tests.operations.load import CALLBACK, Load, running_load
from tests.servers import haproxy
from tests.servers.postgresql import PostgreSQL, running
from tests.servers.production_server import SECRET, HTTPClient, ProductionServer

NEW_SECRET = "9f31c7a05be84d26a1f0c3972d6e58b4"
CLIENT_SECRET, NEXT_CLIENT_SECRET = "5d0e7f3b91c24a68b7de", "e2a94c6f08b1d753a0c9"
REPLACED = "client secret must be replaced"
SECONDS = 60
CLIENT = {
    **{"name": "Shop", "platform": "none", "grants": "authorization_code", "redirect_uris": CALLBACK},
    **{"access_token_lifetime": "3600", "refresh_grace": "600"},
}
SETTINGS = {
    "clients": "ride-hailer shop app",
    **{f"client.shop.{key}": value for key, value in {**CLIENT, "secret": CLIENT_SECRET}.items()},
    **{f"client.app.{key}": value for key, value in {**CLIENT, "token_format": "jwt"}.items()},
    "drain_seconds": "4",
}


class Servers:
    """Two servers behind a load balancer."""

    def __init__(self, folder: Path, database: str) -> None:
        settings = {**SETTINGS, "database": database, "database_upgrade": "command"}
        self.servers = [ProductionServer("waitress", folder / name, settings) for name in ("one", "two")]
        first, second = self.servers
        self.balancer = haproxy.HAProxy(folder / "haproxy", (first.port, second.port))

    def start(self) -> None:
        for server in self.servers:
            server.start()
        self.balancer.start()
        _until_ready(self.balancer.port)

    def stop(self) -> None:
        self.balancer.stop()
        for server in self.servers:
            server.stop()

    def restart(self, load: Load, **changes: str | None) -> None:
        """Changes settings of both servers, and restarts one after the other; `__` stands for a dot, None removes."""
        for server in self.servers:
            ini = RawConfigParser(delimiters="=")
            ini.optionxform = str  # type: ignore[assignment,method-assign]
            ini.read(server.ini, "utf-8")
            for key, value in changes.items():
                name = "linkauth." + key.replace("__", ".")
                if value is None:
                    ini.remove_option("app:main", name)
                else:
                    ini["app:main"][name] = value
            with server.ini.open("w", encoding="utf-8") as file:
                ini.write(file)
            # the process may take longer than the 5 seconds of `stop` to drain
            server.process.terminate(SECONDS)
            server.start()
            _until_ready(server.port)
            load.wait()

    def command(self, *arguments: str) -> str:
        result = CliRunner().invoke(main, [*arguments, str(self.servers[0].ini)])
        assert result.exit_code == 0, result.output
        return result.output

    def logs(self) -> str:
        return "".join(server.log.read_text("utf-8") for server in self.servers)


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while HTTPClient(port).get("/health/ready").status != 200:
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.05)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    haproxy.require()
    with running() as server:
        engine = open_engine(server.url, for_operator=True)
        upgrade(engine)
        KeyStore(engine, SECRET).rotate(1, 0)
        engine.dispose()
        yield server


@pytest.fixture
def servers(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Servers]:
    servers = Servers(tmp_path, postgresql.url)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def let_time_pass(database: str, seconds: int) -> None:
    """Makes the signing keys as old as if `seconds` had passed. Servers read them at their start, and each minute."""
    engine = open_engine(database)
    with engine.begin() as connection:
        connection.execute(update(signing_keys).values(signs_from=signing_keys.c.signs_from - seconds))
    engine.dispose()


def test_all_secrets_change_under_load_without_a_refused_request(servers: Servers, postgresql: PostgreSQL) -> None:
    (old_kid,) = re.findall(r"^(\S+)  signs from", servers.command("keys", "list"), re.MULTILINE)
    with running_load(servers.balancer.port, postgresql.url, CLIENT_SECRET) as load:
        load.wait()
        # the secret of a client, step 1, and a new signing key
        (new_kid,) = re.findall(r"^(\S+) signs from", servers.command("keys", "rotate"), re.MULTILINE)
        servers.restart(load, client__shop__next_secret=NEXT_CLIENT_SECRET)
        assert f"{REPLACED}: client=shop" in servers.logs()
        assert load.kids == {old_kid}
        # steps 2 and 3
        load.secret = NEXT_CLIENT_SECRET
        load.wait(4)
        # step 4; meanwhile the new key begins to sign
        let_time_pass(postgresql.url, PUBLICATION_SECONDS)
        replaced = servers.logs().count(REPLACED)
        servers.restart(load, client__shop__secret=NEXT_CLIENT_SECRET, client__shop__next_secret=None)
        assert load.kids == {old_kid, new_kid}
        # linkauth.secret, step 1
        servers.restart(load, secret=NEW_SECRET, previous_secrets=f"\n{SECRET}")
        # step 2
        assert (
            "not encrypted with every secret"
            not in CliRunner().invoke(main, ["doctor", "--offline", str(servers.servers[0].ini)]).output
        )
        servers.restart(load, previous_secrets=None)
        # step 3
        assert "2 key(s) resealed" in servers.command("keys", "reseal")
        load.wait()
        # from now on, the former secret of the client is refused
        load.stop()
        load.secret = CLIENT_SECRET
        with pytest.raises(AssertionError, match="invalid_client"):
            load.use_code(HTTPClient(servers.balancer.port))
    assert load.failures == []
    log = servers.logs()
    assert log.count(REPLACED) == replaced
    assert not re.search(r"\b(ERROR|CRITICAL|Traceback)\b", log), log
    assert not [each for each in (SECRET, NEW_SECRET, CLIENT_SECRET, NEXT_CLIENT_SECRET) if each in log]
