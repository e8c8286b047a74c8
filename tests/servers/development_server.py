"""Starts `linkauth serve` with development.ini on a free loopback port."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MAX_RESERVATIONS = 200
_reservations = deque[int]()
"""File descriptors of the sockets that reserve the newest ports. All of a long test run would be too many."""


def free_port() -> int:
    """Returns a free TCP port of 127.0.0.1 that no other call returns soon, in any process, while this process runs.

    It is below the range from which the kernel takes the ports of connections, so that it stays free until a server
    binds it.
    """
    first_of_connections = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.SystemRandom().sample(range(10_000, first_of_connections), 1_000):
        # a name in the abstract namespace has one owner, and is free again when its process ends
        reservation = socket.socket(socket.AF_UNIX)
        with suppress(OSError), socket.socket() as probe:
            reservation.bind(f"\0linkauth-test-port-{port}")
            probe.bind(("127.0.0.1", port))
            _reservations.append(reservation.detach())
            if len(_reservations) > MAX_RESERVATIONS:
                os.close(_reservations.popleft())
            return port
        reservation.close()
    raise OSError("no free port")


class DevelopmentServer:
    """A linkauth server whose ini file is development.ini with another port, in another folder.

    `changes` are changed or additional settings of [app:main], whose keys have no prefix `linkauth.`; None removes a
    setting. `redirect_uris` are added to the demo client. `include` is a test module that Pyramid includes. `host` is
    the name of the server in its URLs; it listens on 127.0.0.1.
    """

    def __init__(
        self,
        folder: Path,
        changes: Mapping[str, str | None] | None = None,
        redirect_uris: tuple[str, ...] = (),
        include: str = "",
        host: str = "127.0.0.1",
    ) -> None:
        self.port = free_port()
        self.url = f"http://{host}:{self.port}"
        self.log = folder / "linkauth.log"
        self._ini = folder / "served.ini"
        text = (ROOT / "development.ini").read_text("utf-8").replace("//127.0.0.1:6543", f"//{host}:{self.port}")
        text = text.replace("127.0.0.1:6543", f"127.0.0.1:{self.port}")
        ini = RawConfigParser(delimiters="=")
        # the keys of translations contain capital letters
        ini.optionxform = str  # type: ignore[assignment,method-assign]
        ini.read_string(text)
        app = ini["app:main"]
        for key, value in (changes or {}).items():
            if value is None:
                app.pop("linkauth." + key, None)
            else:
                app["linkauth." + key] = value
        app["linkauth.client.ride-hailer.redirect_uris"] += "".join(f"\n{uri}" for uri in redirect_uris)
        app["pyramid.includes"] = include
        with self._ini.open("w", encoding="utf-8") as file:
            ini.write(file)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("linkauth")), "serve", str(self._ini)]
        search = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": search})
        deadline = time.monotonic() + 30
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"linkauth did not start:\n{self.log.read_text('utf-8')}")
            # polls the condition of the loop
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/live", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        """Ends the server by SIGKILL."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
