"""Verifies an ID token (OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519, RFC 8725)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import new as new_hash
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from linkauth.net import Deadline
from linkauth.sign_ins import InvalidAnswer
from linkauth_oidc.documents import is_same, parse_object, text_of
from linkauth_oidc.keys import KEY_TYPES, Keys, SigningKey
from linkauth_oidc.presets import TENANT

SKEW_SECONDS = 60
"""How much the clocks of both servers may differ."""
_SEGMENT_LIMIT = 200_000


class _Registry(jws.JWSRegistry):
    """Accepts longer headers than joserfc, such as those with a chain of certificates. Nothing in them is used."""

    max_header_length = 16_384
    max_payload_length = _SEGMENT_LIMIT
    max_signature_length = 4_096


_registry = _Registry(algorithms=list(KEY_TYPES), strict_check_header=False)


@dataclass(frozen=True)
class Expected:
    """What the claims must say. `issuer` returns the exact issuer for the claims of a token. Raises InvalidAnswer."""

    issuer: Callable[[dict[str, Any]], str]
    client_id: str
    nonce: str = field(repr=False)
    access_token: str = field(repr=False)


def verify(token: str, keys: Keys, expected: Expected, now: float, deadline: Deadline) -> dict[str, Any]:
    """Returns the claims of a valid ID token. `now` is in seconds since 1970.

    Raises InvalidAnswer, and what `Keys.find` raises. The key comes only from the JWK set of the provider: the members
    jwk, jku, x5c and x5u of the header are not used.
    """
    header = _header(token)
    algorithm = text_of(header, "alg")
    if algorithm not in KEY_TYPES:
        raise InvalidAnswer("the ID token has an algorithm that is not accepted, or no signature")
    if {"crit", "b64"} & set(header):
        raise InvalidAnswer("the header of the ID token has an extension that is not supported")
    if text_of(header, "typ").lower() not in ("", "jwt"):
        raise InvalidAnswer("the ID token has the type of another token")
    key = keys.find(text_of(header, "kid"), algorithm, deadline)
    try:
        payload = jws.deserialize_compact(token, key.key, registry=_registry).payload
    except (JoseError, ValueError, TypeError, KeyError):
        raise InvalidAnswer("the signature of the ID token is not valid") from None
    claims = parse_object(payload)
    if claims is None:
        raise InvalidAnswer("the claims of the ID token are not a JSON object, or one is there twice")
    _check_issuer(claims, key, expected)
    _check_audience(claims, expected.client_id)
    _check_times(claims, now)
    if not is_same(text_of(claims, "nonce"), expected.nonce):
        raise InvalidAnswer("the ID token has another nonce: it belongs to another sign-in")
    _check_access_token(claims, algorithm, expected.access_token)
    return claims


def _header(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 2 * _SEGMENT_LIMIT or not token.isascii():
        raise InvalidAnswer("the ID token is not a signed JWT")
    try:
        text = urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4))
    except ValueError:
        text = b""
    header = parse_object(text)
    if header is None:
        raise InvalidAnswer("the header of the ID token is not a JSON object, or a member is there twice")
    return header


def _check_issuer(claims: dict[str, Any], key: SigningKey, expected: Expected) -> None:
    issuer = expected.issuer(claims)
    if text_of(claims, "iss") != issuer:
        raise InvalidAnswer(f"the ID token is of another issuer than {issuer}")
    if key.issuer and key.issuer.replace(TENANT, text_of(claims, "tid")) != issuer:
        raise InvalidAnswer("the key of the ID token is one for another issuer")


def _check_audience(claims: dict[str, Any], client_id: str) -> None:
    given = claims.get("aud")
    audience = given if isinstance(given, list) else [given]
    if client_id not in audience:
        raise InvalidAnswer("the ID token was issued for another client than client_id")
    # without azp, a token for several audiences may have been got by another one of them
    if claims.get("azp", client_id if len(audience) == 1 else None) != client_id:
        raise InvalidAnswer("the ID token was issued to another client than client_id")


def _check_times(claims: dict[str, Any], now: float) -> None:
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in times.values()):
        raise InvalidAnswer("a time in the ID token is not a number")
    if "exp" not in times or "iat" not in times:
        raise InvalidAnswer("the ID token does not say when it was issued, or when it expires")
    if times["exp"] + SKEW_SECONDS <= now:
        raise InvalidAnswer("the ID token has expired: if this is frequent, check the clock of this machine")
    if max(times["iat"], times.get("nbf", 0)) - SKEW_SECONDS > now:
        raise InvalidAnswer("the ID token is not valid yet: check the clock of this machine")


def _check_access_token(claims: dict[str, Any], algorithm: str, access_token: str) -> None:
    """Checks at_hash, if it is there (OpenID Connect Core section 3.1.3.6)."""
    # the names EdDSA and Ed25519 have no hash for it
    if "at_hash" not in claims or algorithm[2:] not in ("256", "384", "512"):
        return
    whole = new_hash(f"sha{algorithm[2:]}", access_token.encode()).digest()
    half = urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode("ascii")
    if not is_same(text_of(claims, "at_hash"), half):
        raise InvalidAnswer("the ID token belongs to another access token")
