"""The states of all pages: the codes for which a theme needs texts, and the variables of each template.

The check at the start, the contract tests, `linkauth theme preview` and `linkauth theme check` all use this list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from linkauth.backends import CHANGEABLE, PASSWORD_RULES, REASONS
from linkauth.mail.message import MAIL_KINDS
from linkauth.themes.fields import FIELD_ERRORS, Field, FieldProblem
from linkauth.themes.sign_in_states import (
    PROVIDER_ERRORS,
    RECOVERY_CODES,
    provider_states,
    second_factor_states,
    setup_states,
)

PAGES = (
    *("login.jinja2", "password.jinja2", "recover.jinja2", "code.jinja2", "new_password.jinja2", "register.jinja2"),
    *("second_factor.jinja2", "second_factor_setup.jinja2", "recovery_codes.jinja2", "confirm.jinja2"),
    *("error.jinja2", "home.jinja2"),
)
"""The templates of pages that every theme has, either itself or from a parent."""
MAIL = "mail.jinja2"
"""The template of mails, which every theme has too. Its blocks are `subject`, `text` and `html`."""
SIGN_IN_ERRORS = (
    *("wrong_password", *REASONS, "unavailable", "busy", "throttled", "stale", "password_changed", "account_created"),
    *PROVIDER_ERRORS,
)
"""Values of `error` on the login page. `password_changed` and `account_created`: that was done, but the sign-in
failed."""
PASSWORD_REASONS = CHANGEABLE
"""Values of `reason` on the password page; it is "" if the page is shown again."""
PASSWORD_ERRORS = ("wrong_password", "unavailable", "busy", "throttled", "stale", *PASSWORD_RULES)
"""Values of `error` on the password page."""
FINAL_ERRORS = (
    *("disabled", "account_expired", "password_expired", "must_change_password", "logon_restricted", "not_entitled"),
    *("second_factor", "too_soon", "not_allowed", "expired"),
)
"""Values of `error` that the person cannot correct on the page. The page then has no button that sends its form, and no
fields."""
PURPOSES = ("recovery", "registration")
"""Values of `purpose`: what the code and the new password are for."""
_CODE_ENDS = ("code_expired", "code_tries", "code_replaced", "code_unknown")
STEP_ERRORS = ("throttled", "unavailable", "busy", "stale")
"""Values of `error` on every page of a step; the pages `recovery_codes` and `confirm` have no others."""
RECOVER_ERRORS = ("missing", *_CODE_ENDS, *STEP_ERRORS)
"""Values of `error` on the page `recover`. `code_…`: the code cannot be used any more."""
CODE_ERRORS = ("wrong_code", "missing", *STEP_ERRORS)
"""Values of `error` on the page `code`."""
NEW_PASSWORD_ERRORS = (*PASSWORD_RULES, *STEP_ERRORS)
"""Values of `error` on the page `new_password`."""
REGISTER_ERRORS = ("invalid", "name_taken", *_CODE_ENDS, *STEP_ERRORS)
"""Values of `error` on the page `register`. `invalid`: the fields have errors of their own."""
REQUEST_ERRORS = (
    *("unknown_client", "missing_redirect_uri", "wrong_redirect_uri", "repeated_parameter", "not_utf8", "too_long"),
    *("too_many_parameters", "wrong_content_type", "wrong_content_length", "cross_site", "insecure_transport"),
    *("too_slow", "swapped_urls", "wrong_method", "not_found", "unexpected", "sign_in_unknown"),
)
"""Values of `reason` on the error page."""
CHANGE_URL = "https://password.example.com/?a=1&b=2"
"""Example of an external page for changing the password, as in the settings of a backend."""
SHORT_RETRY_AFTER, LONG_RETRY_AFTER = 40, 600
"""Examples of `retry_after` in seconds."""
MIN_LENGTH = 12
"""Example of the minimum length of a password."""
REDIRECT_URI = "https://pitangui.amazon.com/api/skill/link/M2EXAMPLE?a=1&b=2"
"""Example of a redirect URI that is not registered."""
USERNAME = "a.smith@example.com"
PHONE_EXAMPLE = "020 7946 0000"
"""Example of a telephone number as the user name. If it is "", user names are any texts."""
CODE, CODE_MINUTES, TRIES_LEFT = "KWQ7M3XP", 15, 4
"""Examples of a code, of how long it is valid, and of how many more codes may be typed."""
_COUNTRIES = (("DE", (("", "Germany"), ("de", "Deutschland"))), ("JP", (("", "Japan"),)))
_CITY = (("", "City"), ("de", "Ort"))
_SEAT = (("window", (("", "Window"), ("de", "Fenster"))), ("aisle", (("", "Aisle"), ("de", "Gang"))))
REGISTRATION_FIELDS = (
    Field("username", "username"),
    Field("name"),
    Field("given_name"),
    Field("family_name"),
    Field("email", "email"),
    Field("phone", "phone", required=False, example="+44 20 7946 0000"),
    Field("country", "country", choices=_COUNTRIES),
    Field("postal_code", "postal_code", example="10115"),
    Field("birthdate", "date", required=False),
    Field("city", label=_CITY, required=False, example="Berlin"),
    Field("seat", "choice", label=(("", "Favourite seat"), ("de", "Lieblingsplatz")), choices=_SEAT),
    Field("accept_terms", "checkbox"),
)
"""Examples of fields of the registration page: every kind and every known name."""


@dataclass(frozen=True)
class State:
    """A state of a page such as "login". `name` begins with the code; `context` are the variables of the template."""

    page: str
    name: str
    context: Mapping[str, Any]

    @property
    def is_mail(self) -> bool:
        return self.page == "mail"


def page_states(client_id: str, scopes: Sequence[str]) -> list[State]:
    """Returns all states of all pages, for a client and its requested scopes. The state without an error is `fresh`."""
    return [
        *_login_states(client_id, scopes),
        *_password_states(client_id),
        *_recover_states(client_id),
        *_code_states(client_id),
        *_new_password_states(client_id),
        *_register_states(client_id),
        *_second_factor_states(client_id),
        *_confirm_states(client_id, scopes),
        *_error_states(),
        State("home", "fresh", {}),
    ]


def _login_states(client_id: str, scopes: Sequence[str]) -> list[State]:
    context: dict[str, Any] = {"client_id": client_id, "form_token": "", "username": "", "error": ""}
    context |= {"retry_after": 0, "change_url": "", "scopes": tuple(scopes), "recovery": False, "registration": False}
    context |= {"phone_example": "", "password_form": True, "embedded": False}
    context |= {"sign_ins": (), "provider": "", "raw_query": "", "prefill": ""}
    offered = {"recovery": True, "registration": True}
    after_error = {**context, "username": USERNAME}
    states = [State("login", "fresh", context), State("login", "no_scopes", {**context, "scopes": ()})]
    for error in (each for each in SIGN_IN_ERRORS if each not in PROVIDER_ERRORS):
        states.append(State("login", error, {**after_error, "error": error, "retry_after": SHORT_RETRY_AFTER}))
        if error in PASSWORD_REASONS:
            with_url = {**after_error, "error": error, "change_url": CHANGE_URL}
            states.append(State("login", f"{error}.change_url", with_url))
            states.append(State("login", f"{error}.recovery", {**after_error, "error": error, **offered}))
    states.append(State("login", "recovery_and_registration", {**context, **offered}))
    states.append(State("login", "phone", {**context, "phone_example": PHONE_EXAMPLE}))
    states.append(
        State("login", "throttled.minutes", {**after_error, "error": "throttled", "retry_after": LONG_RETRY_AFTER})
    )
    return states + [State("login", name, values) for name, values in provider_states(context)]


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


def _step_context(client_id: str, **values: Any) -> dict[str, Any]:
    return {"client_id": client_id, "form_token": "", "error": "", "retry_after": 0, **values}


def _step_states(page: str, context: Mapping[str, Any], errors: Sequence[str], name: str = "fresh") -> list[State]:
    """Returns the states of a page of recovery or registration. `name` is that of its state without an error."""
    prefix = "" if name == "fresh" else f"{name}."
    changes = ((error, {"error": error, "retry_after": SHORT_RETRY_AFTER}) for error in errors)
    return [State(page, name, context), *(State(page, prefix + error, {**context, **new}) for error, new in changes)]


def _recover_states(client_id: str) -> list[State]:
    context = _step_context(client_id, page="example", wait="", username="", registration=False)
    states = _step_states("recover", {**context, "username": USERNAME}, RECOVER_ERRORS)
    return [
        State("recover", "fresh", context),
        State("recover", "registration", {**context, "registration": True}),
        *states[1:],
        State("recover", "throttled.wait", {**context, "error": "throttled", "retry_after": 15, "wait": "example"}),
    ]


def _code_states(client_id: str) -> list[State]:
    context = _step_context(client_id, challenge="example", username=USERNAME, tries_left=0)
    states = _step_states("code", {**context, "purpose": "recovery"}, CODE_ERRORS)
    states += _step_states("code", {**context, "purpose": "registration"}, ("wrong_code",), "registration")
    for count in (TRIES_LEFT, 1):
        left = {**context, "purpose": "recovery", "error": "wrong_code", "tries_left": count}
        states.append(State("code", f"wrong_code.{count}", left))
    return states


def _new_password_states(client_id: str) -> list[State]:
    context = _step_context(client_id, challenge="example", code=CODE, username=USERNAME, minimum=0)
    states = _step_states("new_password", {**context, "purpose": "recovery"}, NEW_PASSWORD_ERRORS)
    states += _step_states("new_password", {**context, "purpose": "registration"}, ("mismatch",), "registration")
    with_minimum = {**context, "purpose": "recovery", "minimum": MIN_LENGTH}
    states.append(State("new_password", "minimum", with_minimum))
    states.append(State("new_password", "too_short.minimum", {**with_minimum, "error": "too_short"}))
    return states


def _register_states(client_id: str) -> list[State]:
    short = (Field("name"), Field("email", "email"), Field("accept_terms", "checkbox"))
    context = _step_context(client_id, page="example", wait="", fields=short)
    states = _step_states("register", context, REGISTER_ERRORS)
    states.append(State("register", "every_field", {**context, "fields": REGISTRATION_FIELDS}))
    for error in FIELD_ERRORS:
        invalid = {**context, "error": "invalid", "fields": _with_error(error)}
        states.append(State("register", f"invalid.{error}", invalid))
    waiting = {**context, "error": "throttled", "retry_after": 15, "wait": "example"}
    return [*states, State("register", "throttled.wait", waiting)]


def _second_factor_states(client_id: str) -> list[State]:
    context = _step_context(client_id, challenge="example")
    waiting = {**context, "retry_after": SHORT_RETRY_AFTER}
    return [
        *(State("second_factor", name, values) for name, values in second_factor_states(waiting)),
        *(State("second_factor_setup", name, values) for name, values in setup_states(waiting)),
        State("recovery_codes", "fresh", {**context, "codes": RECOVERY_CODES}),
        *(State("recovery_codes", each, {**waiting, "codes": RECOVERY_CODES, "error": each}) for each in STEP_ERRORS),
    ]


def _confirm_states(client_id: str, scopes: Sequence[str]) -> list[State]:
    values = {"scopes": tuple(scopes), "provider_name": "Google", "account": USERNAME}
    context = _step_context(client_id, challenge="example", **values)
    return [*_step_states("confirm", context, STEP_ERRORS), State("confirm", "no_scopes", {**context, "scopes": ()})]


def _with_error(code: FieldProblem) -> tuple[Field, ...]:
    """Returns the example fields, with this error at each field that can have it."""
    values = {"email": "a.smith", "phone": "12", "birthdate": "2999-02-03", "username": "a smith"}
    chosen = {"country": "JP", "seat": "aisle"}
    found = []
    for each in REGISTRATION_FIELDS:
        value = "" if code in ("missing", "not_chosen") else {**values, **chosen}.get(each.name, "12" * 9)
        is_choice = each.kind in ("choice", "country", "checkbox")
        possible = {
            "missing": each.required,
            "not_chosen": is_choice and each.kind != "checkbox",
            "name_not_allowed": each.kind == "username",
        }.get(code, not is_choice)
        found.append(replace(each, value=value, error=code if possible else ""))
    return tuple(found)


def mail_states(client_id: str) -> list[State]:
    """Returns all mails as states of the page `mail`; the name of a state is the kind of the mail."""
    context = {"client_id": client_id, "names": (), "code": "", "minutes": 0}
    one, several = ("a.smith",), ("a.smith", "anna", "smith@work")
    code = {"code": CODE, "minutes": CODE_MINUTES}
    changes: dict[str, dict[str, Any]] = {
        "recovery_code": {**code, "names": one},
        "user_names": {"names": several},
        "password_changed": {"names": one},
        "registration_code": code,
        "name_taken": {"names": one},
        "account_exists": {"names": one},
        "second_factor_code": {**code, "names": one},
        "test": {},
    }
    states = [State("mail", kind, {**context, "kind": kind, **changes.get(kind, {})}) for kind in MAIL_KINDS]
    more: dict[str, dict[str, Any]] = {
        "recovery_code": {**code, "names": several},
        "account_exists": {"names": several},
    }
    return states + [State("mail", f"{kind}.names", {**context, "kind": kind, **more[kind]}) for kind in more]


def _error_states() -> list[State]:
    received = {"wrong_redirect_uri": REDIRECT_URI}
    return [
        State("error", reason, {"reason": reason, "reference": "1a2b3c4d", "redirect_uri": received.get(reason, "")})
        for reason in REQUEST_ERRORS
    ]
