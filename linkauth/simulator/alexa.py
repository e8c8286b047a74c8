"""How the Alexa app speaks: its state, and what it looks for in an answer."""

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
"""Characters; seen in a log of November 2024, as standard base64 with + / and =."""
STATE_SECONDS = 3600
_MAC = 32


class State:
    """States like Alexa's: opaque, signed, an hour long, so that the simulator knows its own again byte for byte.

    The first secret signs; the others are former ones.
    """

    def __init__(self, *secrets_: str) -> None:
        self._keys = [sha256(b"linkauth simulator state" + each.encode("utf-8")).digest() for each in secrets_]

    def new(self) -> str:
        """A state of 1,108 characters of standard base64 that holds +, / and =."""
        size = STATE_LENGTH // 4 * 3 - 1 - _MAC
        while True:
            head = json.dumps({"startTime": int(time.time())}).encode("ascii") + b"\0"
            payload = head + secrets.token_bytes(size - len(head))
            state = b64encode(payload + hmac.digest(self._keys[0], payload, "sha256")).decode("ascii")
            if "+" in state and "/" in state:
                return state

    def problem(self, state: str) -> str:
        """What is wrong with a state that came back; empty if nothing is."""
        try:
            raw = b64decode(state, validate=True)
        except ValueError:
            return "it was changed on the way (a + that became a space, perhaps)"
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        signed = any(hmac.compare_digest(hmac.digest(key, payload, "sha256"), mac) for key in self._keys)
        if b64encode(raw).decode("ascii") != state or not signed:
            return "it is not the one that was sent"
        started = json.loads(payload.partition(b"\0")[0])["startTime"]
        return "it is over an hour old; Alexa would refuse it" if time.time() - started > STATE_SECONDS else ""


def read(fragment: str) -> dict[str, str]:
    """The parameters of a fragment; percent-encoding only, a + stays a + (RFC 3986)."""
    pairs = (part.partition("=") for part in fragment.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def verdict(answer: dict[str, str], state: State) -> list[dict[str, str | bool]]:
    """What Alexa asks of an answer, one line each: what, whether it is so, and a word about it."""
    if "error" in answer:
        said = f"{answer['error']}: {answer.get('error_description', '')}"
        return [_line("an access token", False, said), _state_line(answer, state)]
    kind = answer.get("token_type", "")
    return [
        _state_line(answer, state),
        _line("an access token", bool(answer.get("access_token")), f"{len(answer.get('access_token', ''))} characters"),
        _line("token_type is Bearer", kind == "Bearer", kind or "missing"),
    ]


def _state_line(answer: dict[str, str], state: State) -> dict[str, str | bool]:
    received = answer.get("state")
    problem = "it is missing" if received is None else state.problem(received)
    return _line("the state, byte for byte", not problem, problem or f"{len(received or '')} characters")


def _line(what: str, ok: bool, detail: str) -> dict[str, str | bool]:
    return {"what": what, "ok": ok, "detail": detail}


def basic(client_id: str, secret: str) -> str:
    """The credentials of an Authorization: Basic header."""
    return b64encode(f"{client_id}:{secret}".encode()).decode("ascii")
