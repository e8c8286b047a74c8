"""A login API with accounts in an SQLite database: sign-in, finding, searching, resetting and creating."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from linkauth.testing import Known

from .api import ReceivedRequest, Reply
from .protocols import JSON, MUELLER

KEY = "Bearer c29tZS1rZXktb2YtbGlua2F1dGg"
"""The credentials of linkauth, which the requests about accounts need."""
MINIMUM = 8
BLOCKED = Known("blocked", "Amber-77-garden-Silver", "4712")
"""A person who may not sign in."""


def answer(status: int, **values: Any) -> Reply:
    return Reply(status, json.dumps(values), JSON)


NOBODY = answer(404, error="no_such_account")


class AccountsAPI:
    """The handler of a server. Names are unique without regard to case, and a password must have MINIMUM characters."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as database, database:
            database.execute(
                "CREATE TABLE accounts (id INTEGER PRIMARY KEY, login TEXT, folded TEXT UNIQUE, mail TEXT, "
                "state TEXT DEFAULT 'active', salt TEXT, hash TEXT)"
            )
        self.create(MUELLER.username, MUELLER.password, "m@example.com", int(MUELLER.subject))
        self.create(BLOCKED.username, BLOCKED.password, "blocked@example.com", int(BLOCKED.subject))
        self._write("UPDATE accounts SET state = 'blocked' WHERE id = ?", int(BLOCKED.subject))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=20)
        database.row_factory = sqlite3.Row
        return database

    def _rows(self, condition: str, value: object) -> list[sqlite3.Row]:
        with closing(self._connect()) as database:
            return database.execute(f"SELECT * FROM accounts WHERE {condition} = ?", (value,)).fetchall()

    def _write(self, statement: str, *values: object) -> int:
        with closing(self._connect()) as database, database:
            return database.execute(statement, values).rowcount

    def create(self, login: str, password: str, mail: str, number: int | None = None) -> bool:
        """Returns whether the account was created. It is not if the name exists."""
        salt = secrets.token_hex(8)
        try:
            self._write(
                "INSERT INTO accounts (id, login, folded, mail, salt, hash) VALUES (?, ?, ?, ?, ?, ?)",
                *(number, login, login.lower(), mail, salt, _hash(salt, password)),
            )
        except sqlite3.IntegrityError:
            return False
        return True

    def count(self, login: str) -> int:
        return len(self._rows("folded", login.lower()))

    def __call__(self, request: ReceivedRequest) -> Reply:
        path, body = request.path, json.loads(request.body or b"{}")
        if path == "/login":
            return self._sign_in(body["login"], body["secret"])
        if request.headers.get("Authorization") != KEY:
            return answer(401, error="key")
        if request.method == "GET" and path == "/accounts":
            return self._find(parse_qs(urlsplit(request.target).query)["login"][0])
        if path == "/accounts/search":
            return answer(200, accounts=[_account(row) for row in self._rows("lower(mail)", body["mail"].lower())])
        if request.method == "POST" and path == "/accounts":
            return self._register(body)
        if request.method == "PUT" and (match := re.fullmatch("/accounts/([^/]+)/password", path)):
            return self._reset(unquote(match[1]), body["password"])
        return answer(405)

    def _sign_in(self, login: str, password: str) -> Reply:
        rows = self._rows("folded", login.lower())
        if not rows:
            return NOBODY
        row = rows[0]
        if row["hash"] != _hash(row["salt"], password):
            return answer(200, result={"ok": False, "code": "E17"})
        if row["state"] != "active":
            return answer(200, result={"ok": False, "code": "E20"})
        return answer(200, result={"ok": True, **_account(row)})

    def _find(self, login: str) -> Reply:
        rows = self._rows("folded", login.lower())
        return answer(200, account=_account(rows[0])) if rows else NOBODY

    def _register(self, body: dict[str, str]) -> Reply:
        if len(body["password"]) < MINIMUM:
            return answer(422, error="too_short")
        is_created = self.create(body["login"], body["password"], body["mail"])
        return answer(201) if is_created else answer(409, error="login_taken")

    def _reset(self, subject: str, password: str) -> Reply:
        if len(password) < MINIMUM:
            return answer(422, error="too_short")
        rows = self._rows("CAST(id AS TEXT)", subject)
        if not rows:
            return NOBODY
        if rows[0]["state"] != "active":
            return answer(403, error="account_blocked")
        salt = secrets.token_hex(8)
        statement = "UPDATE accounts SET salt = ?, hash = ? WHERE CAST(id AS TEXT) = ?"
        self._write(statement, salt, _hash(salt, password), subject)
        return Reply(204)


def _account(row: sqlite3.Row) -> dict[str, Any]:
    return {key: row[key] for key in ("id", "login", "mail", "state")}


def _hash(salt: str, password: str) -> str:
    return hashlib.sha256((salt + password).encode()).hexdigest()
