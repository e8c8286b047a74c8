r"""Selectors of values in a response:

/result/id              a JSON pointer (RFC 6901)
jwt:/id_token /sub      a pointer into the claims of the JWT that the first pointer selects
xpath:.//{*}userId      an XPath of ElementTree, relative to the document; a last step /@name selects an attribute
html:input[name=token]  the value or content of the first element tag#id[name=value] of a page, each part optional
header:X-User           a header
cookie:sessionid        a cookie that the response sets
regex:Welcome, (\w+)    a pattern in the text of the body, or its first group if it has one
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from linkauth_http import pages
from linkauth_http.documents import MISSING
from linkauth_http.responses import LoginResponse, jwt_claims, resolve_pointer

KINDS = ("jwt", "xpath", "html", "header", "cookie", "regex")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or a cookie (RFC 9110 section 5.6.2)."""
COMPARISON_HINT = "a comparison has spaces around the = and a text after it: /result/ok = true"


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

    def _html(self, response: LoginResponse) -> list[Any]:
        value = response.page.value_of(self.argument)
        return [value] if value else []

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
    "html": Selector._html,
    "header": Selector._header,
    "cookie": Selector._cookie,
    "regex": Selector._regex,
}
"""The method that reads the values of each kind of selector."""


def parse_selector(text: str) -> Selector:
    """Parses a selector. Raises ValueError with a message that does not contain the text."""
    if text.startswith("/"):
        if re.search(r"~(?![01])", text):
            raise ValueError("contains an invalid JSON pointer")
        if "=" in text:
            raise ValueError(f"contains a pointer with an = in it: {COMPARISON_HINT}")
        return Selector("pointer", text)
    kind, colon, argument = text.partition(":")
    argument = argument.strip()
    if not colon or kind not in KINDS:
        kinds = ", ".join(f"{each}:" for each in KINDS)
        raise ValueError(f"contains something that is not a selector; valid are /pointer, {kinds}")
    if not argument:
        raise ValueError(f"contains {kind}: without a value")
    if kind in ("header", "cookie") and not TOKEN.fullmatch(argument):
        raise ValueError(f"contains a {kind}: with an invalid name: {COMPARISON_HINT}")
    if kind == "html":
        pages.parse_selector(argument)
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


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != 0


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
