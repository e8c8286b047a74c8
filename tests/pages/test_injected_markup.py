"""Tests that external text never becomes markup, a path or a template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from webtest import TestApp

from tests.backends import outcomes
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.web.raw_requests import (
    FORM,
    ORIGIN,
    Response,
    assert_page,
    form_token,
    login,
    post,
    query,
    redirect_parameters,
    send,
)

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</title><svg onload=alert(1)>",
    "{{7*7}}",
    "{% raw %}",
    "${7*7}",
    "#{7*7}",
    "<!--",
    "]]>",
    "\n<b>",
    "\u2028<b>",
    "\u202e<b>",
    "<b\0>",
    "&lt;b&gt;&#x22;",
    "javascript:alert(1)",
    "%(username)s %s {0.__class__}",
)
HEADERS = (
    "Accept-Language",
    "User-Agent",
    "Referer",
    "Cookie",
    "Accept",
    "X-Forwarded-Host",
    "Authorization",
    "If-None-Match",
)


def shape(response: Response) -> list[tuple[str, tuple[str, ...]]]:
    """Returns the elements of a page and the names of their attributes, as a browser parses them."""
    page = BeautifulSoup(response.text, "html.parser")
    return [(tag.name, tuple(sorted(tag.attrs))) for tag in page.find_all()]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_parameter_is_escaped(app: TestApp, payload: str) -> None:
    plain = shape(send(app, query=query()))
    for name in ("unknown", "login_hint", "prompt", "nonce"):
        assert shape(send(app, query=query(**{name: payload}))) == plain
    assert shape(send(app, query=query() + b"&" + payload.encode("utf-8"))) == plain
    assert shape(send(app, query=query(ui_locales=payload))) == shape(send(app, query=query(ui_locales="plain")))
    for name in ("client_id", "redirect_uri"):
        response = send(app, query=query(**{name: payload}))
        assert_page(response)
        assert shape(response) == shape(send(app, query=query(**{name: "plain"})))
        # the redirect URI is shown, as text
        assert payload not in response.text or (name == "redirect_uri" and not set("<>\"'") & set(payload))
        assert "49" not in main_text(response)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_header_is_escaped(app: TestApp, payload: str) -> None:
    value = payload.replace("\n", " ").replace("\0", "").encode("utf-8").decode("latin-1")
    plain = shape(send(app, query=query(), headers={"Accept-Language": "en"}))
    for name in HEADERS:
        response = send(app, query=query(), headers={"Accept-Language": "en", name: value})
        assert shape(response) == plain
        assert "alert" not in response.text
        assert "49" not in main_text(response)


def main_text(response: Response) -> str:
    """Returns the visible text of the main element."""
    return BeautifulSoup(response.text, "html.parser").find("main").text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_form_field_is_escaped(app: TestApp, payload: str) -> None:
    plain = shape(login(app, query(), "plain", "wrong"))
    response = login(app, query(), payload, payload, unknown=payload)
    assert response.status == 403
    assert shape(response) == plain
    value = BeautifulSoup(response.text, "html.parser").find(id="username")["value"]
    assert value.replace("\ufffd", "\0") == payload.strip()
    stale = post(app, query(), {"form_token": payload, "username": "plain", "password": "x"})
    assert stale.status == 400
    assert shape(stale) == shape(post(app, query(), {"form_token": "x", "username": "plain", "password": "x"}))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_origin_or_path_is_escaped(app: TestApp, payload: str) -> None:
    value = payload.replace("\n", " ").replace("\0", "").encode("utf-8").decode("latin-1")
    response = send(app, "POST", "/authorize", query(), b"", {**FORM, "Origin": value})
    assert_page(response)
    assert "alert" not in response.text
    missing = send(app, path="/" + payload)
    assert_page(missing, 404)
    assert shape(missing) == shape(send(app, path="/plain"))
    assert "alert" not in missing.text


@pytest.mark.parametrize("payload", PAYLOADS[:8])
def test_markup_in_settings_is_escaped(make_app: Callable[..., Any], payload: str) -> None:
    changes = {"service_name": payload, "client__alexa__name": payload, "scope__order_car": payload}
    app = https(make_app(**changes, **HIGH_THROTTLE_LIMITS))
    response = send(app, query=query(), headers={"Accept-Language": "en"})
    assert shape(response) == shape(
        send(https(make_app(**HIGH_THROTTLE_LIMITS)), query=query(), headers={"Accept-Language": "en"})
    )
    page = BeautifulSoup(response.text, "html.parser")
    assert page.find(class_="consent").find("li").text == payload
    assert page.find("header").find("bdi").text == payload


def test_markup_in_name_from_backend_is_not_returned(outcomes_app: TestApp) -> None:
    parameters = redirect_parameters(login(outcomes_app, query(), "markup", outcomes.PASSWORD))
    assert set(parameters) == {"state", "access_token", "token_type"}


@pytest.mark.parametrize(
    "path",
    [
        "/static/../linkauth/settings.py",
        "/static/default/../page.css",
        "/static/default/..%2f..%2f..%2f__init__.py",
        "/static/default/%2e%2e%2f__init__.py",
        "/static/default//etc/passwd",
        "/static/default/%2fetc%2fpasswd",
        "/static/%2fetc/passwd",
        "/static/default/page.css%00",
        "/static/default/page.css.jinja2",
        "/static/default/page.css",
        "/static/default/",
        "/static/default",
        "/static/",
        "/static/nothing/page.css",
        "/static/default/..\\..\\setup.py",
        "/static/..;/default/page.css",
        "/static/default/" + "x" * 900,
        "/authorize/../static/default/page.css",
    ],
)
def test_path_outside_theme_gives_404(app: TestApp, path: str) -> None:
    assert_page(send(app, path=path), 404)


@pytest.mark.parametrize(
    "locale", ["../../../etc/passwd", "..%2f", "/etc/passwd", "xx/../../yy", "xx\0", "file:///etc", "C:\\"]
)
def test_language_tag_cannot_select_path(app: TestApp, locale: str) -> None:
    response = send(app, query=query(ui_locales=locale), headers={"Accept-Language": locale.replace("\0", "")})
    assert response.status == 200
    assert response.get("Content-Language") == "en"
    assert "root:" not in response.text


def test_path_in_username_is_harmless(app: TestApp) -> None:
    fields = {"form_token": form_token(app, query()), "username": "../../etc/passwd", "password": "x"}
    assert post(app, query(), fields, {"Origin": ORIGIN, "Accept-Language": "../de"}).status == 403
