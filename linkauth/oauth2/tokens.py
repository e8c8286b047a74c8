"""Tokens: how they are made, what is kept of them, and what a store of links and tokens must do.

A token is 256 random bits in 43 URL-safe characters (RFC 6749 section 10.10 asks for 160). Only its SHA-256 is kept, so
that a copy of the database opens nothing.
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


class ResourceOwner(Protocol):
    """The person whose link it is (RFC 6749 section 1.1)."""

    @property
    def backend(self) -> str:
        """The name of the backend that knows the person."""

    @property
    def subject(self) -> str:
        """The backend's stable identifier of the person."""

    @property
    def username(self) -> str:
        """The name that the person signs in with, as the backend spells it."""

    @property
    def claims(self) -> Mapping[str, Any]:
        """What else is known, as JSON can hold it: `name`, `email`, `groups` and more."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a person has allowed one skill to do. Times are in seconds since 1970; `ended_at` is None while it lives.

    `claims` are the facts that the scopes and the client's settings let it know; `id` is the store's own, None until it
    is kept.
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
        """The subject for clients: unique over all backends, `<backend>:<subject>`."""
        return f"{self.backend}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. Times are in seconds since 1970; no `expires_at` means that it does not expire.

    `scopes` is None where it has all of its link's; `generation` counts the rotations of refresh tokens, `used_at` is
    when one was rotated away; `jti` names a JWT in the deny list.
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
    """What is kept of an authorization code. `redirect_uri` is None if the request left it out."""

    digest: bytes
    redirect_uri: str | None
    code_challenge: str | None
    expires_at: int
    used_at: int | None = None


@dataclass(frozen=True)
class SigningKey:
    """A private key; it signs from `signs_from` until a younger one does, and is published until `retires_at`.

    Times are in seconds since 1970; no `retires_at` while no younger key is there.
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
    """Where links and their tokens are kept.

    Every method raises StorageUnavailableError when it cannot tell; what a method wrote when it returns survives a
    power cut, and what it writes is all or nothing.
    """

    def create(self, link: Link, tokens: tuple[Token, ...] = (), code: Code | None = None) -> None:
        """Keep a new link with its tokens or its code."""

    def find(self, digest: bytes, kind: Kind) -> tuple[Link, Token] | None:
        """The token of that kind and digest, and its link; ended and expired ones too."""

    def find_code(self, digest: bytes) -> tuple[Link, Code] | None:
        """The code of that digest, and its link; used and expired ones too."""

    def redeem(self, code: Code, link: Link, tokens: tuple[Token, ...], now: int) -> bool:
        """Mark the code as used and keep the tokens; False, and nothing is kept, if it was used already."""

    def renew(
        self, link: Link, presented: Token, expires_at: int | None, tokens: tuple[Token, ...], now: int, consume: bool
    ) -> bool:
        """Keep new tokens of a link for a refresh token, which now expires at `expires_at`.

        Its unused predecessors end; used ones are remembered, so that their reuse is seen. With `consume` it is marked
        as used; False, and nothing is kept, if it was already.
        """

    def end(self, link: Link, reason: str, now: int) -> None:
        """End a link and with it all its tokens; the first reason stays."""

    def record_use(self, link: Link, now: int) -> None:
        """Note that a token of the link was used."""

    def revoked_tokens(self, now: int) -> Mapping[str, int]:
        """The `jti` of every token that has not expired although its link has ended, and when it will expire."""

    def deny_list_version(self) -> int | None:
        """A number that has changed when a link has ended since, at any server; None if that is not known."""


def new_token() -> str:
    """A new token, for the client; never to be logged or kept."""
    return secrets.token_urlsafe(32)


def derive_successor(token: str, key: bytes) -> str:
    """The refresh token that follows `token` under rotation: as random to everybody without `key`, and the same again
    when a lost answer is repeated."""
    mac = hmac.digest(key, b"successor\0" + token.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def digest(token: str) -> bytes:
    """What is kept of `token`: 32 bytes. Any str is taken, whatever a client sends as a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
