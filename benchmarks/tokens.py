"""The endpoints that ask no backend: code exchange, refresh, introspection, userinfo, on SQLite and on PostgreSQL."""

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
AIMS = {"code exchange": 4000, "refresh": 4500, "introspection": 10_000, "userinfo": 10_000}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLIENT = {"Authorization": "Basic " + b64encode(f"home:{HOME_SECRET}".encode()).decode("ascii")}


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """The databases to measure on, name to URL; an empty one is the server's own SQLite file."""
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
    """Rate and latencies of each endpoint of a server whose database is called `name`."""
    kept = Kept(server)
    for what, load in kept.loads().items():
        is_running = [load.run(seconds) for _ in range(rounds)]
        rate = statistics.median(run.rate for run in is_running)
        label = f"{what} a second, {server.kind}, {name}"
        yield Figure(
            label,
            rate,
            aim=(AIMS[what], None),
            work="introspection" if what in ("introspection", "userinfo") else "refresh",
        )
        for point in ("p50", "p99", "p999"):
            latency = statistics.median(getattr(run, point) for run in is_running)
            shown = point.replace("p999", "p99.9")
            yield Figure(f"  {shown} in ms", latency, "{:.1f}", (None, 4500) if point == "p999" else (None, None))


class Kept:
    """Codes and tokens in the server's database, put there as the server itself would have."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._codes = server.folder / "codes"
        self.access, self.refresh = new_token(), new_token()
        engine, now = open_engine(server.database), int(time.time())
        link = Link("staff", "1", "ada", "home", (), "authorization_code", "en", now)
        store = LinkStore(engine)
        store.create(link, (Token(digest(self.access), "access", now), Token(digest(self.refresh), "refresh", now)))
        store.close()
        made = [new_token() for _ in range(CODES)]
        row = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
        with engine.begin() as connection:
            again = [{**row, "grant": "authorization_code", "created_at": now}] * CODES
            ids = list(connection.execute(insert(links).returning(links.c.id), again).scalars())
            rows = [
                {"digest": digest(code), "link_id": link_id, "redirect_uri": REDIRECT, "expires_at": now + 3600}
                for code, link_id in zip(made, ids, strict=True)
            ]
            connection.execute(insert(codes), rows)
        engine.dispose()
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
        self._codes.write_text("".join(f"{urlencode({**form, 'code': code})}\n" for code in made), "ascii")

    def loads(self) -> dict[str, wrk.Load | Codes]:
        origin, headers = self._server.origin, {**_FORM, **CLIENT}
        refresh = urlencode({"grant_type": "refresh_token", "refresh_token": self.refresh})
        bearer = {"Authorization": f"Bearer {self.access}"}
        folder = self._server.folder
        return {
            "code exchange": Codes(folder, f"{origin}/token", headers, self._codes),
            "refresh": wrk.Load(folder, f"{origin}/token", "access_token", headers, refresh),
            "introspection": wrk.Load(folder, f"{origin}/introspect", "true", headers, f"token={self.access}"),
            "userinfo": wrk.Load(folder, f"{origin}/userinfo", "staff:1", bearer),
        }


class Codes:
    """Exchanges each code once; every run goes on where the one before it stopped."""

    def __init__(self, folder: Path, url: str, headers: dict[str, str], codes_file: Path) -> None:
        self._folder, self._url, self._headers = folder, url, headers
        self._left = codes_file.read_text("ascii").splitlines()

    def run(self, seconds: float) -> wrk.Run:
        bodies = self._folder / "codes-left"
        bodies.write_text("\n".join(self._left) + "\n", "ascii")
        seen = wrk.Load(self._folder, self._url, "refresh_token", self._headers, bodies=bodies).run(seconds)
        # those that were under way when time was up are gone too
        self._left = self._left[seen.requests + 4 * wrk.CONNECTIONS :]
        return seen
