"""Two real PostgreSQL servers: a primary and its synchronous standby."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from linkauth.storage import open_engine, upgrade
from tests.servers.development_server import ROOT
from tests.servers.postgresql import PostgreSQL, require


def documented_options() -> Iterator[tuple[str, ...]]:
    """Yields the settings of both servers and those of the primary in docs/deployment.md, for a command line."""
    for block in re.findall("```conf\n(.*?)```", (ROOT / "docs/deployment.md").read_text("utf-8"), re.DOTALL):
        settings = (line.replace(" = ", "=").replace("'", "") for line in block.splitlines())
        yield tuple(part for setting in settings for part in ("-c", setting))


class Pair:
    """A primary and its synchronous standby. `url` and `reversed_url` name both."""

    def __init__(self) -> None:
        self.primary, self.standby = PostgreSQL(), PostgreSQL()
        first, second = (f"127.0.0.1:{server.port}" for server in (self.primary, self.standby))
        self.url = f"postgresql+psycopg://linkauth@{first},{second}/postgres"
        self.reversed_url = f"postgresql+psycopg://linkauth@{second},{first}/postgres"

    def start(self) -> None:
        common, of_primary = documented_options()
        self.primary.options = self.standby.options = common
        self.primary.start()
        engine = open_engine(self.primary.url, for_operator=True)
        upgrade(engine)
        engine.dispose()
        self.primary.copy_to(self.standby)
        self.standby.start()
        # on the command line, because pg_basebackup has copied the files of the primary
        self.primary.stop()
        self.primary.options = (*common, *of_primary)
        self.primary.start()
        self._wait_until_synchronous()

    def _wait_until_synchronous(self) -> None:
        """A commit on the primary returns when the standby has confirmed it."""
        with psycopg.connect(self.primary.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("SELECT pg_logical_emit_message(true, 'test', '')")

    def remove(self) -> None:
        self.standby.remove()
        self.primary.remove()


@contextmanager
def running_pair() -> Iterator[Pair]:
    """Starts a new pair, and removes it with its data at the end of the `with` block."""
    require()
    pair = Pair()
    try:
        pair.start()
        yield pair
    finally:
        pair.remove()
