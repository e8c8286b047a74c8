"""Tests of the form parser, the form token and the check of the origin of a post."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPBadRequest, HTTPException

from linkauth.web.forms import FIELD_LIMIT, FORM_TOKEN_SECONDS, FormTokens, decode_pairs, read_form

SECRET = "a secret of more than thirty-two characters"
URL = "https://link.example.com"
QUERY = "client_id=alexa&state=S"


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (b"", []),
        (b"a=1", [("a", "1")]),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a", [("a", "")]),
        (b"a=", [("a", "")]),
        (b"=1", [("", "1")]),
        (b"&&a=1&", [("a", "1")]),
        (b"a=1=2", [("a", "1=2")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a=b+c%20d%2Be", [("a", "b c d+e")]),
        (b"a=%C3%A9", [("a", "é")]),
        (b"a=\xc3\xa9", [("a", "é")]),
        (b"%61=%2561", [("a", "%61")]),
        (b"a=%", [("a", "%")]),
        (b"a=%zz%4", [("a", "%zz%4")]),
        (b"a=%00", [("a", "\0")]),
        (b"a=%26b=%3D", [("a", "&b==")]),
        (b"a=%EF%BB%BFx", [("a", "\ufeffx")]),
    ],
)
def test_pairs_are_decoded_once(raw: bytes, pairs: list[tuple[str, str]]) -> None:
    assert decode_pairs(raw) == pairs


@pytest.mark.parametrize(
    "raw", [b"\xff", b"%FF", b"a=%C0%AF", b"a=%ED%A0%80", b"a=%E2%82", b"%C3=1", b"a=%F4%90%80%80", b"x=1&a=\x80&b=2"]
)
def test_invalid_utf_8_is_refused(raw: bytes) -> None:
    with pytest.raises(HTTPBadRequest) as caught:
        decode_pairs(raw)
    assert caught.value.detail == "not_utf8"


def test_number_of_pairs_is_limited() -> None:
    assert len(decode_pairs(b"&".join([b"a=1"] * FIELD_LIMIT))) == FIELD_LIMIT
    for raw in (b"&".join([b"a=1"] * (FIELD_LIMIT + 1)), b"&" * FIELD_LIMIT + b"%FF"):
        with pytest.raises(HTTPBadRequest) as caught:
            decode_pairs(raw)
        assert caught.value.detail == "too_many_parameters"


class Clock:
    """A clock in seconds that the test sets."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def form_tokens(clock: Clock) -> FormTokens:
    return FormTokens(SECRET, URL, clock)


def test_form_token_is_valid_for_15_minutes(form_tokens: FormTokens, clock: Clock) -> None:
    token = form_tokens.token(QUERY)
    assert form_tokens.is_valid(token, QUERY)
    clock.now += FORM_TOKEN_SECONDS - 1
    assert form_tokens.is_valid(token, QUERY)
    clock.now += 1
    assert not form_tokens.is_valid(token, QUERY)


@pytest.mark.parametrize("other", ["", QUERY + "&", QUERY + "&x=1", QUERY.replace("S", "T"), QUERY.upper(), QUERY[:-1]])
def test_form_token_is_bound_to_its_query(form_tokens: FormTokens, other: str) -> None:
    token = form_tokens.token(QUERY)
    assert form_tokens.is_valid(token, QUERY)
    assert not form_tokens.is_valid(token, other)


def test_form_token_is_bound_to_its_secret(form_tokens: FormTokens, clock: Clock) -> None:
    assert not form_tokens.is_valid(FormTokens(SECRET + "x", URL, clock).token(QUERY), QUERY)
    # another process with the same secret accepts it
    assert form_tokens.is_valid(FormTokens(SECRET, URL, clock).token(QUERY), QUERY)


def test_changed_form_token_is_refused(form_tokens: FormTokens) -> None:
    token = form_tokens.token(QUERY)
    expiry, _, mac = token.partition(".")
    assert form_tokens.is_valid(f"{expiry}.{mac}", QUERY)
    for position, letter in enumerate(token):
        for other in "A9." if letter != "A" else "B9.":
            if other != letter:
                assert not form_tokens.is_valid(token[:position] + other + token[position + 1 :], QUERY)
    for forged in (
        f"{int(expiry) + 900}.{mac}",
        f"{expiry}.",
        expiry,
        mac,
        f"0{token}",
        f"{token}=",
        f" {token}",
        token * 2,
    ):
        assert not form_tokens.is_valid(forged, QUERY)


@pytest.mark.parametrize(
    "forged",
    ["", ".", "..", "x.y", "-1.x", "1e9.x", "１２.x", "²." + "A" * 24, "9" * 5000, "9" * 12 + ".é\ud800", "\0", "٣.x"],
)
def test_garbage_is_refused_as_form_token(form_tokens: FormTokens, forged: str) -> None:
    assert not form_tokens.is_valid(forged, QUERY)


def request(**headers: str) -> Any:
    return SimpleNamespace(environ={f"HTTP_{name.upper()}": value for name, value in headers.items()})


OWN = (
    {"origin": URL},
    {"origin": "HTTPS://LINK.example.com"},
    {"origin": URL, "sec_fetch_site": "same-origin"},
    {"origin": "null", "sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "same-origin", "referer": "https://evil.example/"},
    {"referer": URL + "/"},
    {"referer": URL + "/authorize?state=S"},
    {"origin": "null", "referer": URL + "/authorize"},
)
FOREIGN = (
    {},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://evil.example"},
    {"origin": URL + "."},
    {"origin": URL + ":8443"},
    {"origin": URL + "/"},
    {"origin": URL + ".evil.example"},
    {"origin": "http://link.example.com"},
    {"origin": "https://example.com"},
    {"origin": f"{URL} https://evil.example"},
    {"origin": "https://evil.example", "sec_fetch_site": "same-origin"},
    {"origin": "https://evil.example", "referer": URL + "/"},
    {"origin": URL, "sec_fetch_site": "cross-site"},
    {"origin": URL, "sec_fetch_site": "same-site"},
    {"origin": URL, "sec_fetch_site": "none"},
    {"origin": "null", "sec_fetch_site": "cross-site", "referer": URL + "/"},
    {"sec_fetch_site": "cross-site", "referer": URL + "/"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": ""},
    {"sec_fetch_site": "Same-Origin "},
    {"referer": URL},
    {"referer": URL + ".evil.example/"},
    {"referer": "https://evil.example/" + URL + "/"},
    {"referer": ""},
)


@pytest.mark.parametrize("headers", OWN)
def test_post_from_own_origin_is_accepted(form_tokens: FormTokens, headers: dict[str, str]) -> None:
    assert form_tokens.check_origin(request(**headers).environ) is None
    with pytest.raises(HTTPBadRequest):
        FormTokens(SECRET, "https://other.example.com").check_origin(
            request(**{**headers, "sec_fetch_site": "cross-site"}).environ
        )


@pytest.mark.parametrize("headers", FOREIGN)
def test_post_from_foreign_origin_is_refused(form_tokens: FormTokens, headers: dict[str, str]) -> None:
    with pytest.raises(HTTPBadRequest) as caught:
        form_tokens.check_origin(request(**headers).environ)
    assert caught.value.detail == "cross_site"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://link.example.com/prefix", "https://link.example.com"),
        ("https://Link.Example.COM", "https://link.example.com"),
        ("https://link.example.com:8443", "https://link.example.com:8443"),
        ("http://127.0.0.1:6543", "http://127.0.0.1:6543"),
        ("http://[::1]:6543", "http://[::1]:6543"),
        ("https://link.example.com:443", "https://link.example.com"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_origin_is_derived_from_public_url_as_in_browsers(url: str, origin: str) -> None:
    form_tokens = FormTokens(SECRET, url)
    assert form_tokens.check_origin(request(origin=origin).environ) is None
    assert form_tokens.check_origin(request(referer=origin + "/authorize").environ) is None
    with pytest.raises(HTTPBadRequest):
        form_tokens.check_origin(request(origin=origin + "1").environ)


class Body:
    """A request body that records the sizes passed to read()."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.sizes: list[int] = []

    def read(self, size: int) -> bytes:
        self.sizes.append(size)
        return self.content[:size]


def posted(content: bytes, **environ: Any) -> Any:
    values = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(content))}
    return SimpleNamespace(environ={**values, "wsgi.input": Body(content), **environ})


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        'application/x-www-form-urlencoded;charset="utf-8"',
        "application/x-www-form-urlencoded ;",
    ],
)
def test_form_is_decoded_as_utf_8(content_type: str) -> None:
    assert read_form(posted(b"a=%C3%A9&b=", CONTENT_TYPE=content_type).environ) == {"a": "é", "b": ""}


@pytest.mark.parametrize(
    ("content", "environ", "detail"),
    [
        (b"a=1", {"CONTENT_TYPE": "application/json"}, "wrong_content_type"),
        (b"a=1", {"CONTENT_TYPE": ""}, "wrong_content_type"),
        (b"a=1", {"CONTENT_TYPE": "multipart/form-data; boundary=x"}, "wrong_content_type"),
        (b"a=1", {"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-16"}, "wrong_content_type"),
        (b"a=1", {"CONTENT_LENGTH": "x"}, "wrong_content_length"),
        (b"a=1&a=2", {}, "repeated_parameter"),
        (b"a=%FF", {}, "not_utf8"),
        (b"a=1&" * 101, {}, "too_many_parameters"),
        (b"a" * 65_537, {}, "too_long"),
        (b"a", {"CONTENT_LENGTH": "65537"}, "too_long"),
        (b"a" * 65_537, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, "too_long"),
    ],
)
def test_invalid_form_is_refused(content: bytes, environ: dict[str, Any], detail: str) -> None:
    with pytest.raises(HTTPException) as caught:
        read_form(posted(content, **environ).environ)
    assert caught.value.detail == detail


def test_body_over_limit_is_not_read() -> None:
    request = posted(b"a" * 65_537)
    with pytest.raises(HTTPException):
        read_form(request.environ)
    assert request.environ["wsgi.input"].sizes == []


def test_body_of_unknown_length_is_not_awaited() -> None:
    request = posted(b"a=1", CONTENT_LENGTH="")
    assert read_form(request.environ) == {}
    assert request.environ["wsgi.input"].sizes == []
