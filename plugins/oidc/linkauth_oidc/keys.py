"""The public keys of the provider (JWK set, RFC 7517)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from linkauth.backends import BackendUnavailable
from linkauth.net import Deadline
from linkauth.sign_ins import InvalidAnswer
from linkauth_oidc.cache import Cache
from linkauth_oidc.client import Client
from linkauth_oidc.documents import text_of, texts_of

Key = RSAKey | ECKey | OKPKey
KEY_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""The algorithms that are accepted, and the type of their keys (RFC 7518 section 3.1, RFC 8037, RFC 9864).

All of them are asymmetric, so a public key is never taken for a shared secret, and "none" is not among them."""
CURVES: Mapping[str, str] = {
    **{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"},
    **{"EdDSA": "Ed25519", "Ed25519": "Ed25519"},
}
KEY_LIMIT = 100
RSA_BITS = range(2048, 8193)
"""Shorter keys are weak (RFC 7518 section 3.3); a longer one would make each verification slow."""
EXPONENT_BITS = 64
_PUBLIC = ("kty", "kid", "n", "e", "crv", "x", "y")


@dataclass(frozen=True)
class SigningKey:
    """A public key. `issuer` is the one whose tokens it signs, where the provider says it (Microsoft); else ""."""

    key: Key = field(repr=False)
    kid: str
    algorithm: str
    issuer: str

    def fits(self, algorithm: str) -> bool:
        """Returns whether the key is one for this algorithm."""
        if self.key.key_type != KEY_TYPES[algorithm] or self.algorithm not in ("", algorithm):
            return False
        return algorithm not in CURVES or self.key.curve_name == CURVES[algorithm]  # type: ignore[union-attr]


class Keys:
    """The keys of the provider. `uri` returns where they are."""

    def __init__(self, client: Client, uri: Callable[[Deadline], str], clock: Callable[[], float]) -> None:
        self._client = client
        self._cache = Cache("JWK set", lambda deadline: self.fetch_from(uri(deadline), deadline), clock)

    def find(self, kid: str, algorithm: str, deadline: Deadline) -> SigningKey:
        """Returns the key of a token. An unknown one may be new, so the keys are fetched once more.

        Raises InvalidAnswer if there is no such key, or several; BackendUnavailable or BackendMisconfigured.
        """
        found = _matching(self._cache.get(deadline), kid, algorithm)
        if not found and (newer := self._cache.newer(deadline)) is not None:
            found = _matching(newer, kid, algorithm)
        if len(found) == 1:
            return found[0]
        count = "no key" if not found else "several keys"
        raise InvalidAnswer(f"the provider has {count} for the ID token: algorithm={algorithm}")

    def fetch_from(self, url: str, deadline: Deadline) -> tuple[SigningKey, ...]:
        """Returns the keys at a URL, without those that cannot verify a signature.

        Raises BackendUnavailable or BackendMisconfigured.
        """
        answer = self._client.get(url, deadline)
        document = answer.document
        listed = document.get("keys") if document else None
        if answer.status != 200 or not isinstance(listed, list):
            raise BackendUnavailable(f"the answer is no JWK set: {answer}")
        keys = tuple(_usable(listed[:KEY_LIMIT]))
        if not keys:
            raise BackendUnavailable("the JWK set of the provider has no key for an algorithm that linkauth accepts")
        return keys


def _matching(keys: tuple[SigningKey, ...], kid: str, algorithm: str) -> list[SigningKey]:
    """Returns the keys for a token. Without `kid` there must be only one (OpenID Connect Core section 10.1)."""
    return [key for key in keys if kid in ("", key.kid) and key.fits(algorithm)]


def _usable(listed: list[Any]) -> Iterator[SigningKey]:
    for jwk in listed:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        if "key_ops" in jwk and "verify" not in texts_of(jwk, "key_ops"):
            continue
        key = _import(jwk)
        if key is not None:
            yield SigningKey(key, text_of(jwk, "kid"), text_of(jwk, "alg"), text_of(jwk, "issuer"))


def _import(jwk: Mapping[str, Any]) -> Key | None:
    """Returns the public key of a JWK, or None if it is none, or unusable. Further members are left out."""
    public = {name: value for name, value in jwk.items() if name in _PUBLIC}
    if not all(isinstance(value, str) for value in public.values()):
        return None
    try:
        with warnings.catch_warnings():
            # joserfc warns of short keys, which are refused below
            warnings.simplefilter("ignore")
            key = import_key(public)
            if isinstance(key, RSAKey):
                numbers = key.public_key.public_numbers()
                if numbers.n.bit_length() not in RSA_BITS or numbers.e.bit_length() > EXPONENT_BITS:
                    return None
            elif isinstance(key, ECKey | OKPKey):
                # the point must be on the curve
                _ = key.public_key
    except (JoseError, ValueError, TypeError, KeyError, ArithmeticError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None
