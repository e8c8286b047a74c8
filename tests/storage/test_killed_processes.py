"""Tests that SIGKILL loses no token that was acknowledged before it, of a process that writes and of a whole server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import time

import pytest
import urllib3
from sqlalchemy import select, text

from linkauth.oauth2.tokens import Token, digest, new_token
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.tables import tokens
from tests.servers.development_server import DevelopmentServer
from tests.servers.postgresql import running
from tests.storage.concurrency import LINK
from tests.storage.endless_writes import REPORT, write_until_killed
from tests.storage.killed_processes import reported_before_kill

KILLS = 40
SERVER_KILLS = 4
CALLBACK = "http://127.0.0.1:9/callback"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/links.sqlite"
    else:
        with running() as server:
            yield server.url


def test_killed_process_loses_no_reported_token(url: str) -> None:
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    reported: set[bytes] = set()
    for kill in range(KILLS if engine.dialect.name == "sqlite" else 6):
        reported |= reported_before_kill(write_until_killed, url, 1 + 7 * kill, REPORT)
        with engine.connect() as connection:
            stored = set(map(bytes, connection.execute(select(tokens.c.digest)).scalars()))
        assert len(reported - stored) == 0
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    engine.dispose()


class Refreshes:
    """Refreshes a rotating token until the server is killed, and keeps the tokens of each response."""

    def __init__(self, server: DevelopmentServer, refresh_token: str) -> None:
        self.access_tokens: list[str] = []
        self._server, self._refresh_token = server, refresh_token

    def refresh(self, pool: urllib3.PoolManager) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token, "client_id": "public"}
        url = f"{self._server.url}/token"
        response = pool.request("POST", url, fields=form, encode_multipart=False, timeout=30)
        while response.status == 503:
            # the disk is busy
            response = pool.request("POST", url, fields=form, encode_multipart=False, timeout=30)
        assert response.status == 200, response.data
        tokens = response.json()
        self.access_tokens.append(tokens["access_token"])
        self._refresh_token = tokens["refresh_token"]

    def until_killed(self, pool: urllib3.PoolManager, enough: Event, minimum: int) -> None:
        """Sets `enough` after `minimum` responses."""
        try:
            while True:
                self.refresh(pool)
                if len(self.access_tokens) >= minimum:
                    enough.set()
        except urllib3.exceptions.HTTPError:
            # the server was killed
            pass
        finally:
            enough.set()


def test_killed_server_loses_no_token_that_it_sent(tmp_path: Path) -> None:
    client = {
        "name": "Public",
        "platform": "none",
        "grants": "authorization_code",
        "redirect_uris": "https://a.example/",
    }
    changes = {
        f"client.public.{key}": value for key, value in {**client, "scopes": "order_car", "refresh": "rotate"}.items()
    }
    server = DevelopmentServer(tmp_path, {**changes, "clients": "ride-hailer public"})
    server.start()
    first_tokens = [new_token() for _ in range(8)]
    engine = open_engine(f"sqlite:///{tmp_path}/var/linkauth.sqlite", for_operator=True)
    with closing(LinkStore(engine)) as store:
        for token in first_tokens:
            link = replace(LINK, client_id="public", created_at=int(time()))
            store.create(link, (Token(digest(token), "refresh", link.created_at),))
    engine.dispose()
    people = [Refreshes(server, token) for token in first_tokens]
    try:
        for kill in range(SERVER_KILLS):
            enough = Event()
            with urllib3.PoolManager(maxsize=len(people), retries=False) as pool:
                with ThreadPoolExecutor(len(people)) as threads:
                    jobs = [threads.submit(each.until_killed, pool, enough, 10 * (kill + 1)) for each in people]
                    assert enough.wait(60)
                    server.kill()
                for job in jobs:
                    job.result()
                server.start()
                for each in people:
                    for access_token in each.access_tokens:
                        headers = {"Authorization": f"Bearer {access_token}"}
                        response = pool.request("GET", f"{server.url}/userinfo", headers=headers)
                        assert response.status == 200, response.data
                    # the last request may have been executed without a response; the client then repeats it
                    each.refresh(pool)
    finally:
        server.stop()
