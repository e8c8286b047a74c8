"""Interprets a response: returns an Identity or raises an exception of the backend contract.

The rules of refusals are checked before those of success, so that an ambiguous response refuses. A response that no
rule covers is an outage.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

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
)
from linkauth_http.flags import allows_success, compared_selectors, incomplete_rules, is_understood, may_apply
from linkauth_http.responses import LoginResponse
from linkauth_http.rules import Selector, parse_rules, parse_selector, scalar_text
from linkauth_http.settings import STATES, USERNAME, HTTPSettings

log = logging.getLogger(__name__)

REFUSALS = ("misconfigured", *STATES, "wrong_password", "unknown_user")
"""The outcomes that refuse the person, in the order in which they are checked."""
FIRST_ERROR_STATUS = 400
"""A rule of `success` matches this status and higher ones only if it lists the status."""
SUBJECT_LIMIT = 255
MAX_PROBLEMS, MAX_SHOWN = 100, 5
"""The maximum number of problems that are stored, and that a check lists."""
MAX_VALUE_CHARACTERS = 20
"""The maximum length of a value that a log shows."""
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Outcomes:
    """Interprets responses by the rules of the settings."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._rules = {name: parse_rules(text) for name, text in settings.rules.items()}
        self._statuses = settings.status_outcomes
        self._selectors = {key: parse_selector(text) for key, text in settings.selectors.items() if text}
        self._claims = {claim: parse_selector(text) for claim, text in settings.claims.items()}
        # claims and groups are not included, because they may be flags
        self._data = frozenset(selector for key, selector in self._selectors.items() if key != "groups")
        self.problems: list[str] = []

    def interpret(self, response: LoginResponse, username: str, password: str = "") -> Identity:
        """Returns the identity of the person who typed `username`, or raises. No message contains `password`."""
        name = self._outcome_name(response)
        if name == "success":
            return self._identity(response, username)
        if name:
            self._refuse(name, response)
        unknown = self._describe_unknown(response, (username, password))
        raise BackendUnavailable(f"no rule matches the response: {response}{unknown}")

    def checks(self) -> Iterator[Check]:
        """Yields a warning for each incomplete rule, and for the latest values that were not understood."""
        for problem in dict.fromkeys(incomplete_rules(self._rules)):
            yield Check("rules", True, f"{problem}: list the good values instead, as in /state = active", warning=True)
        for problem in self.problems[-MAX_SHOWN:]:
            yield Check("answers", True, problem, warning=True)

    def is_success(self, response: LoginResponse) -> bool:
        return self._outcome_name(response) == "success"

    def _outcome_name(self, response: LoginResponse) -> str:
        """Returns the name of the outcome that the rules define, or ""."""
        for name in REFUSALS:
            if any(rule.matches(response) for rule in self._rules[name]):
                return name
        for rule in self._rules["success"]:
            if allows_success(rule, response, FIRST_ERROR_STATUS, self._data):
                return self._possible_refusal(response, compared_selectors(rule)) or "success"
        return self._statuses.get(response.status, "")

    def _possible_refusal(self, response: LoginResponse, compared: set[Selector]) -> str:
        """Returns the refusal that may apply because a flag is not understood, or ""."""
        for name in REFUSALS:
            if any(may_apply(rule, response, compared) for rule in self._rules[name]):
                self._report(f"a success is treated as {name}, because its rule reads a flag that is not understood")
                return name
        return ""

    def _describe_unknown(self, response: LoginResponse, typed: tuple[str, ...]) -> str:
        """Returns, for logs, the values that `success` reads and that are not understood, or ""."""
        selectors = [
            condition.selector
            for rule in self._rules["success"]
            for condition in rule.conditions
            if condition.matches(response) and not is_understood(condition, response, self._data)
        ]
        values = ", ".join(f"{each}{_display(each.values(response), typed)}" for each in dict.fromkeys(selectors))
        if not values:
            return ""
        self._report(f"success reads a value that is neither yes nor no: {values}; compare it: /result/ok = true")
        return f"; {values} is neither yes nor no"

    def _report(self, problem: str) -> None:
        """Logs a problem once, and stores it for `checks`. Ignores further problems after MAX_PROBLEMS."""
        if problem not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
            log.error("response not understood: %s", problem)

    def _refuse(self, name: str, response: LoginResponse) -> NoReturn:
        if name == "misconfigured":
            raise BackendMisconfigured(f"the API refuses the credentials of linkauth itself: {response}")
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
        typed = self._normalized_name(username)
        texts = {key: selector.first(response) for key, selector in self._selectors.items()}
        username_selector = self._selectors.get("username")
        if username_selector and len(set(username_selector.texts(response))) > 1:
            raise BackendUnavailable(f"the response is a success with several usernames: {response}")
        subject = typed if self._settings.subject == USERNAME else self._selectors["subject"].single_text(response)
        if not subject.strip() or len(subject) > SUBJECT_LIMIT or CONTROL_CHARACTERS.search(subject):
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

    def _normalized_name(self, username: str) -> str:
        """Returns the typed name in the form NFC, and in lower case if the API ignores the case of names.

        Case folding is not used, because it equates different names (ß and ss).
        """
        composed = unicodedata.normalize("NFC", username)
        if self._settings.username_case == "sensitive":
            return composed
        return unicodedata.normalize("NFC", composed.lower())


def _display(values: Iterable[Any], typed: tuple[str, ...]) -> str:
    """Returns the short values for a log, except those that overlap with the typed name or password."""
    texts = [text for each in values if (text := scalar_text(each)) is not None and len(text) <= MAX_VALUE_CHARACTERS]
    safe = [text for text in texts if not any(each and (each in text or text in each) for each in typed)]
    return " = " + ", ".join(f"{text!a}" for text in safe[:3]) if safe else ""
