"""Tests of the ASGI adapter: the environ and the body that it passes to the WSGI application."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.login.admission import Admission
from linkauth.web.asgi import Application, wsgi_environ
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY, SignInThreads

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


def test_application_runs_after_whole_body_is_received() -> None:
    ((environ, body),), (start, end) = call([part(b"ab"), part(b"c"), part(b"", False)])
    assert (body, environ["CONTENT_LENGTH"]) == (b"abc", "3")
    assert (start["status"], end["body"]) == (200, b"ab")
    assert dict(start["headers"])[b"x-thread"].startswith(b"linkauth")
    assert b"connection" not in dict(start["headers"])


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


def test_late_body_is_truncated_and_connection_closes() -> None:
    for headers in ([(b"content-length", b"5")], [(b"transfer-encoding", b"chunked")]):
        ((environ, body),), (start, _) = call([part(b"ab")], seconds=1, headers=headers)
        assert body == b"ab"
        assert int(environ["CONTENT_LENGTH"]) > 2
        assert dict(start["headers"])[b"connection"] == b"close"


def test_body_over_limit_is_not_awaited() -> None:
    ((environ, body),), (start, _) = call([], headers=[(b"content-length", b"11")])
    assert (environ["CONTENT_LENGTH"], body) == ("11", b"")
    assert dict(start["headers"])[b"connection"] == b"close"
    ((_, body),), (start, _) = call([part(b"a" * 8), part(b"a" * 8)])
    assert body == b"a" * 11
    assert dict(start["headers"])[b"connection"] == b"close"


def test_aborted_body_does_not_reach_application() -> None:
    environs, (start, _) = call([part(b"ab"), {"type": "http.disconnect"}])
    assert (environs, start["status"]) == ([], 400)


def test_body_of_get_request_is_not_awaited() -> None:
    ((_, body),), _ = call([], method="GET")
    assert body == b""


def raises(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("c4n4ry")


def never_starts(environ: Any, start_response: Any) -> list[bytes]:
    return []


def sends_header_outside_latin_1(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("X-Name", "\u0101")])
    return []


def exits(environ: Any, start_response: Any) -> list[bytes]:
    raise SystemExit


@pytest.mark.parametrize("wsgi", [raises, exits, never_starts, sends_header_outside_latin_1])
def test_failing_application_gives_status_500(wsgi: Any, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return part(b"", False)

    application = Application(wsgi, 1, sign_in_threads(), limit=10)
    # the second body is too long, which closes only its own connection
    for headers in ([], [(b"content-length", b"11")], []):
        run(application({**SCOPE, "headers": headers}, receive, send))
    assert [message["status"] for message in sent[::2]] == [500] * 3
    assert [(b"connection", b"close") in message["headers"] for message in sent[::2]] == [False, True, False]
    assert b"c4n4ry" not in sent[1]["body"]
    assert "WSGI application raised an exception" in caplog.text


def test_cancelled_request_releases_its_thread(caplog: pytest.LogCaptureFixture) -> None:
    started, released = threading.Event(), threading.Event()

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        started.set()
        assert released.wait(LONG)
        start_response("200 OK", [])
        return []

    async def receive() -> Any:
        return part(b"", False)

    async def send(message: Any) -> None:
        sent.append(message)

    async def cancel_and_repeat() -> None:
        request = asyncio.create_task(application({**SCOPE}, receive, send))
        await asyncio.to_thread(started.wait, LONG)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        released.set()
        await asyncio.wait_for(application({**SCOPE}, receive, send), LONG)

    async def abandon() -> None:
        request = asyncio.create_task(application({**SCOPE}, receive, send))
        await asyncio.to_thread(started.wait, LONG)
        assert not request.done()

    sent: list[Any] = []
    application = Application(wsgi, 1, sign_in_threads())
    run(cancel_and_repeat())
    # the same holds when the event loop is closed
    started.clear()
    released.clear()
    run(abandon())
    released.set()
    run(asyncio.wait_for(application({**SCOPE}, receive, send), LONG))
    assert [message["status"] for message in sent[::2]] == [200, 200]
    assert not caplog.records


def test_environ_is_built_from_scope() -> None:
    headers = [
        (b"host", b"link.example.com"),
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"x_forwarded_for", b"192.0.2.1"),
        (b"x-forwarded-for", b"203.0.113.8"),
        (b"content-type", b"text/plain"),
        (b"content_type", b"text/html"),
        (b"x-name", b"caf\xe9"),
    ]
    environ = wsgi_environ({**SCOPE, "headers": headers, "path": "/auth/caf\u00e9", "root_path": "/auth"})
    assert environ["HTTP_X_FORWARDED_FOR"] == "203.0.113.7,203.0.113.8"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["HTTP_X_NAME"] == "caf\xe9"
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/auth", "/caf\xc3\xa9")
    assert (environ["REMOTE_ADDR"], environ["QUERY_STRING"]) == ("127.0.0.1", "x=%FF")
    assert wsgi_environ({**SCOPE, "raw_path": b"/%FF"})["PATH_INFO"] == "/\xff"
    # servers describe a Unix domain socket in different ways
    assert wsgi_environ({**SCOPE, "client": None, "server": None})["REMOTE_ADDR"] == ""
    assert wsgi_environ({**SCOPE, "client": ("", "0")})["REMOTE_ADDR"] == ""


def test_lifespan_is_supported_and_websocket_is_not() -> None:
    sent: list[Any] = []
    queue = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return queue.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    application = Application(lambda *_: [], 1, sign_in_threads())
    run(application({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(ValueError, match="websocket"):
        run(application({"type": "websocket"}, receive, send))
