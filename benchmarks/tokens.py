"""Measures the endpoints that use no backend: code exchange, refresh, introspection and userinfo.

They are measured with SQLite and, if it is installed, with PostgreSQL.
"""

from __future__ import annotations

import statistics
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import insert

from benchmarks import wrk
from benchmarks.report import Figure
from benchmarks.serving import HOME_SECRET, Server
from linkauth.oauth2.tokens import Link, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine
from linkauth.storage.tables import codes, links
from tests.servers.postgresql import BINARIES, PostgreSQL

REDIRECT = "https://layla.amazon.com/api/skill/link/M2BENCHMARK"
CODES = 30_000
TARGETS = {"code exchange": 4000, "refresh": 4500, "introspection": 10_000, "userinfo": 10_000}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLIENT = {"Authorization": "Basic " + b64encode(f"home:{HOME_SECRET}".encode()).decode("ascii")}


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yields the URL of each database by its name. An empty URL is the SQLite file of the server."""
    if not BINARIES:
        yield {"SQLite": ""}
        return
    postgresql = PostgreSQL()
    try:
        postgresql.start()
        yield {"SQLite": "", "PostgreSQL": postgresql.url}
    finally:
        postgresql.remove()


def figures(server: Server, name: str, rounds: int, seconds: float) -> Iterator[Figure]:
    """Yields rate and latencies of each endpoint of a server. `name` is the name of its database."""
    for endpoint, load in Tokens(server).loads().items():
        runs = [load.run(seconds) for _ in range(rounds)]
        rate = statistics.median(run.rate for run in runs)
        work = "introspection" if endpoint in ("introspection", "userinfo") else "refresh"
        yield Figure(f"{endpoint} per second, {server.kind}, {name}", rate, target=(TARGETS[endpoint], None), work=work)
        for percentile in ("p50", "p99", "p999"):
            latency = statistics.median(getattr(run, percentile) for run in runs)
            label = percentile.replace("p999", "p99.9")
            target = (None, 4500) if percentile == "p999" else (None, None)
            yield Figure(f"  {label} in ms", latency, "{:.1f}", target)


class Tokens:
    """Inserts codes and tokens into the database of a server, and generates requests with them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._codes = server.folder / "codes"
        self.access, self.refresh = new_token(), new_token()
        # the insertions take longer than a request may
        engine, now = open_engine(server.database, for_operator=True), int(time.time())
        link = Link("staff", "1", "ada", "home", (), "authorization_code", "en", now)
        store = LinkStore(engine)
        store.create(link, (Token(digest(self.access), "access", now), Token(digest(self.refresh), "refresh", now)))
        store.close()
        new_codes = [new_token() for _ in range(CODES)]
        row = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
        with engine.begin() as connection:
            link_rows = [{**row, "grant": "authorization_code", "created_at": now}] * CODES
            ids = list(connection.execute(insert(links).returning(links.c.id), link_rows).scalars())
            rows = [
                {"digest": digest(code), "link_id": link_id, "redirect_uri": REDIRECT, "expires_at": now + 3600}
                for code, link_id in zip(new_codes, ids, strict=True)
            ]
            connection.execute(insert(codes), rows)
        engine.dispose()
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
        self._codes.write_text("".join(f"{urlencode({**form, 'code': code})}\n" for code in new_codes), "ascii")

    def loads(self) -> dict[str, wrk.Load | CodeExchange]:
        """Returns a load for each endpoint."""
        origin, headers = self._server.origin, {**_FORM, **CLIENT}
        refresh = urlencode({"grant_type": "refresh_token", "refresh_token": self.refresh})
        bearer = {"Authorization": f"Bearer {self.access}"}
        folder = self._server.folder
        return {
            "code exchange": CodeExchange(folder, f"{origin}/token", headers, self._codes),
            "refresh": wrk.Load(folder, f"{origin}/token", "access_token", headers, refresh),
            "introspection": wrk.Load(folder, f"{origin}/introspect", "true", headers, f"token={self.access}"),
            "userinfo": wrk.Load(folder, f"{origin}/userinfo", "staff:1", bearer),
        }


class CodeExchange:
    """Exchanges each code once. A run starts with the first code that the previous run did not use."""

    def __init__(self, folder: Path, url: str, headers: dict[str, str], codes_file: Path) -> None:
        self._folder, self._url, self._headers = folder, url, headers
        self._unused = codes_file.read_text("ascii").splitlines()

    def run(self, seconds: float) -> wrk.Run:
        bodies = self._folder / "unused-codes"
        bodies.write_text("\n".join(self._unused) + "\n", "ascii")
        run = wrk.Load(self._folder, self._url, "refresh_token", self._headers, bodies=bodies).run(seconds)
        # also skip the codes of requests that were in progress at the end of the run
        self._unused = self._unused[run.requests + 4 * wrk.CONNECTIONS :]
        return run
