"""From an answer to an outcome: an Identity, or one of the contract's exceptions.

What is against the person is looked for first, so that an answer that says two things lets nobody in. What nobody
declared is an outage.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NoReturn

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Identity,
    Reason,
    UnknownUser,
    WrongPassword,
)
from linkauth_http.answers import Answer
from linkauth_http.rules import parse_rules, parse_selector
from linkauth_http.settings import OUTCOMES, SELECTORS, STATES, USERNAME, HTTPSettings

CHANGEABLE = ("password_expired", "must_change_password")
NOT_FOR_SUCCESS = 400
"""The first status of which `success` is not read, unless it names the status."""
SUBJECT_LIMIT = 255
NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Outcomes:
    """What each answer means, as the ini declares it."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._rules = {name: parse_rules(settings.known(name)) for name in OUTCOMES}
        self._statuses = settings.status_outcomes
        self._selectors = {
            key: parse_selector(settings.known(key))
            for key in SELECTORS
            if settings.known(key) and settings.known(key) != USERNAME
        }
        self._claims = {claim: parse_selector(text) for claim, text in settings.claims.items()}

    def of(self, answer: Answer, username: str) -> Identity:
        """Who signed in as the typed `username`; everything else is raised."""
        name = self._name(answer)
        if name == "success":
            return self._identity(answer, username)
        if name:
            self._refuse(name, answer)
        raise BackendUnavailable(f"no rule holds of the answer: {answer}")

    def is_success(self, answer: Answer) -> bool:
        return self._name(answer) == "success"

    def _name(self, answer: Answer) -> str:
        """The outcome that was declared; "" for none."""
        for name in ("misconfigured", *STATES, "wrong_password", "unknown_user"):
            if any(rule.holds(answer) for rule in self._rules[name]):
                return name
        if any(rule.lets_in(answer, NOT_FOR_SUCCESS) for rule in self._rules["success"]):
            return "success"
        return self._statuses.get(answer.status, "")

    def _refuse(self, name: str, answer: Answer) -> NoReturn:
        if name == "misconfigured":
            raise BackendMisconfigured(f"the API does not take what linkauth itself is called there: {answer}")
        if name == "unknown_user":
            raise UnknownUser
        if name == "wrong_password":
            raise WrongPassword
        settings = self._settings
        reason: Reason = "must_change_password" if name == "must_change" else name  # type: ignore[assignment]
        proven = name in settings.known("proven")
        revealed = {"never": False, "proven": proven, "always": True}[settings.reveal_state]
        raise AccountRefused(reason, proven, revealed, settings.password_change_url if reason in CHANGEABLE else "")

    def _identity(self, answer: Answer, username: str) -> Identity:
        typed = self._spelled(username)
        texts = {key: selector.first(answer) for key, selector in self._selectors.items()}
        subject = typed if self._settings.subject == USERNAME else self._selectors["subject"].only(answer)
        if not subject.strip() or len(subject) > SUBJECT_LIMIT or NO_TEXT.search(subject):
            raise BackendUnavailable(f"the answer says success, and no subject is in it: {answer}")
        groups = self._selectors["groups"].texts(answer) if "groups" in self._selectors else ()
        claims = {claim: selector.value(answer) for claim, selector in self._claims.items()}
        return Identity(
            subject=subject,
            username=texts.get("username") or typed,
            name=texts.get("name", ""),
            email=texts.get("email", ""),
            groups=groups,
            claims={claim: value for claim, value in claims.items() if value is not None},
        )

    def _spelled(self, username: str) -> str:
        """The typed name as one person's: composed, and in small letters where capitals do not matter to the API.

        Small letters and not case folding, which would make one name of two (ß and ss).
        """
        composed = unicodedata.normalize("NFC", username)
        if self._settings.username_case == "sensitive":
            return composed
        return unicodedata.normalize("NFC", composed.lower())
