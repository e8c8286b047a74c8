"""Sign-in providers with one defect each, made from the provider of the template."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from linkauth.backends import BackendUnavailable, Check
from linkauth.sign_ins import (
    InvalidAnswer,
    ProvidedIdentity,
    Redirect,
    SignInCancelled,
    SignInRefused,
    SignInRequest,
    SignInResponse,
)
from linkauth.testing.provider_server import REDIRECT_URI
from tests.unit.sign_ins.template_plugin import PLUGIN

log = logging.getLogger(__name__)

Correct: Any = PLUGIN.KitExampleProvider
"""The provider of the template, whose contract tests run where the template is tested."""


class OtherState(Correct):
    def begin(self, request: SignInRequest) -> Redirect:
        redirect: Redirect = super().begin(replace(request, state=f"{request.state}-"))
        return redirect


class OtherRedirectURI(Correct):
    def begin(self, request: SignInRequest) -> Redirect:
        redirect: Redirect = super().begin(replace(request, redirect_uri="https://link.example.com/"))
        return redirect


class Changed(Correct):
    """Changes the redirect of `begin`."""

    def change(self, redirect: Redirect) -> Redirect:
        raise NotImplementedError

    def begin(self, request: SignInRequest) -> Redirect:
        return self.change(super().begin(request))


class Fragment(Changed):
    def change(self, redirect: Redirect) -> Redirect:
        return replace(redirect, url=f"{redirect.url}#top")


class PlainHTTP(Changed):
    def change(self, redirect: Redirect) -> Redirect:
        return replace(redirect, url=redirect.url.replace("127.0.0.1", "accounts.example.com"))


class HugeMemory(Changed):
    def change(self, redirect: Redirect) -> Redirect:
        return replace(redirect, memory={**redirect.memory, "more": "x" * 2_000})


class NumberInMemory(Changed):
    def change(self, redirect: Redirect) -> Redirect:
        return replace(redirect, memory={**redirect.memory, "time": 7})


class SameMemory(Changed):
    """Binds no answer to its sign-in."""

    def change(self, redirect: Redirect) -> Redirect:
        return replace(redirect, memory={"verifier": "the same verifier for everybody, of 43 letters"})


class KeepsVerifiers(Correct):
    """Keeps the verifiers in the process."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._verifiers: dict[str, Mapping[str, str]] = {}

    def begin(self, request: SignInRequest) -> Redirect:
        redirect: Redirect = super().begin(request)
        self._verifiers[request.state] = redirect.memory
        return redirect

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        memory = self._verifiers.get(response.request.state, response.memory)
        found: ProvidedIdentity = super().finish(replace(response, memory=memory))
        return found


class OnlyKeptVerifiers(KeepsVerifiers):
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        if response.request.state not in self._verifiers:
            raise InvalidAnswer("unknown state")
        return super().finish(response)


class IgnoresState(Correct):
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        parameters = {**response.parameters, "state": response.request.state}
        found: ProvidedIdentity = super().finish(replace(response, parameters=parameters))
        return found


class AcceptsTwice(Correct):
    """Remembers who has used a code."""

    found: ProvidedIdentity | None = None

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        self.found = self.found or super().finish(response)
        assert self.found
        return self.found


class Crashes(Correct):
    """Does not check the code before it encodes it."""

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        response.parameters.get("code", "").encode("ascii")
        found: ProvidedIdentity = super().finish(response)
        return found


class IgnoresError(Correct):
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        parameters = dict(response.parameters)
        if "code" in parameters:
            parameters.pop("error", None)
        found: ProvidedIdentity = super().finish(replace(response, parameters=parameters))
        return found


class Translated(Correct):
    """Raises other exceptions than the provider of the template."""

    def translate(self, error: Exception, response: SignInResponse) -> Exception:
        raise NotImplementedError

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        try:
            found: ProvidedIdentity = super().finish(response)
        except Exception as error:
            raise self.translate(error, response) from None
        return found


class CancelledIsRefused(Translated):
    def translate(self, error: Exception, response: SignInResponse) -> Exception:
        return SignInRefused() if isinstance(error, SignInCancelled) else error


class DownIsInvalid(Translated):
    def translate(self, error: Exception, response: SignInResponse) -> Exception:
        return InvalidAnswer("no answer") if isinstance(error, BackendUnavailable) else error


class MessageWithCode(Translated):
    def translate(self, error: Exception, response: SignInResponse) -> Exception:
        return InvalidAnswer(f"not this code: {response.parameters.get('code')}")


class LogsVerifier(Correct):
    def begin(self, request: SignInRequest) -> Redirect:
        redirect: Redirect = super().begin(request)
        log.debug("the verifier is %s", redirect.memory["verifier"])
        return redirect


class ShowsSecret(Correct):
    def __repr__(self) -> str:
        return f"provider with {self._settings.client_secret}"


class OneAtATime(Correct):
    """Keeps the current answer in the instance, where another thread replaces it."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._entered = 0
        self._changed = threading.Condition()

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        self._current = response
        with self._changed:
            self._entered += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._entered > 1, timeout=10)
        found: ProvidedIdentity = super().finish(self._current)
        return found


class OtherPerson(Correct):
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        found: ProvidedIdentity = super().finish(response)
        return replace(found, identity=replace(found.identity, subject=found.identity.email))


class VerifiesNothing(Correct):
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        found: ProvidedIdentity = super().finish(response)
        return ProvidedIdentity(found.identity)


class DeniesToVerify(Correct):
    def may_verify(self, claim: str) -> bool:
        return False


class VerifiesMissingClaim(Correct):
    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        found: ProvidedIdentity = super().finish(response)
        return replace(found, verified=found.verified | {"upn"})


class ConnectsAtOnce(Correct):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._send_code("code", REDIRECT_URI, "verifier", PLUGIN.Deadline(3))


class NeverRecovers(Correct):
    is_down = False

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        if self.is_down:
            raise BackendUnavailable("it was down before")
        try:
            found: ProvidedIdentity = super().finish(response)
        except BackendUnavailable:
            self.is_down = True
            raise
        return found


class WithoutChecks(Correct):
    def check(self) -> Iterable[Check]:
        return ()


class CheckAlwaysOk(Correct):
    def check(self) -> Iterable[Check]:
        return [Check("token_url", True)]


class CheckWithoutDetail(Correct):
    def check(self) -> Iterable[Check]:
        return [replace(each, detail="") for each in super().check()]


class RaisingCheck(Correct):
    def check(self) -> Iterator[Check]:
        found = list(super().check())
        if not all(each.ok for each in found):
            raise BackendUnavailable("down")
        yield from found


class WithoutHosts(Correct):
    def hosts(self) -> tuple[str, ...]:
        return ()


class HostIsURL(Correct):
    def hosts(self) -> tuple[str, ...]:
        return (*super().hosts(), "https://accounts.example.com/")


class RegistersNothing(Correct):
    def registration(self, redirect_uri: str) -> Mapping[str, str]:
        return {}
