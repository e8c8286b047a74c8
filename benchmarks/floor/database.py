"""The SQL of the floor: sqlite3 with one connection per thread, WAL and synchronous=FULL as in linkauth."""

from __future__ import annotations

import sqlite3
import threading


class Database:
    """linkauth's tables in the SQLite file `path`, and the demo users in the SQLite file `people`."""

    def __init__(self, path: str, people: str) -> None:
        self._path, self._people = path, people
        self._local = threading.local()

    def _open(self, path: str) -> sqlite3.Connection:
        """Returns the connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, path, None)
        if connection is None:
            connection = sqlite3.connect(path, timeout=5, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            setattr(self._local, path, connection)
        return connection

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._open(self._path)

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def _insert_token(self, digest: bytes, link: int, kind: str, now: int, expires: int | None) -> None:
        sql = "INSERT INTO tokens (digest, link_id, kind, issued_at, expires_at) VALUES (?, ?, ?, ?, ?)"
        self._connection.execute(sql, (digest, link, kind, now, expires))

    def person(self, login: str) -> sqlite3.Row | None:
        sql = "SELECT * FROM people WHERE login = ? OR email = ?"
        row: sqlite3.Row | None = self._open(self._people).execute(sql, (login, login)).fetchone()
        return row

    def create_link(self, person: sqlite3.Row, client: str, scope: str, access: bytes, now: int) -> None:
        """Inserts a link and its access token, which does not expire."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            cursor = connection.execute(
                "INSERT INTO links (backend, subject, username, client_id, scope, grant, locale, created_at,"
                " token_issued_at) VALUES ('staff', ?, ?, ?, ?, 'implicit', 'en', ?, ?)",
                (str(person["id"]), person["login"], client, scope, now, now),
            )
            assert cursor.lastrowid
            self._insert_token(access, cursor.lastrowid, "access", now, None)

    def redeem(
        self, code: bytes, client: str, redirect: str | None, access: bytes, refresh: bytes, expires: int, now: int
    ) -> str | None:
        """Uses a code for an access token and a refresh token. Returns the scope, None if the code is not valid."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            link = self._one(
                "SELECT links.id, links.scope FROM codes JOIN links ON links.id = codes.link_id WHERE codes.digest = ?"
                " AND codes.used_at IS NULL AND codes.expires_at >= ? AND codes.redirect_uri = ?"
                " AND links.client_id = ? AND links.ended_at IS NULL",
                *(code, now, redirect, client),
            )
            if link is None:
                return None
            connection.execute("UPDATE codes SET used_at = ? WHERE digest = ?", (now, code))
            connection.execute("UPDATE links SET token_issued_at = ? WHERE id = ?", (now, link["id"]))
            self._insert_token(access, link["id"], "access", now, expires)
            self._insert_token(refresh, link["id"], "refresh", now, None)
        return str(link["scope"])

    def refresh(self, refresh: bytes, client: str, access: bytes, expires: int, now: int) -> str | None:
        """Adds an access token for a refresh token. Returns the scope, None if the refresh token is not valid."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            link = self._one(
                "SELECT links.id, links.scope FROM tokens JOIN links ON links.id = tokens.link_id"
                " WHERE tokens.digest = ? AND tokens.kind = 'refresh' AND links.client_id = ?"
                " AND links.ended_at IS NULL AND (tokens.expires_at IS NULL OR tokens.expires_at >= ?)",
                *(refresh, client, now),
            )
            if link is None:
                return None
            self._insert_token(access, link["id"], "access", now, expires)
        return str(link["scope"])

    def token(self, digest: bytes) -> sqlite3.Row | None:
        return self._one(
            "SELECT links.backend, links.subject, links.username, links.client_id, links.scope, links.ended_at,"
            " tokens.issued_at, tokens.expires_at FROM tokens JOIN links ON links.id = tokens.link_id"
            " WHERE tokens.digest = ? AND tokens.kind = 'access'",
            digest,
        )
