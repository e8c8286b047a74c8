"""The `state` parameter of the Alexa app, and Alexa's requirements for an authorization response."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import b64decode, b64encode
from hashlib import sha256
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

    The first secret signs. The other ones are previous secrets, which are still accepted.
    """

    def __init__(self, *secrets_: str) -> None:
        self._keys = [sha256(b"linkauth simulator state" + each.encode("utf-8")).digest() for each in secrets_]

    def new(self) -> str:
        """Returns a state of 1,108 characters in standard base64 that contains +, / and =."""
        size = STATE_LENGTH // 4 * 3 - 1 - _MAC
        while True:
            head = json.dumps({"startTime": int(time.time())}).encode("ascii") + b"\0"
            payload = head + secrets.token_bytes(size - len(head))
            state = b64encode(payload + hmac.digest(self._keys[0], payload, "sha256")).decode("ascii")
            if "+" in state and "/" in state:
                return state

    def problem(self, state: str) -> str:
        """Returns why a returned state is invalid; "" if it is valid."""
        try:
            raw = b64decode(state, validate=True)
        except ValueError:
            return "the state was modified (perhaps a + became a space)"
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        signed = any(hmac.compare_digest(hmac.digest(key, payload, "sha256"), mac) for key in self._keys)
        if b64encode(raw).decode("ascii") != state or not signed:
            return "the state differs from the one that was sent"
        started = json.loads(payload.partition(b"\0")[0])["startTime"]
        is_expired = time.time() - started > STATE_SECONDS
        return "the state is older than an hour; Alexa would refuse it" if is_expired else ""


def parse_fragment(fragment: str) -> dict[str, str]:
    """Returns the parameters of a fragment. Decodes percent-encoding only; a + remains a + (RFC 3986)."""
    pairs = (part.partition("=") for part in fragment.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def check_response(parameters: dict[str, str], state: State) -> list[dict[str, str | bool]]:
    """Checks an authorization response against Alexa's requirements. Returns one dict (what, ok, detail) per check."""
    if "error" in parameters:
        error = f"{parameters['error']}: {parameters.get('error_description', '')}"
        return [_check("access token", False, error), _check_state(parameters, state)]
    token, token_type = parameters.get("access_token", ""), parameters.get("token_type", "")
    return [
        _check_state(parameters, state),
        _check("access token", bool(token), f"{len(token)} characters"),
        _check("token_type is Bearer", token_type == "Bearer", token_type or "missing"),
    ]


def _check_state(parameters: dict[str, str], state: State) -> dict[str, str | bool]:
    received = parameters.get("state")
    problem = "the state is missing" if received is None else state.problem(received)
    return _check("state unchanged", not problem, problem or f"{len(received or '')} characters")


def _check(what: str, ok: bool, detail: str) -> dict[str, str | bool]:
    return {"what": what, "ok": ok, "detail": detail}


def basic(client_id: str, secret: str) -> str:
    """Returns the credentials of an `Authorization: Basic` header."""
    return b64encode(f"{client_id}:{secret}".encode()).decode("ascii")
