"""Tests of `linkauth client show`: Amazon's request, and what a console would refuse."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from ask_sdk_model_runtime import DefaultSerializer
from ask_smapi_model.v1.skill.account_linking.account_linking_request import AccountLinkingRequest

from tests.cli.client_command import SECRET, URL, Show, show_client


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return partial(show_client, tmp_path)


@pytest.mark.parametrize("name", ["rides", "quiz"])
def test_the_request_for_amazon_is_one_of_its_model(show: Show, name: str) -> None:
    result = show(name, "--smapi", "--secret")
    assert result.exit_code == 0, result.output
    serializer = DefaultSerializer()
    request = json.loads(result.stdout)
    # the model drops unknown keys, converts values of other types, and refuses unknown words
    model = serializer.deserialize(result.stdout, AccountLinkingRequest)
    assert serializer.serialize(model) == request
    payload = request["accountLinkingRequest"]
    assert payload["authorizationUrl"] == f"{URL}/authorize"
    assert payload["domains"] == ["password.example.net", "www.example.com"]
    assert payload["skipOnEnablement"] is False
    if name == "rides":
        assert (payload["type"], payload["accessTokenScheme"]) == ("AUTH_CODE", "HTTP_BASIC")
        assert (payload["clientSecret"], payload["defaultTokenExpirationInSeconds"]) == (SECRET, 3600)
    else:
        assert payload["type"] == "IMPLICIT"
        assert not payload.keys() & {"accessTokenUrl", "clientSecret", "accessTokenScheme"}
    assert "ask smapi update-account-linking-info" in result.stderr


def test_the_request_has_the_secret_only_on_demand(show: Show) -> None:
    result = show("rides", "--smapi")
    assert SECRET not in result.output
    assert "clientSecret" not in json.loads(result.stdout)["accountLinkingRequest"]
    assert "clientSecret is left out; --secret adds it" in result.stderr


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        (
            {"public_url": "http://localhost:6543"},
            ["begins with http://", "the host localhost, which only this machine"],
        ),
        ({"public_url": "https://link.example.com:8443"}, ["the port 8443, but the platforms connect to port 443"]),
        ({"public_url": "https://192.0.2.7"}, ["the address 192.0.2.7 instead of a host name"]),
        ({"public_url": "https://link"}, ["the host link, a name that only a local network can resolve"]),
        ({"public_url": "https://link.corp.internal"}, ["the host link.corp.internal, a name that only a local"]),
        ({"public_url": "https://link.home.arpa"}, ["the host link.home.arpa, a name that only a local"]),
        ({"public_url": f"https://{'a' * 60}.{'b' * 200}"}, ["more than 253 characters"]),
        ({"public_url": f"https://link.example.com/{'a' * 2000}"}, ["the authorization URI has more than 2000"]),
        (
            {"client__rides__secret": None, "client__rides__refresh": "rotate"},
            ["linkauth.client.rides.secret is missing, but the console requires a secret; generate one with: openssl"],
        ),
        (
            {
                "client__rides__alexa_vendor_id": None,
                # a code never comes to the URI of the implicit grant
                "client__rides__redirect_uris": "https://layla.amazon.com/api/skill/link/M2ABCDEFGHIJKL "
                "https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId=M2ABCDEFGHIJKL",
            },
            ["Alexa at pitangui.amazon.com (North America), alexa.amazon.co.jp (Far East): set alexa_vendor_id"],
        ),
        (
            {f"theme__default__privacy_url__{tag}": f"https://{tag}.example.org/" for tag in ("ar", "es", "fr", "it")}
            | {
                f"theme__default__terms_url__x{letter}": f"https://{letter}.example.net/" for letter in "abcdefghijklmn"
            },
            ["20 other hosts, but the Domain List takes 15"],
        ),
    ],
)
def test_what_the_console_would_refuse_is_told(show: Show, changes: dict[str, str | None], problems: list[str]) -> None:
    by_api = show("rides", "--smapi", "--secret", **changes)
    assert (by_api.exit_code, by_api.stdout) == (1, "")
    assert by_api.stderr.count("FAILED") == len(problems)
    for problem in problems:
        assert problem in by_api.stderr
    in_console = show("rides", **changes)
    # the Domain List of the console is longer
    assert in_console.output.count("FAILED") == (0 if "20 other hosts" in problems[0] else len(problems))
    assert "Your Web Authorization URI" in in_console.output


def test_the_implicit_grant_is_refused_for_a_console_that_takes_codes_only(show: Show) -> None:
    result = show("home", client__home__grants="implicit")
    assert result.exit_code == 1
    assert "linkauth.client.home.grants lacks authorization_code, the only grant that the console of Google" in (
        result.output
    )
    assert result.output.count("FAILED") == 1
    assert show("tool", client__tool__grants="implicit").exit_code == 0


def test_wrong_arguments_are_told(show: Show) -> None:
    for arguments, problem in (
        (("ride",), "no client 'ride'. Clients: rides, quiz, home, things, alice, applets, capsule, tool, backend;"),
        (("ride",), "did you mean rides?"),
        (("x\x1b[31m\u202e",), "no client 'x?[31m?'"),
        (("home", "--smapi"), "--smapi: is for skills of Alexa, but home has the platform google"),
        (("backend", "--smapi"), "--smapi: is for skills of Alexa, but backend has no grants"),
    ):
        result = show(*arguments)
        assert result.exit_code == 2
        assert problem in result.output
