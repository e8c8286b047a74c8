"""Starts a real Redis on a free loopback port, with its data in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.servers.certificates import Certificates
from tests.servers.development_server import free_port
from tests.servers.process import wait_until_stopped

BINARY = Path("/usr/bin/redis-server")
INSTALL = "sudo apt-get install redis-server"
PASSWORD = "between-2-walls/and @ sign"
"""The password of a server with `password`, with characters that a URL must encode."""
ENCODED_PASSWORD = "between-2-walls%2Fand%20%40%20sign"


class Redis:
    """A Redis server. `url` is valid after `start()` has returned. It keeps its data over a restart.

    With `tls`, it accepts only TLS, with a certificate for 127.0.0.1 that the CA in `ca_file` has issued.
    """

    def __init__(self, password: bool = False, tls: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-redis-"))
        self.port = free_port()
        self.ca_file: Path | None = None
        credentials = f":{ENCODED_PASSWORD}@" if password else ""
        self.url = f"redis{'s' if tls else ''}://{credentials}127.0.0.1:{self.port}/0"
        port = ["--port", str(self.port)]
        if tls:
            certificates = Certificates(self.folder / "tls", "localhost", "127.0.0.1")
            self.ca_file = certificates.ca_file
            pair = certificates.folder / "good"
            port = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            port += ["--tls-cert-file", f"{pair}.pem", "--tls-key-file", f"{pair}.key"]
            port += ["--tls-ca-cert-file", str(self.ca_file)]
            self.url += f"?ssl_ca_certs={self.ca_file}"
        self._options = [*port, "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "", "--appendonly", "yes"]
        self._options += ["--requirepass", PASSWORD] if password else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([BINARY, *self._options], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Redis did not start:\n{(self.folder / 'log').read_text('utf-8')}")
            # polls the condition of the loop
            time.sleep(0.02)

    def client(self) -> redis.Redis:
        """Returns a client of the test."""
        return redis.Redis.from_url(self.url)

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def hang(self) -> None:
        """Suspends the server: it no longer responds, but its connections stay open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        wait_until_stopped([self._process.pid])

    def resume(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.resume()
            self._process.terminate()
            self._process.wait(20)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def require() -> None:
    """Skips the test if Redis is not installed. In CI the test fails instead."""
    if not BINARY.exists():
        message = f"Redis is not installed. To install it, run: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running(password: bool = False, tls: bool = False) -> Iterator[Redis]:
    """Starts a new server, and removes it with its data at the end of the `with` block."""
    require()
    server = Redis(password, tls)
    try:
        server.start()
        yield server
    finally:
        server.remove()
