"""Signs people in at another place: sends the browser to a sign-in provider, and reads the answer that it brings back.

In between, a pending sign-in is stored. The provider returns its value as the parameter `state`. It is used once, and
holds the whole authorization request, so that nothing of it can be changed on the way.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from linkauth.identities import shown_name
from linkauth.login.dispatch import NamedBackend
from linkauth.login.matching import Unmatched, find_person
from linkauth.login.pending import PendingSignIns, new_value
from linkauth.login.provider_calls import ALL_PLACES, ProviderCalls
from linkauth.login.providers import NamedProvider
from linkauth.login.sign_in import Person
from linkauth.login.throttle import Throttle
from linkauth.login.visit import Visit
from linkauth.logs import annotate, event
from linkauth.sign_ins import InvalidAnswer, SignInRequest, SignInResponse

log = logging.getLogger(__name__)

_OF_REQUEST = "request digest"
"""The key of the digest of the query among the claims of a pending registration."""


class SignInEnded(Exception):
    """The sign-in was completed before, or has expired. The person must begin again."""


class OtherBrowser(Exception):
    """The sign-in was begun in another browser."""


@dataclass(frozen=True, slots=True)
class ReturnedSignIn:
    """A sign-in that comes back from a provider; it may have ended. `query` is the raw query of its authorization
    request, and `browser` the digest of the cookie that it is bound to, or ""."""

    state: str = field(repr=False)
    provider: str
    query: str = field(repr=False)
    client_id: str
    language: str
    browser: str = field(repr=False)
    memory: Mapping[str, str] = field(repr=False)


class ProviderSignIn:
    """Begins and finishes sign-ins at `providers`. `public_url` is the setting. `clock` returns seconds since 1970.

    The methods raise the errors of an unavailable storage.
    """

    def __init__(
        self,
        providers: Sequence[NamedProvider],
        backends: Sequence[NamedBackend],
        throttle: Throttle,
        pending: PendingSignIns,
        public_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        places = threading.BoundedSemaphore(ALL_PLACES)
        self._providers = {named.name: ProviderCalls(named, places) for named in providers}
        self._backends = tuple(backends)
        self._throttle = throttle
        self._pending = pending
        self._public_url = public_url
        self._clock = clock

    def begin(self, name: str, visit: Visit, browser: str) -> str:
        """Returns the URL of the provider `name`, to which the browser is sent.

        `browser` is the value of the cookie of the browser, or "" if it sent none. Raises Throttled or
        ProviderUnavailable.
        """
        calls = self._providers[name]
        self._throttle.start_at_provider(visit.address)
        request = SignInRequest(calls.named.redirect_uri(self._public_url), new_value(), visit.language)
        with calls.place():
            redirect = calls.begin(request)
        data = {
            "provider": name,
            "query": visit.query,
            "client_id": visit.client_id,
            "language": visit.language,
            "browser": _digest(browser) if browser else "",
            "memory": json.dumps(dict(redirect.memory)),
        }
        self._pending.put(request.state, "provider", data, int(self._clock()))
        event(log, logging.INFO, "sign-in at a provider started", provider=name)
        return redirect.url

    def returned(self, state: str) -> ReturnedSignIn | None:
        """Returns the sign-in to which the parameter `state` belongs; None if it is unknown."""
        data = self._pending.ended(state, "provider")
        if data is None:
            event(log, logging.INFO, "sign-in at a provider refused", reason="the parameter state is unknown")
            return None
        memory = json.loads(data["memory"])
        return ReturnedSignIn(
            *(state, data["provider"], data["query"], data["client_id"], data["language"], data["browser"]), memory
        )

    def finish(
        self, name: str, returned: ReturnedSignIn, parameters: Mapping[str, str], browser: str, address: str
    ) -> Person:
        """Returns the person whom the provider `name` has authenticated by its answer, the `parameters`.

        `browser` is the value of the cookie of the browser, or "" if it sent none. Raises SignInEnded, OtherBrowser,
        SignInCancelled, SignInRefused, InvalidAnswer, Unmatched, AccountRefused, Throttled or BackendUnavailable.
        """
        # a failure does not count: any web site that the person visits can cause this request, as an image, and could
        # stop the sign-ins of that address. Nothing can be guessed here, and each call of the provider uses up a start,
        # which is counted
        with self._throttle.code_attempt(address):
            person = self._finish(name, returned, parameters, browser)
        self._throttle.finish_at_provider(address)
        return person

    def _finish(self, name: str, returned: ReturnedSignIn, parameters: Mapping[str, str], browser: str) -> Person:
        calls = self._providers.get(returned.provider)
        if calls is None or name != returned.provider:
            # RFC 9700 section 4.4: an answer of one provider must not be taken for that of another
            self._refuse(name, f"the sign-in was begun at another provider: {returned.provider}")
            raise InvalidAnswer("the answer is for another provider")
        # a sign-in that began without a cookie must not end in a browser that has one: it began elsewhere
        if not hmac.compare_digest(returned.browser, _digest(browser) if browser else ""):
            self._refuse(name, "another browser has begun the sign-in, or this one has lost its cookie")
            raise OtherBrowser
        with calls.place():
            if self._pending.take(returned.state, "provider", int(self._clock())) is None:
                self._refuse(name, "the parameter state was used before or has expired")
                raise SignInEnded
            redirect_uri = calls.named.redirect_uri(self._public_url)
            request = SignInRequest(redirect_uri, returned.state, returned.language)
            provided = calls.finish(SignInResponse(parameters, request, returned.memory))
        try:
            person = find_person(calls.named, provided, self._backends)
        except Unmatched as unmatched:
            if calls.named.settings.registration:
                unmatched.prefill = new_value()
                data = {**unmatched.claims, _OF_REQUEST: _digest(returned.query)}
                self._pending.put(unmatched.prefill, "prefill", data, int(self._clock()))
            raise
        annotate(name=shown_name(person.username))
        event(log, logging.INFO, "signed in at a provider", provider=name, backend=person.backend)
        return person

    def prefilled(self, prefill: str, query: str) -> Mapping[str, str]:
        """Returns the claims for the form of a registration, by name; none if `prefill` is not valid for the query."""
        data = self._pending.find(prefill, "prefill", int(self._clock()))
        if data is None or data[_OF_REQUEST] != _digest(query):
            return {}
        return {name: value for name, value in data.items() if name != _OF_REQUEST}

    def _refuse(self, name: str, reason: str) -> None:
        event(log, logging.WARNING, "sign-in at a provider refused", provider=name, reason=reason)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
