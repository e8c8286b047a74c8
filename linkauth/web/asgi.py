"""The WSGI application for ASGI servers (ASGI 3.0), which hand over a request before its body is there.

A body is read on the event loop, within a deadline and a size, and only then does a thread run the application: clients
that send slowly hold no thread. ASGI also keeps the names of headers as they were sent. Those with an underscore are
dropped; a WSGI environ cannot tell them from those with a hyphen.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from io import BytesIO
from queue import SimpleQueue
from typing import Any
from urllib.parse import unquote_to_bytes

from linkauth.web.bodies import BODY_LIMIT, BODY_SECONDS

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
_FAILED: _Answer = (500, [(b"content-type", b"text/plain")], b"internal error\n")
_BROKEN: _Answer = (400, [(b"content-type", b"text/plain"), (b"connection", b"close")], b"the body is malformed\n")


class UnreadableBody(Exception):
    """The body cannot be completed: the client closed the connection, or what it sent as chunks is malformed."""


class Application:
    """The WSGI application `wsgi` as an ASGI one: a body is complete before one of `threads` threads runs it.

    `seconds` and `limit` (bytes) bound a body. One that is late or cut short is handed over as it is, shorter than its
    CONTENT_LENGTH, and one that is too long is handed over up to a byte beyond the limit.
    """

    def __init__(self, wsgi: Any, threads: int, seconds: float = BODY_SECONDS, limit: int = BODY_LIMIT) -> None:
        self._wsgi = wsgi
        self._threads = _Threads(self._respond, threads)
        self._seconds, self._limit = seconds, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            # the specification wants a close, and the server logs this error and does it
            raise ValueError(f"{scope['type']} is not served")
        environ = wsgi_environ(scope)
        complete = True
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or "HTTP_TRANSFER_ENCODING" in environ:
            try:
                complete = await self._collect(environ, receive)
            except UnreadableBody:
                # granian would answer with 500; nothing is sent where the client has gone away
                await _send(send, _BROKEN)
                return
        status, headers, body = await self._threads.run(environ)
        if not complete:
            # the rest of the body may still come, and is no request
            headers = [*headers, (b"connection", b"close")]
        await _send(send, (status, headers, body))

    async def _collect(self, environ: dict[str, Any], receive: Receive) -> bool:
        """Put the body into `environ`; is it complete?"""
        parts: list[bytes] = []
        size, more, late = 0, True, False
        declared = environ.get("CONTENT_LENGTH", "")
        if declared.isdecimal() and int(declared[:20]) > self._limit:
            # refused by this figure alone
            return False
        try:
            async with asyncio.timeout(self._seconds):
                while more and size <= self._limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise UnreadableBody
                    part = message.get("body", b"")
                    parts.append(part)
                    size += len(part)
                    more = message.get("more_body", False)
        except TimeoutError:
            late = True
        body = b"".join(parts)[: self._limit + 1]
        environ["wsgi.input"] = BytesIO(body)
        if not declared:
            # without a length of its own, as with chunks
            environ["CONTENT_LENGTH"] = str(len(body) + late)
        return not more

    def _respond(self, environ: dict[str, Any]) -> _Answer:
        """The whole answer; the application makes no streams."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started[:] = [(status, headers)]

        try:
            parts: Iterable[bytes] = self._wsgi(environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                if hasattr(parts, "close"):
                    parts.close()
            status, headers = started[0]
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            return int(status[:3]), raw, body
        except BaseException:
            # also what is no Exception: the thread has further requests to answer
            log.exception("the application failed")
            return _FAILED


class _Threads:
    """`count` threads that call `respond`. An executor would cost a request of /introspect 6 % more CPU time."""

    def __init__(self, respond: Callable[[dict[str, Any]], _Answer], count: int) -> None:
        self._respond, self._count = respond, count
        self._waiting: SimpleQueue[tuple[asyncio.Future[_Answer], dict[str, Any]]] = SimpleQueue()
        self._started = False

    async def run(self, environ: dict[str, Any]) -> _Answer:
        """What `respond` returns for `environ`; it must not raise."""
        if not self._started:
            # at the first request, so that they live in the worker process and not in one that forks
            self._started = True
            for number in range(self._count):
                threading.Thread(target=self._work, name=f"linkauth-{number}", daemon=True).start()
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put((future, environ))
        return await future

    def _work(self) -> None:
        while True:
            future, environ = self._waiting.get()
            answer = self._respond(environ)
            # the loop is closed if the server has not waited for this request
            with suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(_finish, future, answer)
            del future, environ, answer


def _finish(future: asyncio.Future[_Answer], answer: _Answer) -> None:
    # done already if the server has cancelled this request
    if not future.done():
        future.set_result(answer)


def wsgi_environ(scope: Scope) -> dict[str, Any]:
    """The WSGI environ (PEP 3333) of an ASGI HTTP scope, without a body and without headers that have an underscore."""
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("localhost", 0)
    root = scope.get("root_path", "")
    path = (
        unquote_to_bytes(scope["raw_path"])
        if scope.get("raw_path")
        else scope["path"].encode("utf-8", "surrogateescape")
    )
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path.decode("latin-1").removeprefix(root),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    headers: dict[str, list[str]] = defaultdict(list)
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        headers[name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"].append(
            raw_value.decode("latin-1")
        )
    return environ | {key: ",".join(found) for key, found in headers.items()}


async def _send(send: Send, answer: _Answer) -> None:
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Start and stop as the server says; the application is open already."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
