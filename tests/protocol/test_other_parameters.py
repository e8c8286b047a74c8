"""Further parameters of an authorization request, the language, Cancel, and backends that are down."""

from __future__ import annotations

import logging
import re

import pytest
from webtest import TestApp

from tests.alexa import REDIRECT_URI
from tests.web.raw_requests import (
    assert_error,
    assert_page,
    form_token,
    login,
    post,
    query,
    send,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("prompt", value) for value in ("none", "login", "consent", "<b>", "x" * 5000)),
        *(("max_age", value) for value in ("１", "-1", "9" * 10_000, "NaN", "1e999", "")),
        *(("login_hint", value) for value in ("ada", "<script>", "\0", "x" * 5000)),
        *(("nonce", value) for value in ("x", "\0")),
        *(("display", value) for value in ("popup",)),
    ],
)
def test_openid_parameters_change_nothing(app: TestApp, name: str, value: str) -> None:
    answer = send(app, query=query(**{name: value}))
    assert answer.status == 200
    assert value not in ("<b>", "<script>") or value not in answer.text


LOCALES = (
    "../../etc/passwd",
    "..%2f..%2fetc/passwd",
    "de_DE",
    "*;q=0",
    "*",
    "de;q=nan",
    "de;q=١",
    "en\0",
    ",,,,",
    ";;;;",
    "de" * 30_000,
    "de," * 20_000,
    "de-" * 5_000,
    "x-" * 5_000 + "!",
    " " * 30_000 + "x",
    "de;q=" + "1" * 30_000,
    "é",
)


@pytest.mark.parametrize("value", LOCALES)
def test_the_language_is_always_an_installed_one(app: TestApp, value: str) -> None:
    header = value.encode("utf-8").decode("latin-1")
    answers = [send(app, query=query(), headers={"Accept-Language": header})]
    for name in ("ui_locales", "lang"):
        raw = query(**{name: value[:5000]})
        answers.append(send(app, query=raw))
    for answer in answers:
        assert answer.status == 200
        assert answer.get("Content-Language") in ("de", "en")
        assert answer.get("Vary") == "Accept-Language"
        assert re.search(r'<html lang="(de|en)" dir="ltr">', answer.text)


def test_many_languages_are_still_the_installed_ones(app: TestApp) -> None:
    seen = {
        send(app, query=query(ui_locales=f"x{number:x}-de"), headers={"Accept-Language": f"q{number:x}"}).get(
            "Content-Language"
        )
        for number in range(400)
    }
    assert seen == {"en"}


@pytest.mark.parametrize("uri", ["http://169.254.169.254/", "https://link.example.com/", "x"])
def test_requests_are_not_fetched(app: TestApp, uri: str) -> None:
    assert_error(send(app, query=query(request_uri=uri)), "request_uri_not_supported")
    assert_error(send(app, query=query(request=uri)), "request_not_supported")


def test_an_authorization_request_in_a_body_is_a_page(app: TestApp) -> None:
    fields = {"client_id": "alexa", "redirect_uri": REDIRECT_URI, "response_type": "token", "state": "S"}
    assert_page(post(app, b"", fields))


def test_cancel_tells_the_client(app: TestApp) -> None:
    fields = {"form_token": form_token(app, query()), "cancel": "1"}
    assert_error(post(app, query(), fields), "access_denied")
    assert_error(post(app, query(), {**fields, "username": "ada", "password": "lovelace-1815"}), "access_denied")


def test_nobody_else_can_cancel(app: TestApp) -> None:
    token = form_token(app, query())
    assert_page(post(app, query(), {"form_token": token, "cancel": "1"}, {"Origin": "https://evil.example"}))
    assert post(app, query(), {"cancel": "1"}).status == 400


@pytest.mark.parametrize("username", ["down", "misconfigured", "crash"])
def test_a_store_that_is_down(outcomes_app: TestApp, username: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = login(outcomes_app, query(), username, "a password, typed")
    assert answer.status == 503
    assert int(answer.get("Retry-After") or 0) > 0
    assert answer.get("Location") is None
    assert f'value="{username}"' in answer.text
    assert "a password, typed" not in answer.text + caplog.text
    assert "refused" not in answer.text
    assert "SELECT" not in answer.text
