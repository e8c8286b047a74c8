"""Tests that the floor of the benchmarks does the work that it is a measure for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

from benchmarks.browsers import BASIC, Browser
from benchmarks.serving import Server
from benchmarks.tokens import CLIENT, Tokens
from linkauth.simulator.people import PEOPLE

ADA = PEOPLE[0]
INACTIVE = next(person for person in PEOPLE if not person.active)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server("floor", tmp_path_factory.mktemp("floor"), *os.sched_getaffinity(0), cheap=True) as server:
        yield server


@pytest.fixture(scope="module")
def tokens(floor: Server) -> Tokens:
    return Tokens(floor, 3)


def post(floor: Server, path: str, form: dict[str, str], authorization: str = CLIENT["Authorization"]) -> object:
    """Posts a form with HTTP Basic authentication. Returns the status and the JSON of the response."""
    connection = HTTPConnection("127.0.0.1", floor.port)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": authorization}
    connection.request("POST", path, urlencode(form), headers)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


def test_a_browser_links_and_the_skill_confirms_the_link(floor: Server) -> None:
    with Browser(floor) as browser:
        # raises BenchmarkError unless introspection confirms the token
        first, second = browser.link(), browser.link()
    assert isinstance(first, str)
    assert first != second


@pytest.mark.parametrize(
    ("username", "password"),
    [(ADA.login, "not the password"), ("nobody-here", ADA.password), (INACTIVE.login, INACTIVE.password)],
)
def test_a_wrong_password_an_unknown_name_and_an_inactive_account_are_refused(
    floor: Server, username: str, password: str
) -> None:
    with Browser(floor) as browser:
        response = browser.sign_in(browser.page(), username, password)
    assert response.status == 403
    assert b"\nlocation:" not in response.head.lower()
    assert b"The name or the password is wrong." in response.body


def test_a_changed_form_token_is_refused(floor: Server) -> None:
    with Browser(floor) as browser:
        changed = "9" + browser.page()
        assert browser.sign_in(changed, ADA.login, ADA.password).status == 403


def test_a_code_works_once_and_gives_tokens_that_work(floor: Server, tokens: Tokens) -> None:
    form = tokens.forms.pop()
    status, content = post(floor, "/token", form)
    assert status == 200
    assert post(floor, "/token", form) == (400, {"error": "invalid_grant"})
    _, claims = post(floor, "/introspect", {"token": content["access_token"]})
    assert claims["active"] is True
    assert claims["sub"] == "staff:1"
    refresh = {"grant_type": "refresh_token", "refresh_token": content["refresh_token"]}
    status, content = post(floor, "/token", refresh)
    assert status == 200
    _, claims = post(floor, "/introspect", {"token": content["access_token"]})
    assert claims["active"] is True


def test_a_code_with_another_redirect_uri_is_refused(floor: Server, tokens: Tokens) -> None:
    form = {**tokens.forms.pop(), "redirect_uri": "https://example.com/"}
    assert post(floor, "/token", form) == (400, {"error": "invalid_grant"})


def test_unknown_tokens_are_refused(floor: Server) -> None:
    refresh = {"grant_type": "refresh_token", "refresh_token": "unknown"}
    assert post(floor, "/token", refresh) == (400, {"error": "invalid_grant"})
    assert post(floor, "/introspect", {"token": "unknown"}) == (200, {"active": False})


def test_a_client_needs_its_own_secret(floor: Server, tokens: Tokens) -> None:
    wrong = BASIC[:-4] + "AAA="
    assert post(floor, "/introspect", {"token": tokens.access}, wrong) == (401, {"error": "invalid_client"})
    assert post(floor, "/token", tokens.forms[0], wrong) == (401, {"error": "invalid_client"})
    # a code belongs to the client that it was issued to
    assert post(floor, "/token", tokens.forms[0], BASIC) == (400, {"error": "invalid_grant"})
