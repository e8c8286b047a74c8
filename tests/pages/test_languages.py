"""Tests of the language of a page, the language menu, and the theme of the client."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import pytest
from bs4 import BeautifulSoup
from webtest import TestApp

from tests.alexa import REDIRECT_URI, STATE
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.web.raw_requests import VALID, Response, login, post, query, redirect_parameters, send

GERMAN = {"Accept-Language": "de-AT,de;q=0.9"}


def page_of(response: Response) -> BeautifulSoup:
    return BeautifulSoup(response.text, "html.parser")


def language_of(response: Response) -> str:
    """Returns the language of the page, after a check of the headers Content-Language and Vary."""
    root = page_of(response).find("html")
    assert root["dir"] == "ltr"
    assert response.get("Content-Language") == root["lang"]
    assert response.get("Vary") == "Accept-Language"
    return str(root["lang"])


@pytest.mark.parametrize(
    ("changes", "headers", "language"),
    [
        ({}, {}, "en"),
        ({}, GERMAN, "de"),
        ({}, {"Accept-Language": "de_DE"}, "de"),
        ({}, {"Accept-Language": "zh-CN,zh;q=0.9"}, "en"),
        ({"ui_locales": "en"}, GERMAN, "en"),
        ({"ui_locales": "xx de"}, {}, "de"),
        ({"user_locale": "de-DE"}, {"Accept-Language": "en"}, "de"),
        ({"ui_locales": "xx"}, GERMAN, "de"),
    ],
)
def test_page_is_in_language_of_request(
    app: TestApp, changes: dict[str, str], headers: dict[str, str], language: str
) -> None:
    for response in (
        send(app, query=query(**changes), headers=headers),
        send(app, query=query(client_id="nobody", **changes), headers=headers),
        send(app, path="/", query=urlencode(changes).encode(), headers=headers),
    ):
        assert language_of(response) == language


def query_for_language(response: Response, language: str) -> bytes:
    """Returns the query that a browser sends when the user selects a language in the menu of the page."""
    form = page_of(response).find("form", method="get")
    assert form.get("action") is None
    fields = [(field["name"], field["value"]) for field in form.find_all("input")]
    (button,) = page_of(response).find_all("button", form=form["id"], value=language)
    assert button["name"] == "ui_locales"
    return urlencode([*fields, ("ui_locales", button["value"])]).encode("ascii")


RAW = (
    urlencode({**VALID, "state": STATE, "user_locale": "en-GB"})
    + "&nonce=%C3%A9+%2B%26%3D%22%3C%0A&empty=&bare&ui_locales=en"
).encode("ascii")


def test_language_choice_keeps_request(app: TestApp) -> None:
    response = send(app, query=RAW)
    raw_query = query_for_language(response, "de")
    # the form contains the validated parameters and no others
    expected = {**VALID, "state": STATE, "ui_locales": "de"}
    assert parse_qsl(raw_query.decode(), keep_blank_values=True) == list(expected.items())
    german = send(app, query=raw_query)
    assert language_of(german) == "de"
    # back to English: the form token belongs to the new query, and the state is unchanged
    english = query_for_language(german, "en")
    assert english == raw_query.replace(b"ui_locales=de", b"ui_locales=en")
    parameters = redirect_parameters(login(app, english, "ada", "lovelace-1815"), REDIRECT_URI)
    assert parameters["state"] == STATE


def test_language_choice_is_on_page_after_failed_post(app: TestApp) -> None:
    raw = query(state=STATE)
    for response in (login(app, raw, "ada", "wrong"), post(app, raw, {"form_token": "x", "username": "ada"})):
        assert response.status in (400, 403)
        raw_query = query_for_language(response, "de")
        german = send(app, query=raw_query)
        assert (german.status, language_of(german)) == (200, "de")
        assert dict(parse_qsl(raw_query.decode()))["state"] == STATE


def test_form_token_is_bound_to_language_of_query(app: TestApp) -> None:
    raw = query()
    token = page_of(send(app, query=raw)).find("input", {"name": "form_token"})["value"]
    fields = {"form_token": token, "username": "ada", "password": "lovelace-1815"}
    assert post(app, raw + b"&ui_locales=de", fields).status == 400
    assert post(app, raw, fields).status == 303


def test_error_page_does_not_repeat_untrusted_request(app: TestApp) -> None:
    response = send(app, query=query(client_id="nobody", state=STATE))
    assert query_for_language(response, "de") == b"ui_locales=de"
    assert STATE not in response.text
    # an undecodable query is not repeated either, so there is no language menu
    assert page_of(send(app, query=b"client_id=ride-hailer&state=%ff")).find("form") is None
    # pages without a request have the language menu
    for path in ("/", "/nowhere"):
        assert query_for_language(send(app, path=path), "de") == b"ui_locales=de"
        assert query_for_language(send(app, path=path, query=b"ui_locales=de"), "en") == b"ui_locales=en"


def test_error_page_for_developers_can_be_read_in_another_language(app: TestApp) -> None:
    """The request with another language has the same error, and contains neither the state nor a secret."""
    secret = "&access_token=c4n4ry"
    for path, raw, expected in (
        ("/authorize", query(client_id="nobody"), b""),
        ("/authorize", query(client_id=""), b""),
        ("/authorize", query(redirect_uri=""), b"client_id=alexa"),
        ("/authorize", query(redirect_uri=REDIRECT_URI + secret), None),
        ("/authorize", query(redirect_uri="https://evil.example/" + "a" * 5_000), None),
        ("/authorize", query() + b"&state=again", b"client_id=alexa&response_type=&response_type="),
        ("/token", query(), b"client_id=alexa&response_type="),
        ("/nowhere", query(), b"client_id=alexa"),
    ):
        response = send(app, path=path, query=raw + b"&ui_locales=en")
        assert response.status in (400, 404), raw
        chosen = query_for_language(response, "de")
        assert expected is None or chosen == b"&".join(filter(None, (expected, b"ui_locales=de")))
        assert STATE not in response.text
        assert "c4n4ry" not in response.text
        german = send(app, path=path, query=chosen)
        assert (german.status, language_of(german)) == (response.status, "de"), raw
        # and back again it is the same page, so the reason has not changed
        again = send(app, path=path, query=query_for_language(german, "en"))
        assert str(page_of(again).main) == str(page_of(response).main)


@pytest.mark.parametrize(
    "received",
    [
        "https://evil.example/a?b=1&c=2",
        '"><script>alert(1)</script>{{7*7}}',
        "https://evil.example/" + "a" * 5_000,
        "form_token-redirect-uri",
    ],
)
def test_error_page_shows_redirect_uri_that_was_received(app: TestApp, received: str) -> None:
    for _ in range(2):
        page = page_of(send(app, query=query(redirect_uri=received))).main
        assert page.find("script") is None
        # as a URI, so that no space and no sentence looks like one of the page
        shown = unquote(page.find("code").text)
        assert shown == received or (len(shown) == 301 and received.startswith(shown.removesuffix("…")))
    assert page_of(send(app, query=query(client_id="nobody", redirect_uri=received))).main.find("code") is None


@pytest.mark.parametrize(
    ("raw", "headers", "offered"),
    [
        (query(), {}, True),
        (query(), {"Accept-Language": ""}, True),
        (query(client_id="nobody"), {}, True),
        (query(), {"Accept-Language": "xx"}, False),
        (query(ui_locales="xx"), {}, False),
        (query(user_locale="de"), {}, False),
        (query(**{"ui_locales": ""}), {}, False),
    ],
)
def test_script_gets_languages_only_if_request_names_none(
    app: TestApp, raw: bytes, headers: dict[str, str], offered: bool
) -> None:
    script = page_of(send(app, query=raw, headers=headers)).find("script")
    languages = script.get("data-languages")
    assert {"de", "en"} <= set(languages.split()) if offered else languages is None


def test_page_after_post_has_no_language_redirect(app: TestApp) -> None:
    assert page_of(login(app, query(), "ada", "wrong")).find("script").get("data-languages") is None


@pytest.fixture(scope="module")
def branded_app(make_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestApp]:
    """The app with another theme for the client `other`: a child of the default theme with an additional language."""
    folder = tmp_path_factory.mktemp("branded")
    package = folder / "branded_theme"
    (package / "templates").mkdir(parents=True)
    (package / "static").mkdir()
    (package / "static/own.css").write_text("main { border: 0 }")
    head = '<link rel="stylesheet" href="{{ static(\'own.css\') }}">'
    (package / "templates/base.jinja2").write_text(
        '{% extends "parent/base.jinja2" %}{% block head %}' + head + "{% endblock %}"
    )
    source = "from linkauth_theme_default import Parameters\n\n"
    source += "def includeme(config):\n    config.include('linkauth_theme_default')\n"
    (package / "__init__.py").write_text(source + "    config.add_theme('branded_theme')\n")
    catalogs = package / "locale/sv/LC_MESSAGES"
    catalogs.mkdir(parents=True)
    # the content of the catalog does not matter
    import linkauth_theme_default

    german = Path(linkauth_theme_default.__file__).parent / "locale/de/LC_MESSAGES/linkauth.mo"
    (catalogs / "linkauth.mo").write_bytes(german.read_bytes())
    metadata = folder / "branded_theme-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: branded-theme\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[linkauth.themes]\nbranded = branded_theme\n")
    sys.path.insert(0, str(folder))
    changes = {"client__other__theme": "branded", "theme__branded__accent": "#ffcc00", **HIGH_THROTTLE_LIMITS}
    yield https(make_app(**changes, theme__default__accent="#123456"))
    sys.path.remove(str(folder))


OTHER = query(client_id="other", redirect_uri="https://other.example.com/cb", scope="private")


def styles(app: TestApp, response: Response) -> str:
    links = [link["href"] for link in page_of(response).find_all("link", rel="stylesheet")]
    result = [send(app, path=link) for link in links]
    assert {each.status for each in result} == {200}
    return "".join(each.text for each in result)


def test_client_may_have_its_own_theme(branded_app: TestApp) -> None:
    plain, own = send(branded_app, query=query()), send(branded_app, query=OTHER)
    assert "--accent: #123456" in styles(branded_app, plain)
    assert "--accent: #ffcc00" in styles(branded_app, own)
    assert "main { border: 0 }" in styles(branded_app, own)
    assert "/static/branded/" not in plain.text
    assert "/static/default/" not in own.text
    failed = login(branded_app, OTHER, "ada", "wrong")
    assert "--accent: #ffcc00" in styles(branded_app, failed)
    # an error page for a known client has its theme, and one for an unknown client has the default theme
    unregistered = send(branded_app, query=query(client_id="other", redirect_uri="https://evil.example/"))
    assert "/static/branded/" in unregistered.text
    assert "/static/default/" in send(branded_app, query=query(client_id="nobody")).text


def test_theme_of_client_has_its_own_languages(branded_app: TestApp) -> None:
    swedish = {"Accept-Language": "sv-FI, de;q=0.5"}
    assert language_of(send(branded_app, query=query(), headers=swedish)) == "de"
    assert language_of(send(branded_app, query=OTHER, headers=swedish)) == "sv"
    plain, own = (
        {button["value"] for button in page_of(send(branded_app, query=raw)).find_all("button", {"name": "ui_locales"})}
        for raw in (query(), OTHER)
    )
    assert own - plain == {"sv"}
    assert {"de", "en"} <= plain <= own
    parameters = redirect_parameters(login(branded_app, OTHER, "ada", "lovelace-1815"), "https://other.example.com/cb")
    assert len(parameters["access_token"]) == 43
