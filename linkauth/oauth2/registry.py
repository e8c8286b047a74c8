"""The registry of grants.

To add a grant, write its functions in `grants` and add its record to GRANTS. The authorization endpoint, the token
endpoint, the metadata and the permitted values of a client's `grants` setting are derived from the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from linkauth.oauth2 import grants, refresh
from linkauth.oauth2.clients import Client
from linkauth.oauth2.grants import Issuer
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.oauth2.tokens import ResourceOwner

Authorize = Callable[[AuthorizationRequest, ResourceOwner, str, Issuer, int], str]
"""Maps (request, person, language, issuer, seconds since 1970) to the redirect location."""
Exchange = Callable[[Client, Mapping[str, str], Issuer, int], dict[str, Any]]
"""Maps (client, form, issuer, seconds since 1970) to the token response."""


@dataclass(frozen=True)
class Grant:
    """A grant (RFC 6749 section 1.3).

    * `name`: the value in the settings, and the `grant_type` at the token endpoint.
    * `response_type` and `response_mode`: the response type at the authorization endpoint, and whether its response
      goes into the query or the fragment.
    * `pkce`: whether the authorization request may contain a code challenge.
    * `authorize`: the function for the authorization endpoint, or None.
    * `exchange`: the function for the token endpoint, or None.
    * `granted_with`: the name of the grant that includes this one, if it cannot be configured by itself.
    """

    name: str
    response_type: str = ""
    response_mode: Literal["query", "fragment"] = "query"
    pkce: bool = False
    authorize: Authorize | None = None
    exchange: Exchange | None = None
    granted_with: str = ""

    def allowed_for(self, client: Client) -> bool:
        """Report whether the client may use this grant."""
        return (self.granted_with or self.name) in client.grants


GRANTS: dict[str, Grant] = {
    grant.name: grant
    for grant in (
        Grant("authorization_code", "code", pkce=True, authorize=grants.authorize_code, exchange=grants.exchange_code),
        Grant("implicit", "token", "fragment", authorize=grants.authorize_implicit),
        Grant("refresh_token", exchange=refresh.exchange_refresh_token, granted_with="authorization_code"),
    )
}


def by_response_type(response_type: str) -> Grant | None:
    """Return the grant with this response type, or None."""
    return next((grant for grant in GRANTS.values() if grant.authorize and grant.response_type == response_type), None)


def response_types() -> list[str]:
    """Return the values of `response_type` that the authorization endpoint accepts."""
    return [grant.response_type for grant in GRANTS.values() if grant.authorize]


def grant_types() -> list[str]:
    """Return the values of `grant_type` that the token endpoint accepts."""
    return [grant.name for grant in GRANTS.values() if grant.exchange]


def configurable_grants() -> list[str]:
    """Return the names of the grants that can be configured for a client."""
    return [grant.name for grant in GRANTS.values() if not grant.granted_with]
