"""Careless and hostile servers, and rules that say less than they seem to: found by somebody who tried to break in."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import pytest
from urllib3 import HTTPHeaderDict

from linkauth.backends import BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend, HTTPSettings
from linkauth_http.answers import Answer
from linkauth_http.pages import Page
from linkauth_http.rules import parse_rules

from .api import API, Asked, Reply
from .test_outcomes import GOOD, outcome

Make = Callable[..., HTTPBackend]


def answer(status: int = 200, body: str = "", target: str = "/login", **headers: str) -> Answer:
    found = HTTPHeaderDict({name.replace("_", "-"): text for name, text in headers.items()})
    return Answer(status, found, body.encode(), "https://api.example.com", target)


def holds(rule: str, seen: Answer, below: int = 500) -> bool:
    return any(each.holds(seen, below) for each in parse_rules(rule))


@pytest.mark.parametrize("status", [102, 103])
def test_an_informational_answer_gives_nobody_the_next_ones(api: API, backend_on: Make, status: int) -> None:
    """The real answer comes later, on a connection that must not be anybody else's by then."""
    sent = threading.Event()

    def hints_first(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status} Early\r\n\r\n".encode())
        sent.wait(5)
        text = json.dumps({"ok": True, "id": "the-victim"})
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}"
        try:
            connection.sendall(head.encode())
        except OSError:
            return

    def answers(asked: Asked) -> Reply:
        name = json.loads(asked.body)["username"]
        return Reply(raw=hints_first) if name == "victim" else Reply(401, "{}")

    api.answers = answers
    backend = backend_on(api.url, connections=1)
    assert outcome(backend, "victim") is BackendUnavailable
    sent.set()
    assert outcome(backend, "mallory", "guessed") is WrongPassword


def test_many_of_one_persons_refusals_at_once_stop_nobody_else(api: API, backend_on: Make) -> None:
    def answers(asked: Asked) -> Reply:
        limited = json.loads(asked.body)["username"] == "guessed"
        return Reply(429, "", (("Retry-After", "300"),)) if limited else Reply(200, GOOD)

    api.answers = answers
    backend = backend_on(api.url, connect_timeout=5, receive_timeout=5, total_timeout=15)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda turn: outcome(backend, "guessed" if turn % 2 else "ada"), range(48)))
    assert found == [BackendUnavailable if turn % 2 else "7" for turn in range(48)]


def test_our_own_full_pool_speaks_against_no_server(api: API, backend_on: Make) -> None:
    free = threading.Event()

    def answers(asked: Asked) -> Reply:
        free.wait(10)
        return Reply(200, GOOD)

    api.answers = answers
    backend = backend_on(api.url, connections=1, receive_timeout=10, total_timeout=15)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(outcome, backend) for _ in range(4)]
        refused = [next(done) for done in [as_completed(asked, timeout=15)] for _ in range(3)]
        free.set()
    # three of them waited for a place in vain
    assert [each.result() for each in refused] == [BackendUnavailable] * 3
    assert "7" in [each.result() for each in asked]
    assert outcome(backend) == "7"
    assert all(server.failures == 0 for server in backend._servers.all)


def test_a_resolver_that_hangs_is_held_to_the_deadline(backend_on: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait(30) and [])
    backend = backend_on("https://api.example.com/login")
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="resolved"):
        backend.authenticate("ada", "x")
    assert time.monotonic() - began < 4 + 3
    over.set()


@pytest.mark.parametrize("piece", ["<a ", "<a/", "<!--", "<input type=password ", "<form><a b='"])
def test_a_page_of_unfinished_tags_is_read_at_once(piece: str) -> None:
    """Hours of work for a parser that looks for each end again; the pages are as large as they may be."""
    began = time.monotonic()
    assert not Page("<p>x</p>" + piece * (65_536 // len(piece))).asks_for_a_password
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("rule", "seen", "expected"),
    [
        # an error page is none of those that a rule without a status is read of
        ("/ok = true and not status:403", answer(500, '{"ok": true}'), False),
        ("/ok = true and not status:403", answer(200, '{"ok": true}'), True),
        ("not status:200 and /ok", answer(503, '{"ok": true}'), False),
        # a text that says no
        *(("/ok", answer(200, json.dumps({"ok": no})), False) for no in ("false", "0", " No ", "null", "", 0, False)),
        ("/ok", answer(200, '{"ok": "yes"}'), True),
        ("xpath:.//success", answer(200, "<r><success>false</success></r>"), False),
        ("xpath:.//success", answer(200, "<r><success>true</success></r>"), True),
        ("header:X-OK", answer(200, X_OK="false"), False),
        ("header:X-OK", answer(200, X_OK="1"), True),
        # what cannot be read does not say that there is no error in it
        ("header:X-A and not /error", answer(200, '{"error": 1, "ok": true, "ok": true}', X_A="1"), False),
        ("header:X-A and not /error", answer(200, "<html>", X_A="1"), False),
        ("header:X-A and not xpath:.//Fault", answer(200, "no xml", X_A="1"), False),
        ("header:X-A and not /error", answer(200, "null", X_A="1"), True),
        ("header:X-A and not /error", answer(200, '{"error": null}', X_A="1"), True),
        # cookies that are deleted
        ("cookie:s", answer(Set_Cookie="s=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT"), False),
        ("cookie:s", answer(Set_Cookie="s=x; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=60"), True),
        ("cookie:s", answer(Set_Cookie="s=x; Expires=Thu, 01 Jan 2099 00:00:01 GMT"), True),
        ("cookie:s", answer(Set_Cookie="s=x; Expires=whenever"), True),
        # where a redirect leads
        ("location:/home", answer(302, Location="home"), True),
        ("location:/home", answer(302, Location="//api.example.com/home"), True),
        ("location:/home", answer(302, Location="//evil.example.com/home"), False),
        ("location:/home", answer(302, Location="https://evil.example.com/home"), False),
        ("location:/home", answer(302, Location="http://[broken"), False),
    ],
)
def test_what_a_rule_holds_of(rule: str, seen: Answer, expected: bool) -> None:
    assert holds(rule, seen) is expected


@pytest.mark.parametrize(
    "rule",
    [
        *("/status=locked", "/status == locked", "/two words", '/status = "locked"', "/status = 'locked'"),
        *("header:X = ", "header:X Y", "header:X:Y", "cookie:a;b", "cookie:a=b", "form: b"),
    ],
)
def test_a_rule_that_would_never_hold_stops_the_start(rule: str) -> None:
    with pytest.raises(ValueError, match="holds"):
        parse_rules(rule)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"preset": "basic", "success": "not form:", "subject": "username"}, "success"),
        ({"preset": "basic", "success": "not status:401", "subject": "username"}, "success"),
        ({"preset": "basic", "success": "status:200 302", "subject": "username"}, "success"),
        (
            {"preset": "html-form", "success": "cookie:s", "subject": "username", "url": ("https://x/{username}",)},
            "prefetch_url",
        ),
        ({"preset": "json", "success": "/ok", "subject": "/id", "tls_ca_file": "/ca.pem"}, "tls_ca_file"),
        ({"preset": "json", "success": "/ok", "subject": "/id", "client_certificate": "/c.pem"}, "client_certificate"),
    ],
)
def test_settings_that_mislead_are_faults(changes: dict[str, Any], key: str) -> None:
    values = {"url": ("http://127.0.0.1:1/login",), **changes}
    assert key in {name for name, _ in HTTPSettings(**values).faults()}
    basic = HTTPSettings(("http://127.0.0.1:1/",), preset="basic", success="status:200 204", subject="username")
    assert not list(basic.faults())
