"""Tests of the checks for doctor: each fault of a provider or of its settings is found, and nothing is raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from linkauth_oidc import OIDCProvider

from .conftest import settings_for
from .provider import DISCOVERY, Claims, Provider
from .server import Reply
from .stand_ins import STAND_INS, microsoft


def failed(plugin: OIDCProvider) -> dict[str, str]:
    return {check.name: check.detail for check in plugin.check() if not check.ok}


def warned(plugin: OIDCProvider) -> dict[str, str]:
    return {check.name: check.detail for check in plugin.check() if check.warning}


@pytest.mark.parametrize("preset", STAND_INS)
def test_the_provider_of_each_preset_passes(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str
) -> None:
    plugin = open_plugin(STAND_INS[preset](provider).settings)
    names = [check.name for check in plugin.check() if check.ok]
    assert failed(plugin) == {}
    assert "client" in names
    assert ("keys" in names) == (preset not in ("amazon", "facebook"))


@pytest.mark.parametrize(
    ("changes", "name", "part"),
    [
        ({"issuer": "https://attacker.example"}, "discovery", "another issuer"),
        ({"token_endpoint": "https://attacker.example/"}, "discovery", "add it to hosts"),
        ({"jwks_uri": None}, "discovery", "no jwks_uri"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "signatures", "algorithm"),
        ({"response_modes_supported": ["fragment"]}, "response_mode", "query"),
    ],
)
def test_a_fault_in_the_discovery_document_is_found(
    plugin: OIDCProvider, provider: Provider, changes: Claims, name: str, part: str
) -> None:
    provider.discovery |= changes
    assert part in failed(plugin)[name]


def test_missing_keys_are_found(plugin: OIDCProvider, provider: Provider) -> None:
    provider.published = []
    assert "no key" in failed(plugin)["keys"]


def test_a_wrong_client_secret_is_found(plugin: OIDCProvider, provider: Provider) -> None:
    assert failed(plugin) == {}
    provider.client_secret = "another secret"
    assert "client_secret" in failed(plugin)["client"]
    provider.replies["/token"] = lambda _: Reply("", 503)
    assert "status 503" in failed(plugin)["client"]


def test_a_provider_that_accepts_any_code_is_found(plugin: OIDCProvider, provider: Provider) -> None:
    provider.replies["/token"] = lambda _: Reply({"access_token": "t", "token_type": "Bearer"})
    assert "random code" in failed(plugin)["client"]


def test_an_outage_is_found(plugin: OIDCProvider, provider: Provider) -> None:
    provider.stop()
    assert "no connection" in failed(plugin)["discovery"]


def test_a_hanging_provider_ends_in_time(plugin: OIDCProvider, provider: Provider) -> None:
    def wait(_: Any) -> None:
        provider.stopping.wait(60)

    provider.replies[DISCOVERY] = lambda _: Reply(raw=wait)
    assert "no answer in time" in failed(plugin)["discovery"]


def test_what_should_be_corrected_is_a_warning(provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> None:
    provider.discovery["code_challenge_methods_supported"] = ["plain"]
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]
    plugin = open_plugin(settings_for(provider, client_authentication="post"))
    assert "S256" in warned(plugin)["PKCE"]
    assert "client_secret_post" in warned(plugin)["client_authentication"]


def test_people_of_any_tenant_are_a_warning(provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> None:
    assert "xms_edov" in warned(open_plugin(microsoft(provider, "common").settings))["tenant"]
