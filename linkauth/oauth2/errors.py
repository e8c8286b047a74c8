"""The exceptions of the protocol. Each has an error code.

Themes contain the texts for people; the descriptions here are for developers of clients. A description contains only
the characters that RFC 6749 section 5.2 permits, and nothing from the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

# all values of a response are ASCII; a translation table is thirty times as fast as quote(), and a state can be long
_ESCAPED = {code: quote(chr(code), safe="") for code in range(128)}
UntrustedReason = Literal["unknown_client", "missing_redirect_uri", "wrong_redirect_uri", "repeated_parameter"]


class OAuth2Error(Exception):
    """Base class of the exceptions of this package."""


class UntrustedRequestError(OAuth2Error):
    """The client or its redirect URI cannot be trusted, so the error is shown as a page and never by redirect.

    See RFC 6749 section 4.1.2.1 and RFC 9700 section 4.11. `reason` is an error code that themes translate. `log` is
    the message for operators. `parameters` are (name, value) pairs of a request that has the same error, for showing
    the page in another language. `redirect_uri` is the beginning of the redirect URI that was received, if it is the
    reason. All of them contain no state and no token.
    """

    def __init__(
        self,
        reason: UntrustedReason,
        log: str = "",
        parameters: tuple[tuple[str, str], ...] = (),
        redirect_uri: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason: UntrustedReason = reason
        self.log = log
        self.parameters = parameters
        self.redirect_uri = redirect_uri


@dataclass(frozen=True, slots=True)
class RedirectTarget:
    """The trusted redirect URI of a response, and whether the response goes into its query or its fragment.

    `iss` is the issuer identifier in the response (RFC 9207); it is omitted if None.
    """

    redirect_uri: str
    mode: Literal["query", "fragment"]
    state: str | None
    iss: str | None = None

    def location(self, parameters: dict[str, str]) -> str:
        """Return the redirect URI with `parameters`, `state` and `iss` added. Its own query is preserved."""
        pairs = list(parameters.items())
        if self.state is not None:
            pairs.insert(0, ("state", self.state))
        if self.iss is not None:
            pairs.append(("iss", self.iss))
        response = "&".join(f"{name}={value.translate(_ESCAPED)}" for name, value in pairs)
        if self.mode == "fragment":
            return f"{self.redirect_uri}#{response}"
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{response}"


class AuthorizationError(OAuth2Error):
    """An error that is returned to the client by redirect (RFC 6749 sections 4.1.2.1 and 4.2.2.1).

    `log` is the message for operators, if it says more than the description; it contains no state and no token.
    """

    def __init__(self, error: str, description: str, target: RedirectTarget, log: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.target = target
        self.log = log or description

    @property
    def location(self) -> str:
        return self.target.location({"error": self.error, "error_description": self.description})


class ClientRequestError(OAuth2Error):
    """An error that is returned to the client as JSON (RFC 6749 section 5.2).

    `log` is the message for operators, if it says more than the description. It contains no token and no secret.
    """

    status = 400

    def __init__(self, error: str, description: str, log: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.log = log or description


class InvalidClientError(ClientRequestError):
    """Client authentication failed. The response has status 401 and a challenge."""

    status = 401

    def __init__(self, log: str = "") -> None:
        super().__init__("invalid_client", "client authentication failed", log)


class BearerError(OAuth2Error):
    """The access token of a request is missing or invalid. The response has status 401 and a challenge (RFC 6750).

    `error` is empty if the request had no token.
    """

    status = 401

    def __init__(self, error: str = "", description: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class StorageUnavailableError(OAuth2Error):
    """The storage of links and tokens cannot be read or written. The response has status 503.

    Introspection must not respond with `active: false` in this case: Alexa would unlink the person.
    """
