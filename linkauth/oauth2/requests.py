"""What the endpoints are asked: values that passed the checks of `authorization`, or that no one has checked yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkauth.oauth2.errors import AuthorizationError, RedirectTarget

if TYPE_CHECKING:
    from linkauth.oauth2.clients import Client


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """An authorization request that passed every check (RFC 6749 section 4.1.1), for the grant of that name.

    `scopes` is what will be granted, `scope_as_requested` whether the request said just that; `code_challenge` is the
    S256 challenge or None; `target` is where the answer goes; `parameters` ask for the same once more.
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
        """The answer to a person who pressed Cancel."""
        return AuthorizationError("access_denied", "the person declined", self.target)


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A client's request to an endpoint: the body's fields, the value of its Authorization header, its IP address."""

    form: Mapping[str, str]
    authorization: str | None = None
    address: str = ""
