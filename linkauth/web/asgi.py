"""Runs the WSGI application under ASGI 3.0 servers, which pass a request before its body has been received.

The event loop reads the body, with a deadline and a size limit. A thread runs the application only after that, so slow
clients do not occupy threads. Requests that wait for nothing run in the event loop itself.

ASGI also preserves header names as they were sent. Headers with an underscore in their name are dropped, because a WSGI
environ cannot distinguish them from headers with a hyphen.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from queue import SimpleQueue
from typing import Any
from urllib.parse import unquote_to_bytes

from linkauth.web.bodies import BODY_LIMIT, BODY_SECONDS
from linkauth.web.quick_requests import QuickRequests
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY, SignInThreads, is_sign_in

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Response = tuple[int, list[tuple[bytes, bytes]], bytes]
_INTERNAL_ERROR: _Response = (500, [(b"content-type", b"text/plain")], b"internal error\n")
_DISCONNECTED: _Response = (400, [(b"content-type", b"text/plain")], b"the client has disconnected\n")
_MALFORMED_BODY: _Response = (
    400,
    [(b"content-type", b"text/plain"), (b"connection", b"close")],
    b"the body is malformed\n",
)


_SERVER_VARIABLES = {
    "wsgi.version": (1, 0),
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
"""The variables of the environ (PEP 3333) that are the same for every request."""


class UnreadableBody(Exception):
    """The body is incomplete: the client closed the connection, or its chunked encoding is malformed."""


class Application:
    """An ASGI application that reads the body of each request and then runs `wsgi` in one of `threads` threads.

    `sign_ins` runs the requests of sign-ins. `quick` selects the requests that run in the event loop. `seconds` is the
    deadline for a body and `limit` its maximum size in bytes. If the deadline expires, the application receives a body
    that is shorter than its CONTENT_LENGTH. If the body is too long, the application receives one byte more than
    `limit`, or nothing if the CONTENT_LENGTH exceeds the limit.
    """

    def __init__(
        self,
        wsgi: Any,
        threads: int,
        sign_ins: SignInThreads,
        quick: QuickRequests | None = None,
        seconds: float = BODY_SECONDS,
        limit: int = BODY_LIMIT,
    ) -> None:
        self._wsgi = wsgi
        self._sign_ins = sign_ins
        self._quick = quick
        self._threads = _ThreadPool(self._respond, threads)
        self._seconds, self._limit = seconds, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            # the specification requires an exception here; the server closes the connection and logs the error
            raise ValueError(f"unsupported scope type: {scope['type']}")
        environ = wsgi_environ(scope)
        complete = True
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or "HTTP_TRANSFER_ENCODING" in environ:
            try:
                complete = await self._read_body(environ, receive)
            except UnreadableBody:
                # granian would respond with 500; if the client has disconnected, nothing is sent
                await _send(send, _MALFORMED_BODY)
                return
        if is_sign_in(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            status, headers, body = await self._sign_in(environ, receive)
        elif complete and self._quick and self._quick.includes(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            start = time.monotonic()
            status, headers, body = self._respond(environ)
            self._quick.record(time.monotonic() - start)
        else:
            status, headers, body = await self._threads.run(environ)
        if not complete:
            # the rest of the body may still arrive and must not be parsed as a request
            headers = [*headers, (b"connection", b"close")]
        await _send(send, (status, headers, body))

    async def _sign_in(self, environ: dict[str, Any], receive: Receive) -> _Response:
        """Run the WSGI application in a thread for sign-ins, unless the client disconnects before."""
        future: asyncio.Future[_Response] = asyncio.get_running_loop().create_future()

        def respond(retry_after: int) -> None:
            if not future.cancelled():
                _set_result_from_thread(future, self._respond({**environ, RETRY_AFTER_KEY: retry_after}))

        self._sign_ins.add(environ, respond)
        disconnected = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait((future, disconnected), return_when=asyncio.FIRST_COMPLETED)
            return future.result() if future.done() else _DISCONNECTED
        finally:
            disconnected.cancel()
            future.cancel()

    async def _read_body(self, environ: dict[str, Any], receive: Receive) -> bool:
        """Read the body into `environ`. Return False if the body is late or too long. Raises UnreadableBody."""
        parts: list[bytes] = []
        size, more, late = 0, True, False
        declared = environ.get("CONTENT_LENGTH", "")
        if declared.isdecimal() and int(declared[:20]) > self._limit:
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
            # chunked encoding; for a late body the length is too large, so that it counts as incomplete
            environ["CONTENT_LENGTH"] = str(len(body) + late)
        return not more

    def _respond(self, environ: dict[str, Any]) -> _Response:
        """Run the WSGI application and return its complete response. Responses are not streamed."""
        response_start: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            response_start[:] = [(status, headers)]

        try:
            parts: Iterable[bytes] = self._wsgi(environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                if hasattr(parts, "close"):
                    parts.close()
            status, headers = response_start[0]
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            return int(status[:3]), raw, body
        except BaseException:
            # BaseException too, because the thread must stay alive for further requests
            log.exception("WSGI application raised an exception")
            return _INTERNAL_ERROR


class _ThreadPool:
    """`count` threads that call `respond`.

    With concurrent.futures a request to /introspect would take 6 % more CPU time.
    """

    def __init__(self, respond: Callable[[dict[str, Any]], _Response], count: int) -> None:
        self._respond, self._count = respond, count
        self._queue: SimpleQueue[tuple[asyncio.Future[_Response], dict[str, Any]]] = SimpleQueue()
        self._started = False

    async def run(self, environ: dict[str, Any]) -> _Response:
        """Call `respond`, which must not raise, in a thread and return its result."""
        if not self._started:
            # start the threads at the first request: that is after the server has forked its worker processes
            self._started = True
            for number in range(self._count):
                threading.Thread(target=self._work, name=f"linkauth-{number}", daemon=True).start()
        future: asyncio.Future[_Response] = asyncio.get_running_loop().create_future()
        self._queue.put((future, environ))
        return await future

    def _work(self) -> None:
        while True:
            future, environ = self._queue.get()
            _set_result_from_thread(future, self._respond(environ))
            del future, environ


def _set_result_from_thread(future: asyncio.Future[_Response], response: _Response) -> None:
    # RuntimeError: the server has stopped its event loop before this request was completed
    with suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_set_result, future, response)


def _set_result(future: asyncio.Future[_Response], response: _Response) -> None:
    # the future is already done if the server has cancelled the request
    if not future.done():
        future.set_result(response)


def wsgi_environ(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environ (PEP 3333) of an ASGI HTTP scope, with an empty body.

    Headers with an underscore in their name are omitted.
    """
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("localhost", 0)
    root = scope.get("root_path", "")
    path = (
        unquote_to_bytes(scope["raw_path"])
        if scope.get("raw_path")
        else scope["path"].encode("utf-8", "surrogateescape")
    )
    environ: dict[str, Any] = {
        **_SERVER_VARIABLES,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path.decode("latin-1").removeprefix(root),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    repeated: dict[str, list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue
        name = _variable(raw_name)
        value = raw_value.decode("latin-1")
        if name in environ:
            # joined at the end, so that the work grows only as the number of headers does
            repeated.setdefault(name, [environ[name]]).append(value)
        else:
            environ[name] = value
    environ.update((name, ",".join(values)) for name, values in repeated.items())
    return environ


@lru_cache(256)
def _variable(header: bytes) -> str:
    """Return the name of the variable in the environ for the name of a header."""
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


async def _disconnect(receive: Receive) -> None:
    """Return when the client disconnects. The body must have been read."""
    message = await receive()
    if message["type"] != "http.disconnect":
        # not defined by the specification: the connection is used until the response
        await asyncio.get_running_loop().create_future()


async def _send(send: Send, response: _Response) -> None:
    status, headers, body = response
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Acknowledge the server's startup and shutdown messages. The application needs no startup of its own."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
