"""The `state` parameter of the Alexa app, and Alexa's requirements for the responses of an authorization server."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

LANGUAGES = (
    *("en-US", "en-GB", "en-AU", "en-CA", "en-IN", "de-DE", "fr-FR", "fr-CA"),
    *("es-ES", "es-MX", "es-US", "it-IT", "ja-JP", "pt-BR", "nl-NL", "hi-IN", "ar-SA"),
)
"""The locales that a skill can have."""
STATE_LENGTH = 1108
"""Length of a state from Alexa in characters, observed in November 2024. It was standard base64 with +, / and =."""
STATE_SECONDS = 3600
_MAC = 32


class State:
    """Creates and verifies `state` values like those of Alexa: opaque, signed and valid for an hour.

    A state contains facts about the request, such as the client. The first secret signs. The other ones are previous
    secrets, which are still accepted.
    """

    def __init__(self, *secrets_: str) -> None:
        self._keys = [sha256(b"linkauth simulator state" + each.encode("utf-8")).digest() for each in secrets_]

    def new(self, **facts: str) -> str:
        """Returns a state of 1,108 characters in standard base64 that contains +, / and =."""
        size = STATE_LENGTH // 4 * 3 - 1 - _MAC
        while True:
            head = json.dumps({"startTime": int(time.time()), **facts}).encode("ascii") + b"\0"
            payload = head + secrets.token_bytes(size - len(head))
            state = b64encode(payload + hmac.digest(self._keys[0], payload, "sha256")).decode("ascii")
            if "+" in state and "/" in state:
                return state

    def facts(self, state: str) -> Mapping[str, str]:
        """Returns the facts in a returned state; none if it is invalid. An expired state has facts too."""
        return {} if self.problem(state) not in ("", "expired") else self._content(b64decode(state))

    def problem(self, state: str) -> str:
        """Returns why a returned state is invalid: "modified", "different" or "expired"; "" if it is valid."""
        try:
            raw = b64decode(state, validate=True)
        except ValueError:
            return "modified"
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        signed = any(hmac.compare_digest(hmac.digest(key, payload, "sha256"), mac) for key in self._keys)
        if b64encode(raw).decode("ascii") != state or not signed:
            return "different"
        return "expired" if time.time() - self._content(raw)["startTime"] > STATE_SECONDS else ""

    def verifier(self, state: str) -> str:
        """Returns the code verifier that belongs to a state (RFC 7636 section 4.1), so that nothing need be stored."""
        return _base64url(hmac.digest(self._keys[0], b"code verifier" + state.encode("utf-8"), "sha256"))

    def _content(self, raw: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(raw[:-_MAC].partition(b"\0")[0])
        return found


def code_challenge(verifier: str) -> str:
    """Returns the code challenge with the method S256 (RFC 7636 section 4.2)."""
    return _base64url(sha256(verifier.encode("ascii")).digest())


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def parse_fragment(fragment: str) -> dict[str, str]:
    """Returns the parameters of a fragment. Decodes percent-encoding only; a + remains a + (RFC 3986)."""
    pairs = (part.partition("=") for part in fragment.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


@dataclass(frozen=True)
class Check:
    """One check of a response. The pages translate `code` and `problem`; `detail` is a value that they show as it is.

    `problem` is "" if the response passed. `number` is a length or a number of seconds.
    """

    code: str
    problem: str = ""
    detail: str = ""
    number: int = 0

    @property
    def ok(self) -> bool:
        return not self.problem


def check_authorization(parameters: Mapping[str, str], state: State, by_code: bool) -> Iterator[Check]:
    """Yields the checks of an authorization response (RFC 6749 sections 4.1.2 and 4.2.2)."""
    received = parameters.get("state")
    yield Check("state", "missing" if received is None else state.problem(received), number=len(received or ""))
    if "error" in parameters:
        text = ": ".join(filter(None, (parameters["error"], parameters.get("error_description", ""))))
        yield Check("code" if by_code else "access_token", "error", text)
        return
    if by_code:
        yield _present(parameters, "code")
        return
    yield _present(parameters, "access_token")
    yield _bearer(parameters)


def check_tokens(status: int, response: Mapping[str, Any], headers: Mapping[str, str], minimum: int) -> Iterator[Check]:
    """Yields the checks of a token response (RFC 6749 section 5.1). `minimum` is the shortest lifetime in seconds."""
    if status != 200:
        text = ": ".join(filter(None, (str(response.get("error", "")), str(response.get("error_description", "")))))
        yield Check("token_response", "error", f"{status} {text}".strip())
        return
    yield Check("token_response")
    yield _present(response, "access_token")
    yield _present(response, "refresh_token")
    yield _bearer(response)
    lifetime = response.get("expires_in")
    if lifetime is not None:
        yield Check("expires_in", "" if lifetime >= minimum else "too_short", number=lifetime)
    no_store = "no-store" in headers.get("Cache-Control", "")
    yield Check("no_store", "" if no_store else "missing")


def _present(response: Mapping[str, Any], name: str) -> Check:
    value = str(response.get(name, ""))
    return Check(name, "" if value else "missing", number=len(value))


def _bearer(response: Mapping[str, Any]) -> Check:
    kind = str(response.get("token_type", ""))
    return Check("token_type", "" if kind == "Bearer" else "other" if kind else "missing", kind)


def basic(client_id: str, secret: str) -> str:
    """Returns the credentials of an `Authorization: Basic` header."""
    return b64encode(f"{client_id}:{secret}".encode()).decode("ascii")
