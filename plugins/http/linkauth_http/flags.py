"""Is a success one? What its rule rests on must be understood, and nothing against the person may be in doubt.

A value that says yes or no is a flag. A selector alone in a rule of `success` takes a flag that says yes, or something
that is no flag: what the ini also reads of a person, or a token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from linkauth_http.answers import Answer
from linkauth_http.rules import NO, YES, Condition, Rule, Selector, text_of
from linkauth_http.settings import STATES

FLAGS = ("pointer", "jwt", "xpath", "header")
"""Selectors whose values may be flags; a cookie that is set is a session, whatever its value."""
_TOKEN_LENGTH = 16


def says(value: Any) -> bool | None:
    """Whether a value says yes or no: a JSON value or a text of YES or NO; None for everything else."""
    word = (text_of(value) or "object").strip().casefold() if value != "" else ""
    return True if word in YES else False if word in NO else None


def lets_in(rule: Rule, answer: Answer, below: int, data: Collection[Selector]) -> bool:
    """Does the rule hold as one of `success`? `data` are the selectors of what the ini reads of a person, `below` is
    the first status of which a rule that names none is not read."""
    return rule.holds(answer, below) and all(is_clear(each, answer, data) for each in rule.conditions)


def is_clear(condition: Condition, answer: Answer, data: Collection[Selector]) -> bool:
    """Is every value that the condition rests on understood?"""
    selector, flag = condition.selector, _flag(condition)
    values = selector.everything(answer) if selector.kind in FLAGS else []
    if condition.negated:
        if flag is None:
            return not _is_nearly(condition, answer)
        # what must not be true says no or is missing; what must not be false says yes
        return all(says(value) is not flag for value in values) and _all_known(values, flag)
    if condition.wanted is None:
        return all(says(value) or _is_data(selector, value, data) for value in values)
    texts = {text_of(value) for value in values}
    return len(texts) < 2 or (flag is None and not any(says(value) is False for value in values))


def in_doubt(rule: Rule, answer: Answer, settled: Collection[Selector]) -> bool:
    """Would a rule against the person hold, if the flags that are not understood said what it looks for, and without
    regard to capitals? `settled` are the selectors whose value the success has compared with a text."""
    return all(
        condition.holds(answer) or (condition.selector not in settled and _may_hold(condition, answer))
        for condition in rule.conditions
    )


def settled_by(rule: Rule) -> set[Selector]:
    return {each.selector for each in rule.conditions if each.wanted is not None and not each.negated}


def open_ends(rules: Mapping[str, Collection[Rule]]) -> Iterator[str]:
    """Where rules name the values that are bad and not those that are good, so that a new value is a good one."""
    settled = set[Selector].intersection(*map(settled_by, rules["success"])) if rules["success"] else set[Selector]()
    for rule in rules["success"]:
        for each in rule.conditions:
            if each.negated and _names_a_word(each) and each.selector not in settled:
                yield f"success takes every value of {each.selector} but the ones that it names"
    for name in STATES:
        for rule in rules[name]:
            first = rule.conditions[0]
            if len(rule.conditions) == 1 and _names_a_word(first) and first.selector not in settled:
                yield f"{name} names a value of {first.selector}, and success takes every value that no rule names"


def _names_a_word(condition: Condition) -> bool:
    return condition.wanted is not None and _flag(condition) is None and condition.selector.kind in FLAGS


def _may_hold(condition: Condition, answer: Answer) -> bool:
    flag = _flag(condition)
    if condition.negated or condition.selector.kind not in FLAGS:
        return False
    if flag is None:
        return _is_nearly(condition, answer)
    return any(says(value) is not (not flag) for value in condition.selector.everything(answer))


def _is_nearly(condition: Condition, answer: Answer) -> bool:
    """Does a value differ from the text that is looked for in capitals and in blanks around it only?"""
    if condition.wanted is None or condition.selector.kind not in FLAGS:
        return False
    wanted = re.compile(condition.wanted.pattern, re.DOTALL | re.IGNORECASE)
    texts = map(text_of, condition.selector.everything(answer))
    return any(wanted.fullmatch(text.strip()) for text in texts if text is not None)


def _flag(condition: Condition) -> bool | None:
    """Whether the text that is looked for says yes or no; None if it is another, or none is."""
    return says(condition.wanted.pattern) if condition.wanted is not None else None


def _all_known(values: list[Any], flag: bool) -> bool:
    return all(says(value) is not None for value in values) and (flag or bool(values))


def _is_data(selector: Selector, value: Any, data: Collection[Selector]) -> bool:
    """Is it no flag: what the ini reads of a person, the object around it, or a token?"""
    if says(value) is False:
        return False
    if selector.kind == "jwt" and selector.argument.endswith(" /sub"):
        # RFC 7519 section 4.1.2: whom the token is about
        return True
    inside = f"{selector.argument}/"
    read = any(each.kind == selector.kind and f"{each.argument}/".startswith(inside) for each in data)
    return read or (isinstance(value, str) and _is_token(value))


def _is_token(text: str) -> bool:
    """Long, without a blank, and with a part of letters and digits, which no word has."""
    parts = re.split(r"[^A-Za-z0-9]+", text)
    mixed = any(not part.isdigit() and not part.isalpha() for part in parts if part)
    return len(text) >= _TOKEN_LENGTH and not re.search(r"\s", text) and mixed
