"""Tests of optional parameters of the authorization request, the language, cancel, and unavailable backends."""

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
def test_openid_parameters_are_ignored(app: TestApp, name: str, value: str) -> None:
    response = send(app, query=query(**{name: value}))
    assert response.status == 200
    assert value not in ("<b>", "<script>") or value not in response.text


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
def test_language_of_page_is_installed_for_any_input(app: TestApp, value: str) -> None:
    header = value.encode("utf-8").decode("latin-1")
    responses = [send(app, query=query(), headers={"Accept-Language": header})]
    for name in ("ui_locales", "lang"):
        raw = query(**{name: value[:5000]})
        responses.append(send(app, query=raw))
    for response in responses:
        assert response.status == 200
        assert response.get("Content-Language") in ("de", "en")
        assert response.get("Vary") == "Accept-Language"
        assert re.search(r'<html lang="(de|en)" dir="ltr">', response.text)


def test_unknown_languages_give_default_language(app: TestApp) -> None:
    seen = {
        send(app, query=query(ui_locales=f"x{number:x}-de"), headers={"Accept-Language": f"q{number:x}"}).get(
            "Content-Language"
        )
        for number in range(400)
    }
    assert seen == {"en"}


@pytest.mark.parametrize("uri", ["http://169.254.169.254/", "https://link.example.com/", "x"])
def test_request_and_request_uri_are_refused(app: TestApp, uri: str) -> None:
    assert_error(send(app, query=query(request_uri=uri)), "request_uri_not_supported")
    assert_error(send(app, query=query(request=uri)), "request_not_supported")


def test_authorization_request_in_body_is_refused(app: TestApp) -> None:
    fields = {"client_id": "alexa", "redirect_uri": REDIRECT_URI, "response_type": "token", "state": "S"}
    assert_page(post(app, b"", fields))


def test_cancel_returns_access_denied(app: TestApp) -> None:
    fields = {"form_token": form_token(app, query()), "cancel": "1"}
    assert_error(post(app, query(), fields), "access_denied")
    assert_error(post(app, query(), {**fields, "username": "ada", "password": "lovelace-1815"}), "access_denied")


def test_cancel_from_foreign_origin_or_without_token_is_refused(app: TestApp) -> None:
    token = form_token(app, query())
    assert_page(post(app, query(), {"form_token": token, "cancel": "1"}, {"Origin": "https://evil.example"}))
    assert post(app, query(), {"cancel": "1"}).status == 400


@pytest.mark.parametrize("username", ["down", "misconfigured", "crash"])
def test_unavailable_backend_gives_503_and_keeps_name(
    outcomes_app: TestApp, username: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = login(outcomes_app, query(), username, "a password, typed")
    assert response.status == 503
    assert int(response.get("Retry-After") or 0) > 0
    assert response.get("Location") is None
    assert f'value="{username}"' in response.text
    assert "a password, typed" not in response.text + caplog.text
    assert "refused" not in response.text
    assert "SELECT" not in response.text
