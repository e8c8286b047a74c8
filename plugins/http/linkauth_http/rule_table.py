"""The rules of one request: which of them applies to a response.

The rules of refusals are checked before those of success, so that an ambiguous response refuses.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from linkauth.backends import Check, report
from linkauth_http.flags import allows_success, compared_selectors, incomplete_rules, is_understood, may_apply
from linkauth_http.responses import LoginResponse
from linkauth_http.rules import Condition, parse_rules
from linkauth_http.selectors import Selector, scalar_text

log = logging.getLogger(__name__)

MAX_PROBLEMS, MAX_SHOWN = 100, 5
"""The maximum number of problems that are stored, and that a check lists."""
MAX_VALUE_CHARACTERS = 20
"""The maximum length of a value that a log shows."""
MIN_DIGEST_PART = 6
"""Shorter texts are parts of many digests by chance."""


class RuleTable:
    """Rules by the name of their setting. `success` is the name of the rules of a success; all others refuse.

    A refusal that comes earlier in `rules` takes precedence. A rule of a success applies to statuses lower than `below`
    and to those that it lists. `data` are the selectors of the values that are read from a success. `states` are the
    refusals that are about the state of an account.
    """

    def __init__(
        self,
        rules: Mapping[str, str],
        success: str,
        data: Collection[Selector],
        below: int,
        states: Sequence[str] = (),
    ) -> None:
        self._rules = {name: parse_rules(text) for name, text in rules.items()}
        self._lines = {
            name: [line.strip() for line in text.splitlines() if line.strip()] for name, text in rules.items()
        }
        self._success, self._data, self._below, self._states = success, data, below, states
        self._refusals = tuple(name for name in rules if name != success)
        self.problems: list[str] = []

    def outcome(self, response: LoginResponse) -> str:
        """Returns the name of the rules that apply, or ""."""
        for name in self._refusals:
            if any(rule.matches(response) for rule in self._rules[name]):
                return name
        for rule in self._rules[self._success]:
            if allows_success(rule, response, self._below, self._data):
                return self._possible_refusal(response, compared_selectors(rule)) or self._success
        return ""

    def report(self, response: LoginResponse, typed: Collection[str], digests: Collection[str]) -> str:
        """Reports which rules match, in the order in which they are checked, up to the first one that does.

        Returns its name, or "".
        """
        for name in (*self._refusals, self._success):
            for line, rule in zip(self._lines[name], self._rules[name], strict=True):
                is_success = name == self._success
                matches = (
                    allows_success(rule, response, self._below, self._data) if is_success else rule.matches(response)
                )
                seen = [text for each in rule.conditions if (text := _seen(each, response, typed, digests))]
                report(f"rule {name}", ", ".join([f"{line}: {'matches' if matches else 'does not match'}", *seen]))
                if matches:
                    return name
        return ""

    def _possible_refusal(self, response: LoginResponse, compared: set[Selector]) -> str:
        """Returns the refusal that may apply because a flag is not understood, or ""."""
        for name in self._refusals:
            if any(may_apply(rule, response, compared) for rule in self._rules[name]):
                self._report(f"a success is treated as {name}, because its rule reads a flag that is not understood")
                return name
        return ""

    def describe_unknown(
        self, response: LoginResponse, typed: Collection[str] | None, digests: Collection[str] = ()
    ) -> str:
        """Returns, for logs, the values that the success reads and that are not understood, or "".

        Values that overlap with a text in `typed`, such as the password, are omitted, and so are parts of `digests`.
        With None all are omitted, and only the selectors are named.
        """
        selectors = [
            condition.selector
            for rule in self._rules[self._success]
            for condition in rule.conditions
            if condition.matches(response) and not is_understood(condition, response, self._data)
        ]
        shown = {each: "" if typed is None else display(each.values(response), typed, digests) for each in selectors}
        values = ", ".join(f"{each}{text}" for each, text in shown.items())
        if not values:
            return ""
        self._report(
            f"{self._success} reads a value that is neither yes nor no: {values}; compare it: /result/ok = true"
        )
        return f"; {values} is neither yes nor no"

    def _report(self, problem: str) -> None:
        """Logs a problem once, and stores it for `checks`. Ignores further problems after MAX_PROBLEMS."""
        if problem not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
            log.error("response not understood: %s", problem)

    def checks(self) -> Iterator[Check]:
        """Yields a warning for each incomplete rule, and for the latest values that were not understood."""
        for problem in dict.fromkeys(incomplete_rules(self._rules, self._success, self._states)):
            yield Check("rules", True, f"{problem}: list the good values instead, as in /state = active", warning=True)
        for problem in self.problems[-MAX_SHOWN:]:
            yield Check("answers", True, problem, warning=True)


def _seen(condition: Condition, response: LoginResponse, typed: Collection[str], digests: Collection[str]) -> str:
    """Returns what a response has where a condition looks, as `display` shows it, or ""."""
    selector = condition.selector
    if selector.kind in ("status", "form", "location"):
        return ""
    values = selector.values(response)
    return f"{selector}{display(values, typed, digests) or ' is there'}" if values else f"{selector} is missing"


def display(values: Iterable[Any], typed: Collection[str], digests: Collection[str] = ()) -> str:
    """Returns the short values for a log, except those that overlap with a typed text, or that are parts of digests."""
    texts = [text for each in values if (text := scalar_text(each)) is not None and len(text) <= MAX_VALUE_CHARACTERS]
    safe = [text for text in texts if not any(each and (each in text or text in each) for each in typed)]
    safe = [text for text in safe if len(text) < MIN_DIGEST_PART or not any(text in digest for digest in digests)]
    return " = " + ", ".join(f"{text!a}" for text in safe[:3]) if safe else ""
