"""Fixtures: providers that play Google, Microsoft and others, and the plugin that uses them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.sign_ins import ProvidedIdentity, Redirect, SignInRequest, SignInResponse
from linkauth.testing import settings_of
from linkauth_oidc import OIDCProvider, OIDCSettings
from tests.isolation import isolate_logging, isolate_redaction

from .provider import CLIENT_ID, CLIENT_SECRET, Provider

__all__ = ["isolate_logging", "isolate_redaction"]

REDIRECT_URI = "https://link.example.com/authorize/return/corp"
REQUEST = SignInRequest(REDIRECT_URI, "the-state_of-this-sign-in", "de")
Clock = list[float]


def settings_for(provider: Provider | None = None, **changes: Any) -> OIDCSettings:
    """Returns settings for a provider, with timeouts that a busy machine keeps. None removes a key."""
    values: dict[str, Any] = {
        "issuer": provider.issuer if provider else None,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "connect_timeout": 10,
        "receive_timeout": 10,
        "total_timeout": 30,
        "retry_down_after": 1,
    }
    given = {key: value for key, value in {**values, **changes}.items() if value is not None}
    settings = settings_of(OIDCSettings, **given)
    assert not list(settings.faults())
    return settings


@pytest.fixture
def serve() -> Iterator[Callable[..., Provider]]:
    """Returns a function that starts a provider: `serve(prefix, context)`."""
    made: list[Provider] = []

    def start(prefix: str = "", context: ssl.SSLContext | None = None) -> Provider:
        made.append(Provider(prefix, context))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def provider(serve: Callable[..., Provider]) -> Provider:
    return serve()


@pytest.fixture
def open_plugin() -> Iterator[Callable[..., OIDCProvider]]:
    """Returns a function that opens the plugin: `open_plugin(settings, **clocks)`."""
    made: list[OIDCProvider] = []

    def make(settings: OIDCSettings, **clocks: Any) -> OIDCProvider:
        made.append(OIDCProvider(settings, **clocks))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def plugin(open_plugin: Callable[..., OIDCProvider], provider: Provider) -> OIDCProvider:
    return open_plugin(settings_for(provider))


def finish(plugin: OIDCProvider, redirect: Redirect, parameters: dict[str, str]) -> ProvidedIdentity:
    """Returns what the plugin makes of an answer."""
    return plugin.finish(SignInResponse(parameters, REQUEST, redirect.memory))


def sign_in(plugin: OIDCProvider, provider: Provider, **changes: str | None) -> ProvidedIdentity:
    """Signs in once; `changes` are those of the parameters of the answer."""
    redirect = plugin.begin(REQUEST)
    return finish(plugin, redirect, provider.authorize(redirect.url, **changes))
