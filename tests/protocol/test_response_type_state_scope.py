"""Tests of response_type, scope and state in valid and invalid forms."""

from __future__ import annotations

import pytest
from webtest import TestApp

from tests.alexa import REDIRECT_URI
from tests.web.raw_requests import (
    PLAIN_URI,
    assert_error,
    assert_page,
    form_token,
    login,
    post,
    query,
    quoted,
    redirect_parameters,
    send,
)

VSCHARS = "".join(map(chr, range(0x20, 0x7F)))


@pytest.mark.parametrize("value", [None, ""])
def test_missing_response_type_is_refused(app: TestApp, value: str | None) -> None:
    assert_error(send(app, query=query(response_type=value)), "invalid_request")


@pytest.mark.parametrize(
    "value",
    [
        "foo",
        "TOKEN",
        "Token",
        "token ",
        " token",
        "none",
        "token;code",
        "token,code",
        "token\0",
        "ｔｏｋｅｎ",
        "token\t",
    ],
)
def test_unknown_response_type_is_refused(app: TestApp, value: str) -> None:
    assert_error(send(app, query=query(response_type=value)), "unsupported_response_type")


@pytest.mark.parametrize("value", ["token code", "code token", "id_token token", "token id_token", "token token"])
def test_several_response_types_are_refused(app: TestApp, value: str) -> None:
    response = send(app, query=query(response_type=value))
    assert_error(response, "unsupported_response_type")
    assert "access_token=" not in response.location


def test_response_type_without_grant_is_refused(app: TestApp) -> None:
    assert_error(send(app, query=query(response_type="code")), "unauthorized_client", mode="query")
    assert_error(
        send(app, query=query(response_type="code", redirect_uri=PLAIN_URI)),
        "unauthorized_client",
        "S",
        PLAIN_URI,
        "query",
    )


def test_post_with_response_type_without_grant_is_refused(app: TestApp) -> None:
    fields = {"form_token": form_token(app, query()), "username": "ada", "password": "lovelace-1815"}
    response = post(app, query(response_type="code"), fields)
    assert_error(response, "unauthorized_client", mode="query")


@pytest.mark.parametrize(
    "mode", ["query", "form_post", "web_message", "jwt", "query.jwt", "fragment.jwt", "FRAGMENT", "x"]
)
def test_other_response_mode_for_token_is_refused(app: TestApp, mode: str) -> None:
    assert_error(send(app, query=query(response_mode=mode)), "invalid_request")


def test_response_mode_fragment_is_accepted(app: TestApp) -> None:
    assert "access_token" in redirect_parameters(login(app, query(response_mode="fragment"), "ada", "lovelace-1815"))


@pytest.mark.parametrize("state", [None, ""])
def test_response_has_no_state_if_request_has_none(app: TestApp, state: str | None) -> None:
    assert set(redirect_parameters(login(app, query(state=state), "ada", "lovelace-1815"))) == {
        "access_token",
        "token_type",
    }
    assert_error(send(app, query=query(state=state, scope="unknown")), "invalid_scope", state=None)


@pytest.mark.parametrize("state", [None, ""])
def test_missing_state_is_refused_if_client_requires_it(app: TestApp, state: str | None) -> None:
    uri = "https://single.example.com/cb"
    raw = query(client_id="single", redirect_uri=uri, scope=None, state=state)
    assert_error(send(app, query=raw), "invalid_request", None, uri)


STATES = (
    VSCHARS,
    "%26%3D%23%2B%25",
    "a b+c&d=e#f?g",
    " lead and trail ",
    "x" * 1000,
    VSCHARS * 42,
    "~" * 4096,
    " " * 4096,
    "0",
    "null",
)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("uri", [REDIRECT_URI, PLAIN_URI])
def test_state_is_returned_unchanged_with_error(app: TestApp, state: str, uri: str) -> None:
    response = send(app, query=query(state=state, scope="unknown", redirect_uri=uri))
    assert_error(response, "invalid_scope", state, uri)
    # a space is %20, which form decoders and URI decoders read alike
    assert response.location.startswith(f"{uri}#state={quoted(state)}&")
    assert "+" not in response.location


@pytest.mark.parametrize("state", [VSCHARS, "~" * 4096, "%2B+%20 "])
def test_state_is_returned_unchanged_with_token(app: TestApp, state: str) -> None:
    response = login(app, query(state=state), "ada", "lovelace-1815")
    assert redirect_parameters(response)["state"] == state
    assert response.location.startswith(f"{REDIRECT_URI}#state={quoted(state)}&")


@pytest.mark.parametrize(
    "state",
    [
        "a\r\nSet-Cookie: x=1",
        "a\nb",
        "a\rb",
        "a\0b",
        "\0",
        "\x7f",
        "\x1b[31m",
        "é",
        "\u0100",
        "\u2028",
        "\ufffe",
        "😀",
        "a\tb",
    ],
)
def test_unprintable_state_is_refused_and_not_returned(app: TestApp, state: str) -> None:
    assert_error(send(app, query=query(state=state)), "invalid_request", state=None)


@pytest.mark.parametrize("length", [4097, 5000, 15_000])
def test_state_over_limit_is_refused_and_not_returned(app: TestApp, length: int) -> None:
    assert_error(send(app, query=query(state="x" * length)), "invalid_request", state=None)


def test_state_of_64_kilobytes_gives_error_page(app: TestApp) -> None:
    assert_page(send(app, query=query(state="x" * 65_536)), 414)


@pytest.mark.parametrize("raw", [b"%FF", b"%C0%AF", b"%ED%A0%80", b"%E2%82", b"\xff", b"\xed\xa0\x80", b"%F4%90%80%80"])
def test_state_with_invalid_utf_8_gives_error_page(app: TestApp, raw: bytes) -> None:
    assert_page(send(app, query=query(state=None) + b"&state=" + raw))


@pytest.mark.parametrize(
    "name",
    [
        *("client_id", "redirect_uri", "response_type", "scope", "state", "response_mode", "code_challenge"),
        *("code_challenge_method", "nonce", "prompt", "ui_locales", "request", "request_uri", "unknown"),
    ],
)
def test_repeated_parameter_gives_error_page(app: TestApp, name: str) -> None:
    rest = query(**{name: None})
    for pair in (f"&{name}=a&{name}=b", f"&{name}=a&{name}=a", f"&{name}=&{name}=", f"&{name}&{name}=a"):
        assert_page(send(app, query=rest + pair.encode()))
        assert_page(send(app, query=pair.encode()[1:] + b"&" + rest))


@pytest.mark.parametrize("extra", ["extra=foobar", "x=%00", "%00=x", "=x", "x", "&&&", "a[]=1", "%F0%9F%98%80=1"])
def test_unknown_parameters_are_ignored(app: TestApp, extra: str) -> None:
    raw = query() + b"&" + extra.encode()
    assert redirect_parameters(login(app, raw, "ada", "lovelace-1815"))["state"] == "S"


def test_missing_or_empty_scope_grants_all_scopes(app: TestApp) -> None:
    for scope in (None, ""):
        parameters = redirect_parameters(login(app, query(scope=scope), "ada", "lovelace-1815"))
        assert parameters["scope"] == "order_car basic_profile"


@pytest.mark.parametrize(
    "scope",
    [
        "unknown",
        "order_car unknown",
        "ORDER_CAR",
        'order_car"',
        '"',
        "\\",
        "order_car\\",
        "order_car\0",
        "order_car\x1f",
        "order_car é",
        "ｏrder_car",
        " order_car",
        "order_car ",
        "order_car  basic_profile",
        " ",
        "order_car\tbasic_profile",
        "order_car\nbasic_profile",
        "order_car,basic_profile",
        " ".join(f"scope{number}" for number in range(16)),
        "x" * 10_240,
        "order_car " * 1_000 + "order_car_",
    ],
)
def test_invalid_scope_is_refused(app: TestApp, scope: str) -> None:
    assert_error(send(app, query=query(scope=scope)), "invalid_scope")


def test_repeated_scope_is_granted_once_and_returned(app: TestApp) -> None:
    parameters = redirect_parameters(login(app, query(scope="order_car order_car"), "ada", "lovelace-1815"))
    assert parameters["scope"] == "order_car"


@pytest.mark.parametrize("scope", ["private", "order_car private"])
def test_scope_of_another_client_is_refused(app: TestApp, scope: str) -> None:
    assert_error(send(app, query=query(scope=scope)), "invalid_scope")
