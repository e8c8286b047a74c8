"""Fills a database with links and tokens as after years of use, in seconds to a few minutes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from linkauth.storage import open_engine, upgrade

DAY = 86_400
CLIENTS = (*[("ride-hailer", "order_car profile")] * 3, ("home", ""))
"""The clients of the links in turn, with their scopes."""
LINK_COLUMNS = (
    *("id", "backend", "subject", "username", "client_id", "scope", "grant", "locale", "claims", "created_at"),
    *("token_issued_at", "first_used_at", "last_used_at", "ended_at", "end_reason"),
)
TOKEN_COLUMNS = ("digest", "link_id", "kind", "issued_at", "expires_at")


def token(link: int, number: int) -> str:
    """Returns a token of a link: 0 is the refresh token, 2 an access token that is not expired."""
    return f"token-{number}-of-link-{link}"


def token_digest(link: int, number: int) -> bytes:
    return sha256(token(link, number).encode()).digest()


def _created_at(number: int, count: int, now: int) -> int:
    return now - 3 * DAY - 730 * DAY * (count - number) // count


def link_rows(count: int, now: int) -> Iterator[tuple[Any, ...]]:
    """Yields `count` links of two years, oldest first. Each tenth has ended; each third was not used for a year."""
    for number in range(1, count + 1):
        created = _created_at(number, count, now)
        # the use of a link is recorded once an hour
        used = created if number % 3 == 0 else now
        ended = (now - 3600, "unlinked") if number % 10 == 0 else (None, None)
        person = (str(number // 2), f"person{number // 2}@example.com")
        client = CLIENTS[number % len(CLIENTS)]
        made = ("authorization_code", "en-US", '{"email": "person@example.com"}', created)
        yield (number, "staff", *person, *client, *made, created, created, used, *ended)


def token_rows(count: int, now: int) -> Iterator[tuple[Any, ...]]:
    """Yields the tokens of `count` links: three for each on average. One in six is to be purged."""
    for link in range(1, count + 1):
        yield token_digest(link, 0), link, "refresh", _created_at(link, count, now), None
        if link % 3:
            yield token_digest(link, 1), link, "access", now - 3600, now + 60
            yield token_digest(link, 2), link, "access", now, now + 3600
            expires = now - 2 * DAY if link % 4 else now - 3600
            yield token_digest(link, 3), link, "access", expires - 3600, expires


def fill(url: str, count: int, now: int) -> None:
    """Creates linkauth's tables in the empty database at `url` and inserts `count` links."""
    engine = open_engine(url, for_operator=True)
    upgrade(engine)
    engine.dispose()
    tables = (("links", LINK_COLUMNS, link_rows(count, now)), ("tokens", TOKEN_COLUMNS, token_rows(count, now)))
    if make_url(url).get_backend_name() == "sqlite":
        _fill_sqlite(str(make_url(url).database), tables)
    else:
        _fill_postgresql(url.replace("+psycopg", ""), tables)


def _fill_sqlite(file: str, tables: Any) -> None:
    connection = sqlite3.connect(file)
    # only for the insertion: these settings are not stored in the file
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-2000000")
    with connection:
        for table, columns, rows in tables:
            names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
    connection.close()


def _fill_postgresql(url: str, tables: Any) -> None:
    with psycopg.connect(url) as connection:
        # does not check the foreign key of each row
        connection.execute("SET session_replication_role = replica")
        for table, columns, rows in tables:
            names = ", ".join(f'"{name}"' for name in columns)
            with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        connection.execute("SELECT setval('links_id_seq', (SELECT max(id) FROM links))")
    with psycopg.connect(url, autocommit=True) as connection:
        # what autovacuum and the use of the database would do in time
        connection.execute("VACUUM ANALYZE")
        connection.execute("CREATE EXTENSION pg_prewarm")
        relations = "relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
        connection.execute(f"SELECT pg_prewarm(oid::regclass) FROM pg_class WHERE {relations}")
