"""Tests of the requests that the event loop answers itself."""

from __future__ import annotations

import threading
from typing import Any

from linkauth.web.asgi import Application
from linkauth.web.quick_requests import PAUSE_SECONDS, SLOW_SECONDS, QuickRequests
from tests.unit.web.asgi_requests import SCOPE, part, run, sign_in_threads


def test_only_requests_that_do_not_wait_are_quick() -> None:
    quick = QuickRequests(introspection=True)
    for method, path in (("GET", "/authorize"), ("GET", "/sso/authorize"), ("POST", "/introspect")):
        assert quick.includes(method, path)
    for method, path in (
        *(
            ("POST", "/authorize"),
            ("POST", "/token"),
            ("POST", "/revoke"),
            ("GET", "/userinfo"),
            ("GET", "/introspect"),
        ),
        *(("GET", "/authorize/recover"), ("GET", "/health/ready"), ("HEAD", "/authorize"), ("PUT", "/introspect")),
    ):
        assert not quick.includes(method, path)


def test_introspection_is_quick_only_if_it_waits_for_no_other_process() -> None:
    quick = QuickRequests(introspection=False)
    assert not quick.includes("POST", "/introspect")
    assert quick.includes("GET", "/authorize")


def test_after_a_slow_request_all_requests_run_in_threads_for_a_while() -> None:
    now = 1000.0
    quick = QuickRequests(True, lambda: now)
    quick.record(SLOW_SECONDS)
    assert quick.includes("POST", "/introspect")
    quick.record(SLOW_SECONDS * 1.01)
    assert not quick.includes("POST", "/introspect")
    assert not quick.includes("GET", "/authorize")
    now += PAUSE_SECONDS - 0.1
    assert not quick.includes("POST", "/introspect")
    now += 0.1
    assert quick.includes("POST", "/introspect")


def test_quick_requests_run_in_the_event_loop_and_others_in_threads() -> None:
    threads: dict[str, str] = {}

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        threads[environ["PATH_INFO"]] = threading.current_thread().name
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    async def receive() -> dict[str, Any]:
        return part(b"token=a", False)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def requests() -> None:
        threads["loop"] = threading.current_thread().name
        for path in ("/introspect", "/token"):
            await application({**SCOPE, "path": path}, receive, send)
        # the body is too long, so it may be incomplete
        await application({**SCOPE, "path": "/sso/introspect", "headers": [(b"content-length", b"99")]}, receive, send)

    application = Application(wsgi, 1, sign_in_threads(), QuickRequests(True), limit=10)
    run(requests())
    assert threads["/introspect"] == threads["loop"]
    assert threads["/token"].startswith("linkauth-")
    assert threads["/sso/introspect"].startswith("linkauth-")
    assert [message.get("body") for message in sent[1::2]] == [b"token=a", b"token=a", b""]
