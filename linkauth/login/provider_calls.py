"""Calls one sign-in provider and enforces its contract: the result is valid, or an exception of the contract."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Identity
from linkauth.login.dispatch import is_usable, is_valid_text
from linkauth.login.providers import NamedProvider
from linkauth.logs import event
from linkauth.redaction import redact
from linkauth.sign_ins import (
    MEMORY_LIMIT,
    InvalidAnswer,
    ProvidedIdentity,
    Redirect,
    SignInCancelled,
    SignInFailed,
    SignInRefused,
    SignInRequest,
    SignInResponse,
)

log = logging.getLogger(__name__)

PLACES = 16
"""How many sign-ins of a process may wait for one provider at a time, which is half of the threads for sign-ins. A slow
provider then does not stop the sign-ins with a password."""
ALL_PLACES = 24
"""How many sign-ins of a process may wait for all providers together: several may be slow at the same time."""
PLACE_SECONDS = 1.0
"""How long a sign-in waits for a place."""
URL_LIMIT = 16_384
Result = TypeVar("Result")


class ProviderUnavailable(BackendUnavailable):
    """The provider is down or too slow, its response is invalid, or its settings are wrong."""


class ProviderCalls:
    """Calls one provider, and limits how many sign-ins of this process wait for it.

    `all_places` are the places of all providers.
    """

    def __init__(self, named: NamedProvider, all_places: threading.Semaphore) -> None:
        self.named = named
        self._places, self._all_places = threading.BoundedSemaphore(PLACES), all_places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Context of a sign-in that waits for the provider. Raises ProviderUnavailable on entry."""
        if not self._places.acquire(timeout=PLACE_SECONDS):
            raise self._no_place("too many sign-ins wait for the provider, which is slow")
        try:
            if not self._all_places.acquire(timeout=PLACE_SECONDS):
                raise self._no_place("too many sign-ins wait for this and other providers, which are slow")
            try:
                yield
            finally:
                self._all_places.release()
        finally:
            self._places.release()

    def _no_place(self, reason: str) -> ProviderUnavailable:
        self._log(logging.WARNING, reason)
        return ProviderUnavailable(reason, retry_after=5)

    def begin(self, request: SignInRequest) -> Redirect:
        """Returns where to send the browser. Raises ProviderUnavailable."""
        redirect = self._call(lambda: self.named.provider.begin(request))
        if not _is_redirect(redirect):
            raise self._violation("begin returned no Redirect to an http(s) URL, or too much memory")
        return redirect

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        """Returns the person. Raises SignInCancelled, SignInRefused, InvalidAnswer or ProviderUnavailable."""
        provided = self._call(lambda: self.named.provider.finish(response))
        if not _is_provided(provided):
            raise self._violation("finish returned no ProvidedIdentity, or one whose fields have other types")
        identity = provided.identity
        if identity.username == "":
            # some providers know people only by their identifier
            identity = replace(identity, username=identity.subject)
        if not is_usable(identity):
            raise self._violation("finish returned no subject and name of 1 to 255 characters")
        return replace(provided, identity=identity)

    def _call(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except (SignInCancelled, SignInRefused, InvalidAnswer) as error:
            level = logging.WARNING if isinstance(error, InvalidAnswer) else logging.INFO
            self._log(level, f"{type(error).__name__}: {redact(error)}")
            raise
        except BackendUnavailable as error:
            level = logging.ERROR if isinstance(error, BackendMisconfigured) else logging.WARNING
            self._log(level, f"{type(error).__name__}: {redact(error)}")
            raise ProviderUnavailable(f"provider {self.named.name} failed", error.retry_after) from None
        except SignInFailed as error:
            raise self._violation(f"it raised {type(error).__name__}") from None
        except BaseException as error:
            # BaseException, because SystemExit would end the server thread without a response. The message may contain
            # a code or a token, so only the stack is logged
            stack = "".join(traceback.format_tb(error.__traceback__))
            raise self._violation(f"it raised {type(error).__name__}\n{stack}") from None

    def _violation(self, problem: str) -> ProviderUnavailable:
        log.error("sign-in provider %s violated its contract: %s", self.named.name, problem)
        return ProviderUnavailable(f"provider {self.named.name} failed")

    def _log(self, level: int, reason: str) -> None:
        event(log, level, "sign-in at a provider failed", provider=self.named.name, reason=reason)


def _is_provided(provided: object) -> bool:
    if not isinstance(provided, ProvidedIdentity) or not isinstance(provided.identity, Identity):
        return False
    identity = provided.identity
    # a text would contain each of its parts
    are_collections = isinstance(identity.claims, Mapping) and isinstance(provided.verified, Set)
    return are_collections and all(isinstance(text, str) for text in (identity.name, identity.email))


def _is_redirect(redirect: object) -> bool:
    if not isinstance(redirect, Redirect) or not is_valid_text(redirect.url, URL_LIMIT):
        return False
    # an encoded URL (RFC 3986): anything else could change the header or be read differently by browsers
    url = redirect.url
    is_url = url.startswith(("https://", "http://")) and url.isascii() and url.isprintable() and " " not in url
    texts = [text for pair in redirect.memory.items() for text in pair]
    return is_url and all(isinstance(text, str) for text in texts) and sum(map(len, texts)) <= MEMORY_LIMIT
