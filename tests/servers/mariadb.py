"""Starts a real MariaDB on a free loopback port, with its data in a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import free_port
from tests.servers.process import Process

BINARY = Path("/usr/sbin/mariadbd")
INSTALL = "sudo apt-get install mariadb-server"
OPTIONS = (
    *("--skip-name-resolve", "--skip-networking=0", "--bind-address=127.0.0.1", "--character-set-server=utf8mb4"),
    *("--collation-server=utf8mb4_general_ci", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"),
    *("--innodb-log-file-size=8M", "--performance-schema=OFF", "--skip-log-bin", "--innodb-use-native-aio=0"),
)
INSTALL_ATTEMPTS = 3
PASSWORD = "writer-1815"
READER_PASSWORD = "reader-1815"


class MariaDB:
    """A MariaDB server with one database. `url` and `reader_url` are SQLAlchemy URLs; the reader has only SELECT.

    With `certificate` the server offers TLS with a certificate of that kind.
    """

    def __init__(self, certificate: Kind | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-mariadb-"))
        self.port = free_port()
        self.url = f"mariadb+pymysql://linkauth:{PASSWORD}@127.0.0.1:{self.port}/linkauth"
        self.reader_url = f"mariadb+pymysql://reader:{READER_PASSWORD}@127.0.0.1:{self.port}/linkauth"
        self._user = ("--user=root",) if os.geteuid() == 0 else ()
        self._tls: tuple[str, ...] = ()
        if certificate:
            certificates = Certificates(self.folder / "tls", "localhost", "127.0.0.1")
            self.ca_file = certificates.ca_file
            pair = certificates.folder / certificate
            self._tls = (f"--ssl-cert={pair}.pem", f"--ssl-key={pair}.key")
        self._process = Process("MariaDB", self._command, self.folder / "log")

    def _command(self) -> list[str]:
        own = [f"--datadir={self.folder / 'data'}", f"--socket={self.folder / 'socket'}", f"--port={self.port}"]
        return [
            str(BINARY),
            "--no-defaults",
            *own,
            f"--pid-file={self.folder / 'pid'}",
            *OPTIONS,
            *self._tls,
            *self._user,
        ]

    def start(self) -> None:
        if not (self.folder / "data").exists():
            self._make_data()
            self._process.start(self._is_ready, 60)
            self._make_accounts()
        self._process.start(self._is_ready, 60)

    def _make_data(self) -> None:
        """Makes the system tables. mariadb-install-db was seen to fail beside others, so it has some attempts."""
        command = ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder / 'data'}", *self._user]
        # without native AIO, whose number of requests is limited for all processes together
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        options += ["--innodb-log-file-size=8M", "--innodb-use-native-aio=0"]
        outputs = []
        for _ in range(INSTALL_ATTEMPTS):
            done = subprocess.run(
                [*command, *options], capture_output=True, text=True, errors="replace", cwd=self.folder
            )
            if done.returncode == 0:
                return
            log = "".join(path.read_text("utf-8", "replace") for path in (self.folder / "data").glob("*.err"))
            outputs.append(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{log[-3000:]}")
            shutil.rmtree(self.folder / "data", ignore_errors=True)
        pytest.fail("mariadb-install-db failed:\n" + "\n".join(outputs))

    def _make_accounts(self) -> None:
        for statement in (
            "CREATE DATABASE linkauth",
            f"CREATE USER linkauth@'%' IDENTIFIED BY '{PASSWORD}'",
            f"CREATE USER reader@'%' IDENTIFIED BY '{READER_PASSWORD}'",
            "GRANT ALL ON linkauth.* TO linkauth@'%'",
            "GRANT SELECT ON linkauth.* TO reader@'%'",
            # anonymous accounts would match before the accounts above
            "DELETE FROM mysql.global_priv WHERE user = ''",
            "FLUSH PRIVILEGES",
        ):
            self.run(statement)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Yields a connection of the account root."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", autocommit=True, connect_timeout=2, ssl_disabled=True
        )
        try:
            yield connection
        finally:
            connection.close()

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Executes a statement in the database `linkauth` as root, and returns its rows."""
        with self.connected() as connection, connection.cursor() as cursor:
            if not statement.startswith("CREATE DATABASE"):
                cursor.execute("USE linkauth")
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def _is_ready(self) -> bool:
        try:
            with self.connected():
                return True
        except (pymysql.Error, OSError):
            return False

    def hang(self) -> None:
        self._process.hang()

    def resume(self) -> None:
        self._process.resume()

    def stop(self) -> None:
        self._process.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def require() -> None:
    """Skips the test if MariaDB is not installed. In CI the test fails instead."""
    if not BINARY.exists():
        message = f"MariaDB is not installed. To install it, run: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running(certificate: Kind | None = None) -> Iterator[MariaDB]:
    """Starts a new server, and removes it with its data at the end of the `with` block."""
    require()
    server = MariaDB(certificate)
    try:
        server.start()
        yield server
    finally:
        server.remove()
