"""Every page in every state: which codes a theme must put into words, and what a template is given with them.

The one list that a theme is tried with at the start, that its contract tests, its preview shows and its check reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkauth.backends import CHANGEABLE, PASSWORD_RULES, REASONS

PAGES = ("login.jinja2", "password.jinja2", "error.jinja2", "home.jinja2")
"""The templates that every theme has, of its own or from a parent."""
SIGN_IN_ERRORS = ("wrong_password", *REASONS, "unavailable", "throttled", "stale", "password_changed")
"""What may be wrong with a sign-in, as the login page is told; `password_changed` if only the link failed."""
PASSWORD_REASONS = CHANGEABLE
"""Why the password page is shown, as it is told; "" when it is shown again."""
PASSWORD_ERRORS = ("wrong_password", "unavailable", "throttled", "stale", *PASSWORD_RULES)
"""What may be wrong with a change of the password, as the password page is told."""
REQUEST_ERRORS = (
    *("unknown_client", "missing_redirect_uri", "wrong_redirect_uri", "repeated_parameter", "not_utf8", "too_long"),
    *("too_many_parameters", "wrong_content_type", "wrong_content_length", "cross_site", "insecure_transport"),
    *("too_slow", "swapped_urls", "wrong_method", "not_found", "unexpected"),
)
"""What may be wrong with a request, as the error page is told."""
CHANGE_URL = "https://password.example.com/?a=1&b=2"
"""Where a person may choose a new password, as a backend's settings say it."""
SHORT_RETRY_AFTER, LONG_RETRY_AFTER = 40, 600
"""Seconds."""
LEAST_LENGTH = 12
USERNAME = "a.smith@example.com"


@dataclass(frozen=True)
class State:
    """A page ("login") in a state; `name` is the code and perhaps more, `context` what its template is given."""

    page: str
    name: str
    context: Mapping[str, Any]


def page_states(client_id: str, scopes: Sequence[str]) -> list[State]:
    """Every page in every state, for one client and what it asks for; `fresh` is before anything went wrong."""
    return [*_login(client_id, scopes), *_password(client_id), *_error(), State("home", "fresh", {})]


def _login(client_id: str, scopes: Sequence[str]) -> list[State]:
    context: dict[str, Any] = {"client_id": client_id, "form_token": "", "username": "", "error": ""}
    context |= {"retry_after": 0, "change_url": "", "scopes": tuple(scopes)}
    again = {**context, "username": USERNAME}
    states = [State("login", "fresh", context), State("login", "no_scopes", {**context, "scopes": ()})]
    for error in SIGN_IN_ERRORS:
        states.append(State("login", error, {**again, "error": error, "retry_after": SHORT_RETRY_AFTER}))
        if error in PASSWORD_REASONS:
            told = {**again, "error": error, "change_url": CHANGE_URL}
            states.append(State("login", f"{error}.change_url", told))
    states.append(State("login", "throttled.minutes", {**again, "error": "throttled", "retry_after": LONG_RETRY_AFTER}))
    return states


def _password(client_id: str) -> list[State]:
    context: dict[str, Any] = {
        "client_id": client_id,
        "form_token": "",
        "username": USERNAME,
        "reason": "",
        "error": "",
    }
    context |= {"minimum": 0, "retry_after": 0}
    told: list[tuple[str, dict[str, Any]]] = [(reason, {"reason": reason}) for reason in PASSWORD_REASONS]
    told += [(error, {"error": error, "retry_after": SHORT_RETRY_AFTER}) for error in PASSWORD_ERRORS]
    told.append(("too_short.minimum", {"error": "too_short", "minimum": LEAST_LENGTH}))
    told.append(("throttled.minutes", {"error": "throttled", "retry_after": LONG_RETRY_AFTER}))
    return [State("password", name, {**context, **changes}) for name, changes in told]


def _error() -> list[State]:
    return [State("error", reason, {"reason": reason, "reference": "1a2b3c4d"}) for reason in REQUEST_ERRORS]
