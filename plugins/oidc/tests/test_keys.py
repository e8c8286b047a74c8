"""Tests of the keys of a provider: their rotation, outages, and keys that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OctKey

from linkauth.backends import BackendUnavailable
from linkauth.sign_ins import InvalidAnswer
from linkauth_oidc import OIDCProvider
from linkauth_oidc.cache import FRESH_SECONDS, KEPT_SECONDS, PAUSE_SECONDS

from .conftest import settings_for, sign_in
from .provider import DISCOVERY, RSA, SECOND_RSA, Claims, Provider, public
from .server import Reply


class Timed:
    """The plugin with clocks that the test moves."""

    def __init__(self, provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> None:
        self.seconds = 1_000.0
        self.provider = provider
        self.plugin = open_plugin(settings_for(provider), monotonic=lambda: self.seconds)

    def sign_in(self) -> str:
        return sign_in(self.plugin, self.provider).identity.subject

    def lose(self, *paths: str) -> None:
        for path in paths:
            self.provider.replies[path] = lambda _: Reply("", 503)


@pytest.fixture
def timed(provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> Timed:
    made = Timed(provider, open_plugin)
    assert made.sign_in() == "s-1"
    return made


def test_the_documents_are_fetched_once_an_hour(timed: Timed, provider: Provider) -> None:
    timed.sign_in()
    assert (provider.count("/keys"), provider.count(DISCOVERY)) == (1, 1)
    timed.seconds += FRESH_SECONDS
    timed.sign_in()
    assert (provider.count("/keys"), provider.count(DISCOVERY)) == (2, 2)


def test_a_new_key_is_fetched_at_its_first_token(timed: Timed, provider: Provider) -> None:
    timed.seconds += PAUSE_SECONDS
    provider.key, provider.published = SECOND_RSA, [public(RSA), public(SECOND_RSA)]
    assert timed.sign_in() == "s-1"
    assert provider.count("/keys") == 2


def test_unknown_keys_cause_few_requests(timed: Timed, provider: Provider) -> None:
    provider.header = {"kid": "unknown"}
    for _ in range(5):
        with pytest.raises(InvalidAnswer, match="no key"):
            timed.sign_in()
    assert provider.count("/keys") == 1
    timed.seconds += PAUSE_SECONDS
    for _ in range(5):
        with pytest.raises(InvalidAnswer, match="no key"):
            timed.sign_in()
    assert provider.count("/keys") == 2


def test_a_key_that_was_withdrawn_verifies_no_longer(timed: Timed, provider: Provider) -> None:
    provider.published = [public(SECOND_RSA)]
    assert timed.sign_in() == "s-1"
    timed.seconds += FRESH_SECONDS
    with pytest.raises(InvalidAnswer, match="no key"):
        timed.sign_in()


def test_known_keys_survive_an_outage_of_a_day(
    timed: Timed, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    timed.lose("/keys", DISCOVERY)
    timed.seconds += FRESH_SECONDS
    assert timed.sign_in() == "s-1"
    assert "fetched earlier is used" in caplog.text
    timed.seconds += KEPT_SECONDS - FRESH_SECONDS - 1
    assert timed.sign_in() == "s-1"
    timed.seconds += 1
    for _ in range(2):
        # the second time, no request is sent because the first one has just failed
        with pytest.raises(BackendUnavailable):
            timed.sign_in()


def test_an_outage_causes_few_requests(timed: Timed, provider: Provider) -> None:
    timed.lose("/keys", DISCOVERY)
    timed.seconds += FRESH_SECONDS
    for _ in range(5):
        timed.sign_in()
    assert (provider.count("/keys"), provider.count(DISCOVERY)) == (2, 2)
    timed.seconds += PAUSE_SECONDS
    timed.sign_in()
    assert (provider.count("/keys"), provider.count(DISCOVERY)) == (3, 3)


def test_a_new_key_during_an_outage_is_an_outage(timed: Timed, provider: Provider) -> None:
    timed.lose("/keys")
    timed.seconds += PAUSE_SECONDS
    provider.key = SECOND_RSA
    with pytest.raises(BackendUnavailable):
        timed.sign_in()


WEAK: Claims = {"kty": "RSA", "kid": "first", "n": "_" * 170, "e": "AQAB"}
"""A key of 1,020 bits."""
HUGE: Claims = {"kty": "RSA", "kid": "first", "n": "_" * 40_000, "e": "AQAB"}


UNUSABLE: dict[str, Any] = {
    "none": [],
    "an object": {},
    "a text": "keys",
    "no objects": [None, 7, "key", []],
    "short": [WEAK],
    "long": [HUGE],
    "long exponent": [{**public(RSA), "e": "_" * 100}],
    "for encryption": [{**public(RSA), "use": "enc"}],
    "use is a list": [{**public(RSA), "use": ["sig"]}],
    "for other operations": [{**public(RSA), "key_ops": ["encrypt"]}],
    "modulus is a number": [{**public(RSA), "n": 5}],
    "modulus is empty": [{**public(RSA), "n": ""}],
    "modulus is no base64": [{**public(RSA), "n": "\u00e4\u00e4"}],
    "another type": [{**public(RSA), "kty": "EC"}],
    "no type": [{**public(RSA), "kty": None}],
    "no members": [{"kty": "RSA", "kid": "first"}],
    "a point that is not on the curve": [{"kty": "EC", "kid": "first", "crv": "P-256", "x": "AQ", "y": "AQ"}],
    "a shared secret": [OctKey.generate_key(256, {"kid": "first"}).as_dict()],
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_keys_are_an_outage(plugin: OIDCProvider, provider: Provider, name: str) -> None:
    provider.published = UNUSABLE[name]
    with pytest.raises(BackendUnavailable, match="JWK set"):
        sign_in(plugin, provider)


def test_unusable_keys_beside_a_usable_one_do_no_harm(plugin: OIDCProvider, provider: Provider) -> None:
    provider.published = [HUGE, {"kty": "XYZ"}, {**public(RSA), "x5c": 5, "issuer": None}]
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_the_number_of_keys_is_limited(plugin: OIDCProvider, provider: Provider) -> None:
    provider.published = [*[{"kty": "RSA"}] * 100, public(RSA)]
    with pytest.raises(BackendUnavailable, match="no key"):
        sign_in(plugin, provider)
