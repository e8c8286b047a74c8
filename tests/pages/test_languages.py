"""In whose language and look a page comes: what the request says, the choice at its foot, the theme of the client."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

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
    """What the page says it is in; the header says the same, and that it depends."""
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
def test_a_page_is_in_the_language_of_the_person(
    app: TestApp, changes: dict[str, str], headers: dict[str, str], language: str
) -> None:
    for response in (
        send(app, query=query(**changes), headers=headers),
        send(app, query=query(client_id="nobody", **changes), headers=headers),
        send(app, path="/", query=urlencode(changes).encode(), headers=headers),
    ):
        assert language_of(response) == language


def chosen(response: Response, language: str) -> bytes:
    """The query of the request that a browser makes when somebody presses a language at the foot of the page."""
    form = page_of(response).find("form", method="get")
    assert form.get("action") is None
    fields = [(field["name"], field["value"]) for field in form.find_all("input")]
    (button,) = form.find_all("button", value=language)
    assert button["name"] == "ui_locales"
    return urlencode([*fields, ("ui_locales", button["value"])]).encode("ascii")


RAW = (
    urlencode({**VALID, "state": STATE, "user_locale": "en-GB"})
    + "&nonce=%C3%A9+%2B%26%3D%22%3C%0A&empty=&bare&ui_locales=en"
).encode("ascii")


def test_the_choice_of_a_language_keeps_the_request(app: TestApp) -> None:
    response = send(app, query=RAW)
    asked = chosen(response, "de")
    # what was checked goes back, and nothing that anybody may have added
    wanted = {**VALID, "state": STATE, "ui_locales": "de"}
    assert parse_qsl(asked.decode(), keep_blank_values=True) == list(wanted.items())
    german = send(app, query=asked)
    assert language_of(german) == "de"
    # and on it goes: back to English, with a form token of that address, and the state byte for byte
    english = chosen(german, "en")
    assert english == asked.replace(b"ui_locales=de", b"ui_locales=en")
    told = redirect_parameters(login(app, english, "ada", "lovelace-1815"), REDIRECT_URI)
    assert told["state"] == STATE


def test_the_choice_is_there_after_a_failed_post_too(app: TestApp) -> None:
    raw = query(state=STATE)
    for response in (login(app, raw, "ada", "wrong"), post(app, raw, {"form_token": "x", "username": "ada"})):
        assert response.status in (400, 403)
        asked = chosen(response, "de")
        german = send(app, query=asked)
        assert (german.status, language_of(german)) == (200, "de")
        assert dict(parse_qsl(asked.decode()))["state"] == STATE


def test_the_form_token_of_one_language_is_stale_in_another(app: TestApp) -> None:
    raw = query()
    token = page_of(send(app, query=raw)).find("input", {"name": "form_token"})["value"]
    fields = {"form_token": token, "username": "ada", "password": "lovelace-1815"}
    assert post(app, raw + b"&ui_locales=de", fields).status == 400
    assert post(app, raw, fields).status == 303


def test_a_page_without_a_trusted_request_gives_nothing_back(app: TestApp) -> None:
    response = send(app, query=query(client_id="nobody", state=STATE))
    assert page_of(response).find("form") is None
    assert STATE not in response.text
    # nor does a query that cannot be read, which a choice would lose
    assert page_of(send(app, query=b"client_id=ride-hailer&state=%ff")).find("form") is None
    # where there is nothing to keep, there is a choice
    for path in ("/", "/nowhere"):
        assert chosen(send(app, path=path), "de") == b"ui_locales=de"
        assert chosen(send(app, path=path, query=b"ui_locales=de"), "en") == b"ui_locales=en"


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
def test_only_who_said_no_language_is_asked_for_the_browsers(
    app: TestApp, raw: bytes, headers: dict[str, str], offered: bool
) -> None:
    script = page_of(send(app, query=raw, headers=headers)).find("script")
    told = script.get("data-languages")
    assert {"de", "en"} <= set(told.split()) if offered else told is None


def test_a_post_never_moves_on(app: TestApp) -> None:
    assert page_of(login(app, query(), "ada", "wrong")).find("script").get("data-languages") is None


@pytest.fixture(scope="module")
def branded(make_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestApp]:
    """The app with another theme for the client `other`: a child of the default one, which speaks French too."""
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
    # any catalog will do
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


def test_a_client_has_a_theme_of_its_own(branded: TestApp) -> None:
    plain, own = send(branded, query=query()), send(branded, query=OTHER)
    assert "--accent: #123456" in styles(branded, plain)
    assert "--accent: #ffcc00" in styles(branded, own)
    assert "main { border: 0 }" in styles(branded, own)
    assert "/static/branded/" not in plain.text
    assert "/static/default/" not in own.text
    failed = login(branded, OTHER, "ada", "wrong")
    assert "--accent: #ffcc00" in styles(branded, failed)
    # its refusals before the redirect URI is trusted look like it too; whose client nobody knows, like the others
    unregistered = send(branded, query=query(client_id="other", redirect_uri="https://evil.example/"))
    assert "/static/branded/" in unregistered.text
    assert "/static/default/" in send(branded, query=query(client_id="nobody")).text


def test_a_theme_of_a_client_speaks_its_own_languages(branded: TestApp) -> None:
    swedish = {"Accept-Language": "sv-FI, de;q=0.5"}
    assert language_of(send(branded, query=query(), headers=swedish)) == "de"
    assert language_of(send(branded, query=OTHER, headers=swedish)) == "sv"
    plain, own = (
        {button["value"] for button in page_of(send(branded, query=raw)).find("form", method="get").find_all("button")}
        for raw in (query(), OTHER)
    )
    assert own - plain == {"sv"}
    assert {"de", "en"} <= plain <= own
    told = redirect_parameters(login(branded, OTHER, "ada", "lovelace-1815"), "https://other.example.com/cb")
    assert len(told["access_token"]) == 43
