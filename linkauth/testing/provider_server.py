"""Types of the fixtures that a subclass of SignInContract provides: the provider's server, and a person of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from linkauth.backends import BackendUnavailable
from linkauth.sign_ins import ProvidedIdentity, SignInProvider, SignInRequest, SignInResponse

REDIRECT_URI = "https://link.example.com/authorize/return/example"
"""The redirect URI of all tests, which the server of the provider must know as registered."""
RECOVERY_SECONDS = 20


@dataclass(frozen=True)
class Visitor:
    """A person who has an account at the provider: the permanent subject, and what the provider vouches for.

    `verified` are the names of claims that must be verified, and `email` is the address in the identity.
    """

    subject: str
    email: str = ""
    verified: frozenset[str] = frozenset()


class ProviderServer(Protocol):
    """A running provider with one person, which the tests can make unavailable and available again.

    It checks the requests that it gets as strictly as the real one: the client, its secret, the redirect URI, that a
    code is used once, and the PKCE verifier. `linkauth.testing.relay.Relay` in front of it can stop and hang.
    """

    def provider(self) -> SignInProvider:
        """Returns a new provider for this server, with timeouts of about one second.

        This method must also work while the server is unavailable.
        """

    def signs_in(self, url: str) -> Mapping[str, str]:
        """Plays the browser of the person, who opens `url`, signs in and consents.

        Returns the parameters of the answer: those of the query, or of the form, with which the browser comes back.
        """

    def cancels(self, url: str) -> Mapping[str, str]:
        """Plays the browser of the person, who opens `url` and cancels. Returns the parameters of the answer."""

    def secrets(self) -> Iterable[str]:
        """Returns the secrets that nothing may show: that of the client, and all tokens that were issued."""

    def breaks(self) -> None:
        """Makes the server unavailable: it refuses connections."""

    def hangs(self) -> None:
        """Makes the server accept connections and answer nothing."""

    def returns(self) -> None:
        """Makes the server available again, after `breaks` and `hangs`, and also if it is available."""


def new_request(language: str = "") -> SignInRequest:
    """Returns a request with a new state."""
    return SignInRequest(REDIRECT_URI, secrets.token_urlsafe(32), language)


def sign_in(
    server: ProviderServer, provider: SignInProvider, request: SignInRequest, finisher: SignInProvider | None = None
) -> ProvidedIdentity:
    """Signs the person in once. `finisher` (default: the same provider) gets the answer."""
    redirect = provider.begin(request)
    answer = SignInResponse(server.signs_in(redirect.url), request, redirect.memory)
    return (finisher or provider).finish(answer)


def wait_for_sign_in(server: ProviderServer, provider: SignInProvider, request: SignInRequest) -> ProvidedIdentity:
    """Retries a sign-in until the provider is available again.

    Raises BackendUnavailable if the provider has not recovered after RECOVERY_SECONDS.
    """
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return sign_in(server, provider, request)
        except BackendUnavailable:
            if time.monotonic() > deadline:
                raise
