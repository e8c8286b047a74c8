"""Starts a real PostgreSQL on a free loopback port, with its data in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import free_port
from tests.servers.process import wait_until_stopped

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
INSTALL = "sudo apt-get install postgresql"


class PostgreSQL:
    """A PostgreSQL server. `url` is its SQLAlchemy URL, which is valid after `start()` has returned.

    If root runs the tests, the server runs as the user postgres, because it refuses to run as root. With `certificate`
    it offers TLS with a certificate of that kind.
    """

    def __init__(self, certificate: Kind | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-postgresql-"))
        self.port = free_port()
        self.url = f"postgresql+psycopg://linkauth@127.0.0.1:{self.port}/postgres"
        self._bin = BINARIES[-1].parent
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._tls: tuple[str, ...] = ()
        if certificate:
            certificates = Certificates(self.folder / "tls", "localhost", "127.0.0.1")
            self.ca_file = certificates.ca_file
            pair = certificates.folder / certificate
            if self._user:
                os.chown(f"{pair}.key", account.pw_uid, account.pw_gid)
            self._tls = ("-c", "ssl=on", "-c", f"ssl_cert_file={pair}.pem", "-c", f"ssl_key_file={pair}.key")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            command = [self._bin / "initdb", "-D", data, "-U", "linkauth", "-A", "trust", "--no-sync", "-E", "UTF8"]
            subprocess.run(command, user=self._user, check=True, capture_output=True, cwd=self.folder)
        options = ["-D", data, "-p", str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", *options, *self._tls], user=self._user, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + 30
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text('utf-8')}")
            # polls the condition of the loop
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def hang(self) -> None:
        """Suspends the server: it no longer responds, but its connections stay open."""
        wait_until_stopped(self._signal_all(signal.SIGSTOP))

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> list[int]:
        """Sends a signal to the server and its child processes, and returns their process ids."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        pids = [self._process.pid, *map(int, children)]
        for pid in pids:
            # a child process may have ended after the list was read
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            # SIGINT is the fast shutdown: it closes all connections and writes all data
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def require() -> None:
    """Skips the test if PostgreSQL is not installed. In CI the test fails instead."""
    if not BINARIES:
        message = f"PostgreSQL is not installed. To install it, run: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running(certificate: Kind | None = None) -> Iterator[PostgreSQL]:
    """Starts a new server, and removes it with its data at the end of the `with` block."""
    require()
    server = PostgreSQL(certificate)
    try:
        server.start()
        yield server
    finally:
        server.remove()
