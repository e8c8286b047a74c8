r"""The rule language of the ini file, which defines the meaning of responses.

A rule is a line of conditions, joined by ` and `. Selectors are those of selectors.py:

    selector                the value exists and is not null, false, no, 0 or empty; see flags.py for `success`
    selector = text         the value equals the text, in which `*` stands for any characters; not for regex:
    location:/home*         the URL of a redirect, which is not followed
    form:                   the page has a password field
    status:200 204          the status is one of these
    not CONDITION           the condition does not match, but the document could be read

A rule applies to every response except those with status 429 and 5xx. A rule with a status applies to that status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from linkauth_http.responses import LoginResponse
from linkauth_http.selectors import COMPARISON_HINT, KINDS, Selector, parse_selector, scalar_text

CONDITIONS = (*KINDS, "location", "form", "status")
_AND = re.compile(rf"\sand\s+(?=(?:not\s+)?(?:/|(?:{'|'.join(CONDITIONS)}):))")
_BUSY = (429, 502, 503, 504)
YES = ("true", "yes", "y", "t", "on", "1", "ok")
NO = ("", "false", "no", "n", "f", "off", "0", "null")
"""The values of a flag, as JSON values or as text in any case."""


@dataclass(frozen=True)
class Condition:
    """A condition on a selector, a redirect, a login form or a status. `expected` is the text to compare with."""

    selector: Selector
    expected: re.Pattern[str] | None = None
    negated: bool = False

    def matches(self, response: LoginResponse) -> bool:
        if self.negated and not self.selector.can_read(response):
            # the negated condition might match in the unreadable document
            return False
        return self._matches(response) != self.negated

    def _matches(self, response: LoginResponse) -> bool:
        if self.selector.kind == "status":
            return str(response.status) in self.selector.argument.split()
        if self.selector.kind == "form":
            return response.page.has_password_field
        if self.selector.kind == "location":
            assert self.expected
            return any(map(self.expected.fullmatch, response.location))
        if self.selector.kind == "regex":
            return re.search(self.selector.argument, response.text) is not None
        if self.expected is None:
            return not all(isinstance(each, str) and _is_false(each) for each in self.selector.present_values(response))
        # a comparison may also expect false or 0
        texts = map(scalar_text, self.selector.values(response))
        return any(self.expected.fullmatch(text) for text in texts if text is not None)

    @property
    def is_marker(self) -> bool:
        """Whether the condition can distinguish a success from an error.

        A status cannot, because error pages may have the status 200. A pattern that matches everything cannot either.
        """
        if self.negated or self.selector.kind in ("status", "form"):
            return False
        if self.selector.kind == "regex":
            return not re.search(self.selector.argument, "")
        pattern = self.expected
        return not (pattern and (pattern.fullmatch("") or (pattern.fullmatch("true") and pattern.fullmatch("false"))))


@dataclass(frozen=True)
class Rule:
    """A list of conditions that must all match."""

    conditions: tuple[Condition, ...]

    @property
    def statuses(self) -> frozenset[int]:
        """The statuses of the conditions that are not negated."""
        conditions = [each for each in self.conditions if each.selector.kind == "status" and not each.negated]
        return frozenset(int(status) for each in conditions for status in each.selector.argument.split())

    def matches(self, response: LoginResponse, below: int = 500) -> bool:
        """Returns whether all conditions match. A rule without a status matches only statuses lower than `below`."""
        if not self.statuses and (response.status >= below or response.status in _BUSY):
            return False
        return all(condition.matches(response) for condition in self.conditions)

    @property
    def has_marker(self) -> bool:
        return any(condition.is_marker for condition in self.conditions)


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Parses the rules of a setting, one per line. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(Rule(tuple(_condition(part.strip()) for part in _AND.split(line))) for line in lines)


def _condition(text: str) -> Condition:
    negated = re.match(r"not\s+", text)
    text = text[negated.end() :] if negated else text
    kind, _, argument = text.partition(":")
    argument = argument.strip()
    if kind == "status":
        if not re.fullmatch(r"[1-5][0-9]{2}(\s+[1-5][0-9]{2})*", argument):
            raise ValueError("contains a status: without numbers such as 200 204")
        if set(argument.split()) & set(map(str, _BUSY)):
            raise ValueError("contains a status: that cannot be about a person (429, 502, 503 and 504)")
        return Condition(Selector("status", argument), None, bool(negated))
    if kind == "form":
        if argument:
            raise ValueError("contains a form: with a value, which it does not support")
        return Condition(Selector("form", ""), None, bool(negated))
    if kind == "location":
        if not argument.strip("*"):
            raise ValueError("contains a location: without a pattern")
        return Condition(Selector("location", ""), wildcard(argument), bool(negated))
    selector, equals, expected = text.rpartition(" = ")
    if not equals or kind == "regex":
        selector, expected = text, ""
    parsed, expected = parse_selector(selector.strip()), expected.strip()
    if parsed.kind == "pointer" and re.search(r"\s", parsed.argument):
        # a key may contain a space, but in a rule it is more likely a mistake
        raise ValueError(f"contains a pointer with a space in it: {COMPARISON_HINT}")
    is_quoted = len(expected) > 1 and expected[0] == expected[-1] and expected[0] in "'\""
    if parsed.kind in ("pointer", "jwt", "xpath") and is_quoted:
        raise ValueError("contains a text in quotes, which would be part of the comparison: remove the quotes")
    return Condition(parsed, wildcard(expected) if expected else None, bool(negated))


def wildcard(pattern: str) -> re.Pattern[str]:
    """Returns a pattern in which `*` stands for any characters.

    The parts between two `*` are atomic groups, so that matching takes linear time.
    """
    first, *rest = map(re.escape, pattern.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL)


def _is_false(text: str) -> bool:
    return text.strip().casefold() in NO
