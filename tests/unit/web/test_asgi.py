"""Tests of the ASGI adapter: the environ and the body that it passes to the WSGI application."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from linkauth.web.asgi import Application, wsgi_environ
from tests.unit.web.asgi_requests import LONG, SCOPE, call, part, run, sign_in_threads


def test_application_runs_after_whole_body_is_received() -> None:
    ((environ, body),), (start, end) = call([part(b"ab"), part(b"c"), part(b"", False)])
    assert (body, environ["CONTENT_LENGTH"]) == (b"abc", "3")
    assert (start["status"], end["body"]) == (200, b"ab")
    assert dict(start["headers"])[b"x-thread"].startswith(b"linkauth")
    assert b"connection" not in dict(start["headers"])


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
