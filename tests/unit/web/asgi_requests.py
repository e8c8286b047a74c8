"""Sends requests to the ASGI adapter without a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from linkauth.login.admission import Admission
from linkauth.web.asgi import Application
from linkauth.web.sign_in_threads import SignInThreads

LONG = 60.0
SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/a",
    "query_string": b"x=%FF",
    "headers": [],
    "client": ("127.0.0.1", 4711),
    "server": ("127.0.0.1", 6543),
}


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs the coroutine in another thread, because Playwright's event loop may run in this one after browser tests."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()


def sign_in_threads(max_wait: float = 5) -> SignInThreads:
    return SignInThreads(Admission(max_wait, float), lambda environ: environ["REMOTE_ADDR"], 1)


def call(messages: Iterable[dict[str, Any]], seconds: float = LONG, **scope: Any) -> tuple[list[Any], list[Any]]:
    """Sends one request with `messages` and then nothing more.

    Returns the calls of the WSGI application as pairs of environ and body, and the messages that were sent.
    """
    environs: list[Any] = []
    sent: list[Any] = []
    queue = list(messages)

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environs.append((environ, environ["wsgi.input"].read()))
        start_response("200 OK", [("X-Thread", threading.current_thread().name)])
        return [b"a", b"b"]

    async def receive() -> dict[str, Any]:
        if not queue:
            await asyncio.Event().wait()
        return queue.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    application = Application(wsgi, 1, sign_in_threads(), seconds=seconds, limit=10)
    run(application({**SCOPE, **scope}, receive, send))
    return environs, sent


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}
