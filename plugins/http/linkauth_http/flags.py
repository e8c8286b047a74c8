"""Decides whether a response that matches a rule of `success` is a success.

Every value that the rule depends on must be understood, and no refusal may be possible. A flag is a value that means
yes or no. If a rule of `success` contains a selector without a comparison, the selector must find a flag for yes, or a
value that is not a flag: a token, or a value that the ini file also reads from the response.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from linkauth_http.responses import LoginResponse
from linkauth_http.rules import NO, YES, Condition, Rule
from linkauth_http.selectors import Selector, scalar_text

FLAG_KINDS = ("pointer", "jwt", "xpath", "header")
"""The kinds of selectors whose values may be flags. The value of a cookie is the ID of a session, and no flag."""
_MIN_TOKEN_LENGTH = 16


def parse_flag(value: Any) -> bool | None:
    """Returns True or False for a JSON value or text in YES or NO, and None for any other value."""
    text = (scalar_text(value) or "object").strip().casefold() if value != "" else ""
    return True if text in YES else False if text in NO else None


def allows_success(rule: Rule, response: LoginResponse, below: int, data: Collection[Selector]) -> bool:
    """Returns whether a rule of `success` matches and all its conditions are understood.

    A rule without a status matches only responses with a status lower than `below`. `data` contains the selectors of
    the values that are read from the response.
    """
    return rule.matches(response, below) and all(is_understood(each, response, data) for each in rule.conditions)


def is_understood(condition: Condition, response: LoginResponse, data: Collection[Selector]) -> bool:
    """Returns whether every value that the condition depends on is understood."""
    selector, flag = condition.selector, _expected_flag(condition)
    values = selector.values(response) if selector.kind in FLAG_KINDS else []
    if condition.negated:
        if flag is None:
            return not _matches_ignoring_case(condition, response)
        # "not ... = true" needs a no or a missing value; "not ... = false" needs a yes
        return all(parse_flag(value) is not flag for value in values) and _are_all_flags(values, flag)
    if condition.expected is None:
        return all(parse_flag(value) or _is_data(selector, value, data) for value in values)
    texts = {scalar_text(value) for value in values}
    return len(texts) < 2 or (flag is None and not any(parse_flag(value) is False for value in values))


def may_apply(rule: Rule, response: LoginResponse, compared: Collection[Selector]) -> bool:
    """Returns whether a rule of a refusal could apply to the response.

    The rule matches, or it would match if the case were ignored and flags that are not understood had the expected
    value. `compared` contains the selectors whose value the rule of `success` has compared with a text.
    """
    return all(
        condition.matches(response) or (condition.selector not in compared and _may_match(condition, response))
        for condition in rule.conditions
    )


def compared_selectors(rule: Rule) -> set[Selector]:
    """Returns the selectors whose value the rule compares with a text."""
    return {each.selector for each in rule.conditions if each.expected is not None and not each.negated}


def incomplete_rules(rules: Mapping[str, Collection[Rule]], success: str, states: Collection[str]) -> Iterator[str]:
    """Yields a problem for each rule that lists bad values only, so that a new value would count as a good one.

    `success` and `states` are the names of the rules of a success and of refused states.
    """
    compared = set[Selector]()
    if rules[success]:
        compared = set[Selector].intersection(*map(compared_selectors, rules[success]))
    for rule in rules[success]:
        for each in rule.conditions:
            if each.negated and _compares_text(each) and each.selector not in compared:
                yield f"{success} accepts every value of {each.selector} except the listed ones"
    for name in states:
        for rule in rules[name]:
            first = rule.conditions[0]
            if len(rule.conditions) == 1 and _compares_text(first) and first.selector not in compared:
                yield f"{name} lists a value of {first.selector}, and {success} accepts every value that no rule lists"


def _compares_text(condition: Condition) -> bool:
    """Returns whether the condition compares with a text that is not a flag."""
    return (
        condition.expected is not None and _expected_flag(condition) is None and condition.selector.kind in FLAG_KINDS
    )


def _may_match(condition: Condition, response: LoginResponse) -> bool:
    flag = _expected_flag(condition)
    if condition.negated or condition.selector.kind not in FLAG_KINDS:
        return False
    if flag is None:
        return _matches_ignoring_case(condition, response)
    return any(parse_flag(value) is not (not flag) for value in condition.selector.values(response))


def _matches_ignoring_case(condition: Condition, response: LoginResponse) -> bool:
    """Returns whether a value equals the expected text, ignoring case and surrounding spaces."""
    if condition.expected is None or condition.selector.kind not in FLAG_KINDS:
        return False
    pattern = re.compile(condition.expected.pattern, re.DOTALL | re.IGNORECASE)
    texts = map(scalar_text, condition.selector.values(response))
    return any(pattern.fullmatch(text.strip()) for text in texts if text is not None)


def _expected_flag(condition: Condition) -> bool | None:
    """Returns the flag that the condition compares with, or None if it compares with another text or with none."""
    return parse_flag(condition.expected.pattern) if condition.expected is not None else None


def _are_all_flags(values: list[Any], flag: bool) -> bool:
    return all(parse_flag(value) is not None for value in values) and (flag or bool(values))


def _is_data(selector: Selector, value: Any, data: Collection[Selector]) -> bool:
    """Returns whether a value is not a flag: data that the ini file reads, an object that contains it, or a token."""
    if parse_flag(value) is False:
        return False
    if selector.kind == "jwt" and selector.argument.endswith(" /sub"):
        # the subject of the token (RFC 7519 section 4.1.2)
        return True
    prefix = f"{selector.argument}/"
    is_read = any(each.kind == selector.kind and f"{each.argument}/".startswith(prefix) for each in data)
    return is_read or (isinstance(value, str) and _is_token(value))


def _is_token(text: str) -> bool:
    """Returns whether a text looks like a token: long, without spaces, and with letters mixed with digits."""
    parts = re.split(r"[^A-Za-z0-9]+", text)
    has_mixed_part = any(not part.isdigit() and not part.isalpha() for part in parts if part)
    return len(text) >= _MIN_TOKEN_LENGTH and not re.search(r"\s", text) and has_mixed_part
