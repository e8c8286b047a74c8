"""JWT access tokens (RFC 9068), the public keys to verify them, and the signed list of those that were revoked.

ES256 by joserfc, which is imported at the first signature: a server without JWTs is spared 10 MB. A verifier needs no
call per request: it checks the signature by /.well-known/jwks.json and looks up `jti` in the deny list, both cacheable.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from linkauth.oauth2.tokens import Link, SigningKey, StorageUnavailableError

ALGORITHM = "ES256"
RENEWAL_INTERVAL = 300
"""The deny list is signed anew at least this often. It is good for twice as long, so that who has just been told that
it is unchanged may still keep it for the minute that the response's Cache-Control allows."""


class Signer:
    """Signs for `issuer` with whatever `keys()` gives; a key is imported once, not at every token."""

    def __init__(self, issuer: str, keys: Callable[[], Sequence[SigningKey]]) -> None:
        self._issuer = issuer
        self._keys = keys

    def access_token(
        self, link: Link, scopes: tuple[str, ...], now: int, expires_at: int, more: Mapping[str, Any] = {}
    ) -> tuple[str, str]:
        """A token in JWT form and its `jti` (RFC 9068 section 2); `more` are claims such as `groups` (2.2.3.1)."""
        jti = secrets.token_urlsafe(16)
        claims = {
            # first, so that none takes the place of what follows
            **more,
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
        """The `jti` of revoked tokens that have not expired yet, as a signed JWT."""
        claims = {"iss": self._issuer, "iat": now, "exp": now + 2 * RENEWAL_INTERVAL, "revoked": list(revoked)}
        return self._sign("deny-list+jwt", claims, now)

    def jwks(self, now: int) -> dict[str, Any]:
        """The public keys (RFC 7517): of what signs, of what will soon, and of what signed tokens that still live."""
        published = [key for key in self._keys() if key.retires_at is None or now < key.retires_at]
        return {"keys": [_public(key) for key in published]}

    def kid(self, now: int) -> str | None:
        """The name of the key that signs at `now`; None if there is none."""
        signing = self._signing(now)
        return signing.kid if signing else None

    def _signing(self, now: int) -> SigningKey | None:
        begun = (key for key in self._keys() if key.signs_from <= now)
        return max(begun, key=lambda key: key.signs_from, default=None)

    def _sign(self, kind: str, claims: dict[str, Any], now: int) -> str:
        from joserfc import jwt

        signing = self._signing(now)
        if signing is None:
            raise StorageUnavailableError("no key signs; make one with: linkauth keys rotate <ini file>")
        header = {"typ": kind, "alg": ALGORITHM, "kid": signing.kid}
        return jwt.encode(header, claims, signing.key, algorithms=[ALGORITHM])


def _public(key: SigningKey) -> dict[str, Any]:
    return {**key.key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": ALGORITHM}
