"""The grants. To add one, write its functions in `grants` and its record here: the authorization endpoint, the token
endpoint, the metadata and the words that the settings of a client take derive from the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from linkauth.oauth2 import grants
from linkauth.oauth2.clients import Client
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.oauth2.tokens import ResourceOwner

Authorize = Callable[[AuthorizationRequest, ResourceOwner, str, Issuer, int], str]
"""(request, person, language, issuer, seconds since 1970) to the location to redirect to."""
Exchange = Callable[[Client, Mapping[str, str], Issuer, int], dict[str, Any]]
"""(client, form, issuer, seconds since 1970) to the token response."""


@dataclass(frozen=True)
class Grant:
    """A grant (RFC 6749 section 1.3). `name` is its word in the settings, and its `grant_type` if it has `exchange`.

    With `authorize` it has a `response_type`, whose response goes into the query or the fragment; `pkce` says that the
    request may carry a code challenge. `granted_with` names the grant that it comes with, for one that no client has
    by itself.
    """

    name: str
    response_type: str = ""
    response_mode: Literal["query", "fragment"] = "query"
    pkce: bool = False
    authorize: Authorize | None = None
    exchange: Exchange | None = None
    granted_with: str = ""

    def allowed_for(self, client: Client) -> bool:
        return (self.granted_with or self.name) in client.grants


GRANTS: dict[str, Grant] = {
    grant.name: grant
    for grant in (
        Grant("authorization_code", "code", pkce=True, authorize=grants.authorize_code, exchange=grants.exchange_code),
        Grant("implicit", "token", "fragment", authorize=grants.authorize_implicit),
        Grant("refresh_token", exchange=grants.exchange_refresh_token, granted_with="authorization_code"),
    )
}


def by_response_type(response_type: str) -> Grant | None:
    return next((grant for grant in GRANTS.values() if grant.authorize and grant.response_type == response_type), None)


def response_types() -> list[str]:
    return [grant.response_type for grant in GRANTS.values() if grant.authorize]


def grant_types() -> list[str]:
    """The values of `grant_type` that the token endpoint takes."""
    return [grant.name for grant in GRANTS.values() if grant.exchange]


def configurable_grants() -> list[str]:
    """The grants that the settings of a client may name."""
    return [grant.name for grant in GRANTS.values() if not grant.granted_with]
