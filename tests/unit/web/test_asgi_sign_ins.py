"""Tests of sign-ins under the ASGI adapter: they have their own threads, and are dropped if the client disconnects."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from linkauth.web.asgi import Application
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY
from tests.unit.web.asgi_requests import LONG, SCOPE, call, part, run, sign_in_threads


def test_sign_in_runs_in_its_own_thread() -> None:
    ((environ, body),), (start, _) = call([part(b"ab", False)], path="/authorize")
    assert (environ[RETRY_AFTER_KEY], body) == (0, b"ab")
    assert dict(start["headers"])[b"x-thread"].startswith(b"sign-in")
    ((environ, _),), (start, _) = call([], path="/authorize", method="GET")
    assert RETRY_AFTER_KEY not in environ
    assert dict(start["headers"])[b"x-thread"].startswith(b"linkauth")


def test_other_requests_are_answered_while_sign_ins_wait_or_are_refused() -> None:
    released = threading.Event()

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        if environ.get(RETRY_AFTER_KEY) == 0:
            assert released.wait(LONG)
        start_response("503 Busy" if environ.get(RETRY_AFTER_KEY) else "200 OK", [])
        return []

    async def request(path: str) -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return part(b"", False)

        async def send(message: Any) -> None:
            sent.append(message)

        await application({**SCOPE, "path": path}, receive, send)
        return int(sent[0]["status"])

    async def crowd() -> None:
        sign_ins = [asyncio.create_task(request("/authorize")) for _ in range(20)]
        done, waiting = await asyncio.wait(sign_ins, return_when=asyncio.FIRST_COMPLETED)
        statuses = {task.result() for task in done}
        assert await request("/introspect") == 200
        released.set()
        statuses |= set(await asyncio.gather(*waiting))
        assert statuses == {503, 200}

    application = Application(wsgi, 1, sign_in_threads(max_wait=4))
    run(asyncio.wait_for(crowd(), LONG))


def test_sign_in_does_not_run_if_its_client_has_disconnected() -> None:
    released = threading.Event()
    paths: list[str] = []

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        paths.append(environ["PATH_INFO"])
        assert released.wait(LONG)
        start_response("200 OK", [])
        return []

    async def request(path: str, *messages: dict[str, Any]) -> Any:
        sent: list[Any] = []
        queue = [part(b"", False), *messages]

        async def receive() -> Any:
            return queue.pop(0) if queue else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await application({**SCOPE, "path": path}, receive, send)
        return sent[0]["status"]

    async def crowd() -> None:
        first = asyncio.create_task(request("/1/authorize"))
        await asyncio.to_thread(_wait_until, lambda: paths == ["/1/authorize"])
        assert await request("/2/authorize", {"type": "http.disconnect"}) == 400
        last = asyncio.create_task(request("/3/authorize", part(b"", False)))
        await asyncio.sleep(0)
        released.set()
        assert (await first, await last) == (200, 200)
        assert paths == ["/1/authorize", "/3/authorize"]

    application = Application(wsgi, 1, sign_in_threads())
    run(asyncio.wait_for(crowd(), LONG))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.001)
