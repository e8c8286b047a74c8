"""HTTP Basic where nothing is protected: a page that everybody sees proves nobody's password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend

from .api import API, Asked, Reply
from .protocols import MUELLER, basic
from .test_faults import sign_in

Make = Callable[..., HTTPBackend]
Serve = Callable[..., API]
BASIC: dict[str, Any] = {"preset": "basic", "success": None, "subject": "username"}


def welcome(asked: Asked) -> Reply:
    return Reply(200, "<h1>Welcome</h1>")


def bare(api: API) -> list[Asked]:
    return [each for each in api.seen if "Authorization" not in each.headers and each.method != "HEAD"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_gets_in_where_everybody_would(api: API, backend_on: Make, method: str) -> None:
    api.answers = welcome
    backend = backend_on(f"{api.url}/home?x=1", **BASIC, method=method)
    for _ in range(2):
        with pytest.raises(BackendMisconfigured, match="without credentials matches success"):
            sign_in(backend)
    assert [(each.method, each.target) for each in bare(api)] == [(method, "/home?x=1")] * 2


def test_it_is_asked_once_of_each_server(api: API, serve: Serve, backend_on: Make) -> None:
    api.answers, second = basic, serve(welcome)
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


def test_who_cannot_be_proved_is_not_let_in(api: API, serve: Serve, backend_on: Make) -> None:
    api.answers = lambda asked: basic(asked) if "Authorization" in asked.headers else Reply(503)
    second = serve(basic)
    backend = backend_on(api.url, second.url, **BASIC)
    with pytest.raises(BackendUnavailable):
        sign_in(backend)
    assert not second.seen
    api.answers = basic
    assert sign_in(backend) == MUELLER.username


def test_a_form_for_everybody_is_no_open_door(api: API, backend_on: Make) -> None:
    page = Reply(200, "<input type=password>")
    api.answers = lambda asked: welcome(asked) if "Authorization" in asked.headers else page
    backend = backend_on(api.url, **BASIC, wrong_password="form:")
    assert sign_in(backend) == MUELLER.username
    assert all(check.ok for check in backend.check())


def test_a_token_is_fetched_for_it_as_well(api: API, backend_on: Make) -> None:
    page = Reply(200, "<meta name=t content=1>")
    api.answers = lambda asked: page if asked.target == "/page" else Reply(200 if "X-T" in asked.headers else 403)
    backend = backend_on(api.url, **BASIC, prefetch_url="/page", csrf="[name=t]", header={"X-T": "{csrf}"})
    with pytest.raises(BackendMisconfigured):
        sign_in(backend)


@pytest.mark.parametrize("answers", [welcome, basic])
@pytest.mark.parametrize("check_url", ["", "/health"])
def test_doctor_asks_without_credentials(api: API, backend_on: Make, answers: Any, check_url: str) -> None:
    api.answers = lambda asked: Reply(200) if asked.target == "/health" else answers(asked)
    checks = list(backend_on(f"{api.url}/{{username}}", **BASIC, check_url=check_url).check())
    assert [check.ok for check in checks] == [True, answers is basic, True]
    detail = "without credentials matches success" if answers is welcome else "gets status 401"
    assert detail in checks[1].detail
