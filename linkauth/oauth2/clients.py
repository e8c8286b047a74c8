"""The registered clients and their authentication (RFC 6749 section 2)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Protocol
from urllib.parse import unquote_plus

from linkauth.oauth2.errors import ClientRequestError, InvalidClientError
from linkauth.oauth2.excerpts import log_excerpt
from linkauth.oauth2.requests import ClientRequest

CREDENTIALS_LIMIT = 16_384
"""Maximum length of the credentials in an Authorization header, in characters."""
_NOT_BASIC = "the Authorization header is not Basic with client_id:client_secret"


@dataclass(frozen=True)
class Client:
    """A registered client (RFC 6749 section 2).

    * `grants`: the grants that the client may use ("implicit", "authorization_code").
    * `redirect_uris`: the registered URIs, which are compared character by character.
    * `secret_sha256`: the SHA-256 of the client secret. The secret is random, so it needs no slow hash. A client
      without a secret is public.
    * `introspects`: client_ids of the clients whose tokens this client may introspect. A client with a secret and no
      grants is a resource server; if `introspects` is empty, it may introspect the tokens of all clients.
    * `claims`: names of the claims about the person that the client receives independently of the scopes.
    * `implicit_lifetime` and `code_lifetime`: lifetime in seconds of access tokens from the implicit grant and from the
      code grant. None: the tokens do not expire.
    * `refresh_lifetime` and `refresh_idle`: lifetime in seconds of a refresh token, counted from the link and from its
      last use. None: no limit.
    * `refresh`: the rotation policy. "stable" never rotates the refresh token. "overlap" revokes a token as soon as its
      successor is used. "rotate" revokes a token as soon as it is used; for `refresh_grace` seconds a repeated request
      returns the same successor, in case the first response was lost.
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
        """Report whether this client may introspect tokens that were issued to the client `client_id`."""
        if self.grants:
            return client_id == self.client_id or client_id in self.introspects
        return not self.introspects or client_id in self.introspects


class Attempt(Protocol):
    """An attempt to authenticate with a secret. The caller reports the result with `failed()` or `succeeded()`."""

    def failed(self) -> None: ...

    def succeeded(self) -> None: ...


class _UnthrottledAttempt:
    def failed(self) -> None:
        pass

    def succeeded(self) -> None:
        pass


Throttle = Callable[[str, str], AbstractContextManager[Attempt]]
"""Maps (client_id, IP address) to a context manager for one attempt. It raises if there were too many failures."""


class Clients:
    """The registered clients, by client_id."""

    def __init__(self, clients: Iterable[Client], throttle: Throttle | None = None) -> None:
        self._clients: Mapping[str, Client] = {client.client_id: client for client in clients}
        self._throttle = throttle or (lambda _client_id, _address: nullcontext(_UnthrottledAttempt()))

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())

    def get(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def _find_by_secret(self, text: str) -> Client | None:
        """Return the client that has `text` as its secret, or None."""
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        return next((client for client in self if client.secret_sha256 == digest), None)

    def unknown_client(self, client_id: str) -> str:
        """Return what is wrong with a client_id that is not registered, for operators."""
        client_ids = ", ".join(client.client_id for client in self if client.grants)
        if not client_id:
            return f"client_id is missing or empty, and must be one of {client_ids}: enter Your Client ID"
        # developers sometimes paste the secret into the client ID field of a console; it must not be logged
        owner = self._find_by_secret(client_id)
        excerpt = f"the secret of {owner.client_id}" if owner else log_excerpt(client_id)
        return f"client_id {excerpt} is not one of {client_ids}: correct Your Client ID"

    def claimed(self, request: ClientRequest) -> str:
        """Return the client_id of the registered client that a request names, before any authentication, or ""."""
        names = [request.form.get("client_id", "")]
        if request.authorization is not None:
            with suppress(InvalidClientError):
                names += [client_id for client_id, _ in _basic_credentials(request.authorization)]
        return next((name for name in names if name in self._clients), "")

    def authenticate(self, request: ClientRequest, public: bool = False) -> Client:
        """Authenticate a client with `Authorization: Basic` or with client_id and client_secret in the body.

        See RFC 6749 section 2.3.1. If `public` is true, a public client needs only its client_id.

        Raises InvalidClientError (401) if authentication fails. Raises ClientRequestError (400) if the request has
        a secret in the header and in the body, or if the header and the body name different clients.
        """
        body_id, body_secret = request.form.get("client_id"), request.form.get("client_secret")
        if request.authorization is None:
            candidate = self._clients.get(body_id or "")
            if public and candidate and candidate.public and candidate.grants and body_secret is None:
                return candidate
            if body_id is None or body_secret is None:
                if body_id is not None and candidate is None:
                    raise InvalidClientError(self.unknown_client(body_id))
                missing = "client_id" if body_id is None else "client_secret"
                raise InvalidClientError(f"the request has no {missing}, and no Authorization header")
            return self._authenticate_by_secret([(body_id, body_secret)], request.address)
        candidates = _basic_credentials(request.authorization)
        if body_secret is not None:
            raise ClientRequestError("invalid_request", "client credentials in the header and in the body")
        client = self._authenticate_by_secret(candidates, request.address)
        if body_id is not None and body_id != client.client_id:
            raise ClientRequestError("invalid_request", "client_id differs from the authenticated client")
        return client

    def _authenticate_by_secret(self, candidates: list[tuple[str, str]], address: str) -> Client:
        """Try the (client_id, secret) candidates as one attempt. Raises InvalidClientError."""
        # the throttle counts both spellings of a client_id (raw and form-decoded) under the registered one
        registered = (client_id for client_id, _ in candidates if client_id in self._clients)
        with self._throttle(next(registered, candidates[0][0]), address) as attempt:
            if client := self._match_secret(candidates):
                attempt.succeeded()
                return client
            attempt.failed()
        known = next((self._clients[client_id] for client_id, _ in candidates if client_id in self._clients), None)
        if known is None:
            raise InvalidClientError(self.unknown_client(candidates[0][0]))
        if known.public:
            raise InvalidClientError(
                "the client is public, so it has no secret: leave Your Secret empty, or set secret"
            )
        raise InvalidClientError("the client secret is wrong: Your Secret must be the client's secret in the ini file")

    def _match_secret(self, candidates: list[tuple[str, str]]) -> Client | None:
        """Return the client whose secret is correct, or None. The time does not depend on the secrets."""
        match = None
        for client_id, secret in candidates:
            client = self._clients.get(client_id)
            expected = client.secret_sha256 if client and client.secret_sha256 else bytes(32)
            equal = hmac.compare_digest(sha256(secret.encode("utf-8", "surrogatepass")).digest(), expected)
            if client and client.secret_sha256 and equal:
                match = client
        return match


def _basic_credentials(authorization: str) -> list[tuple[str, str]]:
    """Return the possible (client_id, secret) pairs of a Basic header: the raw pair and the form-decoded pair.

    RFC 6749 section 2.3.1 requires form-encoding, but many clients omit it. Raises InvalidClientError.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > CREDENTIALS_LIMIT:
        raise InvalidClientError(_NOT_BASIC)
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise InvalidClientError(_NOT_BASIC) from None
    if not colon:
        raise InvalidClientError(_NOT_BASIC)
    decoded = unquote_plus(client_id), unquote_plus(secret)
    return [(client_id, secret)] if decoded == (client_id, secret) else [(client_id, secret), decoded]
