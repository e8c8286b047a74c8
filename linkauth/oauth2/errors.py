"""What can go wrong. An error names a code; its text for people lives in themes, its text for clients is here.

Descriptions hold only the characters of RFC 6749 section 5.2 and echo nothing of the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

# every value in an answer is ASCII by then; a table is thirty times as fast as quote(), and a state is long
_ESCAPED = {code: quote(chr(code), safe="") for code in range(128)}
UntrustedReason = Literal["unknown_client", "missing_redirect_uri", "wrong_redirect_uri", "repeated_parameter"]


class OAuth2Error(Exception):
    """The root of everything that this package raises."""


class UntrustedRequestError(OAuth2Error):
    """The client or its redirect URI cannot be trusted: a page for the person, never a redirect.

    RFC 6749 section 4.1.2.1, RFC 9700 section 4.11. `reason` is a code that themes put into words, `log` what an
    operator needs to mend it (no state, no token).
    """

    def __init__(self, reason: UntrustedReason, log: str = "") -> None:
        super().__init__(reason)
        self.reason: UntrustedReason = reason
        self.log = log


@dataclass(frozen=True, slots=True)
class RedirectTarget:
    """Where an answer goes once the redirect URI is trusted, and how: in the query or in the fragment.

    `iss` names the issuer in the answer (RFC 9207), None leaves it out.
    """

    redirect_uri: str
    mode: Literal["query", "fragment"]
    state: str | None
    iss: str | None = None

    def location(self, parameters: dict[str, str]) -> str:
        """The URL with `parameters` and the state added; the redirect URI's own query stays as it is."""
        pairs = list(parameters.items())
        if self.state is not None:
            pairs.insert(0, ("state", self.state))
        if self.iss is not None:
            pairs.append(("iss", self.iss))
        answer = "&".join(f"{name}={value.translate(_ESCAPED)}" for name, value in pairs)
        if self.mode == "fragment":
            return f"{self.redirect_uri}#{answer}"
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{answer}"


class AuthorizationError(OAuth2Error):
    """An error that the client is told by redirect (RFC 6749 sections 4.1.2.1, 4.2.2.1); never without its target."""

    def __init__(self, error: str, description: str, target: RedirectTarget) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.target = target

    @property
    def location(self) -> str:
        return self.target.location({"error": self.error, "error_description": self.description})


class ClientRequestError(OAuth2Error):
    """An error that a client is told as JSON (RFC 6749 section 5.2)."""

    status = 400

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class InvalidClientError(ClientRequestError):
    """Client authentication failed: 401 with a challenge."""

    status = 401

    def __init__(self, description: str = "client authentication failed") -> None:
        super().__init__("invalid_client", description)


class BearerError(OAuth2Error):
    """A request for a protected resource without a good access token (RFC 6750 section 3): 401 with a challenge."""

    status = 401

    def __init__(self, error: str = "", description: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class StorageUnavailableError(OAuth2Error):
    """The store of links and tokens could not be asked: 503, and never `active: false` (Alexa would unlink people)."""
