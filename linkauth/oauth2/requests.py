"""Requests to the endpoints: validated authorization requests, and client requests that are not validated yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkauth.oauth2.errors import AuthorizationError, RedirectTarget

if TYPE_CHECKING:
    from linkauth.oauth2.clients import Client


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated authorization request (RFC 6749 section 4.1.1).

    * `grant`: the name of the grant.
    * `scopes`: the scopes that will be granted.
    * `scope_as_requested`: whether they equal the `scope` parameter; if not, the response must state the scope.
    * `target`: the redirect target of the response.
    * `redirect_uri_sent`: whether the request contained a redirect_uri.
    * `code_challenge`: the S256 challenge, or None.
    * `parameters`: the (name, value) pairs that repeat this request.
    """

    client: Client
    grant: str
    scopes: tuple[str, ...]
    scope_as_requested: bool
    target: RedirectTarget
    redirect_uri_sent: bool = True
    code_challenge: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    def access_denied(self) -> AuthorizationError:
        """Return the error for a person who declined the request."""
        return AuthorizationError("access_denied", "the person declined", self.target)


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A client's request to an endpoint: the form body, the Authorization header, and the IP address of the client."""

    form: Mapping[str, str]
    authorization: str | None = None
    address: str = ""
