"""Tests of `linkauth client show`: the fields of each console, in its words."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from linkauth.cli.consoles import FORMS
from linkauth.config.platforms import PLATFORMS
from tests.cli.client_command import SECRET, URL, Show, fields, notes, show_client
from tests.theme_package import ThemePackage


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return partial(show_client, tmp_path)


def test_every_platform_has_a_form() -> None:
    assert FORMS.keys() == PLATFORMS.keys()


def test_the_fields_of_the_alexa_console(show: Show) -> None:
    result = show("rides")
    assert result.exit_code == 0, result.output
    assert fields(result.output) == {
        "Do you allow users to create an account or link to an existing account with you?": ["on"],
        "Allow users to enable skill without account linking": ["off"],
        "Allow users to authenticate using your mobile application": ["off"],
        "Allow users to link their account to your skill from within your application or website": ["off"],
        "Select an authorization grant type": ["Auth Code Grant"],
        "Your Web Authorization URI": [f"{URL}/authorize"],
        "Access Token URI": [f"{URL}/token"],
        "Your Client ID": ["rides"],
        "Your Secret": ["(hidden; --secret shows it)"],
        "Your Authentication Scheme": ["HTTP Basic (Recommended)"],
        "Proof Key for Code Exchange (PKCE)": ["on"],
        "Scope": ["order_car", "profile"],
        "Domain List": ["password.example.net", "www.example.com"],
        "Default Access Token Expiration Time": ["3600"],
        "Alexa Redirect URLs": [
            f"https://{host}/api/skill/link/M2ABCDEFGHIJKL"
            for host in ("pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp")
        ],
    }
    text = notes(result.output)
    assert SECRET not in text
    assert "the card LinkAccount" in text
    assert "Smart home skills need at least one." in text
    assert "at most 30 here, 15 with the Skill Management API. Each has at most 253 characters" in text
    assert "password.example.net: linkauth.backend.staff.password_change_url" in text
    settings = "linkauth.theme.default.privacy_url; linkauth.theme.default.privacy_url.de"
    assert f"www.example.com: {settings}\n" in text
    assert fields(show("rides", "--secret").output)["Your Secret"] == [SECRET]

    # with the theme of the client, its texts are those of its theme
    changes = {"client__rides__theme": "vellmoor", "theme__vellmoor__privacy_url": "https://vellmoor.example.org/"}
    assert fields(show("rides", **changes).output)["Domain List"] == ["password.example.net", "vellmoor.example.org"]

    output = show("quiz").output
    assert "Smart home skills" not in notes(output)
    implicit = fields(output)
    assert not implicit.keys() & {"Access Token URI", "Your Secret", "Default Access Token Expiration Time"}
    assert implicit["Select an authorization grant type"] == ["Implicit Grant"]
    assert implicit["Your Client ID"] == ["quiz 1"]
    assert all("/spa/skill/" in uri for uri in implicit["Alexa Redirect URLs"])
    assert len(implicit["Alexa Redirect URLs"]) == 3


def test_hosts_that_the_theme_itself_names_are_in_the_domain_list(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    footer = '<a href="https://help.example.org/">?</a><img src="//cdn.example.org/a.png" alt="">'
    style = "b { background: url(https://css.example.org/b) }"
    files = {
        "templates/base.jinja2": '{% extends "parent/base.jinja2" %}{% block footer %}' + footer + "{% endblock %}",
        "static/page.css.jinja2": '{% include "parent/static/page.css.jinja2" %}' + style,
    }
    ThemePackage(tmp_path, files).install("made-for-domains")
    plain = {
        "theme": "made-for-domains",
        **{f"theme__default__{key}_url": None for key in ("privacy", "support", "terms")},
    }
    output = show("rides", **plain, theme__default__privacy_url__de=None).output
    found = ["cdn.example.org", "css.example.org", "help.example.org", "password.example.net"]
    assert fields(output)["Domain List"] == found
    assert "help.example.org: a link on the page login of the theme made-for-domains" in notes(output)
    assert "cdn.example.org: the page login of the theme made-for-domains loads from it, which the Content-" in notes(
        output
    )


def test_lifetimes_are_those_that_the_server_uses(show: Show) -> None:
    name = "Default Access Token Expiration Time"
    for given, shown in (("60", "360"), ("7200", "7200"), ("0", "(leave this field empty)")):
        assert fields(show("rides", client__rides__access_token_lifetime=given).output)[name] == [shown]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "home",
            {
                "OAuth Client ID (Client ID issued by your Actions to Google)": ["home"],
                "Authorization URL": [f"{URL}/authorize"],
                "Token URL": [f"{URL}/token"],
                "Redirect URIs": [
                    "https://oauth-redirect.googleusercontent.com/r/example-rides-1234",
                    "https://oauth-redirect-sandbox.googleusercontent.com/r/example-rides-1234",
                ],
            },
        ),
        (
            "things",
            {
                "Client ID": ["things"],
                "Client Secret": [SECRET],
                "Authorization URI": [f"{URL}/authorize"],
                "Refresh Token URL": [f"{URL}/token"],
                "OAuth Scopes": ["r:devices x:devices"],
            },
        ),
        (
            "alice",
            {
                "Authorization URL (URL авторизации)": [f"{URL}/authorize"],
                "Token refresh URL (URL для обновления токена)": [f"{URL}/token/refresh"],
                "Action group ID (Идентификатор группы действий)": ["view&control"],
                "Redirect URIs": ["https://social.yandex.net/broker/redirect"],
            },
        ),
        (
            "applets",
            {
                "General: IFTTT API URL": [URL],
                "Client secret": [SECRET],
                "Service uses refresh tokens": ["off"],
                "Redirect URIs": ["https://ifttt.com/channels/example_rides/authorize"],
            },
        ),
        ("capsule", {"Config & Secrets: secret with the name linkauth-secret": [SECRET]}),
        (
            "tool",
            {"Token endpoint": [f"{URL}/token"], "Client secret": [SECRET], "Scopes": ["(leave this field empty)"]},
        ),
        ("backend", {"Introspection endpoint": [f"{URL}/introspect"], "Client ID": ["backend"]}),
    ],
)
def test_the_fields_of_the_other_consoles(show: Show, name: str, expected: dict[str, list[str]]) -> None:
    result = show(name, "--secret")
    assert result.exit_code == 0, result.output
    found = fields(result.output)
    assert found | expected == found
    assert SECRET not in show(name).output


def test_the_file_of_a_bixby_capsule(show: Show) -> None:
    found = fields(show("capsule", client__capsule__name='The "Ride" capsule').output)["authorization.bxb"]
    assert found[2] == '    oauth2-authorization-code ("The \\"Ride\\" capsule") {'
    assert found.count("authorization {") == 1
    assert "".join(found).count("{") == "".join(found).count("}")
    assert f'      token-endpoint ("{URL}/token")' in found
    assert '      scope ("order_car")' in found
