"""From an answer to an outcome: an Identity, or one of the contract's exceptions.

What is against the person is looked for first, so that an answer that says two things lets nobody in. What nobody
declared is an outage.
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
from linkauth_http.answers import Answer
from linkauth_http.flags import in_doubt, is_clear, lets_in, open_ends, settled_by
from linkauth_http.rules import Selector, parse_rules, parse_selector, text_of
from linkauth_http.settings import STATES, USERNAME, HTTPSettings

log = logging.getLogger(__name__)

AGAINST = ("misconfigured", *STATES, "wrong_password", "unknown_user")
"""The outcomes that let nobody in, in the order in which they are looked for."""
NOT_FOR_SUCCESS = 400
"""The first status of which `success` is not read, unless it names the status."""
SUBJECT_LIMIT = 255
NOTES, NAMED = 100, 5
"""How many problems with answers are kept, and how many of them a check names."""
SHOWN = 20
"""Characters of a value that a log shows; a longer one is no word."""
NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Outcomes:
    """What each answer means, as the ini declares it."""

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._rules = {name: parse_rules(text) for name, text in settings.rules.items()}
        self._statuses = settings.status_outcomes
        self._selectors = {key: parse_selector(text) for key, text in settings.selectors.items() if text}
        self._claims = {claim: parse_selector(text) for claim, text in settings.claims.items()}
        # a claim or a group may be a flag as well
        self._data = frozenset(selector for key, selector in self._selectors.items() if key != "groups")
        self.notes: list[str] = []

    def of(self, answer: Answer, username: str, password: str = "") -> Identity:
        """Who signed in as the typed `username`; everything else is raised. No message repeats `password`."""
        name = self._name(answer)
        if name == "success":
            return self._identity(answer, username)
        if name:
            self._refuse(name, answer)
        unclear = self._unclear(answer, (username, password))
        raise BackendUnavailable(f"no rule holds of the answer: {answer}{unclear}")

    def advice(self) -> Iterator[Check]:
        """What the settings leave open, and what answers have said that was not understood."""
        for problem in dict.fromkeys(open_ends(self._rules)):
            yield Check("rules", True, f"{problem}: compare it with what is good, as in /state = active", warning=True)
        for problem in self.notes[-NAMED:]:
            yield Check("answers", True, problem, warning=True)

    def is_success(self, answer: Answer) -> bool:
        return self._name(answer) == "success"

    def _name(self, answer: Answer) -> str:
        """The outcome that was declared; "" for none."""
        for name in AGAINST:
            if any(rule.holds(answer) for rule in self._rules[name]):
                return name
        for rule in self._rules["success"]:
            if lets_in(rule, answer, NOT_FOR_SUCCESS, self._data):
                return self._doubt(answer, settled_by(rule)) or "success"
        return self._statuses.get(answer.status, "")

    def _doubt(self, answer: Answer, settled: set[Selector]) -> str:
        """The outcome against the person that a flag which is not understood may stand for; "" for none."""
        for name in AGAINST:
            if any(in_doubt(rule, answer, settled) for rule in self._rules[name]):
                self._note(f"a success is taken for {name}, whose rule reads a flag that is not understood")
                return name
        return ""

    def _unclear(self, answer: Answer, typed: tuple[str, ...]) -> str:
        """Which conditions of `success` rest on what is not understood, for the log; "" for none."""
        conditions = [each for rule in self._rules["success"] for each in rule.conditions]
        found = [each.selector for each in conditions if each.holds(answer) and not is_clear(each, answer, self._data)]
        said = ", ".join(f"{each}{_shown(each.everything(answer), typed)}" for each in dict.fromkeys(found))
        if not said:
            return ""
        self._note(f"success reads what says neither yes nor no: {said}; name what is good: /result/ok = true")
        return f"; {said} says neither yes nor no"

    def _note(self, problem: str) -> None:
        """Tell the operator, once for each value, and of no more than NOTES."""
        if problem not in self.notes and len(self.notes) < NOTES:
            self.notes.append(problem)
            log.error("answer not understood: %s", problem)

    def _refuse(self, name: str, answer: Answer) -> NoReturn:
        if name == "misconfigured":
            raise BackendMisconfigured(f"the API does not take what linkauth itself is called there: {answer}")
        if name == "unknown_user":
            raise UnknownUser
        if name == "wrong_password":
            raise WrongPassword
        settings = self._settings
        reason: Reason = "must_change_password" if name == "must_change" else name  # type: ignore[assignment]
        proven = name in settings.proven
        revealed = {"never": False, "proven": proven, "always": True}[settings.reveal_state]
        raise AccountRefused(reason, proven, revealed, settings.password_change_url if reason in CHANGEABLE else "")

    def _identity(self, answer: Answer, username: str) -> Identity:
        typed = self._spelled(username)
        texts = {key: selector.first(answer) for key, selector in self._selectors.items()}
        username_selector = self._selectors.get("username")
        if username_selector and len(set(username_selector.texts(answer))) > 1:
            raise BackendUnavailable(f"the answer says success, and several usernames: {answer}")
        subject = typed if self._settings.subject == USERNAME else self._selectors["subject"].only(answer)
        if not subject.strip() or len(subject) > SUBJECT_LIMIT or NO_TEXT.search(subject):
            raise BackendUnavailable(f"the answer says success, and no subject is in it: {answer}")
        groups = self._selectors["groups"].texts(answer) if "groups" in self._selectors else ()
        claims = {claim: selector.value(answer) for claim, selector in self._claims.items()}
        return Identity(
            subject=subject,
            username=texts.get("username", "").strip() or typed,
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


def _shown(values: Iterable[Any], typed: tuple[str, ...]) -> str:
    """The short values for a log, without anything that may repeat what was typed."""
    texts = [text for each in values if (text := text_of(each)) is not None and len(text) <= SHOWN]
    plain = [text for text in texts if not any(each and (each in text or text in each) for each in typed)]
    return " = " + ", ".join(f"{text!a}" for text in plain[:3]) if plain else ""
