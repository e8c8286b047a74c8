"""Interprets a response: returns an Identity or raises an exception of the backend contract.

The rules of refusals are checked before those of success, so that an ambiguous response refuses. A response that no
rule covers is an outage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NoReturn

from linkauth.backends import (
    CHANGEABLE,
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    Identity,
    Reason,
    UnknownUser,
    WrongPassword,
    is_watched,
    report,
)
from linkauth_http.account_settings import USERNAME
from linkauth_http.responses import LoginResponse
from linkauth_http.rule_table import RuleTable, display
from linkauth_http.selectors import parse_selector
from linkauth_http.settings import STATES, HTTPSettings
from linkauth_http.subjects import is_subject, normalized_name
from linkauth_http.templates import encoded_credentials

REFUSALS = ("misconfigured", *STATES, "wrong_password", "unknown_user")
"""The outcomes that refuse the person, in the order in which they are checked."""
ADVICE = "add a condition for it to success, to wrong_password or to another outcome; linkauth try shows every rule"
KEYS_SHOWN, KEY_CHARACTERS = 8, 40
"""How many names of a JSON object a log shows, and how many characters of each."""
FIRST_ERROR_STATUS = 400
"""A rule of `success` matches this status and higher ones only if it lists the status."""


class Outcomes:
    """Interprets responses by the rules of the settings."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._statuses = settings.status_outcomes
        self._selectors = {key: parse_selector(text) for key, text in settings.selectors.items() if text}
        self._code = parse_selector(settings.error_code) if settings.error_code else None
        self._claims = {claim: parse_selector(text) for claim, text in settings.claims.items()}
        # claims and groups are not included, because they may be flags
        data = frozenset(selector for key, selector in self._selectors.items() if key != "groups")
        rules = {name: settings.rules[name] for name in (*REFUSALS, "success")}
        self._table = RuleTable(rules, "success", data, FIRST_ERROR_STATUS, STATES)

    def interpret(self, response: LoginResponse, username: str, password: str = "") -> Identity:
        """Returns the identity of the person who typed `username`, or raises. No message contains `password`."""
        name = self._outcome_name(response)
        if is_watched():
            self._report(response, name, (username, password))
        if name == "success":
            return self._identity(response, username)
        if name == "misconfigured":
            code = self._error_code(response, username, password)
            raise BackendMisconfigured(f"the API refuses the credentials of linkauth itself: {response}{code}")
        if name:
            self._refuse(name)
        typed = (username, password)
        unknown = self._table.describe_unknown(response, typed, self._digests(password))
        details = response.redirect((*typed, *self._digests(password))) + self._error_code(response, username, password)
        keys = self._keys(response, (*typed, *self._digests(password)))
        raise BackendUnavailable(f"no rule matches the response: {response}{details}{unknown}{keys}; {ADVICE}")

    def _keys(self, response: LoginResponse, private: Collection[str]) -> str:
        """Returns the names in a JSON object for a log, except those that overlap with one of the `private` texts."""
        if not isinstance(response.json, dict):
            return ""
        names = [name for name in response.json if not any(text and (text in name or name in text) for text in private)]
        shown = ", ".join(f"{name[:KEY_CHARACTERS]!a}" for name in names[:KEYS_SHOWN])
        return f"; its JSON has {shown}" if shown else ""

    def _report(self, response: LoginResponse, name: str, typed: tuple[str, str]) -> None:
        """Reports the response, the rules that were checked, and the outcome `name`."""
        digests = self._digests(typed[1])
        report("response", str(response))
        if redirect := response.redirect((*typed, *digests)):
            report("Location", redirect.removeprefix(", a redirect to "))
        matching = self._table.report(response, typed, digests)
        if matching != name and matching:
            report(f"rule {name}", "may match too, because it reads a value that is not understood")
        elif matching != name:
            report("statuses", f"{response.status}:{name}")
        report("outcome of the rules", name or "none, so the response counts as an outage")

    def checks(self) -> Iterator[Check]:
        """Yields a warning for each incomplete rule, and for the latest values that were not understood."""
        return self._table.checks()

    @property
    def problems(self) -> list[str]:
        """The values that were not understood."""
        return self._table.problems

    def is_success(self, response: LoginResponse) -> bool:
        return self._outcome_name(response) == "success"

    def _outcome_name(self, response: LoginResponse) -> str:
        """Returns the name of the outcome that the rules or the statuses define, or ""."""
        return self._table.outcome(response) or self._statuses.get(response.status, "")

    def _error_code(self, response: LoginResponse, username: str, password: str) -> str:
        """Returns the code of the error for logs, without values that overlap with a typed text, or ""."""
        if not self._code:
            return ""
        shown = display(self._code.values(response), (username, password), self._digests(password))
        return f", {self._code}{shown}" if shown else ""

    def _digests(self, password: str) -> tuple[str, ...]:
        """Returns the encoded forms of the password that the request contains."""
        return tuple(encoded_credentials(self._settings.encoded_passwords, "", password).values())

    def _refuse(self, name: str) -> NoReturn:
        if name == "unknown_user":
            raise UnknownUser
        if name == "wrong_password":
            raise WrongPassword
        settings = self._settings
        reason: Reason = "must_change_password" if name == "must_change" else name  # type: ignore[assignment]
        proven = name in settings.proven
        revealed = {"never": False, "proven": proven, "always": True}[settings.reveal_state]
        raise AccountRefused(reason, proven, revealed, settings.password_change_url if reason in CHANGEABLE else "")

    def _identity(self, response: LoginResponse, username: str) -> Identity:
        typed = normalized_name(username, self._settings.username_case == "sensitive")
        texts = {key: selector.first(response) for key, selector in self._selectors.items()}
        username_selector = self._selectors.get("username")
        if username_selector and len(set(username_selector.texts(response))) > 1:
            raise BackendUnavailable(f"the response is a success with several usernames: {response}")
        subject = typed if self._settings.subject == USERNAME else self._selectors["subject"].single_text(response)
        if not is_subject(subject):
            raise BackendUnavailable(f"the response is a success without a valid subject: {response}")
        groups = self._selectors["groups"].texts(response) if "groups" in self._selectors else ()
        claims = {claim: selector.claim_value(response) for claim, selector in self._claims.items()}
        return Identity(
            subject=subject,
            username=texts.get("username", "").strip() or typed,
            name=texts.get("name", ""),
            email=texts.get("email", ""),
            groups=groups,
            claims={claim: value for claim, value in claims.items() if value is not None},
        )
