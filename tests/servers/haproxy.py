"""Starts a real HAProxy with the configuration of docs/deployment.md in front of two servers, without TLS."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from tests.servers.development_server import ROOT, free_port
from tests.servers.process import Process

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
INSTALL = "sudo make parts"


def require() -> None:
    """Skips the test if HAProxy is not installed. In CI the test fails instead."""
    if HAPROXY is None:
        message = f"HAProxy is not installed. To install it, run: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


class HAProxy:
    """The documented HAProxy, on a free `port`, in front of the servers on two ports of this machine."""

    def __init__(self, folder: Path, ports: tuple[int, int]) -> None:
        folder.mkdir()
        self.port = free_port()
        document = (ROOT / "docs/deployment.md").read_text("utf-8")
        (documented,) = re.findall(r"```haproxy\n(.*?)```", document, re.DOTALL)
        text, count = re.subn(r"bind :443 ssl crt \S+", f"bind 127.0.0.1:{self.port}", documented)
        assert count == 1
        for port in ports:
            text, count = re.subn(r"10\.0\.0\.\d+:6543", f"127.0.0.1:{port}", text, count=1)
            assert count == 1
        (folder / "haproxy.cfg").write_text(text, "utf-8")
        assert HAPROXY
        command = [HAPROXY, "-db", "-f", str(folder / "haproxy.cfg")]
        self._process = Process("haproxy", lambda: command, folder / "log")

    def start(self) -> None:
        self._process.start(self._accepts_connections)

    def stop(self) -> None:
        self._process.stop()

    def _accepts_connections(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2):
                return True
        except OSError:
            return False
