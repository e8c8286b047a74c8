"""Tests of failover between several servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import pytest

from linkauth.backends import BackendError, BackendUnavailable, WrongPassword
from linkauth.testing import FailoverContract, Known
from linkauth.testing.backend import wait_for_recovery
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .conftest import settings_for
from .protocols import MUELLER, json_api
from .test_faults import BODY, RAW, sign_in

Make = Callable[..., HTTPBackend]
Serve = Callable[..., API]


class TestContract(FailoverContract):
    @pytest.fixture
    def target(self, serve: Serve) -> tuple[str, int]:
        url = urlsplit(serve(json_api).url)
        self.path = url.path
        return str(url.hostname), int(url.port or 0)

    @pytest.fixture
    def known(self) -> Known:
        return MUELLER

    def open_backend(
        self, target: tuple[str, int], ports: Sequence[int], retry_down_after: int, seconds: int
    ) -> HTTPBackend:
        urls = [f"http://127.0.0.1:{port}{self.path}" for port in ports]
        limits = {"connect_timeout": seconds, "receive_timeout": seconds, "total_timeout": 60}
        return HTTPBackend(settings_for(*urls, retry_down_after=retry_down_after, **limits))


class TestBreaker:
    def test_failures_in_a_row_are_counted(self, api: API, serve: Serve, backend_on: Make) -> None:
        statuses = iter([500, 503, 503, 200, 503, 503, 503])
        api.handler = lambda request: Reply(next(statuses), BODY)
        second = serve(lambda request: Reply(200, BODY))
        backend = backend_on(api.url, second.url, retry_down_after=600)
        with pytest.raises(BackendUnavailable):
            # a response counts as success, even if it refuses the password
            sign_in(backend)
        assert not second.requests
        for _ in range(6):
            assert sign_in(backend) == "7"
        assert len(second.requests) == 5
        for _ in range(3):
            assert sign_in(backend) == "7"
        # no further request is sent to it
        assert next(statuses, None) is None
        assert len(second.requests) == 8

    def test_it_is_asked_first_again_after_a_while(self, api: API, serve: Serve, backend_on: Make) -> None:
        second = serve(lambda request: Reply(200, BODY))
        api.handler = json_api
        api.stop()
        backend = backend_on(api.url, second.url, failures_until_down=1, retry_down_after=0)
        assert sign_in(backend) == "7"
        api.start()
        assert sign_in(backend) == "4711"


class TestFailover:
    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_busy_server_hands_over(self, api: API, serve: Serve, backend_on: Make, status: int) -> None:
        api.handler = lambda request: Reply(status, BODY)
        assert sign_in(backend_on(api.url, serve(json_api).url)) == "4711"

    def test_a_stopped_server_hands_over(self, api: API, serve: Serve, backend_on: Make) -> None:
        api.stop()
        second = serve(json_api)
        backend = backend_on(api.url, second.url)
        assert sign_in(backend) == "4711"
        with pytest.raises(WrongPassword):
            backend.authenticate(MUELLER.username, "wrong")
        assert sign_in(backend_on("http://no-such-host.invalid/", second.url, allow_cleartext=True)) == "4711"

    @pytest.mark.parametrize("status", [401, 403, 404, 423, 429, 500, 200, 302])
    def test_an_answer_is_an_answer(self, api: API, serve: Serve, backend_on: Make, status: int) -> None:
        api.handler = lambda request: Reply(status, "{}")
        second = serve(json_api)
        with pytest.raises(BackendError):
            sign_in(backend_on(api.url, second.url))
        assert not second.requests

    @pytest.mark.parametrize("failover", ["unsent", "unanswered"])
    @pytest.mark.parametrize("kind", ["hang", "closed", "headers drip", "cut off"])
    def test_what_was_sent_may_have_counted(
        self, api: API, serve: Serve, backend_on: Make, kind: str, failover: str
    ) -> None:
        if kind == "hang":
            api.hang()
        else:
            api.handler = lambda request: Reply(raw=RAW[kind])
        second = serve(json_api)
        backend = backend_on(api.url, second.url, failover=failover, receive_timeout=3, total_timeout=5)
        if failover == "unanswered" and kind in ("hang", "closed"):
            assert sign_in(backend) == "4711"
        else:
            with pytest.raises(BackendUnavailable):
                sign_in(backend)
            assert not second.requests

    def test_a_page_that_is_only_fetched_may_be_asked_of_both(self, api: API, serve: Serve, backend_on: Make) -> None:
        api.hang()
        second = serve(lambda request: Reply(200, '<input type=password name=p>{"ok": true, "id": 7}'))
        form = {
            "preset": "html-form",
            "success": "regex:ok",
            "subject": r"regex:id.: (\d+)",
            "wrong_password": "/never",
        }
        assert sign_in(backend_on(api.url, second.url, receive_timeout=3, **form)) == "7"


class TestRetryAfter:
    def in_a_while(self) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    @pytest.mark.parametrize(
        ("text", "least", "most"),
        [("7", 7, 7), ("date", 90, 100), ("999999999", 300, 300), ("-1", 30, 30), ("soon", 30, 30), ("0", 30, 30)],
    )
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_reaches_the_person(
        self, api: API, backend_on: Make, status: int, text: str, least: int, most: int
    ) -> None:
        header = self.in_a_while() if text == "date" else text
        api.handler = lambda request: Reply(status, "", (("Retry-After", header),))
        with pytest.raises(BackendUnavailable) as error:
            sign_in(backend_on(api.url))
        assert least <= error.value.retry_after <= most

    def test_a_server_is_left_alone_for_so_long(self, api: API, backend_on: Make) -> None:
        api.handler = lambda request: Reply(503, "", (("Retry-After", "1"),))
        backend = backend_on(api.url)
        for _ in range(5):
            with pytest.raises(BackendUnavailable) as error:
                sign_in(backend)
            assert error.value.retry_after == 1
        assert len(api.requests) == 1
        api.handler = json_api
        assert wait_for_recovery(backend, MUELLER).subject == "4711"

    def test_too_many_tries_of_one_person_stop_nobody_else(self, api: API, backend_on: Make) -> None:
        def handler(request: ReceivedRequest) -> Reply:
            limited = json.loads(request.body)["username"] == "guessed"
            return Reply(429, "", (("Retry-After", "300"),)) if limited else json_api(request)

        api.handler = handler
        backend = backend_on(api.url)
        for _ in range(10):
            with pytest.raises(BackendUnavailable):
                backend.authenticate("guessed", "x")
        assert sign_in(backend) == "4711"


FORM_PAGE = Reply(200, "<form><input type=hidden name=t value=1><input type=password name=p></form>")
FORM = {"preset": "html-form", "success": "location:/home", "subject": "username"}


def html_login(request: ReceivedRequest) -> Reply:
    return FORM_PAGE if request.method == "GET" else Reply(302, "", (("Location", "/home"),))


class TestLoginPage:
    """Until the login page was received the password has not been sent, so any failure allows failover."""

    @pytest.mark.parametrize(
        "reply",
        [
            *(Reply(status, FORM_PAGE.body) for status in (302, 401, 404, 429, 500, 503)),
            Reply(200, "<h1>Maintenance</h1>"),
            Reply(200, " " * 70_000),
            Reply(raw=lambda connection: connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")),
        ],
        ids=lambda reply: f"{reply.status} {reply.body[:4]}",
    )
    def test_the_next_server_is_asked(self, api: API, serve: Serve, backend_on: Make, reply: Reply) -> None:
        api.handler = lambda request: reply
        second = serve(html_login)
        backend = backend_on(api.url, second.url, **FORM, retry_down_after=600)
        for _ in range(4):
            assert sign_in(backend) == MUELLER.username
        assert {request.method for request in api.requests} == {"GET"}
        # after three failures it was not tried again
        assert (len(api.requests), len(second.requests)) == (3, 8)

    def test_a_token_that_cannot_be_sent_back(self, api: API, serve: Serve, backend_on: Make) -> None:
        pages = [Reply(200, f"<input name=t value='{token}'><input type=password>") for token in ("a&#10;b", "ab")]
        second = serve(lambda request: pages[1] if request.method == "GET" else html_login(request))
        api.handler = lambda request: pages[0]
        backend = backend_on(
            api.url, second.url, **FORM, prefetch_value={"csrf": "html:[name=t]"}, header={"X-T": "{csrf}"}
        )
        assert sign_in(backend) == MUELLER.username
        assert second.requests[-1].headers["X-T"] == "ab"

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_retry_after_is_respected(self, api: API, serve: Serve, backend_on: Make, status: int) -> None:
        api.handler = lambda request: Reply(status, "", (("Retry-After", "100"),))
        second = serve(html_login)
        backend = backend_on(api.url, second.url, **FORM)
        for _ in range(2):
            assert sign_in(backend) == MUELLER.username
        assert len(api.requests) == 1
        second.stop()
        with pytest.raises(BackendUnavailable) as error:
            sign_in(backend)
        assert 90 < error.value.retry_after <= 100

    def test_an_answer_to_the_password_is_an_answer(self, api: API, serve: Serve, backend_on: Make) -> None:
        api.handler = lambda request: FORM_PAGE if request.method == "GET" else Reply(429)
        second = serve(html_login)
        with pytest.raises(BackendUnavailable):
            sign_in(backend_on(api.url, second.url, **FORM))
        assert not second.requests
