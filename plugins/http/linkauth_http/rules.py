r"""The rule language of the ini file, which defines the meaning of responses.

Selectors of values in a response:

    /result/id              a JSON pointer (RFC 6901)
    jwt:/id_token /sub      a pointer into the claims of the JWT that the first pointer selects
    xpath:.//{*}userId      an XPath of ElementTree, relative to the document; a last step /@name selects an attribute
    header:X-User           a header
    cookie:sessionid        a cookie that the response sets
    regex:Welcome, (\w+)    a pattern in the text of the body, or its first group if it has one

A rule is a line of conditions, joined by ` and `:

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from linkauth_http.documents import MISSING
from linkauth_http.responses import LoginResponse, jwt_claims, resolve_pointer

KINDS = ("jwt", "xpath", "header", "cookie", "regex")
CONDITIONS = (*KINDS, "location", "form", "status")
_AND = re.compile(rf"\sand\s+(?=(?:not\s+)?(?:/|(?:{'|'.join(CONDITIONS)}):))")
_BUSY = (429, 502, 503, 504)
YES = ("true", "yes", "y", "t", "on", "1", "ok")
NO = ("", "false", "no", "n", "f", "off", "0", "null")
"""The values of a flag, as JSON values or as text in any case."""
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or a cookie (RFC 9110 section 5.6.2)."""
_COMPARISON_HINT = "a comparison has spaces around the = and a text after it: /result/ok = true"


@dataclass(frozen=True)
class Selector:
    """Selects values in a response. `argument` is the text after the kind and the colon."""

    kind: str
    argument: str

    def __str__(self) -> str:
        return self.argument if self.kind == "pointer" else f"{self.kind}:{self.argument}"

    def values(self, response: LoginResponse) -> list[Any]:
        """Returns all values: texts or JSON values. The members of a list are separate values."""
        return list(_READERS[self.kind](self, response))

    def present_values(self, response: LoginResponse) -> list[Any]:
        """Returns the values that are not empty, null, false or 0."""
        return [each for each in self.values(response) if each]

    def texts(self, response: LoginResponse) -> tuple[str, ...]:
        """Returns the texts and integers, as text."""
        return tuple(str(each) for each in self.present_values(response) if _is_name(each))

    def first(self, response: LoginResponse) -> str:
        """Returns the first text, or ""."""
        return next(iter(self.texts(response)), "")

    def single_text(self, response: LoginResponse) -> str:
        """Returns the text if it is the only distinct value, else ""."""
        texts = {str(each) if _is_name(each) else "" for each in self.values(response)}
        return texts.pop() if len(texts) == 1 else ""

    def claim_value(self, response: LoginResponse) -> Any:
        """Returns the value of a claim: one value, a list of several, or None."""
        values = self.present_values(response)
        return values[0] if len(values) == 1 else values or None

    def can_read(self, response: LoginResponse) -> bool:
        """Returns whether the document that contains the values can be read. For location, there is at most one."""
        if self.kind == "pointer":
            return response.json is not MISSING
        if self.kind == "jwt":
            return self._claims(response) is not MISSING
        if self.kind == "location":
            return len(response.headers.getlist("Location")) < 2
        return self.kind != "xpath" or response.xml is not None

    def _pointer(self, response: LoginResponse) -> list[Any]:
        return _members(resolve_pointer(response.json, self.argument))

    def _jwt(self, response: LoginResponse) -> list[Any]:
        return _members(resolve_pointer(self._claims(response), self.argument.split()[1]))

    def _claims(self, response: LoginResponse) -> Any:
        return jwt_claims(resolve_pointer(response.json, self.argument.split()[0]))

    def _xpath(self, response: LoginResponse) -> list[Any]:
        path, _, attribute = self.argument.partition("/@")
        elements = response.xml.findall(path) if response.xml is not None else []
        if attribute:
            return [element.attrib[attribute] for element in elements if attribute in element.attrib]
        return ["".join(element.itertext()).strip() for element in elements]

    def _header(self, response: LoginResponse) -> list[Any]:
        return [value.strip() for value in response.headers.getlist(self.argument)]

    def _cookie(self, response: LoginResponse) -> list[Any]:
        return [value for name, value in response.cookies.items() if name == self.argument]

    def _regex(self, response: LoginResponse) -> list[Any]:
        pattern = re.compile(self.argument)
        return [match[1] if pattern.groups else match[0] for match in pattern.finditer(response.text)]


_READERS: Mapping[str, Callable[[Selector, LoginResponse], list[Any]]] = {
    "pointer": Selector._pointer,
    "jwt": Selector._jwt,
    "xpath": Selector._xpath,
    "header": Selector._header,
    "cookie": Selector._cookie,
    "regex": Selector._regex,
}
"""The method that reads the values of each kind of selector."""


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


def parse_selector(text: str) -> Selector:
    """Parses a selector. Raises ValueError with a message that does not contain the text."""
    if text.startswith("/"):
        if re.search(r"~(?![01])", text):
            raise ValueError("contains an invalid JSON pointer")
        if "=" in text:
            raise ValueError(f"contains a pointer with an = in it: {_COMPARISON_HINT}")
        return Selector("pointer", text)
    kind, colon, argument = text.partition(":")
    argument = argument.strip()
    if not colon or kind not in KINDS:
        kinds = ", ".join(f"{each}:" for each in KINDS)
        raise ValueError(f"contains something that is not a selector; valid are /pointer, {kinds}")
    if not argument:
        raise ValueError(f"contains {kind}: without a value")
    if kind in ("header", "cookie") and not TOKEN.fullmatch(argument):
        raise ValueError(f"contains a {kind}: with an invalid name: {_COMPARISON_HINT}")
    if kind == "jwt" and not re.fullmatch(r"/[^\s=]+\s+/[^\s=]+", argument):
        raise ValueError("contains a jwt: without two pointers such as /id_token /sub")
    if kind == "regex":
        try:
            re.compile(argument)
        except re.error:
            raise ValueError("contains a regex: with an invalid regular expression") from None
    if kind == "xpath":
        try:
            ElementTree.Element("x").findall(argument.partition("/@")[0])
        except (SyntaxError, KeyError, ValueError, TypeError):
            raise ValueError("contains an xpath: that ElementTree does not support") from None
    return Selector(kind, argument)


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
        raise ValueError(f"contains a pointer with a space in it: {_COMPARISON_HINT}")
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


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != 0


def _is_false(text: str) -> bool:
    return text.strip().casefold() in NO


def _members(value: Any) -> list[Any]:
    if value is MISSING:
        return []
    return value if isinstance(value, list) else [value]


def scalar_text(value: Any) -> str | None:
    """Returns a JSON scalar as text, in the notation of JSON; None for objects and lists."""
    names: Mapping[Any, str] = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return names[value]
    return str(value) if isinstance(value, str | int | float) else None
