"""Where the time goes: the WSGI application under cProfile, in this process, without a server."""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.browsers import BASIC, FORM, HEADERS
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server
from benchmarks.tokens import CLIENT, Kept
from linkauth.simulator.people import PEOPLE
from linkauth.web.serving import load

WARM_UP = 100
_FORM_TOKEN = re.compile(rb'name="form_token" value="([^"]+)"')
_PACKAGE = re.compile(r"site-packages/([A-Za-z0-9]+)|/(linkauth\w*)/(?!.*\.jinja2)|(\.jinja2)")
_WAITING = ("'acquire' of '_thread.lock'", "'__enter__' of '_thread.lock'")


class Application:
    """The application of a server's ini, called as a server calls it."""

    def __init__(self, server: Server) -> None:
        self._app: Any = load(str(server.ini)).app
        self._server = server
        self._refresh: bytes | None = None
        self._path, _, self._query = server.path.partition("?")
        self.link()

    def _call(self, method: str, path: str, query: str = "", body: bytes = b"", **more: str) -> tuple[str, str, bytes]:
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self._server.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": f"127.0.0.1:{self._server.port}",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()},
            **({"CONTENT_TYPE": FORM["Content-Type"]} if body else {}),
            **more,
        }
        started: list[Any] = []
        parts = self._app(environ, lambda status, headers, _=None: started.append((status, dict(headers))))
        status, headers = started[0]
        return status, headers.get("Location", ""), b"".join(parts)

    def page(self) -> bytes:
        status, _, body = self._call("GET", self._path, self._query)
        if not status.startswith("200"):
            raise BenchmarkError(f"no login page: {status}")
        return body

    def link(self) -> None:
        """Page, sign-in and introspection."""
        token, person = _FORM_TOKEN.search(self.page()), PEOPLE[0]
        assert token is not None
        fields = {"form_token": token[1], "username": person.login, "password": person.password}
        body = urlencode(fields).encode("ascii")
        status, location, _ = self._call("POST", self._path, self._query, body, HTTP_ORIGIN=self._server.origin)
        if not status.startswith("303"):
            raise BenchmarkError(f"no link: {status}")
        self._ask = b"token=" + location.partition("access_token=")[2].partition("&")[0].encode("ascii")
        self.introspection()

    def introspection(self) -> None:
        _, _, body = self._call("POST", "/introspect", "", self._ask, HTTP_AUTHORIZATION=BASIC)
        if b'"active"' not in body or b"true" not in body:
            raise BenchmarkError(f"introspection does not know its token: {body[:100]!r}")

    def refresh(self) -> None:
        """Tokens for a refresh token."""
        if self._refresh is None:
            kept = Kept(self._server)
            form = {"grant_type": "refresh_token", "refresh_token": kept.refresh}
            self._refresh = urlencode(form).encode("ascii")
        status, _, body = self._call("POST", "/token", "", self._refresh, HTTP_AUTHORIZATION=CLIENT["Authorization"])
        if not status.startswith("200"):
            raise BenchmarkError(f"no refresh: {status} {body[:100]!r}")


def profile(function: Callable[[], object], times: int) -> pstats.Stats:
    for _ in range(min(times, WARM_UP)):
        function()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(times):
        function()
    profiler.disable()
    return pstats.Stats(profiler)


def top(title: str, function: Callable[[], object], times: int, lines: int = 25) -> str:
    """The functions with the most time of their own."""
    stats = profile(function, times)
    out = io.StringIO()
    stats.stream = out  # type: ignore[attr-defined]
    stats.strip_dirs().sort_stats("tottime").print_stats(lines)
    return f"{title}, {times} times\n{out.getvalue()}"


def shares(function: Callable[[], object], times: int, hashing: float = 0.0) -> str:
    """CPU milliseconds of one call without the profiler, and the share of each package in its own time.

    `hashing` is how many of them the password hash takes, which is no package's.
    """
    begun = time.process_time()
    for _ in range(times):
        function()
    each = (time.process_time() - begun) / times * 1000
    own: Counter[str] = Counter()
    stats: dict[Any, Any] = profile(function, times).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, spent, _, callers) in stats.items():
        if file == "~" and any(waiting in name for waiting in _WAITING):
            continue
        if file == "~" and "sqlite3" in name:
            own["SQLite and its disk"] += spent
        elif file == "~":
            # a built-in function counts for who calls it
            for (caller, _, _), (_, _, spent_there, _) in callers.items():
                own[_package(caller)] += spent_there
        else:
            own[_package(file)] += spent
    whole = sum(own.values()) or 1.0
    listed = ", ".join(f"{name} {spent / whole:.0%}" for name, spent in own.most_common(7) if spent / whole > 0.01)
    of_it = f", {hashing:.2f} of them the hash" if hashing else ""
    return f"{each:.2f} ms of CPU in the application{of_it} ({listed}); the HTTP server comes on top"


def _package(file: str) -> str:
    found = _PACKAGE.search(file)
    if found is None:
        return "Python's library"
    return found[1] or found[2] or "templates"


def imports(server: Server) -> str:
    """What starting imports, by package, in milliseconds."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import linkauth.wsgi"],
        capture_output=True,
        text=True,
        env=os.environ | {"LINKAUTH_INI": str(server.ini)},
        cwd=Path(__file__).parent.parent,
        timeout=60,
    )
    spent: Counter[str] = Counter()
    for line in finished.stderr.splitlines():
        match = re.fullmatch(r"import time: +(\d+) \| +\d+ \| *([A-Za-z_][\w.]*)", line)
        if match:
            # importing this module is what builds the application
            spent[match[2] if match[2] == "linkauth.wsgi" else match[2].partition(".")[0]] += int(match[1])
    building = spent.pop("linkauth.wsgi", 0)
    listed = ", ".join(f"{name} {microseconds / 1000:.0f} ms" for name, microseconds in spent.most_common(7))
    return (
        f"{sum(spent.values()) / 1000:.0f} ms of imports ({listed}), {building / 1000:.0f} ms to build the application"
    )
