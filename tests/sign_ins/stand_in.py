"""A sign-in provider without HTTP of its own: its answers say what `finish` returns or raises."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Identity
from linkauth.sign_ins import (
    InvalidAnswer,
    ProvidedIdentity,
    Redirect,
    SignInCancelled,
    SignInProvider,
    SignInRefused,
    SignInRequest,
    SignInResponse,
)

ENTRY_POINTS = """
[linkauth.sign_ins]
stand-in = tests.sign_ins.stand_in:StandIn
"""
CANARY = "c4n4ry-code-7f3a"
"""Occurs in each code, which no log may contain."""
FAILURES: dict[str, Callable[[], BaseException]] = {
    "cancelled": lambda: SignInCancelled("the person has cancelled"),
    "refused": lambda: SignInRefused("the person is of another tenant"),
    "invalid": lambda: InvalidAnswer("the ID token has expired"),
    "down": lambda: BackendUnavailable("no answer", retry_after=17),
    "misconfigured": lambda: BackendMisconfigured("invalid_client: correct client_secret"),
    "bug": lambda: KeyError(CANARY),
    "exit": lambda: SystemExit(CANARY),
}


@dataclass(frozen=True)
class StandInSettings:
    """`url` is the page of the provider."""

    url: str = "https://login.example.net/authorize"
    mode: Literal["query", "form_post"] = "query"
    begin: str = ""
    secret: str = field(default="", repr=False)


class StandIn(SignInProvider):
    """`waiting` and `released` let a test stop `finish` with the code `slow`. `responses` are those of `finish`."""

    Settings: ClassVar[type] = StandInSettings
    brand_name = "Stand-in"

    def __init__(self, settings: StandInSettings) -> None:
        self._settings = settings
        self.response_mode = settings.mode
        self.waiting, self.released = threading.Semaphore(0), threading.Event()
        self.responses: list[SignInResponse] = []

    def begin(self, request: SignInRequest) -> Redirect:
        if self._settings.begin in FAILURES:
            raise FAILURES[self._settings.begin]()
        nonce = token_hex(8)
        parameters = {"state": request.state, "redirect_uri": request.redirect_uri, "nonce": nonce}
        return Redirect(f"{self._settings.url}?{urlencode(parameters)}", {"nonce": nonce, "verifier": "東京"})

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        self.responses.append(response)
        nonce, _, code = response.parameters.get("code", "").partition(".")
        if response.memory != {"nonce": nonce, "verifier": "東京"}:
            raise InvalidAnswer("the nonce is another one")
        code = code.removeprefix(CANARY + ".")
        if code == "slow":
            self.waiting.release()
            assert self.released.wait(60)
            code = code_of(sub="slow", name="Slow")
        if code in FAILURES:
            raise FAILURES[code]()
        claims = json.loads(urlsafe_b64decode(code))
        verified = frozenset(claims.pop("verified", ()))
        texts = {name: claims.pop(name, "") for name in ("sub", "preferred_username", "name", "email")}
        identity = Identity(texts["sub"], texts["preferred_username"], texts["name"], texts["email"], claims=claims)
        return ProvidedIdentity(identity, verified)


def code_of(**claims: Any) -> str:
    """Returns the code of a person with these claims. `verified` are the names of those that count."""
    return urlsafe_b64encode(json.dumps(claims).encode("ascii")).decode("ascii")
