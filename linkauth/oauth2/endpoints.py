"""The endpoints of the authorization server, as methods of one class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from linkauth.oauth2 import authorization, grants, registry
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.denylist import DenyList, SignedDenyList
from linkauth.oauth2.errors import BearerError, ClientRequestError, InvalidClientError, StorageUnavailableError
from linkauth.oauth2.excerpts import log_excerpt
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.metadata import metadata
from linkauth.oauth2.requests import AuthorizationRequest, ClientRequest
from linkauth.oauth2.tokens import Link, ResourceOwner, Token, digest

INACTIVE: Mapping[str, Any] = {"active": False}
USE_RECORDING_INTERVAL = 3600
"""Minimum time in seconds between two updates of the last use of a link."""


class AuthorizationServer:
    """The endpoints of an authorization server.

    `url` is the public URL, which is also the issuer identifier. `clock` returns seconds since 1970.
    """

    def __init__(self, url: str, clients: Clients, issuer: Issuer, clock: Callable[[], float]) -> None:
        self.url = url
        self._clients = clients
        self._issuer = issuer
        self._storage = issuer.storage
        self._clock = clock
        self._deny_list = DenyList(issuer.storage, issuer.signer)

    def parse(self, pairs: Iterable[tuple[str, str]]) -> AuthorizationRequest:
        """Parse and validate an authorization request from the decoded (name, value) pairs of a query.

        Raises UntrustedRequestError or AuthorizationError.
        """
        return authorization.parse(pairs, self._clients, self.url)

    def authorize(self, request: AuthorizationRequest, owner: ResourceOwner, locale: str) -> str:
        """Create a link between `owner` and the client, and return the redirect location of the response.

        `locale` is the language of the login page. Raises StorageUnavailableError.
        """
        authorize = registry.GRANTS[request.grant].authorize
        assert authorize
        return authorize(request, owner, locale, self._issuer, int(self._clock()))

    def token(self, request: ClientRequest) -> Mapping[str, Any]:
        """Process a token request (RFC 6749 section 3.2) and return the token response. No backend is queried.

        Raises InvalidClientError, ClientRequestError or StorageUnavailableError.
        """
        client = self._clients.authenticate(request, public=True)
        name = request.form.get("grant_type")
        if not name:
            raise ClientRequestError("invalid_request", "grant_type is missing")
        grant = registry.GRANTS.get(name)
        if grant is None or grant.exchange is None:
            problem = f"grant_type is neither {' nor '.join(registry.grant_types())}"
            raise ClientRequestError("unsupported_grant_type", problem, f"{problem}: {log_excerpt(name)}")
        if not grant.allowed_for(client):
            problem, allowed = "the client may not use this grant_type", " ".join(sorted(client.grants)) or "none"
            log = f"{problem}: {name}; the grants of the client are: {allowed}"
            raise ClientRequestError("unauthorized_client", problem, log)
        return grant.exchange(client, request.form, self._issuer, int(self._clock()))

    def introspect(self, request: ClientRequest) -> Mapping[str, Any]:
        """Return the state of an access token (RFC 7662 section 2.2).

        If the token is not active or the client may not introspect it, the response contains only `active: false`.
        Raises InvalidClientError, ClientRequestError or StorageUnavailableError.
        """
        client = self._clients.authenticate(request)
        token = request.form.get("token")
        if not token:
            raise ClientRequestError("invalid_request", "token is missing")
        active = self._find_active_token(token)
        if active is None or not client.may_introspect(active[0].client_id):
            return INACTIVE
        link, record, scopes = active
        self._record_use(link)
        response: dict[str, Any] = {
            # first, so that a claim cannot override a standard member
            **self._claims(link, ()),
            "active": True,
            "scope": " ".join(scopes),
            "client_id": link.client_id,
            "username": link.username,
            "token_type": "Bearer",
            "sub": link.sub,
            "iss": self.url,
            "aud": link.client_id,
            "iat": record.issued_at,
        }
        if record.expires_at is not None:
            response["exp"] = record.expires_at
        return response

    def revoke(self, request: ClientRequest) -> None:
        """End the link to which an access or refresh token belongs (RFC 7009).

        A request with a token that is no longer valid has no effect and is not an error (section 2.2). An authenticated
        client can revoke the tokens of its own links. A resource server can revoke the access tokens that it may
        introspect. A request without client authentication can revoke an access token, because a disabled skill may
        have no other credential. It can also revoke a refresh token of a public client.

        Raises InvalidClientError, ClientRequestError or StorageUnavailableError.
        """
        token = request.form.get("token")
        if request.authorization is None and "client_secret" not in request.form:
            client = None
        else:
            client = self._clients.authenticate(request)
        if not token:
            raise ClientRequestError("invalid_request", "token is missing")
        found = self._storage.find(digest(token), "access") or self._storage.find(digest(token), "refresh")
        if found is None:
            return
        link, record = found
        now = int(self._clock())
        if record.used_at is not None or not grants.is_active(link, record.expires_at, now):
            return
        link_client = self._clients.get(link.client_id)
        if client is None and record.kind == "refresh" and not (link_client and link_client.public):
            raise InvalidClientError
        by_resource_server = (
            client is not None
            and not client.grants
            and record.kind == "access"
            and client.may_introspect(link.client_id)
        )
        if client is None or client.client_id == link.client_id or by_resource_server:
            reason = "revoked by its client" if client else "revoked by its token"
            self._storage.end(link, reason, now)

    def userinfo(self, authorization: str | None) -> Mapping[str, Any]:
        """Return the claims of the person who owns an access token (a subset of OpenID Connect Core section 5.3).

        `authorization` is the value of the Authorization header. Raises BearerError or StorageUnavailableError.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise BearerError
        active = self._find_active_token(token.strip())
        if active is None:
            raise BearerError("invalid_token", "the access token is unknown, expired or revoked")
        link, _, scopes = active
        self._record_use(link)
        claims = self._claims(link, scopes)
        return {**claims, "sub": link.sub, "preferred_username": link.username}

    def metadata(self) -> Mapping[str, Any]:
        """Return the authorization server metadata (RFC 8414)."""
        return metadata(self.url, list(self._clients))

    def jwks(self) -> Mapping[str, Any]:
        """Return the JWK set that verifies JWT access tokens (RFC 7517)."""
        return self._issuer.signer.jwks(int(self._clock()))

    def deny_list(self) -> SignedDenyList | None:
        """Return the signed list of revoked JWT access tokens, or None if there is no signing key."""
        return self._deny_list.current(int(self._clock()))

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def claimed_client(self, request: ClientRequest) -> str:
        """Return the client_id of the registered client that a request names, before any authentication, or ""."""
        return self._clients.claimed(request)

    def _find_active_token(self, token: str) -> tuple[Link, Token, tuple[str, ...]] | None:
        """Return the link, the record and the current scopes of an access token, or None if it is not active.

        Scopes that are no longer registered for the client are omitted. A token that has lost all its scopes is not
        active.
        """
        found = self._storage.find(digest(token), "access")
        if found is None:
            return None
        link, record = found
        client = self._clients.get(link.client_id)
        if client is None or not grants.is_active(link, record.expires_at, int(self._clock())):
            return None
        scopes = grants.allowed_scopes(link.scopes if record.scopes is None else record.scopes, client)
        return None if scopes is None else (link, record, scopes)

    def _claims(self, link: Link, scopes: tuple[str, ...]) -> dict[str, Any]:
        """Return the link's claims that the client's current settings permit."""
        client = self._clients.get(link.client_id)
        return grants.permitted_claims(client, scopes, link.claims) if client else {}

    def _record_use(self, link: Link) -> None:
        """Record the use of a link at most once per USE_RECORDING_INTERVAL. A failure does not affect the response."""
        now = int(self._clock())
        if link.last_used_at is None or now - link.last_used_at >= USE_RECORDING_INTERVAL:
            try:
                self._storage.record_use(link, now)
            except StorageUnavailableError:
                return

    def check(self) -> None:
        """Check that the storage can be read. Raises StorageUnavailableError."""
        self._storage.find(bytes(32), "access")
