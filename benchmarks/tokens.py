"""Measures the endpoints that use no backend: code exchange, refresh and introspection, with SQLite and PostgreSQL."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

from sqlalchemy import insert

from benchmarks import rates, wrk
from benchmarks.rates import Extent, Load, Run
from benchmarks.report import Figure
from benchmarks.serving import HOME_SECRET, Server
from linkauth.oauth2.tokens import Link, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine
from linkauth.storage.tables import codes, links
from tests.servers.postgresql import BINARIES, PostgreSQL

REDIRECT = "https://layla.amazon.com/api/skill/link/M2BENCHMARK"
CODES = 30_000
TARGETS = {
    "code exchanges": {"waitress": 0.8, "granian": 0.8},
    "refreshes": {"waitress": 0.8, "granian": 0.8},
    "introspections": {"waitress": 1.0, "granian": 1.7},
}
"""The lowest ratios to the floor."""
POSTGRESQL_TARGET = 0.7
"""The lowest ratio of a rate on PostgreSQL to the rate on SQLite."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLIENT = {"Authorization": "Basic " + b64encode(f"home:{HOME_SECRET}".encode()).decode("ascii")}


@contextmanager
def postgresql() -> Iterator[str | None]:
    """Starts PostgreSQL and yields its URL, None if it is not installed."""
    if not BINARIES:
        yield None
        return
    server = PostgreSQL()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


def loads(servers: Sequence[Server]) -> dict[str, dict[Server, Load]]:
    """Inserts tokens and codes into the databases of the servers. Returns the loads of each endpoint."""
    of_servers = {server: Tokens(server).loads() for server in servers}
    return {endpoint: {server: found[endpoint] for server, found in of_servers.items()} for endpoint in TARGETS}


def figures(servers: Sequence[Server], extent: Extent) -> Iterator[Figure]:
    """Yields the rates of each endpoint in relation to the floor."""
    for endpoint, of_servers in loads(servers).items():
        yield from rates.figures(endpoint, of_servers, extent, TARGETS[endpoint], endpoint)


def postgresql_figures(on_sqlite: Server, on_postgresql: Server, extent: Extent) -> Iterator[Figure]:
    """Yields the rates of each endpoint on PostgreSQL in relation to SQLite."""
    for endpoint, of_servers in loads((on_sqlite, on_postgresql)).items():
        found = rates.measure(of_servers, extent)
        name = f"{endpoint} per second on PostgreSQL (reference: SQLite), {on_sqlite.kind}"
        bounds = (POSTGRESQL_TARGET, None)
        reference = found[on_sqlite]
        yield Figure(name, found[on_postgresql].rate, reference=reference.rate, ratio_target=bounds)
        yield Figure(
            "  per CPU second of linkauth", found[on_postgresql].per_cpu_second, reference=reference.per_cpu_second
        )


class Tokens:
    """Inserts `count` codes, and tokens, into the database of a server, and generates requests with them."""

    def __init__(self, server: Server, count: int = CODES) -> None:
        self._server = server
        self.access, self.refresh = new_token(), new_token()
        # the insertions take longer than a request may
        engine, now = open_engine(server.database, for_operator=True), int(time.time())
        link = Link("staff", "1", "ada", "home", (), "authorization_code", "en", now)
        store = LinkStore(engine)
        store.create(link, (Token(digest(self.access), "access", now), Token(digest(self.refresh), "refresh", now)))
        store.close()
        new_codes = [new_token() for _ in range(count)]
        row = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
        with engine.begin() as connection:
            link_rows = [{**row, "grant": "authorization_code", "created_at": now}] * count
            ids = list(connection.execute(insert(links).returning(links.c.id), link_rows).scalars())
            rows = [
                {"digest": digest(code), "link_id": link_id, "redirect_uri": REDIRECT, "expires_at": now + 3600}
                for code, link_id in zip(new_codes, ids, strict=True)
            ]
            connection.execute(insert(codes), rows)
        engine.dispose()
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
        self.forms = [{**form, "code": code} for code in new_codes]
        """The unused forms of code exchanges."""

    def loads(self) -> dict[str, Load]:
        """Returns a load for each endpoint."""
        headers = {**_FORM, **CLIENT}
        refresh = urlencode({"grant_type": "refresh_token", "refresh_token": self.refresh})
        return {
            "code exchanges": CodeExchange(self._server, headers, self.forms),
            "refreshes": wrk.Load(self._server, "/token", "access_token", headers, refresh),
            "introspections": wrk.Load(self._server, "/introspect", "true", headers, f"token={self.access}"),
        }


class CodeExchange:
    """Exchanges each code once. A run starts with the first code that the previous run did not use."""

    def __init__(self, server: Server, headers: dict[str, str], forms: list[dict[str, str]]) -> None:
        self._server, self._headers, self._unused = server, headers, [urlencode(form) for form in forms]

    def run(self, seconds: float) -> Run:
        bodies = self._server.folder / "unused-codes"
        bodies.write_text("".join(f"{line}\n" for line in self._unused), "ascii")
        run = wrk.Load(self._server, "/token", "refresh_token", self._headers, bodies=bodies).run(seconds)
        # also skip the codes of requests that were in progress at the end of the run
        self._unused = self._unused[run.count + 4 * wrk.CONNECTIONS :]
        return run
