"""The interface of a sign-in provider: another place where people sign in, by redirect (OpenID Connect, OAuth 2).

PUBLIC: plugins use it. A provider is a class in the entry-point group `linkauth.sign_ins`.
`linkauth.testing.SignInContract` tests its rules:

* It raises no other exceptions than those of this module, BackendUnavailable and BackendMisconfigured.
* No secret, code or token appears in a log, a message or a repr.
* It is thread-safe and connects lazily, so the server starts even if the provider is down.
* It keeps nothing between `begin` and `finish`: another process may call `finish`.
* It sends requests only to hosts that its settings name.

This module needs only the standard library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from linkauth.backends import Check, Identity

ResponseMode = Literal["query", "form_post"]
MEMORY_LIMIT = 2_000
"""Maximum number of characters of the names and values of `Redirect.memory`."""


class SignInFailed(Exception):
    """Base class. The message is written to the log for operators and must contain no secret, code or token."""


class SignInCancelled(SignInFailed):
    """The person has cancelled the sign-in at the provider, or has not given consent."""


class SignInRefused(SignInFailed):
    """The provider does not let the person in, or the person is not of the tenant or domain that the settings require.

    Another try of the same person has the same result."""


class InvalidAnswer(SignInFailed):
    """The answer violates the protocol: a wrong issuer, audience, nonce or signature, an expired token, a used code.

    It may be forged. Another try may succeed."""


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """A sign-in that begins.

    `redirect_uri` is where the provider sends the browser back to; it is the same for all sign-ins of a provider.
    `state` has at most 64 URL-safe characters, is unguessable, and must come back unchanged. `language` is a tag of
    BCP 47.
    """

    redirect_uri: str
    state: str = field(repr=False)
    language: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the browser is sent, and what `finish` needs to know: `memory` is kept encrypted, for one `finish`."""

    url: str = field(repr=False)
    memory: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SignInResponse:
    """The answer of the provider: the `parameters` of the query or of the posted form, each of them once.

    `request` is the one that `begin` got, and `memory` what it returned. The caller has found the request by the
    parameter `state`, which is used once.
    """

    parameters: Mapping[str, str] = field(repr=False)
    request: SignInRequest
    memory: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ProvidedIdentity:
    """A person whom the provider has authenticated.

    `identity.subject` is the permanent identifier at the provider. `identity.email` and `identity.claims` are what the
    provider says. `verified` names those of them that the provider vouches for: "email", or names of claims. A person
    of a backend is found only by a verified claim.
    """

    identity: Identity
    verified: frozenset[str] = frozenset()


class SignInProvider(ABC):
    """Base class of sign-in providers. Subclasses define `Settings`, `__init__`, `begin` and `finish`."""

    Settings: ClassVar[type]
    """A frozen dataclass that is created from `linkauth.sign_in.<name>.*`, as for credential backends."""

    brand: str = ""
    """The brand whose mark and colours the button shows, such as "google"; "" if there is none. Themes draw it."""
    brand_name: str = ""
    """The name of the provider for people, such as "Google"; "" if only the setting `label` can tell."""
    response_mode: ResponseMode = "query"
    """How the answer comes back: as a GET request, or as a form that is posted from a page of the provider."""
    refuses_embedded_browsers: bool = False
    """Whether the provider refuses the web view of an app (RFC 8252 section 8.12)."""

    @abstractmethod
    def __init__(self, settings: Any) -> None:
        """Validate the settings without connecting. Raises ValueError with a message for operators."""

    @abstractmethod
    def begin(self, request: SignInRequest) -> Redirect:
        """Return the URL of the provider's page. Raises BackendUnavailable or BackendMisconfigured."""

    @abstractmethod
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        """Return the person whom the provider has authenticated.

        Raises SignInCancelled, SignInRefused, InvalidAnswer, BackendUnavailable or BackendMisconfigured.
        """

    def may_verify(self, claim: str) -> bool:
        """Return whether the provider, with its settings, may vouch for a claim, or for "email". Must not connect.

        If it never does, a setting `match` by this claim is refused, because it would find nobody.
        """
        return True

    def hosts(self) -> tuple[str, ...]:
        """Return the hosts whose pages the browser visits, as far as the settings name them. Must not connect.

        They are for the lists of hosts that platforms require, such as the Domain List of Amazon's console.
        """
        return ()

    def registration(self, redirect_uri: str) -> Mapping[str, str]:
        """Return what must be entered at the provider, as the name of its field to the value. `doctor` prints it."""
        return {"redirect URI": redirect_uri}

    def check(self) -> Iterable[Check]:
        """Check whether the provider answers. Must not raise and must take at most a few seconds."""
        return ()

    def close(self) -> None:
        """Close all connections. The provider is not used afterwards."""
