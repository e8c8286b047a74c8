"""Who may ask: clients, and how they prove who they are."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Protocol
from urllib.parse import unquote_plus

from linkauth.oauth2.errors import ClientRequestError, InvalidClientError
from linkauth.oauth2.requests import ClientRequest

CREDENTIALS_LIMIT = 16_384
"""Characters of the credentials in an Authorization header that are read."""


@dataclass(frozen=True)
class Client:
    """A registered client (RFC 6749 section 2).

    `grants` names what it may do ("implicit", "authorization_code"); `redirect_uris` are compared character by
    character; `secret_sha256` is the digest of its secret, which is random, so that no slow hash is needed; without one
    the client is public. A client with a secret and no grants is a resource server: it introspects the tokens of every
    client, or of those that `introspects` names by client_id. `claims` names the facts about its people that it is
    told whatever the scopes.

    Lifetimes are in seconds, None for no expiry: of access tokens by implicit grant and by code, of a refresh token
    since the link (`refresh_lifetime`) and since its last use (`refresh_idle`). `refresh` says what becomes of a
    refresh token that was used: "stable" keeps it, "overlap" ends it once its successor was used, "rotate" ends it at
    once, but for `refresh_grace` seconds in which a lost answer is repeated.
    """

    client_id: str
    grants: frozenset[str] = frozenset()
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    secret_sha256: bytes | None = field(default=None, repr=False)
    require_state: bool = False
    implicit_lifetime: int | None = None
    code_lifetime: int | None = 3600
    refresh: Literal["stable", "overlap", "rotate"] = "stable"
    refresh_lifetime: int | None = None
    refresh_idle: int | None = None
    refresh_grace: int = 60
    pkce_required: bool = False
    pkce_methods: frozenset[str] = frozenset({"S256"})
    token_format: Literal["opaque", "jwt"] = "opaque"
    sends_iss: bool = False
    introspects: frozenset[str] = frozenset()
    claims: tuple[str, ...] = ()

    @property
    def public(self) -> bool:
        return self.secret_sha256 is None

    def may_introspect(self, client_id: str) -> bool:
        """May this client be told about tokens of that one?"""
        if self.grants:
            return client_id == self.client_id or client_id in self.introspects
        return not self.introspects or client_id in self.introspects


class Attempt(Protocol):
    """One attempt to authenticate with a secret. The caller reports the result by `failed()` or `succeeded()`."""

    def failed(self) -> None: ...

    def succeeded(self) -> None: ...


class _Uncounted:
    def failed(self) -> None:
        pass

    def succeeded(self) -> None:
        pass


Throttle = Callable[[str, str], AbstractContextManager[Attempt]]
"""(client_id, IP address) to a context in which a secret is tried; entering it may raise."""


class Clients:
    """The registered clients by client_id."""

    def __init__(self, clients: Iterable[Client], throttle: Throttle | None = None) -> None:
        self._clients: Mapping[str, Client] = {client.client_id: client for client in clients}
        self._throttle = throttle or (lambda _client_id, _address: nullcontext(_Uncounted()))

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())

    def get(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def find_by_secret(self, text: str) -> Client | None:
        """The client whose secret `text` is, if it is one."""
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        return next((client for client in self if client.secret_sha256 == digest), None)

    def authenticate(self, request: ClientRequest, public: bool = False) -> Client:
        """The client that `Authorization: Basic` or the body's client_id and client_secret prove (RFC 6749 2.3.1).

        With `public` a client without a secret needs only its client_id. Raises InvalidClientError (401), or
        ClientRequestError (400) if both ways are used for different clients or with a secret in both.
        """
        body_id, body_secret = request.form.get("client_id"), request.form.get("client_secret")
        if request.authorization is None:
            known = self._clients.get(body_id or "")
            if public and known and known.public and known.grants and body_secret is None:
                return known
            if body_id is None or body_secret is None:
                raise InvalidClientError
            return self._prove([(body_id, body_secret)], request.address)
        candidates = _basic(request.authorization)
        if body_secret is not None:
            raise ClientRequestError("invalid_request", "client credentials in the header and in the body")
        client = self._prove(candidates, request.address)
        if body_id is not None and body_id != client.client_id:
            raise ClientRequestError("invalid_request", "client_id differs from the authenticated client")
        return client

    def _prove(self, candidates: list[tuple[str, str]], address: str) -> Client:
        # one key for every spelling of a client_id that form-decoding gives
        named = (client_id for client_id, _ in candidates if client_id in self._clients)
        with self._throttle(next(named, candidates[0][0]), address) as attempt:
            if proven := self._proven(candidates):
                attempt.succeeded()
                return proven
            attempt.failed()
        raise InvalidClientError

    def _proven(self, candidates: list[tuple[str, str]]) -> Client | None:
        proven = None
        for client_id, secret in candidates:
            client = self._clients.get(client_id)
            expected = client.secret_sha256 if client and client.secret_sha256 else bytes(32)
            same = hmac.compare_digest(sha256(secret.encode("utf-8", "surrogatepass")).digest(), expected)
            if client and client.secret_sha256 and same:
                proven = client
        return proven


def _basic(authorization: str) -> list[tuple[str, str]]:
    """(id, secret) as a Basic header may mean it: as they are, and form-decoded; real clients send either."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > CREDENTIALS_LIMIT:
        raise InvalidClientError
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise InvalidClientError from None
    if not colon:
        raise InvalidClientError
    decoded = unquote_plus(client_id), unquote_plus(secret)
    return [(client_id, secret)] if decoded == (client_id, secret) else [(client_id, secret), decoded]
