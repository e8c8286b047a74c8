"""Tokens: their generation, the records that are stored, and the interface of the storage.

A token consists of 256 random bits in 43 URL-safe characters; RFC 6749 section 10.10 recommends 160 bits. Only the
SHA-256 digest is stored, so a copy of the database does not reveal usable tokens.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Protocol

from linkauth.oauth2.errors import StorageUnavailableError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

__all__ = [
    "CODE_REUSED",
    "REFRESH_TOKEN_REUSED",
    "Code",
    "Kind",
    "Link",
    "ResourceOwner",
    "StorageUnavailableError",
    "Token",
    "TokenStorage",
    "digest",
    "new_token",
]

Kind = Literal["access", "refresh"]
CODE_REUSED, REFRESH_TOKEN_REUSED = "code used twice", "refresh token used twice"
"""The reasons of a link that ends because somebody else may have its tokens."""


class ResourceOwner(Protocol):
    """The person who owns a link (RFC 6749 section 1.1)."""

    @property
    def backend(self) -> str:
        """The name of the backend that authenticated the person."""

    @property
    def subject(self) -> str:
        """The stable identifier of the person in the backend."""

    @property
    def username(self) -> str:
        """The username, in the spelling of the backend."""

    @property
    def claims(self) -> Mapping[str, Any]:
        """Further claims as JSON values, such as `name`, `email` and `groups`."""


@dataclass(frozen=True, slots=True)
class Link:
    """The authorization that a person has given to one client. Times are in seconds since 1970.

    `claims` are the claims that the scopes and the client's settings permit. `ended_at` is None while the link is
    active. `id` is the database key, None for a link that is not stored yet.
    """

    backend: str
    subject: str
    username: str
    client_id: str
    scopes: tuple[str, ...]
    grant: str
    locale: str
    created_at: int
    ended_at: int | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    last_used_at: int | None = None
    id: int | None = None

    @property
    def sub(self) -> str:
        """The subject identifier for clients, `<backend>:<subject>`. It is unique across all backends."""
        return f"{self.backend}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Token:
    """The stored record of a token. Times are in seconds since 1970.

    * `expires_at`: None if the token does not expire.
    * `scopes`: None if the token has all scopes of its link.
    * `generation`: the number of rotations that preceded a refresh token.
    * `used_at`: when a refresh token was replaced by rotation, or None.
    * `jti`: the identifier of a JWT in the deny list, or None.
    """

    digest: bytes
    kind: Kind
    issued_at: int
    expires_at: int | None = None
    scopes: tuple[str, ...] | None = None
    generation: int = 0
    used_at: int | None = None
    jti: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """The stored record of an authorization code. Times are in seconds since 1970.

    `redirect_uri` is None if the authorization request did not contain one.
    """

    digest: bytes
    redirect_uri: str | None
    code_challenge: str | None
    expires_at: int
    used_at: int | None = None


@dataclass(frozen=True)
class SigningKey:
    """A private key. Times are in seconds since 1970.

    The key signs from `signs_from` until a newer key does. It is published until `retires_at`, which is None while
    there is no newer key.
    """

    kid: str
    signs_from: int
    retires_at: int | None
    key: ECKey = field(repr=False)

    @classmethod
    def new(cls, signs_from: int) -> SigningKey:
        from joserfc.jwk import ECKey

        key = ECKey.generate_key("P-256", private=True)
        return cls(secrets.token_urlsafe(8), signs_from, None, key)


class TokenStorage(Protocol):
    """The storage of links and their tokens.

    Each method except `record_use` is one transaction, which is durable when the method returns. Each method raises
    StorageUnavailableError if the database cannot be read or written.
    """

    def create(self, link: Link, tokens: tuple[Token, ...] = (), code: Code | None = None) -> None:
        """Store a new link with its tokens or its code."""

    def find(self, digest: bytes, kind: Kind) -> tuple[Link, Token] | None:
        """Return a token and its link, including expired tokens and ended links."""

    def find_code(self, digest: bytes) -> tuple[Link, Code] | None:
        """Return an authorization code and its link, including used and expired codes."""

    def redeem(self, code: Code, link: Link, tokens: tuple[Token, ...], now: int) -> bool:
        """Mark the code as used and store the tokens. Return False and store nothing if the code was already used."""

    def renew(
        self, link: Link, presented: Token, expires_at: int | None, tokens: tuple[Token, ...], now: int, consume: bool
    ) -> bool:
        """Store new tokens of a link in exchange for the refresh token `presented`, which now expires at `expires_at`.

        Unused predecessors of `presented` are revoked. Used predecessors stay stored, so that their reuse is detected.
        If `consume` is true, `presented` is marked as used. Return False and store nothing if it was already used.
        """

    def end(self, link: Link, reason: str, now: int) -> None:
        """End a link, and thereby revoke all its tokens. The reason of a link that has already ended is not changed."""

    def record_use(self, link: Link, now: int) -> None:
        """Record that a token of the link was used. This may be delayed, and it may be lost if the server stops."""

    def revoked_tokens(self, now: int) -> Mapping[str, int]:
        """Return the `jti` and the expiry of each token that has not expired although its link has ended."""

    def deny_list_version(self) -> int | None:
        """Return a number that changes whenever a link is ended by any server, or None if it is unknown."""


def new_token() -> str:
    """Return a new random token for the client. It must not be logged or stored."""
    return secrets.token_urlsafe(32)


def derive_successor(token: str, key: bytes) -> str:
    """Return the refresh token that replaces `token` under rotation.

    The result is deterministic, so that a lost response can be repeated. It cannot be predicted without `key`.
    """
    mac = hmac.digest(key, b"successor\0" + token.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def digest(token: str) -> bytes:
    """Return the SHA-256 digest (32 bytes) under which a token is stored. `token` may be any str from a client."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
