"""Tests of forged, stolen and broken ID tokens: nobody signs in with one of them."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from linkauth.sign_ins import InvalidAnswer
from linkauth_oidc import OIDCProvider

from .conftest import settings_for, sign_in
from .provider import EC, RSA, Claims, Provider, public, signed

OTHER_RSA = RSAKey.generate_key(2048, {"kid": "first"})
"""A key of an attacker, with the identifier of the provider's key."""
NOW = 1_900_000_000
"""The time of both sides, in seconds since 1970."""


@pytest.fixture
def plugin(open_plugin: Callable[..., OIDCProvider], provider: Provider) -> OIDCProvider:
    provider.clock = lambda: NOW
    return open_plugin(settings_for(provider), clock=lambda: NOW)


def segment(text: bytes) -> str:
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def refused(plugin: OIDCProvider, provider: Provider, part: str) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        sign_in(plugin, provider)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"iss": "https://attacker.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"iss": ["http://127.0.0.1"]}, "another issuer"),
        ({"aud": "another-client"}, "for another client"),
        ({"aud": ["another-client"]}, "for another client"),
        ({"aud": None}, "for another client"),
        ({"aud": {"linkauth": 1}}, "for another client"),
        ({"aud": ["linkauth", "another-client"]}, "to another client"),
        ({"aud": ["linkauth", "another-client"], "azp": "another-client"}, "to another client"),
        ({"azp": "another-client"}, "to another client"),
        ({"azp": 7}, "to another client"),
        ({"nonce": "of-another-sign-in"}, "another nonce"),
        ({"nonce": None}, "another nonce"),
        ({"nonce": ["n"]}, "another nonce"),
        ({"exp": NOW - 61}, "has expired"),
        ({"exp": None}, "when it expires"),
        ({"exp": str(NOW + 300)}, "not a number"),
        ({"exp": True}, "not a number"),
        ({"iat": NOW + 600}, "not valid yet"),
        ({"iat": None}, "when it was issued"),
        ({"iat": {"now": 1}}, "not a number"),
        ({"nbf": NOW + 600}, "not valid yet"),
        ({"nbf": "later"}, "not a number"),
        ({"sub": None}, "no sub"),
        ({"sub": ""}, "no sub"),
        ({"sub": 17}, "no sub"),
        ({"sub": ["s-1"]}, "no sub"),
        ({"sub": "x" * 256}, "no valid sub"),
        ({"sub": "s-1\n"}, "no valid sub"),
        ({"at_hash": "of-another-token"}, "another access token"),
        ({"at_hash": None, "nonce": ""}, "another nonce"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_token_with_a_wrong_claim_is_refused(
    plugin: OIDCProvider, provider: Provider, changes: Claims, part: str
) -> None:
    provider.changes = changes
    refused(plugin, provider, part)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 5, "iat": NOW - 300},
        {"iat": NOW + 5, "nbf": NOW + 5},
        {"aud": ["linkauth"]},
        {"aud": ["linkauth", "another-client"], "azp": "linkauth"},
        {"exp": NOW + 1e3},
    ],
    ids=",".join,
)
def test_a_token_within_the_skew_and_for_this_client_is_accepted(
    plugin: OIDCProvider, provider: Provider, changes: Claims
) -> None:
    provider.changes = changes
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_the_skew_is_one_minute(open_plugin: Callable[..., OIDCProvider], provider: Provider) -> None:
    now = [NOW]
    plugin = open_plugin(settings_for(provider), clock=lambda: now[0])
    provider.changes = {"iat": NOW, "exp": NOW + 300}
    now[0] = NOW + 359
    assert sign_in(plugin, provider).identity.subject == "s-1"
    now[0] = NOW + 360
    refused(plugin, provider, "has expired")
    now[0] = NOW - 60
    assert sign_in(plugin, provider).identity.subject == "s-1"
    now[0] = NOW - 61
    refused(plugin, provider, "not valid yet")


def test_the_hash_of_the_access_token_is_checked(plugin: OIDCProvider, provider: Provider) -> None:
    half = sha256(provider.access_token.encode()).digest()[:16]
    provider.changes = {"at_hash": segment(half)}
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_the_hash_of_the_access_token_is_not_checked_for_ed25519(plugin: OIDCProvider, provider: Provider) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    provider.published = [public(key)]
    provider.changes = {"at_hash": "of-any-algorithm"}
    provider.sign = lambda claims: signed({"alg": "Ed25519", "kid": "ed"}, json.dumps(claims).encode(), key)
    assert sign_in(plugin, provider).identity.subject == "s-1"


def with_header(header: Claims, signature: str = "") -> Callable[[Claims], str]:
    return lambda claims: f"{segment(json.dumps(header).encode())}.{segment(json.dumps(claims).encode())}.{signature}"


def hmac_with(key: bytes) -> Callable[[Claims], str]:
    """Returns a function that signs with a public key of the provider as the secret of HS256."""

    def sign(claims: Claims) -> str:
        # joserfc itself refuses to make such a token
        head, body, _ = with_header({"alg": "HS256", "kid": "first"})(claims).split(".")
        return f"{head}.{body}.{segment(hmac.digest(key, f'{head}.{body}'.encode(), 'sha256'))}"

    return sign


def by_attacker(**header: Any) -> Callable[[Claims], str]:
    """Returns a function that signs with the key of an attacker, which the header names."""
    return lambda claims: jwt.encode({"alg": "RS256", **header}, claims, OTHER_RSA)


def resigned(claims: Claims) -> str:
    """Returns a token whose claims were changed after it was signed."""
    head, _, signature = jwt.encode({"alg": "RS256", "kid": "first"}, claims, RSA).split(".")
    return f"{head}.{segment(json.dumps({**claims, 'sub': 'root'}).encode())}.{signature}"


def twice(claims: Claims) -> str:
    """Returns a token with two subjects."""
    text = json.dumps(claims)[:-1] + ', "sub": "root"}'
    return signed({"alg": "RS256", "kid": "first"}, text.encode(), RSA)


def raw_header(text: bytes) -> Callable[[Claims], str]:
    return lambda claims: f"{segment(text)}.{segment(json.dumps(claims).encode())}.{segment(b'x' * 256)}"


TOKENS: dict[str, tuple[Callable[[Claims], str], str]] = {
    "unsigned": (with_header({"alg": "none"}), "no signature"),
    "unsigned in other letters": (with_header({"alg": "nOnE"}), "no signature"),
    "no algorithm": (with_header({"kid": "first"}), "not accepted"),
    "algorithm is a list": (with_header({"alg": ["RS256"]}), "not accepted"),
    "empty signature": (with_header({"alg": "RS256", "kid": "first"}), "signature"),
    "HS256 with the public key in PEM form": (hmac_with(RSA.as_pem(private=False)), "not accepted"),
    "HS256 with the public key in DER form": (hmac_with(RSA.as_der(private=False)), "not accepted"),
    "HS256 with the public key as JSON": (hmac_with(json.dumps(public(RSA)).encode()), "not accepted"),
    "HS256 with the client secret": (hmac_with(b"a secret + of: the client"), "not accepted"),
    "ES256 with an RSA key": (with_header({"alg": "ES256", "kid": "first"}, segment(b"x" * 64)), "no key"),
    "RS512 that the key does not sign": (
        with_header({"alg": "RS512", "kid": "first"}, segment(b"x" * 256)),
        "signature",
    ),
    "key of an attacker": (by_attacker(kid="first"), "signature"),
    "unknown key": (by_attacker(kid="of-the-attacker"), "no key"),
    "embedded jwk": (by_attacker(kid="first", jwk=public(OTHER_RSA)), "signature"),
    "embedded jwk without kid": (by_attacker(jwk=public(OTHER_RSA)), "signature"),
    "jku": (by_attacker(kid="first", jku="https://attacker.example/keys"), "signature"),
    "x5u": (by_attacker(kid="first", x5u="https://attacker.example/chain"), "signature"),
    "x5c": (by_attacker(kid="first", x5c=["MIIB"]), "signature"),
    "kid is a path": (by_attacker(kid="../../../dev/null"), "no key"),
    "kid is a number": (with_header({"alg": "RS256", "kid": 1}, segment(b"x" * 256)), "signature"),
    "changed claims": (resigned, "signature"),
    "claims twice": (twice, "twice"),
    "header twice": (raw_header(b'{"alg": "HS256", "alg": "RS256", "kid": "first"}'), "twice"),
    "header is a list": (raw_header(b"[]"), "JSON object"),
    "header is not JSON": (raw_header(b"\xff\xfe"), "JSON object"),
    "header is nested deeply": (raw_header(b'{"alg": ' + b"[" * 50_000), "JSON object"),
    "critical extension": (with_header({"alg": "RS256", "kid": "first", "crit": ["x"], "x": 1}), "extension"),
    "unencoded payload": (with_header({"alg": "RS256", "kid": "first", "b64": False}), "extension"),
    "logout token": (with_header({"alg": "RS256", "kid": "first", "typ": "logout+jwt"}), "another token"),
    "claims are a list": (lambda _: signed({"alg": "RS256", "kid": "first"}, b"[]", RSA), "JSON object"),
    "claims are nested deeply": (lambda _: signed({"alg": "RS256", "kid": "first"}, b"[" * 50_000, RSA), "JSON object"),
    "claims with NaN": (lambda _: signed({"alg": "RS256", "kid": "first"}, b'{"exp": NaN}', RSA), "JSON object"),
    "claims with infinity": (lambda _: signed({"alg": "RS256", "kid": "first"}, b'{"exp": 1e999}', RSA), "JSON object"),
    "encrypted token": (lambda _: "a.b.c.d.e", "not a signed JWT"),
    "no token": (lambda _: "token", "not a signed JWT"),
    "other letters": (lambda _: "\u00e4.\u00e4.\u00e4", "not a signed JWT"),
    "long header": (raw_header(b'{"alg": "RS256", "kid": "first", "x": "' + b"x" * 20_000 + b'"}'), "signature"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_forged_or_broken_token_is_refused(plugin: OIDCProvider, provider: Provider, name: str) -> None:
    provider.sign, part = TOKENS[name]
    refused(plugin, provider, part)
    assert {request.path for request in provider.received} <= {
        "/.well-known/openid-configuration",
        "/keys",
        "/token",
    }


def test_a_key_that_is_for_another_algorithm_does_not_verify(plugin: OIDCProvider, provider: Provider) -> None:
    provider.published = [{**public(RSA), "alg": "RS512"}]
    refused(plugin, provider, "no key")


def test_a_curve_of_another_algorithm_does_not_verify(plugin: OIDCProvider, provider: Provider) -> None:
    key = ECKey.generate_key("P-384", {"kid": "curve"})
    provider.published = [public(key)]
    provider.sign = with_header({"alg": "ES256", "kid": "curve"}, segment(b"x" * 64))
    refused(plugin, provider, "no key")


def test_without_an_identifier_only_a_single_key_verifies(plugin: OIDCProvider, provider: Provider) -> None:
    provider.sign = lambda claims: jwt.encode({"alg": "RS256"}, claims, RSA)
    assert sign_in(plugin, provider).identity.subject == "s-1"


def test_without_an_identifier_several_keys_do_not_verify(plugin: OIDCProvider, provider: Provider) -> None:
    provider.published = [public(RSA), public(OTHER_RSA), public(EC)]
    provider.sign = lambda claims: jwt.encode({"alg": "RS256"}, claims, RSA)
    refused(plugin, provider, "several keys")


def test_a_further_header_is_ignored(plugin: OIDCProvider, provider: Provider) -> None:
    provider.sign = lambda claims: signed(
        {"alg": "RS256", "kid": "first", "typ": "JWT"}, json.dumps(claims).encode(), RSA
    )
    assert sign_in(plugin, provider).identity.subject == "s-1"
