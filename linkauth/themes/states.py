"""The states of all pages: the codes for which a theme needs texts, and the variables of each template.

The check at the start, the contract tests, `linkauth theme preview` and `linkauth theme check` all use this list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkauth.backends import CHANGEABLE, PASSWORD_RULES, REASONS

PAGES = ("login.jinja2", "password.jinja2", "error.jinja2", "home.jinja2")
"""The templates that every theme has, either itself or from a parent."""
SIGN_IN_ERRORS = ("wrong_password", *REASONS, "unavailable", "busy", "throttled", "stale", "password_changed")
"""Values of `error` on the login page. `password_changed`: the password was changed, but the sign-in failed."""
PASSWORD_REASONS = CHANGEABLE
"""Values of `reason` on the password page; it is "" if the page is shown again."""
PASSWORD_ERRORS = ("wrong_password", "unavailable", "busy", "throttled", "stale", *PASSWORD_RULES)
"""Values of `error` on the password page."""
REQUEST_ERRORS = (
    *("unknown_client", "missing_redirect_uri", "wrong_redirect_uri", "repeated_parameter", "not_utf8", "too_long"),
    *("too_many_parameters", "wrong_content_type", "wrong_content_length", "cross_site", "insecure_transport"),
    *("too_slow", "swapped_urls", "wrong_method", "not_found", "unexpected"),
)
"""Values of `reason` on the error page."""
CHANGE_URL = "https://password.example.com/?a=1&b=2"
"""Example of an external page for changing the password, as in the settings of a backend."""
SHORT_RETRY_AFTER, LONG_RETRY_AFTER = 40, 600
"""Examples of `retry_after` in seconds."""
MIN_LENGTH = 12
"""Example of the minimum length of a password."""
USERNAME = "a.smith@example.com"


@dataclass(frozen=True)
class State:
    """A state of a page such as "login". `name` begins with the code; `context` are the variables of the template."""

    page: str
    name: str
    context: Mapping[str, Any]


def page_states(client_id: str, scopes: Sequence[str]) -> list[State]:
    """Returns all states of all pages, for a client and its requested scopes. The state without an error is `fresh`."""
    return [
        *_login_states(client_id, scopes),
        *_password_states(client_id),
        *_error_states(),
        State("home", "fresh", {}),
    ]


def _login_states(client_id: str, scopes: Sequence[str]) -> list[State]:
    context: dict[str, Any] = {"client_id": client_id, "form_token": "", "username": "", "error": ""}
    context |= {"retry_after": 0, "change_url": "", "scopes": tuple(scopes)}
    after_error = {**context, "username": USERNAME}
    states = [State("login", "fresh", context), State("login", "no_scopes", {**context, "scopes": ()})]
    for error in SIGN_IN_ERRORS:
        states.append(State("login", error, {**after_error, "error": error, "retry_after": SHORT_RETRY_AFTER}))
        if error in PASSWORD_REASONS:
            with_url = {**after_error, "error": error, "change_url": CHANGE_URL}
            states.append(State("login", f"{error}.change_url", with_url))
    states.append(
        State("login", "throttled.minutes", {**after_error, "error": "throttled", "retry_after": LONG_RETRY_AFTER})
    )
    return states


def _password_states(client_id: str) -> list[State]:
    context: dict[str, Any] = {
        "client_id": client_id,
        "form_token": "",
        "username": USERNAME,
        "reason": "",
        "error": "",
    }
    context |= {"minimum": 0, "retry_after": 0}
    states: list[tuple[str, dict[str, Any]]] = [(reason, {"reason": reason}) for reason in PASSWORD_REASONS]
    states += [(error, {"error": error, "retry_after": SHORT_RETRY_AFTER}) for error in PASSWORD_ERRORS]
    states.append(("too_short.minimum", {"error": "too_short", "minimum": MIN_LENGTH}))
    states.append(("throttled.minutes", {"error": "throttled", "retry_after": LONG_RETRY_AFTER}))
    return [State("password", name, {**context, **changes}) for name, changes in states]


def _error_states() -> list[State]:
    return [State("error", reason, {"reason": reason, "reference": "1a2b3c4d"}) for reason in REQUEST_ERRORS]
