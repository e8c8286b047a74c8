"""An HTML page, as far as signing in needs it: its forms' fields, and where a hidden token stands."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser

_SELECTOR = re.compile(r"([a-z]+)?(#[\w-]+)?((?:\[[\w-]+=(?:\"[^\"]*\"|'[^']*'|[\w.:-]+)\])*)")
_ATTRIBUTE = re.compile(r"\[([\w-]+)=(?:\"([^\"]*)\"|'([^']*)'|([\w.:-]+))\]")


@dataclass(frozen=True)
class Element:
    """A tag of the page; `form` is the number of the form that it stands in, None for outside."""

    tag: str
    attributes: dict[str, str]
    form: int | None

    def fits(self, tag: str, attributes: dict[str, str]) -> bool:
        return tag in ("", self.tag) and all(self.attributes.get(name) == text for name, text in attributes.items())


class Page(HTMLParser):
    """The elements of a page in their order; broken HTML is read as far as it goes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._forms = 0
        self._form: int | None = None
        # no close(): that would look for the end of each thing left open anew, and take minutes for a hostile page;
        # to a browser, too, what is left open is the end of the page
        with suppress(AssertionError, ValueError):
            self.feed(text)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """`<![` is a comment up to the next `>`, as browsers take it."""
        return self.parse_bogus_comment(i, bool(report))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self._form = self._forms
            self._forms += 1
        # the first of two attributes of one name counts
        attributes = {name: text or "" for name, text in reversed(attrs)}
        self.elements.append(Element(tag, attributes, self._form))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def _password_field(self) -> Element | None:
        return next((each for each in self.elements if _is_input(each, "password")), None)

    @property
    def asks_for_a_password(self) -> bool:
        """Is there a field for a password: the login form?"""
        return self._password_field() is not None

    @property
    def hidden_fields(self) -> dict[str, str]:
        """The hidden fields of the form that asks for a password, by name."""
        field = self._password_field()
        if field is None:
            return {}
        hidden = [each for each in self.elements if each.form == field.form and _is_input(each, "hidden")]
        return {
            each.attributes["name"]: each.attributes.get("value", "") for each in hidden if each.attributes.get("name")
        }

    @property
    def accepted_charset(self) -> str:
        """The first charset that the form that asks for a password names; "" for none."""
        field = self._password_field()
        forms = [each for each in self.elements if field and each.tag == "form" and each.form == field.form]
        return next(iter("".join(each.attributes.get("accept-charset", "") for each in forms).split()), "")

    def value_of(self, selector: str) -> str:
        """The `value` (of a meta element the `content`) of the first element that `selector` fits; "" for none."""
        tag, attributes = parse_selector(selector)
        found = next((each for each in self.elements if each.fits(tag, attributes)), None)
        if found is None:
            return ""
        return found.attributes.get("value") or found.attributes.get("content") or ""


def _is_input(element: Element, kind: str) -> bool:
    return element.tag == "input" and element.attributes.get("type", "").lower() == kind


def parse_selector(selector: str) -> tuple[str, dict[str, str]]:
    """(tag, attributes) of `tag#id[name=value]`, each part optional. Raises ValueError."""
    found = _SELECTOR.fullmatch(selector)
    if not found or not selector:
        raise ValueError("is neither a selector such as input[name=token] nor regex: and a pattern")
    attributes = {name: a or b or c for name, a, b, c in _ATTRIBUTE.findall(found[3])}
    if found[2]:
        attributes["id"] = found[2][1:]
    return found[1] or "", attributes
