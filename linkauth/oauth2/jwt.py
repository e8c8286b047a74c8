"""JWT access tokens (RFC 9068), the public keys to verify them, and the signed deny list of revoked tokens.

Tokens are signed with ES256. joserfc is imported at the first signature, which saves 10 MB of memory in a server
without JWTs. A verifier does not call linkauth for each token: it verifies the signature with the keys in
/.well-known/jwks.json and looks up the `jti` in the deny list. Both documents can be cached.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from linkauth.oauth2.tokens import Link, SigningKey, StorageUnavailableError

ALGORITHM = "ES256"
RENEWAL_INTERVAL = 300
"""Maximum age of the signed deny list in seconds. The list is valid for twice as long, so that a copy that was
confirmed with status 304 does not expire within the max-age of that response."""


class Signer:
    """Signs JWTs for `issuer` with the current key among those that `keys()` returns."""

    def __init__(self, issuer: str, keys: Callable[[], Sequence[SigningKey]]) -> None:
        self._issuer = issuer
        self._keys = keys

    def access_token(
        self, link: Link, scopes: tuple[str, ...], now: int, expires_at: int, extra_claims: Mapping[str, Any] = {}
    ) -> tuple[str, str]:
        """Return an access token as a JWT, and its `jti` (RFC 9068 section 2).

        `extra_claims` are claims about the person, such as `groups` (section 2.2.3.1). `now` and `expires_at` are in
        seconds since 1970. Raises StorageUnavailableError if there is no signing key.
        """
        jti = secrets.token_urlsafe(16)
        claims = {
            # first, so that they cannot override a registered claim
            **extra_claims,
            "iss": self._issuer,
            "sub": link.sub,
            "aud": link.client_id,
            "client_id": link.client_id,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": expires_at,
            "jti": jti,
        }
        return self._sign("at+jwt", claims, now), jti

    def deny_list(self, revoked: Sequence[str], now: int) -> str:
        """Return the signed deny list: a JWT with the `jti` of each revoked token that has not expired.

        Raises StorageUnavailableError if there is no signing key.
        """
        claims = {"iss": self._issuer, "iat": now, "exp": now + 2 * RENEWAL_INTERVAL, "revoked": list(revoked)}
        return self._sign("deny-list+jwt", claims, now)

    def jwks(self, now: int) -> dict[str, Any]:
        """Return the JWK set (RFC 7517) of the current key, the next key, and the keys of tokens that may be valid."""
        published = [key for key in self._keys() if key.retires_at is None or now < key.retires_at]
        return {"keys": [_public_jwk(key) for key in published]}

    def signing_kid(self, now: int) -> str | None:
        """Return the key ID of the key that signs at `now`, or None if there is no such key."""
        key = self._signing_key(now)
        return key.kid if key else None

    def _signing_key(self, now: int) -> SigningKey | None:
        candidates = (key for key in self._keys() if key.signs_from <= now)
        return max(candidates, key=lambda key: key.signs_from, default=None)

    def _sign(self, token_type: str, claims: dict[str, Any], now: int) -> str:
        from joserfc import jwt

        key = self._signing_key(now)
        if key is None:
            raise StorageUnavailableError("no signing key; create one with: linkauth keys rotate <ini file>")
        header = {"typ": token_type, "alg": ALGORITHM, "kid": key.kid}
        return jwt.encode(header, claims, key.key, algorithms=[ALGORITHM])


def _public_jwk(key: SigningKey) -> dict[str, Any]:
    return {**key.key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": ALGORITHM}
