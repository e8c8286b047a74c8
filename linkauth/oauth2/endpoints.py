"""The authorization server: what each endpoint does, put together from the other modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from linkauth.oauth2 import authorization, grants, registry
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.denylist import DenyList, SignedDenyList
from linkauth.oauth2.errors import BearerError, ClientRequestError, InvalidClientError, StorageUnavailableError
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.metadata import metadata
from linkauth.oauth2.requests import AuthorizationRequest, ClientRequest
from linkauth.oauth2.tokens import Link, ResourceOwner, Token, digest

INACTIVE: Mapping[str, Any] = {"active": False}
USE_RECORDING_INTERVAL = 3600
"""Uses of a link are noted at most this often."""


class AuthorizationServer:
    """The endpoints over registered `clients` and an `issuer` of tokens.

    `url` is the public URL, which is the issuer's name; `clock` gives seconds since 1970.
    """

    def __init__(self, url: str, clients: Clients, issuer: Issuer, clock: Callable[[], float]) -> None:
        self.url = url
        self._clients = clients
        self._issuer = issuer
        self._store = issuer.store
        self._clock = clock
        self._deny_list = DenyList(issuer.store, issuer.signer)

    def parse(self, pairs: Iterable[tuple[str, str]]) -> AuthorizationRequest:
        """The authorization request in a query; raises UntrustedRequestError or AuthorizationError."""
        return authorization.parse(pairs, self._clients, self.url)

    def authorize(self, request: AuthorizationRequest, owner: ResourceOwner, locale: str) -> str:
        """Link `owner` and give the location to redirect to; raises StorageUnavailableError."""
        authorize = registry.GRANTS[request.grant].authorize
        assert authorize
        return authorize(request, owner, locale, self._issuer, int(self._clock()))

    def token(self, request: ClientRequest) -> Mapping[str, Any]:
        """The token endpoint (RFC 6749 section 3.2); asks no backend.

        Raises InvalidClientError, ClientRequestError or StorageUnavailableError.
        """
        client = self._clients.authenticate(request, public=True)
        name = request.form.get("grant_type")
        if not name:
            raise ClientRequestError("invalid_request", "grant_type is missing")
        grant = registry.GRANTS.get(name)
        if grant is None or grant.exchange is None:
            known = " nor ".join(registry.grant_types())
            raise ClientRequestError("unsupported_grant_type", f"grant_type is neither {known}")
        if not grant.allowed_for(client):
            raise ClientRequestError("unauthorized_client", "the client may not use this grant_type")
        return grant.exchange(client, request.form, self._issuer, int(self._clock()))

    def introspect(self, request: ClientRequest) -> Mapping[str, Any]:
        """Whose token it is (RFC 7662 section 2.2), or just `active: false` for anything but a living token.

        Raises InvalidClientError, ClientRequestError or StorageUnavailableError.
        """
        client = self._clients.authenticate(request)
        token = request.form.get("token")
        if not token:
            raise ClientRequestError("invalid_request", "token is missing")
        found = self._find_active_token(token)
        if found is None or not client.may_introspect(found[0].client_id):
            return INACTIVE
        link, kept, scopes = found
        self._record_use(link)
        answer: dict[str, Any] = {
            # first, so that none takes the place of what follows
            **self._claims(link, ()),
            "active": True,
            "scope": " ".join(scopes),
            "client_id": link.client_id,
            "username": link.username,
            "token_type": "Bearer",
            "sub": link.sub,
            "iss": self.url,
            "aud": link.client_id,
            "iat": kept.issued_at,
        }
        if kept.expires_at is not None:
            answer["exp"] = kept.expires_at
        return answer

    def revoke(self, request: ClientRequest) -> None:
        """End the link of any of its tokens (RFC 7009). A token that is unknown, expired, rotated away or of an ended
        link is no error and ends nothing (section 2.2).

        A client ends its own links. Without credentials an access token is its own proof, for a skill that was disabled
        and holds nothing else; so is the refresh token of a client that has no secret.
        """
        token = request.form.get("token")
        if request.authorization is None and "client_secret" not in request.form:
            client = None
        else:
            client = self._clients.authenticate(request)
        if not token:
            raise ClientRequestError("invalid_request", "token is missing")
        found = self._store.find(digest(token), "access") or self._store.find(digest(token), "refresh")
        if found is None:
            return
        link, kept = found
        now = int(self._clock())
        if kept.used_at is not None or not grants.is_active(link, kept.expires_at, now):
            return
        owner = self._clients.get(link.client_id)
        if client is None and kept.kind == "refresh" and not (owner and owner.public):
            raise InvalidClientError
        # a skill's backend that may ask about the token may end it, when the skill was disabled
        backend = client is not None and not client.grants and kept.kind == "access"
        if client is None or client.client_id == link.client_id or (backend and client.may_introspect(link.client_id)):
            reason = "revoked by its client" if client else "revoked by its token"
            self._store.end(link, reason, now)

    def userinfo(self, authorization: str | None) -> Mapping[str, Any]:
        """Who the bearer's person is (OpenID Connect Core section 5.3, in part); raises BearerError."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise BearerError
        found = self._find_active_token(token.strip())
        if found is None:
            raise BearerError("invalid_token", "the access token is unknown, expired or revoked")
        link, _, scopes = found
        self._record_use(link)
        claims = self._claims(link, scopes)
        return {**claims, "sub": link.sub, "preferred_username": link.username}

    def metadata(self) -> Mapping[str, Any]:
        """What this configuration can do (RFC 8414)."""
        return metadata(self.url, list(self._clients))

    def jwks(self) -> Mapping[str, Any]:
        """The public keys of JWT access tokens (RFC 7517)."""
        return self._issuer.signer.jwks(int(self._clock()))

    def deny_list(self) -> SignedDenyList | None:
        """The signed list of revoked JWT access tokens; None without a key to sign it."""
        return self._deny_list.current(int(self._clock()))

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def _find_active_token(self, token: str) -> tuple[Link, Token, tuple[str, ...]] | None:
        """A living access token, its link, and its scopes today: those that its client has lost are left out, and a
        token that had some and has none left is dead, as its link's refresh token is."""
        found = self._store.find(digest(token), "access")
        if found is None:
            return None
        link, kept = found
        client = self._clients.get(link.client_id)
        if client is None or not grants.is_active(link, kept.expires_at, int(self._clock())):
            return None
        scopes = grants.allowed_scopes(link.scopes if kept.scopes is None else kept.scopes, client)
        return None if scopes is None else (link, kept, scopes)

    def _claims(self, link: Link, scopes: tuple[str, ...]) -> dict[str, Any]:
        """What the link's client may know about the person today: its settings may say less than when they linked."""
        client = self._clients.get(link.client_id)
        return grants.permitted_claims(client, scopes, link.claims) if client else {}

    def _record_use(self, link: Link) -> None:
        """Note the use, at most once an hour, and never in the way of the answer."""
        now = int(self._clock())
        if link.last_used_at is None or now - link.last_used_at >= USE_RECORDING_INTERVAL:
            try:
                self._store.record_use(link, now)
            except StorageUnavailableError:
                return

    def check(self) -> None:
        """Raises StorageUnavailableError unless the store answers."""
        self._store.find(bytes(32), "access")
