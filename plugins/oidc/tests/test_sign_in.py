"""Tests of a sign-in that succeeds: the requests, and what is taken from the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from linkauth_oidc import OIDCProvider

from .conftest import REDIRECT_URI, REQUEST, finish, settings_for, sign_in
from .provider import CLIENT_SECRET, DISCOVERY, EC, Provider, public


def test_a_person_signs_in(plugin: OIDCProvider, provider: Provider) -> None:
    person = sign_in(plugin, provider)
    assert person.identity.subject == "s-1"
    assert person.identity.username == "ada"
    assert person.identity.name == "Ada Lovelace"
    assert person.identity.email == "ada@example.com"
    assert person.verified == {"email"}


def test_the_request_has_everything_that_binds_the_answer_to_it(plugin: OIDCProvider, provider: Provider) -> None:
    redirect = plugin.begin(REQUEST)
    asked = dict(parse_qsl(urlsplit(redirect.url).query))
    assert asked["redirect_uri"] == REDIRECT_URI
    assert asked["state"] == REQUEST.state
    assert asked["nonce"] == redirect.memory["nonce"]
    assert asked["scope"] == "openid email profile"
    assert asked["ui_locales"] == "de"
    assert "response_mode" not in asked
    assert redirect.memory["verifier"] not in redirect.url
    again = plugin.begin(REQUEST)
    assert again.memory["nonce"] != redirect.memory["nonce"]
    assert again.memory["verifier"] != redirect.memory["verifier"]
    assert provider.count(DISCOVERY) == 1


def test_another_process_may_finish(
    plugin: OIDCProvider, provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    redirect = plugin.begin(REQUEST)
    other = open_plugin(settings_for(provider))
    assert finish(other, redirect, provider.authorize(redirect.url)).identity.subject == "s-1"


@pytest.mark.parametrize(
    ("announced", "configured", "sent"),
    [
        (None, "auto", "basic"),
        (["client_secret_basic", "client_secret_post"], "auto", "basic"),
        (["client_secret_post"], "auto", "post"),
        (["client_secret_basic"], "post", "post"),
        (["client_secret_post"], "basic", "basic"),
    ],
)
def test_the_client_authenticates_itself(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], announced: Any, configured: str, sent: str
) -> None:
    if announced:
        provider.discovery["token_endpoint_auth_methods_supported"] = announced
    sign_in(open_plugin(settings_for(provider, client_authentication=configured)), provider)
    (request,) = [each for each in provider.received if each.path == "/token"]
    assert request.form.get("client_secret") == (CLIENT_SECRET if sent == "post" else None)
    assert ("Authorization" in request.headers) == (sent == "basic")


def test_a_public_client_sends_no_secret(provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> None:
    provider.client_secret = ""
    plugin = open_plugin(settings_for(provider, client_secret=None, client_authentication="none"))
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_a_key_on_a_curve_is_accepted(plugin: OIDCProvider, provider: Provider) -> None:
    provider.key, provider.published = EC, [public(EC)]
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_claims_that_the_id_token_lacks_come_from_the_userinfo_endpoint(
    plugin: OIDCProvider, provider: Provider
) -> None:
    provider.changes = dict.fromkeys(("email", "email_verified", "name", "preferred_username"))
    person = sign_in(plugin, provider)
    assert (person.identity.email, person.identity.name) == ("ada@example.com", "Ada Lovelace")
    assert person.verified == {"email"}
    assert provider.count("/userinfo") == 1
    provider.changes = {}
    sign_in(plugin, provider)
    assert provider.count("/userinfo") == 1


def test_plain_oauth_takes_the_person_from_the_userinfo_endpoint(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    provider.is_openid = False
    provider.userinfo = {"id": 4711, "mail": "ada@example.com", "email_verified": True, "login": "ada"}
    endpoints = {name: provider.discovery[name] for name in ("authorization_endpoint", "token_endpoint")}
    plugin = open_plugin(
        settings_for(
            protocol="oauth2",
            **endpoints,
            userinfo_endpoint=provider.discovery["userinfo_endpoint"],
            scopes=("user",),
            subject_claim="id",
            username_claim="login",
            email_claim="mail",
        )
    )
    person = sign_in(plugin, provider)
    assert (person.identity.subject, person.identity.username) == ("4711", "ada")
    assert person.identity.email == "ada@example.com"
    # email_verified is not about the claim mail
    assert person.verified == frozenset()
    assert provider.count(DISCOVERY) == provider.count("/keys") == 0
