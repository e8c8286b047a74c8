"""`python -m benchmarks.growth` compares the cost of operations in a small and in a large database."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from random import Random

import psycopg
from sqlalchemy import func, select

from benchmarks.filling import DAY, fill, token, token_digest
from benchmarks.profiling import Application
from benchmarks.report import Figure, table
from benchmarks.serving import Server
from linkauth.oauth2.tokens import Token, digest, new_token
from linkauth.storage import LinkAdmin, LinkFilter, LinkStore, open_engine
from linkauth.storage.link_admin import BATCH_SIZE
from linkauth.storage.tables import tokens
from linkauth.storage.usage import DELAY_SECONDS, sweep
from tests.servers.postgresql import BINARIES, PostgreSQL

Connection = psycopg.Connection | None
"""A connection to the server of the databases, None for SQLite."""
Operation = Callable[[], int]
SMALL, LARGE = 1_000, 1_000_000
TARGET = 1.2
"""The highest ratio of the cost in the large database to that in the small one."""
CHUNKS = 15
CHUNK = {"introspection": 200, "refresh": 100, "link": 100}
"""Operations per measurement; 5 of the others, which read the first page of a list of links."""


class Database:
    """A filled database with `count` links, and the application on it. Operations choose links at random."""

    def __init__(self, url: str, count: int, now: int, folder: Path) -> None:
        self._count, self._now, self._random = count, now, Random(count)
        fill(url, count, now)
        self._engine = open_engine(url, for_operator=True)
        self._admin = LinkAdmin(self._engine)
        self._server = Server("waitress", folder, cheap=True, database=url)

    def start(self) -> None:
        """Starts the application, and waits for the end of the sweep that the first link starts."""
        self._app = Application(self._server)
        wait_for_idle_process()

    def close(self) -> None:
        self._app.close()
        self._engine.dispose()

    def operations(self) -> dict[str, Operation]:
        """Returns the operations by name. Each returns the number of links that it found or changed."""
        filters = {
            "all": LinkFilter(),
            "of a person": LinkFilter(person=f"Person{self._count // 4}@example.com"),
            "of a subject": LinkFilter(person=f"staff:{self._count // 4}"),
            "of a client": LinkFilter(client_id="home"),
            "unused for a year": LinkFilter(unused_since=self._now - 365 * DAY),
            "older than a year": LinkFilter(created_before=self._now - 365 * DAY),
        }
        lists = {f"listed link, {name}": self._listing(link_filter) for name, link_filter in filters.items()}
        return {"introspection": self.introspect, "refresh": self.refresh, "link": self.link, **lists}

    def _link_number(self) -> int:
        """Returns the number of an active link of the client home that was used lately."""
        return self._random.randrange(self._count // 60) * 60 + 7

    def introspect(self) -> int:
        self._app.introspection(token(self._link_number(), 2))
        return 1

    def refresh(self) -> int:
        self._app.refresh(token(self._link_number(), 0))
        return 1

    def link(self) -> int:
        self._app.sign_in()
        return 1

    def _listing(self, link_filter: LinkFilter) -> Operation:
        return lambda: len(list(islice(self._admin.links(link_filter), BATCH_SIZE)))

    def purge(self) -> tuple[int, float, list[float]]:
        """Sweeps once. Returns the deleted tokens, the seconds, and the durations of concurrent refreshes in ms."""
        store, durations = LinkStore(self._engine), list[float]()
        before = self._token_count()
        sweeper = threading.Thread(target=sweep, args=(self._engine, self._now))
        start = time.perf_counter()
        sweeper.start()
        while sweeper.is_alive():
            begun = time.perf_counter()
            found = store.find(token_digest(self._link_number(), 0), "refresh")
            assert found is not None
            access = Token(digest(new_token()), "access", self._now, self._now + 3600)
            assert store.renew(*found, None, (access,), self._now, False)
            durations.append((time.perf_counter() - begun) * 1000)
        seconds = time.perf_counter() - start
        store.close()
        return before + len(durations) - self._token_count(), seconds, durations

    def _token_count(self) -> int:
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(tokens)).scalar_one()


def wait_for_idle_process() -> None:
    used = -1.0
    while time.process_time() > used + 0.02:
        used = time.process_time()
        # longer than a sweep is delayed
        time.sleep(2 * DELAY_SECONDS)


def cpu_seconds(server: Connection) -> float:
    """Returns the CPU time of this process, and of the processes of PostgreSQL that serve it."""
    total = time.process_time()
    if server is not None:
        backends = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        rows = server.execute(backends).fetchall()
        total += sum(int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) for (pid,) in rows) / 1e9
    return total


def compare(small: Database, large: Database, server: Connection) -> Iterator[Figure]:
    """Yields the CPU time of each operation in the large database in relation to the small one."""
    for name in small.operations():
        count = CHUNK.get(name, 5)
        costs: dict[Database, list[tuple[float, float]]] = {small: [], large: []}
        # the first chunk opens connections and is not counted
        for _ in range(CHUNKS + 1):
            for database, measured in costs.items():
                operation = database.operations()[name]
                cpu, start = cpu_seconds(server), time.perf_counter()
                links = sum(operation() for _ in range(count))
                duration = time.perf_counter() - start
                measured.append(((cpu_seconds(server) - cpu) / links * 1000, duration / links * 1000))
        (cpu_small, wall_small), (cpu_large, wall_large) = (
            [statistics.median(values) for values in zip(*measured[1:], strict=True)] for measured in costs.values()
        )
        yield Figure(f"{name}, CPU ms", cpu_large, "{:.3f}", reference=cpu_small, ratio_target=(None, TARGET))
        yield Figure("  duration in ms", wall_large, "{:.3f}", reference=wall_small)


def purge(large: Database) -> Iterator[Figure]:
    """Yields how fast a sweep deletes tokens, in relation to the refreshes that one client makes beside it."""
    deleted, seconds, durations = large.purge()
    yield Figure(
        "tokens deleted per second by a sweep",
        deleted / seconds,
        reference=len(durations) / seconds,
        ratio_target=(1, None),
    )
    yield Figure("  duration of the sweep in seconds", seconds, "{:.1f}")
    yield Figure("  refreshes beside it, p99 in ms", statistics.quantiles(durations, n=100)[-1], "{:.1f}")


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, tuple[str, str, Connection]]]:
    """Yields, by name, the URLs of a small and a large empty database, and a connection to their server."""
    found: dict[str, tuple[str, str, Connection]] = {
        "SQLite": (f"sqlite:///{folder}/small.sqlite", f"sqlite:///{folder}/large.sqlite", None)
    }
    with ExitStack() as stack:
        if BINARIES:
            postgresql = PostgreSQL()
            stack.callback(postgresql.remove)
            postgresql.start()
            # as PostgreSQL's manual advises for larger databases; the default is 128 MB
            with psycopg.connect(postgresql.url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
            postgresql.stop()
            postgresql.start()
            server = psycopg.connect(postgresql.url.replace("+psycopg", ""), autocommit=True)
            stack.enter_context(server)
            for name in ("small", "large"):
                server.execute(f"CREATE DATABASE {name}")
            small, large = (postgresql.url.removesuffix("/postgres") + f"/{name}" for name in ("small", "large"))
            found["PostgreSQL"] = small, large, server
        yield found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--links", type=int, default=LARGE, help="the number of links in the large database")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="linkauth-growth-") as folder,
        databases(Path(folder)) as found,
    ):
        for name, (small_url, large_url, server) in found.items():
            now, start = int(time.time()), time.monotonic()
            small = Database(small_url, SMALL, now, Path(folder))
            large = Database(large_url, options.links, now, Path(folder))
            print(
                f"\n{name}: {options.links:,} links (reference: {SMALL:,}), filled in {time.monotonic() - start:.0f} s"
            )
            purged = list(purge(large))
            small.start()
            large.start()
            print(table([*purged, *compare(small, large, server)], str), flush=True)
            small.close()
            large.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
