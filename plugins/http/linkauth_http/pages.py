"""Parses an HTML page: the fields of its forms, and the element that contains a CSRF token."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser

_SELECTOR = re.compile(r"([a-z]+)?(#[\w-]+)?((?:\[[\w-]+=(?:\"[^\"]*\"|'[^']*'|[\w.:-]+)\])*)")
_ATTRIBUTE = re.compile(r"\[([\w-]+)=(?:\"([^\"]*)\"|'([^']*)'|([\w.:-]+))\]")


@dataclass(frozen=True)
class Element:
    """A start tag of the page. `form` is the number of the form that contains it, or None."""

    tag: str
    attributes: dict[str, str]
    form: int | None

    def matches(self, tag: str, attributes: dict[str, str]) -> bool:
        return tag in ("", self.tag) and all(self.attributes.get(name) == text for name, text in attributes.items())


class Page(HTMLParser):
    """The elements of a page in document order. Broken HTML is parsed as far as possible."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._forms = 0
        self._form: int | None = None
        # close() is not called: it takes quadratic time for a hostile page with many unclosed constructs; browsers
        # also treat an unclosed construct as the end of the page
        with suppress(AssertionError, ValueError):
            self.feed(text)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Treats `<![` as a comment up to the next `>`, like browsers."""
        return self.parse_bogus_comment(i, bool(report))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self._form = self._forms
            self._forms += 1
        # of two attributes with one name the first one counts
        attributes = {name: text or "" for name, text in reversed(attrs)}
        self.elements.append(Element(tag, attributes, self._form))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def _password_field(self) -> Element | None:
        return next((each for each in self.elements if _is_input(each, "password")), None)

    @property
    def has_password_field(self) -> bool:
        """Whether the page has a password field, which means that it contains the login form."""
        return self._password_field() is not None

    @property
    def hidden_fields(self) -> dict[str, str]:
        """The hidden fields of the form with the password field: {name: value}."""
        field = self._password_field()
        if field is None:
            return {}
        hidden = [each for each in self.elements if each.form == field.form and _is_input(each, "hidden")]
        return {
            each.attributes["name"]: each.attributes.get("value", "") for each in hidden if each.attributes.get("name")
        }

    @property
    def accepted_charset(self) -> str:
        """The first charset of accept-charset of the form with the password field, or ""."""
        field = self._password_field()
        forms = [each for each in self.elements if field and each.tag == "form" and each.form == field.form]
        return next(iter("".join(each.attributes.get("accept-charset", "") for each in forms).split()), "")

    def value_of(self, selector: str) -> str:
        """Returns the attribute value or content of the first element that `selector` matches, or ""."""
        tag, attributes = parse_selector(selector)
        element = next((each for each in self.elements if each.matches(tag, attributes)), None)
        if element is None:
            return ""
        return element.attributes.get("value") or element.attributes.get("content") or ""


def _is_input(element: Element, kind: str) -> bool:
    return element.tag == "input" and element.attributes.get("type", "").lower() == kind


def parse_selector(selector: str) -> tuple[str, dict[str, str]]:
    """Parses `tag#id[name=value]`, each part optional, to (tag, attributes). Raises ValueError."""
    match = _SELECTOR.fullmatch(selector)
    if not match or not selector:
        raise ValueError("is neither a selector such as input[name=token] nor regex: with a pattern")
    attributes = {name: a or b or c for name, a, b, c in _ATTRIBUTE.findall(match[3])}
    if match[2]:
        attributes["id"] = match[2][1:]
    return match[1] or "", attributes
