"""Tests that hostile bytes and sizes at any endpoint cause no crash, no injected markup and no foreign redirect."""

from __future__ import annotations

import json
import logging

import pytest
from webtest import TestApp

from linkauth.logs import JSONFormatter
from tests.alexa import basic
from tests.web.raw_requests import (
    FORM,
    ORIGIN,
    Response,
    assert_page,
    assert_safe,
    form_token,
    login,
    post,
    query,
    quoted,
    send,
)

ALEXA = {**FORM, **basic("alexa", "the alexa client's secret")}
REQUESTS = (
    ("GET", "/authorize"),
    ("POST", "/authorize"),
    ("POST", "/introspect"),
    ("GET", "/introspect"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/static/default/x"),
    ("GET", "/"),
)
BROKEN = (
    b"%FF",
    b"%C0%AF",
    b"%ED%A0%80",
    b"%E2%82",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xe2\x82",
    b"%F8%88%80%80%80",
)
MARK = b"<svg/onload=alert(1)>"


def send_in_each_part(app: TestApp, method: str, path: str, raw: bytes) -> list[tuple[str, Response]]:
    """Sends `raw` as a query value, as a query name, in the body and in the path; returns (part, response) pairs."""
    headers = {**ALEXA, "Origin": ORIGIN}
    valid = query() if path == "/authorize" else b""
    extra = valid + b"&" if valid else b""
    body = b"token=x&username=u&password=p"
    return [
        ("value", send(app, method, path, extra + b"x=" + raw, body, headers)),
        ("name", send(app, method, path, extra + raw + b"=x", body, headers)),
        ("body", send(app, method, path, valid, body + b"&x=" + raw, headers)),
        ("path", send(app, method, path + "/" + raw.decode("latin-1"), valid, body, headers)),
    ]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("raw", BROKEN)
def test_invalid_utf_8_is_refused(app: TestApp, method: str, path: str, raw: bytes) -> None:
    for part, response in send_in_each_part(app, method, path, raw):
        assert_safe(response)
        if part in ("value", "name"):
            assert response.status == 400
        if part == "body" and method == "POST":
            assert response.status == 400


@pytest.mark.parametrize("raw", BROKEN)
def test_path_with_invalid_utf_8_is_refused(app: TestApp, raw: bytes) -> None:
    text = raw.decode("latin-1")
    response = send(
        app,
        path="/",
        PATH_INFO="/" + (text if "%" not in text else bytes.fromhex(text.replace("%", "")).decode("latin-1")),
    )
    assert_page(response)


@pytest.mark.parametrize("name", ["username", "password", "form_token", "cancel"])
@pytest.mark.parametrize("raw", BROKEN)
def test_form_field_with_invalid_utf_8_is_refused(app: TestApp, name: str, raw: bytes) -> None:
    body = f"form_token={form_token(app, query())}&".encode() if name != "form_token" else b""
    response = send(app, "POST", "/authorize", query(), body + name.encode() + b"=" + raw, {**FORM, "Origin": ORIGIN})
    assert_page(response)


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("raw", [b"%00", b"a%00b", b"\0", b"%0d%0aSet-Cookie:%20x=1", b"%1b[31m", b"%E2%80%A8"])
def test_control_characters_give_safe_response(app: TestApp, method: str, path: str, raw: bytes) -> None:
    for _, response in send_in_each_part(app, method, path, raw):
        assert_safe(response)


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "response_type", "scope", "state", "ui_locales", "response_mode"]
)
def test_nul_in_parameter_gives_safe_response(app: TestApp, name: str) -> None:
    for value in ("\0", "a\0", "\0a"):
        assert_safe(send(app, query=query(**{name: value})))


@pytest.mark.parametrize(
    ("username", "password"), [("ada\0", "lovelace-1815"), ("\0", "x"), ("ada", "\0"), ("ada", "lovelace-1815\0")]
)
def test_nul_in_credentials_is_wrong_password(app: TestApp, username: str, password: str) -> None:
    response = login(app, query(), username, password)
    assert_safe(response)
    assert response.status == 403


@pytest.mark.parametrize(
    ("path", "size"), [("/authorize", 65_537), ("/introspect", 65_537), ("/introspect", 10_000_000)]
)
def test_body_over_limit_is_refused(app: TestApp, path: str, size: int) -> None:
    response = send(app, "POST", path, query(), b"x" * size, {**ALEXA, "Origin": ORIGIN})
    assert_safe(response)
    assert response.status == 413


@pytest.mark.parametrize("length", ["1000000000", "99999999999999999999", "x", "-1", "", "1e3", "0x10", "²"])
def test_wrong_content_length_is_refused(app: TestApp, length: str) -> None:
    for path in ("/authorize", "/introspect"):
        response = send(app, "POST", path, query(), b"token=x", {**ALEXA, "Origin": ORIGIN}, CONTENT_LENGTH=length)
        assert_safe(response)
        assert 400 <= response.status < 500


def test_endless_body_is_read_up_to_limit(app: TestApp) -> None:
    class Endless:
        bytes_read = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 < size < 1_000_000
            self.bytes_read += size
            return b"x" * size

    body = Endless()
    environ = {"wsgi.input": body, "wsgi.input_terminated": True}
    response = send(app, "POST", "/introspect", b"", None, {**ALEXA}, **environ)
    assert response.status == 413
    assert body.bytes_read < 200_000


@pytest.mark.parametrize("count", [101, 20_000, 100_000])
def test_too_many_fields_are_refused(app: TestApp, count: int) -> None:
    many = b"&".join(b"a%d=1" % number for number in range(count))
    for response in (
        send(app, query=query() + b"&" + many),
        send(app, "POST", "/authorize", query(), many, {**FORM, "Origin": ORIGIN}),
        send(app, "POST", "/introspect", b"", many, ALEXA),
    ):
        assert_safe(response)
        assert response.status in (400, 413, 414)


def test_95_fields_are_accepted(app: TestApp) -> None:
    many = b"&".join(b"a%d=1" % number for number in range(95))
    assert send(app, query=query() + b"&" + many).status == 200


def test_uploaded_file_is_refused(app: TestApp) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="username"; filename="f"\r\n\r\nada\r\n--b--\r\n'
    for content_type in ("multipart/form-data; boundary=b", "multipart/form-data", "multipart/mixed; boundary=b"):
        headers = {"Content-Type": content_type, "Origin": ORIGIN}
        assert_page(send(app, "POST", "/authorize", query(), body, headers), 415)


@pytest.mark.parametrize("charset", ["utf-16", "foo", "latin-1", "utf-7", ""])
def test_form_with_other_charset_is_refused(app: TestApp, charset: str) -> None:
    headers = {**ALEXA, "Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    response = send(app, "POST", "/introspect", b"", b"token=x", headers)
    assert_safe(response)
    assert response.status == (415 if charset else 200)


BOMB = "a" + "\u0315\u0300" * 32_768


@pytest.mark.parametrize("letters", [254, 1_024, 5_000, len(BOMB)])
def test_normalisation_bomb_is_bounded_by_length_limit(app: TestApp, letters: int) -> None:
    bomb = BOMB[:letters]
    token = form_token(app, query())
    for fields in ({"username": bomb, "password": "x"}, {"username": "ada", "password": bomb}):
        response = post(app, query(), {"form_token": token, **fields})
        assert_safe(response)
        assert response.status == (413 if letters > 10_000 else 403)
    for name in ("client_id", "redirect_uri", "state", "scope"):
        assert_safe(send(app, query=query(**{name: bomb})))


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("size", [8_192, 65_536, 300_000])
def test_long_urls_and_headers_give_safe_response(app: TestApp, method: str, path: str, size: int) -> None:
    long, headers = b"x" * size, {**ALEXA, "Origin": ORIGIN}
    in_query = send(app, method, path, b"x=" + long, b"token=x", headers)
    in_path = send(app, method, path + "/" + long.decode(), b"", b"token=x", headers)
    for name in ("Cookie", "Accept-Language", "User-Agent", "Referer", "Origin", "Authorization", "Accept", "X-Long"):
        assert_safe(send(app, method, path, b"", b"token=x", {**headers, name: long.decode()}))
    assert_safe(in_query)
    assert_safe(in_path)
    assert in_path.status == 414
    if size > 16_384:
        assert in_query.status == 414


def test_many_headers_are_accepted(app: TestApp) -> None:
    assert send(app, query=query(), headers={f"X-{number}": "y" for number in range(150)}).status == 200


FORMATS = (
    "%s %n %(message)s %d",
    "{0.__class__} {} {username}",
    "x\r\n2026-01-01 login ok user=admin",
    "\x1b[2J\x1b[31mred",
    "a\u2028b\u2029c\u0085d",
    "\u202eevil",
    '", "level": "critical',
)


@pytest.mark.parametrize("text", FORMATS)
def test_input_cannot_forge_log_lines(outcomes_app: TestApp, caplog: pytest.LogCaptureFixture, text: str) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("client_id", "redirect_uri", "response_type", "scope", "state", "unknown"):
        assert_safe(send(outcomes_app, query=query(**{name: text})))
    assert_safe(login(outcomes_app, query(), text, text))
    assert_safe(login(outcomes_app, query(), "crash", text))
    assert_safe(send(outcomes_app, path="/" + quoted(text)))
    assert len(caplog.records) >= 3
    formatter = JSONFormatter()
    for record in caplog.records:
        line = formatter.format(record)
        assert line.isprintable()
        assert line.isascii()
        assert json.loads(line)["level"] in ("debug", "info", "warning", "error")
        assert text.isprintable() or text not in record.getMessage()


@pytest.mark.parametrize(("name", "error"), [("crash", "RuntimeError"), ("exit", "SystemExit")])
def test_crash_of_plugin_reveals_nothing_and_is_logged(
    outcomes_app: TestApp, caplog: pytest.LogCaptureFixture, name: str, error: str
) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(2):
        response = login(outcomes_app, query(), name, "my very secret password")
        assert_safe(response, b"SELECT", error.encode(), b"Traceback", b"outcomes", b"my very secret password")
        assert response.status == 503
    assert "my very secret password" not in caplog.text
    # the log names the backend and the exception
    assert "outcomes" in caplog.text
    assert error in caplog.text
    assert login(outcomes_app, query(), "ada", "lovelace-1815").status == 303


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_markup_is_not_reflected(app: TestApp, method: str, path: str) -> None:
    for raw in (MARK, quoted(MARK.decode()).encode()):
        for _, response in send_in_each_part(app, method, path, raw):
            assert_safe(response, MARK, b"onload")
    text = MARK.decode()
    for name in (
        "Accept-Language",
        "Referer",
        "User-Agent",
        "Origin",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Host",
    ):
        assert_safe(send(app, method, path, query(), b"x=y", {**ALEXA, name: text}), MARK, b"onload")
