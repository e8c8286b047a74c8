"""Profiles the WSGI application with cProfile, in this process and without a server."""

from __future__ import annotations

import cProfile
import io
import logging
import os
import pstats
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.browsers import BASIC, FORM, HEADERS
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server
from benchmarks.tokens import CLIENT, Tokens
from linkauth.simulator.people import PEOPLE
from linkauth.web.serving import load
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY

WARM_UP = 100
_FORM_TOKEN = re.compile(rb'name="form_token" value="([^"]+)"')
_PACKAGE = re.compile(r"site-packages/([A-Za-z0-9]+)|/(linkauth\w*)/(?!.*\.jinja2)|(\.jinja2)")
_WAITING = ("'acquire' of '_thread.lock'", "'__enter__' of '_thread.lock'")


class Application:
    """The WSGI application of a server's ini file."""

    def __init__(self, server: Server) -> None:
        # the log of a real server costs time too, but would disturb the table
        self._log = logging.FileHandler(server.folder / "profiled.log")
        logging.getLogger().addHandler(self._log)
        self._loaded = load(str(server.ini))
        self._app: Any = self._loaded.app
        self._server = server
        self._path, _, self._query = server.path.partition("?")
        self.link()

    def close(self) -> None:
        self._loaded.services.close()
        logging.getLogger().removeHandler(self._log)
        self._log.close()

    def _call(
        self, method: str, path: str, query: str = "", body: bytes = b"", **extra_environ: Any
    ) -> tuple[str, str, bytes]:
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
            **extra_environ,
        }
        started: list[Any] = []
        parts = self._app(environ, lambda status, headers, _=None: started.append((status, dict(headers))))
        status, headers = started[0]
        return status, headers.get("Location", ""), b"".join(parts)

    @cached_property
    def _tokens(self) -> Tokens:
        return Tokens(self._server)

    def page(self) -> bytes:
        status, _, body = self._call("GET", self._path, self._query)
        if not status.startswith("200"):
            raise BenchmarkError(f"no login page: {status}")
        return body

    def _post_form(self, **extra_environ: Any) -> tuple[str, str]:
        """Posts the form of the last login page. Returns the status and the Location."""
        origin = self._server.origin
        return self._call("POST", self._path, self._query, self._form, HTTP_ORIGIN=origin, **extra_environ)[:2]

    def sign_in(self) -> None:
        """Posts the form of the last login page, which creates a link."""
        status, location = self._post_form()
        if not status.startswith("303"):
            raise BenchmarkError(f"no link: {status}")
        self._access = location.partition("access_token=")[2].partition("&")[0]

    def link(self) -> None:
        """Requests the login page, signs in and introspects the token."""
        token, person = _FORM_TOKEN.search(self.page()), PEOPLE[0]
        assert token is not None
        fields = {"form_token": token[1], "username": person.login, "password": person.password}
        self._form = urlencode(fields).encode("ascii")
        self.sign_in()
        self.introspection()

    def refusal(self) -> None:
        """Posts the login form once more, as a sign-in that the server has not admitted."""
        status, _ = self._post_form(**{RETRY_AFTER_KEY: 5})
        if not status.startswith("503"):
            raise BenchmarkError(f"a sign-in without a place was not refused: {status}")

    def introspection(self, token: str = "") -> None:
        """Introspects a token of the client home, by default the token of the last link."""
        form = f"token={token or self._access}".encode("ascii")
        authorization = CLIENT["Authorization"] if token else BASIC
        _, _, body = self._call("POST", "/introspect", "", form, HTTP_AUTHORIZATION=authorization)
        if b'"active"' not in body or b"true" not in body:
            raise BenchmarkError(f"introspection does not report the token as active: {body[:100]!r}")

    def _token(self, expected: str, **form: str) -> None:
        body, authorization = urlencode(form).encode("ascii"), CLIENT["Authorization"]
        status, _, answer = self._call("POST", "/token", "", body, HTTP_AUTHORIZATION=authorization)
        if not status.startswith("200") or expected not in answer.decode("utf-8"):
            raise BenchmarkError(f"no tokens: {status} {answer[:100]!r}")

    def refresh(self, token: str = "") -> None:
        """Exchanges a refresh token, by default a new one, for new tokens."""
        self._token("access_token", grant_type="refresh_token", refresh_token=token or self._tokens.refresh)

    def exchange(self) -> None:
        """Exchanges a new code for tokens."""
        self._token("refresh_token", **self._tokens.forms.pop())


def profile(function: Callable[[], object], calls: int) -> pstats.Stats:
    for _ in range(min(calls, WARM_UP)):
        function()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(calls):
        function()
    profiler.disable()
    return pstats.Stats(profiler)


def top(title: str, function: Callable[[], object], calls: int, lines: int = 25) -> str:
    """Returns the functions with the most internal time."""
    stats = profile(function, calls)
    out = io.StringIO()
    stats.stream = out  # type: ignore[attr-defined]
    stats.strip_dirs().sort_stats("tottime").print_stats(lines)
    return f"{title}, {calls} calls\n{out.getvalue()}"


def cpu_time(function: Callable[[], object], calls: int) -> float:
    """Returns the CPU time of one call in ms, of all threads."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls * 1000


def median_time(function: Callable[[], object], calls: int, before: Callable[[], object] = lambda: None) -> float:
    """Returns the median CPU time of a call in ms, of all threads. `before` is called before each call."""
    times = []
    for _ in range(calls):
        before()
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000


def shares(function: Callable[[], object], calls: int, hashing: float = 0.0) -> str:
    """Returns the CPU time of one call without the profiler, in ms, and the share of each package in it.

    `hashing` is the time of the password hash in ms, which is not assigned to a package.
    """
    call_time = cpu_time(function, calls)
    package_times: Counter[str] = Counter()
    stats: dict[Any, Any] = profile(function, calls).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, internal_time, _, callers) in stats.items():
        if file == "~" and any(waiting in name for waiting in _WAITING):
            continue
        if file == "~" and "sqlite3" in name:
            package_times["SQLite and its disk"] += internal_time
        elif file == "~":
            # the time of a built-in function counts for its callers
            for (caller, _, _), (_, _, time_by_caller, _) in callers.items():
                package_times[_package(caller)] += time_by_caller
        else:
            package_times[_package(file)] += internal_time
    total = sum(package_times.values()) or 1.0
    largest = [(name, package_time / total) for name, package_time in package_times.most_common(7)]
    listed = ", ".join(f"{name} {share:.0%}" for name, share in largest if share > 0.01)
    hash_part = f", including {hashing:.2f} ms for the hash" if hashing else ""
    return f"{call_time:.2f} ms of CPU time in the application{hash_part} ({listed}), without the HTTP server"


def _package(file: str) -> str:
    match = _PACKAGE.search(file)
    if match is None:
        return "standard library"
    return match[1] or match[2] or "templates"


def imports(server: Server) -> str:
    """Returns the import times of a start by package, in milliseconds."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import linkauth.wsgi"],
        capture_output=True,
        text=True,
        env=os.environ | {"LINKAUTH_INI": str(server.ini)},
        cwd=Path(__file__).parent.parent,
        timeout=60,
    )
    import_times: Counter[str] = Counter()
    for line in finished.stderr.splitlines():
        match = re.fullmatch(r"import time: +(\d+) \| +\d+ \| *([A-Za-z_][\w.]*)", line)
        if match:
            # the import of linkauth.wsgi creates the application
            name = match[2] if match[2] == "linkauth.wsgi" else match[2].partition(".")[0]
            import_times[name] += int(match[1])
    creation = import_times.pop("linkauth.wsgi", 0)
    listed = ", ".join(f"{name} {microseconds / 1000:.0f} ms" for name, microseconds in import_times.most_common(7))
    total = sum(import_times.values())
    return f"{total / 1000:.0f} ms for imports ({listed}), {creation / 1000:.0f} ms to create the application"
