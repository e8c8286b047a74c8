"""Tests of HTTP Basic with an unprotected resource, which proves no password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import MUELLER, basic
from .test_faults import sign_in

Make = Callable[..., HTTPBackend]
Serve = Callable[..., API]
BASIC: dict[str, Any] = {"preset": "basic", "success": None, "subject": "username"}


def welcome(request: ReceivedRequest) -> Reply:
    return Reply(200, "<h1>Welcome</h1>")


def bare(api: API) -> list[ReceivedRequest]:
    return [each for each in api.requests if "Authorization" not in each.headers and each.method != "HEAD"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unprotected_resource_is_misconfigured(api: API, backend_on: Make, method: str) -> None:
    api.handler = welcome
    backend = backend_on(f"{api.url}/home?x=1", **BASIC, method=method)
    for _ in range(2):
        with pytest.raises(BackendMisconfigured, match="without credentials matches success"):
            sign_in(backend)
    assert [(each.method, each.target) for each in bare(api)] == [(method, "/home?x=1")] * 2


def test_protection_is_checked_once_per_server(api: API, serve: Serve, backend_on: Make) -> None:
    api.handler, second = basic, serve(welcome)
    backend = backend_on(api.url, second.url, **BASIC)
    with pytest.raises(WrongPassword):
        backend.authenticate(MUELLER.username, "wrong")
    assert not bare(api)
    for _ in range(3):
        assert sign_in(backend) == MUELLER.username
    assert len(bare(api)) == 1
    api.stop()
    with pytest.raises(BackendMisconfigured):
        sign_in(backend)


def test_failed_protection_check_refuses_the_sign_in(api: API, serve: Serve, backend_on: Make) -> None:
    api.handler = lambda request: basic(request) if "Authorization" in request.headers else Reply(503)
    second = serve(basic)
    backend = backend_on(api.url, second.url, **BASIC)
    with pytest.raises(BackendUnavailable):
        sign_in(backend)
    assert not second.requests
    api.handler = basic
    assert sign_in(backend) == MUELLER.username


def test_login_form_without_credentials_is_protected(api: API, backend_on: Make) -> None:
    page = Reply(200, "<input type=password>")
    api.handler = lambda request: welcome(request) if "Authorization" in request.headers else page
    backend = backend_on(api.url, **BASIC, wrong_password="form:")
    assert sign_in(backend) == MUELLER.username
    assert all(check.ok for check in backend.check())


def test_protection_check_fetches_the_csrf_token(api: API, backend_on: Make) -> None:
    page = Reply(200, "<meta name=t content=1>")
    api.handler = lambda request: page if request.target == "/page" else Reply(200 if "X-T" in request.headers else 403)
    backend = backend_on(
        api.url, **BASIC, prefetch_url="/page", prefetch_value={"csrf": "html:[name=t]"}, header={"X-T": "{csrf}"}
    )
    with pytest.raises(BackendMisconfigured):
        sign_in(backend)


@pytest.mark.parametrize("handler", [welcome, basic])
@pytest.mark.parametrize("check_url", ["", "/health"])
def test_check_sends_a_request_without_credentials(api: API, backend_on: Make, handler: Any, check_url: str) -> None:
    api.handler = lambda request: Reply(200) if request.target == "/health" else handler(request)
    checks = list(backend_on(f"{api.url}/{{username}}", **BASIC, check_url=check_url).check())
    assert [check.ok for check in checks] == [True, handler is basic, True]
    detail = "without credentials matches success" if handler is welcome else "gets status 401"
    assert detail in checks[1].detail
