"""The WSGI application behind ASGI: what it is given, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.web.asgi import Application, wsgi_environ

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
    """Run it in a thread of its own: where browser tests came before, Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()


def asked(messages: Iterable[dict[str, Any]], seconds: float = LONG, **scope: Any) -> tuple[list[Any], list[Any]]:
    """(environs of the application, with their bodies; messages that were sent). What does not come is awaited."""
    environs: list[Any] = []
    sent: list[Any] = []
    left = list(messages)

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environs.append((environ, environ["wsgi.input"].read()))
        start_response("200 OK", [("X-Thread", threading.current_thread().name)])
        return [b"a", b"b"]

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    application = Application(wsgi, 1, seconds=seconds, limit=10)
    run(application({**SCOPE, **scope}, receive, send))
    return environs, sent


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_whole_before_a_thread_runs_the_application() -> None:
    ((environ, body),), (start, end) = asked([part(b"ab"), part(b"c"), part(b"", False)])
    assert (body, environ["CONTENT_LENGTH"]) == (b"abc", "3")
    assert (start["status"], end["body"]) == (200, b"ab")
    assert dict(start["headers"])[b"x-thread"].startswith(b"linkauth")
    assert b"connection" not in dict(start["headers"])


def test_a_late_body_is_shorter_than_its_length_and_the_connection_ends() -> None:
    for headers in ([(b"content-length", b"5")], [(b"transfer-encoding", b"chunked")]):
        ((environ, body),), (start, _) = asked([part(b"ab")], seconds=0.01, headers=headers)
        assert body == b"ab"
        assert int(environ["CONTENT_LENGTH"]) > 2
        assert dict(start["headers"])[b"connection"] == b"close"


def test_too_long_a_body_is_not_waited_for() -> None:
    ((environ, body),), (start, _) = asked([], headers=[(b"content-length", b"11")])
    assert (environ["CONTENT_LENGTH"], body) == ("11", b"")
    assert dict(start["headers"])[b"connection"] == b"close"
    ((_, body),), (start, _) = asked([part(b"a" * 8), part(b"a" * 8)])
    assert body == b"a" * 11
    assert dict(start["headers"])[b"connection"] == b"close"


def test_a_body_that_breaks_off_never_reaches_the_application() -> None:
    environs, (start, _) = asked([part(b"ab"), {"type": "http.disconnect"}])
    assert (environs, start["status"]) == ([], 400)


def test_a_page_is_not_waited_for() -> None:
    ((_, body),), _ = asked([], method="GET")
    assert body == b""


def raises(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("c4n4ry")


def never_starts(environ: Any, start_response: Any) -> list[bytes]:
    return []


def has_a_header_of_other_letters(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("X-Name", "\u0101")])
    return []


def exits(environ: Any, start_response: Any) -> list[bytes]:
    raise SystemExit


@pytest.mark.parametrize("wsgi", [raises, exits, never_starts, has_a_header_of_other_letters])
def test_an_application_that_fails_is_an_error_of_the_server(wsgi: Any, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return part(b"", False)

    application = Application(wsgi, 1, limit=10)
    # the second body is too long, which ends its connection and no other
    for headers in ([], [(b"content-length", b"11")], []):
        run(application({**SCOPE, "headers": headers}, receive, send))
    assert [message["status"] for message in sent[::2]] == [500] * 3
    assert [(b"connection", b"close") in message["headers"] for message in sent[::2]] == [False, True, False]
    assert b"c4n4ry" not in sent[1]["body"]
    assert "the application failed" in caplog.text


def test_a_request_that_the_server_cancels_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    begun, come = threading.Event(), threading.Event()

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        assert come.wait(LONG)
        start_response("200 OK", [])
        return []

    async def receive() -> Any:
        return part(b"", False)

    async def send(message: Any) -> None:
        sent.append(message)

    async def twice() -> None:
        request = asyncio.create_task(application({**SCOPE}, receive, send))
        await asyncio.to_thread(begun.wait, LONG)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        come.set()
        await asyncio.wait_for(application({**SCOPE}, receive, send), LONG)

    async def left_behind() -> None:
        request = asyncio.create_task(application({**SCOPE}, receive, send))
        await asyncio.to_thread(begun.wait, LONG)
        assert not request.done()

    sent: list[Any] = []
    application = Application(wsgi, 1)
    run(twice())
    # and neither does one whose loop is closed
    begun.clear()
    come.clear()
    run(left_behind())
    come.set()
    run(asyncio.wait_for(application({**SCOPE}, receive, send), LONG))
    assert [message["status"] for message in sent[::2]] == [200, 200]
    assert not caplog.records


def test_the_environ() -> None:
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
    # a unix domain socket, as one server and another say it
    assert wsgi_environ({**SCOPE, "client": None, "server": None})["REMOTE_ADDR"] == ""
    assert wsgi_environ({**SCOPE, "client": ("", "0")})["REMOTE_ADDR"] == ""


def test_start_and_end_are_answered_and_websockets_are_not() -> None:
    sent: list[Any] = []
    left = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    application = Application(lambda *_: [], 1)
    run(application({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(ValueError, match="websocket"):
        run(application({"type": "websocket"}, receive, send))
