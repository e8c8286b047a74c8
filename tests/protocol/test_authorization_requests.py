"""Tests of repeated parameters, bodies and changed clients in authorization requests, and of invalid redirect URIs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from linkauth.config.settings import SettingsError
from tests.alexa import REDIRECT_URI, Alexa
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.web.raw_requests import (
    FORM,
    ORIGIN,
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

EVIL = "https://evil.example/"


SCRIPTS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript://layla.amazon.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "com.evil:/cb",
    "blob:https://layla.amazon.com/x",
    "about:blank",
)


@pytest.mark.parametrize("uri", SCRIPTS)
def test_script_or_file_uri_is_refused_in_request_and_settings(
    app: TestApp, make_app: Callable[..., Any], uri: str
) -> None:
    assert_page(send(app, query=query(redirect_uri=uri)))
    with pytest.raises(SettingsError, match=r"linkauth\.client\.other\.redirect_uris"):
        make_app(client__other__redirect_uris=uri)


@pytest.mark.parametrize(
    "name",
    [
        "redirect_uri",
        "redirect_uri[]",
        "redirect_uri[0]",
        "Redirect_Uri",
        "REDIRECT_URI",
        "redirect%5Furi",
        "redirect_urI",
    ],
)
@pytest.mark.parametrize("second", [EVIL, PLAIN_URI, ""])
@pytest.mark.parametrize("first", [True, False])
def test_repeated_redirect_uri_is_refused(app: TestApp, name: str, second: str, first: bool) -> None:
    extra = f"{name}={quoted(second)}".encode()
    pairs = [query(redirect_uri=PLAIN_URI), extra]
    assert_page(send(app, query=b"&".join(reversed(pairs) if first else pairs)))


@pytest.mark.parametrize("name", ["redirect_uri[]", "Redirect_Uri", "redirect_uri\0", "redirect_uri "])
def test_misspelled_parameter_name_is_not_redirect_uri(app: TestApp, name: str) -> None:
    assert_page(send(app, query=query(redirect_uri=None) + f"&{quoted(name)}={quoted(PLAIN_URI)}".encode()))


@pytest.mark.parametrize(
    "pair",
    [
        f"{PLAIN_URI};redirect_uri={EVIL}",
        f"{EVIL};redirect_uri={PLAIN_URI}",
        f"{PLAIN_URI};x=1",
        f"{PLAIN_URI};",
    ],
)
@pytest.mark.parametrize("encode", [str, quoted])
def test_semicolon_does_not_separate_parameters(app: TestApp, pair: str, encode: Callable[[str], str]) -> None:
    assert_page(send(app, query=query(redirect_uri=None) + f"&redirect_uri={encode(pair)}".encode()))


def test_parameter_after_semicolon_is_not_read(app: TestApp) -> None:
    assert_page(send(app, query=query(client_id=None) + b";client_id=alexa"))


CHANGES = {
    "redirect_uri": EVIL,
    "client_id": "other",
    "state": "forged",
    "response_type": "code",
    "scope": "private",
    "response_mode": "query",
}


@pytest.mark.parametrize("name", CHANGES)
def test_field_in_body_does_not_change_request(app: TestApp, name: str) -> None:
    raw = query()
    parameters = redirect_parameters(login(app, raw, "ada", "lovelace-1815", **{name: CHANGES[name]}), REDIRECT_URI)
    assert parameters["state"] == "S"
    assert set(parameters) == {"state", "access_token", "token_type"}


@pytest.mark.parametrize("name", CHANGES)
def test_body_does_not_replace_query(app: TestApp, name: str) -> None:
    token = form_token(app, query())
    fields = {"form_token": token, "username": "ada", "password": "lovelace-1815"}
    response = post(app, b"", {**fields, "client_id": "alexa", "redirect_uri": REDIRECT_URI, "response_type": "token"})
    assert_page(response)


@pytest.mark.parametrize("name", ["state", "scope", "redirect_uri"])
def test_form_token_is_refused_for_changed_query(app: TestApp, name: str) -> None:
    token = form_token(app, query())
    changed = query(**{name: {"state": "T", "scope": "order_car", "redirect_uri": PLAIN_URI}[name]})
    response = post(app, changed, {"form_token": token, "username": "ada", "password": "lovelace-1815"})
    assert response.status == 400
    assert response.get("Location") is None
    # the page has a new form for the changed request
    assert b'type="password"' in response.body


def test_query_of_post_is_checked_again(app: TestApp) -> None:
    fields = {"form_token": form_token(app, query()), "username": "ada", "password": "lovelace-1815"}
    assert_page(post(app, query(redirect_uri=EVIL), fields))
    assert_page(post(app, query(client_id="nobody"), fields))
    assert_error(post(app, query(response_type="foo"), fields), "unsupported_response_type")


@pytest.mark.parametrize("uri", [None, REDIRECT_URI, EVIL, "https://link.example.com/", ""])
def test_client_without_redirect_uris_is_refused(app: TestApp, uri: str | None) -> None:
    assert_page(send(app, query=query(client_id="skill-backend", redirect_uri=uri, scope=None)))


def test_grant_without_redirect_uris_prevents_start(make_app: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=r"linkauth\.client\.other\.redirect_uris"):
        make_app(client__other__redirect_uris=None)


def test_removed_client_is_refused_and_its_token_is_inactive(make_app: Callable[..., Any], tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/links.sqlite"
    before = https(make_app(database=database, **HIGH_THROTTLE_LIMITS))
    raw = query(client_id="other", scope="private", redirect_uri="https://other.example.com/cb")
    token = redirect_parameters(login(before, raw, "ada", "lovelace-1815"), "https://other.example.com/cb")[
        "access_token"
    ]
    page_token = form_token(before, raw)
    removed = {
        f"client__other__{key}": None for key in ("name", "platform", "grants", "secret", "redirect_uris", "scopes")
    }
    after = https(
        make_app(
            database=database,
            clients="alexa single expiring skill-backend home app overlap",
            scope__private=None,
            **removed,
            **{"client__skill-backend__introspects": None},
            **HIGH_THROTTLE_LIMITS,
        )
    )
    assert_page(send(after, query=raw))
    assert_page(post(after, raw, {"form_token": page_token, "username": "ada", "password": "lovelace-1815"}))
    response = Alexa(after).introspect(token, "skill-backend", "the resource server's secret")
    assert response.json == {"active": False}
    response = Alexa(after).introspect(token, "other", "the other client's secret")
    assert response.status_int == 401


FOREIGN_TARGETS = (
    "//evil.example",
    "/\\evil.example",
    "/%09/evil.example",
    "https:evil.example",
    " //evil.example",
    "\x0b//evil.example",
)


@pytest.mark.parametrize("name", ["next", "return_to", "back", "url", "post_logout_redirect_uri", "came_from"])
@pytest.mark.parametrize("value", [*FOREIGN_TARGETS, EVIL, "javascript:alert(1)"])
def test_unknown_parameter_cannot_cause_redirect(app: TestApp, name: str, value: str) -> None:
    extra = f"{name}={quoted(value)}".encode()
    home = send(app, path="/", query=extra)
    assert home.status == 200
    page = send(app, query=query() + b"&" + extra)
    assert page.status == 200
    assert "evil" not in page.text
    fields = {"form_token": form_token(app, query() + b"&" + extra), "cancel": "1", name: value}
    assert_error(post(app, query() + b"&" + extra, fields), "access_denied")


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/..", "/\\evil.example", "/%5cevil.example/", "/authorize/"]
)
def test_hostile_path_gives_404(app: TestApp, path: str) -> None:
    assert_page(send(app, path=path), 404)


@pytest.mark.parametrize(
    "uri",
    [
        "https://*.example.com/cb",
        "https://example.com/*",
        "https://example.com/cb#",
        "https://example.com/cb#x",
        "http://example.com/cb",
        "https://user@example.com/cb",
        "https://user:p@example.com/cb",
        "/cb",
        "//example.com/cb",
        "example.com/cb",
        "HTTPS://example.com/cb",
        "https://exämple.com/cb",
        "https://example.com\\cb",
        "https://[::1",
        "https://example.com:x/cb",
        "https:///cb",
        "https:cb",
    ],
)
def test_invalid_redirect_uri_prevents_start(make_app: Callable[..., Any], uri: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_app(client__other__redirect_uris=uri)
    assert [key for key, _ in caught.value.faults] == ["linkauth.client.other.redirect_uris"]
    assert uri not in str(caught.value)


def test_post_with_other_content_type_is_refused(app: TestApp) -> None:
    for content_type in ("application/json", "multipart/form-data", "text/plain", ""):
        response = send(
            app, "POST", "/authorize", query(), b"{}", {**FORM, "Content-Type": content_type, "Origin": ORIGIN}
        )
        assert_page(response, 415)
