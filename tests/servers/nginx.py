"""Starts a real nginx with its configuration in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.process import Process

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
INSTALL = "sudo make parts"
NAME = "link.example.com"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def require() -> None:
    """Skips the test if nginx is not installed. In CI the test fails instead."""
    if NGINX is None:
        message = f"nginx is not installed. To install it, run: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


class Nginx:
    """An nginx with the server blocks `servers`. It has started when all `ports` accept connections.

    `%(tls)s` in a server block is replaced by the directives for a certificate of NAME.
    """

    def __init__(self, folder: Path, servers: str, ports: tuple[int, ...]) -> None:
        folder.mkdir()
        certificate, key = Authority("Test CA").issue((NAME,))
        (folder / "server.pem").write_bytes(certificate)
        (folder / "server.key").write_bytes(key)
        tls = f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;"
        paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in _TEMPORARY)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr notice;\nevents {{}}\n"
            f"http {{ access_log off;\n{paths}{servers.replace('%(tls)s', tls)}\n}}\n",
            "utf-8",
        )
        self._ports = ports
        assert NGINX
        command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        self._process = Process("nginx", lambda: command, folder / "log")

    def start(self) -> None:
        self._process.start(lambda: all(map(_accepts_connections, self._ports)))

    def stop(self) -> None:
        self._process.stop()


def _accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2):
            return True
    except OSError:
        return False
