"""Tests that the OpenID provider of the tests does what its tests rely on: judged by joserfc and requests."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.servers import openid_provider
from tests.servers.openid_browser import ProviderBrowser, Return
from tests.servers.openid_provider import ACCOUNTS, CLIENT_ID, CLIENT_SECRET, OpenIDProvider

REDIRECT_URI = "https://link.example.com/authorize/return/corp"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIDProvider]:
    openid_provider.required()
    started = OpenIDProvider(tmp_path_factory.mktemp("openid"), [REDIRECT_URI])
    started.start()
    yield started
    started.stop()


def metadata(provider: OpenIDProvider) -> dict[str, Any]:
    url = f"{provider.issuer}/.well-known/openid-configuration"
    return dict(requests.get(url, timeout=30).json())


def authorization_url(provider: OpenIDProvider, **changes: str) -> str:
    parameters = {
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "openid email profile",
        "state": "S",
        "nonce": "N",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{metadata(provider)['authorization_endpoint']}?{urlencode({**parameters, **changes})}"


def tokens(provider: OpenIDProvider, answer: Return) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": answer.parameters["code"],
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    # RFC 6749 section 2.3.1: both are form-encoded before they become HTTP Basic
    secret = urlencode({"s": CLIENT_SECRET})[2:]
    url = metadata(provider)["token_endpoint"]
    return dict(requests.post(url, form, auth=(CLIENT_ID, secret), timeout=30).json())


def claims(provider: OpenIDProvider, id_token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(requests.get(metadata(provider)["jwks_uri"], timeout=30).json())
    return dict(jwt.decode(id_token, keys, algorithms=["RS256"]).claims)


@pytest.mark.parametrize("login", ["ada", "unproven", "nameless"])
def test_a_person_signs_in_and_the_id_token_has_the_claims(provider: OpenIDProvider, login: str) -> None:
    answer = ProviderBrowser().sign_in(authorization_url(provider), login)
    assert (answer.url, answer.posted) == (REDIRECT_URI, False)
    assert set(answer.parameters) == {"code", "state", "iss"}
    assert (answer.parameters["state"], answer.parameters["iss"]) == ("S", provider.issuer)
    received = claims(provider, tokens(provider, answer)["id_token"])
    assert {**received, **ACCOUNTS[login]} == received
    assert (received["iss"], received["aud"], received["nonce"]) == (provider.issuer, CLIENT_ID, "N")


def test_the_answer_may_be_a_posted_form(provider: OpenIDProvider) -> None:
    answer = ProviderBrowser().sign_in(authorization_url(provider, response_mode="form_post"), "ada")
    assert (answer.url, answer.posted, answer.parameters["state"]) == (REDIRECT_URI, True, "S")
    assert "id_token" in tokens(provider, answer)


def test_a_person_may_cancel(provider: OpenIDProvider) -> None:
    answer = ProviderBrowser().cancel(authorization_url(provider))
    assert (answer.parameters["error"], answer.parameters["state"]) == ("access_denied", "S")


def test_a_code_survives_a_rotation_of_keys_and_the_token_has_the_new_one(provider: OpenIDProvider) -> None:
    keys = KeySet.import_key_set(requests.get(metadata(provider)["jwks_uri"], timeout=30).json())
    answer = ProviderBrowser().sign_in(authorization_url(provider), "grace")
    provider.rotate_keys()
    token = tokens(provider, answer)["id_token"]
    assert claims(provider, token)["sub"] == ACCOUNTS["grace"]["sub"]
    with pytest.raises((JoseError, ValueError)):
        jwt.decode(token, keys, algorithms=["RS256"])


def test_the_provider_goes_down_and_comes_back(provider: OpenIDProvider) -> None:
    provider.stop()
    with pytest.raises(requests.ConnectionError):
        metadata(provider)
    provider.start()
    assert metadata(provider)["issuer"] == provider.issuer
    provider.hang()
    with pytest.raises(requests.Timeout):
        requests.get(f"{provider.issuer}/me", timeout=0.2)
    provider.resume()
    assert metadata(provider)["issuer"] == provider.issuer


def test_the_userinfo_endpoint_has_the_claims_that_an_id_token_lacks(tmp_path: Path) -> None:
    openid_provider.required()
    provider = OpenIDProvider(tmp_path, [REDIRECT_URI], id_token_claims=False)
    provider.start()
    try:
        received = tokens(provider, ProviderBrowser().sign_in(authorization_url(provider), "ada"))
        assert "email" not in claims(provider, received["id_token"])
        headers = {"Authorization": f"Bearer {received['access_token']}"}
        userinfo = requests.get(metadata(provider)["userinfo_endpoint"], headers=headers, timeout=30).json()
        assert userinfo == ACCOUNTS["ada"]
    finally:
        provider.stop()
