r"""The little language in which an ini says what an answer means.

A selector names something in an answer:

    /result/id              a JSON pointer (RFC 6901)
    jwt:/id_token /sub      a pointer into the claims of the JWT that the first pointer names
    xpath:.//{*}userId      ElementTree's XPath, from the document down; a last step /@name is an attribute
    header:X-User           a header
    cookie:sessionid        a cookie that is set
    regex:Welcome, (\w+)    a pattern in the text of the body; its first group, if it has one

A rule is a line of conditions, joined by ` and `: a selector alone (it is there, and says neither null, false, no, 0
nor nothing, as a value or as a text; `success` wants more, see flags.py), or `selector = text`, in which `*`
stands for any characters. Besides there are
`location:/home*` (the redirect that is never followed), `form:` (the page asks for a password), `status:200 204`, and
`not` before any of them, which of a document that cannot be read holds nothing either. A regex stands alone.

A rule is read of every answer but 429 and 5xx; one that names the status itself, without `not`, of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from linkauth_http.answers import Answer, payload_of, pointed_at
from linkauth_http.documents import NOTHING

KINDS = ("jwt", "xpath", "header", "cookie", "regex")
CONDITIONS = (*KINDS, "location", "form", "status")
_AND = re.compile(rf"\sand\s+(?=(?:not\s+)?(?:/|(?:{'|'.join(CONDITIONS)}):))")
_BUSY = (429, 502, 503, 504)
YES = ("true", "yes", "y", "t", "on", "1", "ok")
NO = ("", "false", "no", "n", "f", "off", "0", "null")
"""What a flag says, in any case, as a value or as a text."""
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or a cookie (RFC 9110 section 5.6.2)."""
_SPACED = "a comparison has spaces around its =, and a text behind it: /result/ok = true"


@dataclass(frozen=True)
class Selector:
    """Something in an answer. `argument` is what stands behind the kind."""

    kind: str
    argument: str

    def __str__(self) -> str:
        return self.argument if self.kind == "pointer" else f"{self.kind}:{self.argument}"

    def everything(self, answer: Answer) -> list[Any]:
        """Every value, as it is: text, or what JSON has; a list counts as its members."""
        return list(_READERS[self.kind](self, answer))

    def found(self, answer: Answer) -> list[Any]:
        """The values that are there: neither empty, null, false nor 0."""
        return [each for each in self.everything(answer) if each]

    def texts(self, answer: Answer) -> tuple[str, ...]:
        """Texts and whole numbers, as text: true is nobody's name."""
        return tuple(str(each) for each in self.found(answer) if _is_name(each))

    def first(self, answer: Answer) -> str:
        """The first text; "" for none."""
        return next(iter(self.texts(answer)), "")

    def only(self, answer: Answer) -> str:
        """The text if there is one, and no value besides; else ""."""
        texts = {str(each) if _is_name(each) else "" for each in self.everything(answer)}
        return texts.pop() if len(texts) == 1 else ""

    def value(self, answer: Answer) -> Any:
        """As a claim: one value as it is, several as a list; None for none."""
        found = self.found(answer)
        return found[0] if len(found) == 1 else found or None

    def can_read(self, answer: Answer) -> bool:
        """Is the document there into which it points, or one Location and no other?"""
        if self.kind == "pointer":
            return answer.json is not NOTHING
        if self.kind == "jwt":
            return self._claims(answer) is not NOTHING
        if self.kind == "location":
            return len(answer.headers.getlist("Location")) < 2
        return self.kind != "xpath" or answer.xml is not None

    def _pointer(self, answer: Answer) -> list[Any]:
        return _members(pointed_at(answer.json, self.argument))

    def _jwt(self, answer: Answer) -> list[Any]:
        return _members(pointed_at(self._claims(answer), self.argument.split()[1]))

    def _claims(self, answer: Answer) -> Any:
        return payload_of(pointed_at(answer.json, self.argument.split()[0]))

    def _xpath(self, answer: Answer) -> list[Any]:
        path, _, attribute = self.argument.partition("/@")
        found = answer.xml.findall(path) if answer.xml is not None else []
        if attribute:
            return [each.attrib[attribute] for each in found if attribute in each.attrib]
        return ["".join(each.itertext()).strip() for each in found]

    def _header(self, answer: Answer) -> list[Any]:
        return [value.strip() for value in answer.headers.getlist(self.argument)]

    def _cookie(self, answer: Answer) -> list[Any]:
        return [value for name, value in answer.cookies.items() if name == self.argument]

    def _regex(self, answer: Answer) -> list[Any]:
        pattern = re.compile(self.argument)
        return [each[1] if pattern.groups else each[0] for each in pattern.finditer(answer.text)]


_READERS: Mapping[str, Callable[[Selector, Answer], list[Any]]] = {
    "pointer": Selector._pointer,
    "jwt": Selector._jwt,
    "xpath": Selector._xpath,
    "header": Selector._header,
    "cookie": Selector._cookie,
    "regex": Selector._regex,
}
"""How the values of each kind of selector are read."""


@dataclass(frozen=True)
class Condition:
    """A selector that must be there, or have a value; or location, form and status."""

    selector: Selector
    wanted: re.Pattern[str] | None = None
    negated: bool = False

    def holds(self, answer: Answer) -> bool:
        if self.negated and not self.selector.can_read(answer):
            # nobody knows what it would have said
            return False
        return self._is_so(answer) != self.negated

    def _is_so(self, answer: Answer) -> bool:
        if self.selector.kind == "status":
            return str(answer.status) in self.selector.argument.split()
        if self.selector.kind == "form":
            return answer.page.asks_for_a_password
        if self.selector.kind == "location":
            assert self.wanted
            return any(map(self.wanted.fullmatch, answer.location))
        if self.selector.kind == "regex":
            return re.search(self.selector.argument, answer.text) is not None
        if self.wanted is None:
            return not all(isinstance(each, str) and _says_no(each) for each in self.selector.found(answer))
        # a value that is false or 0 may be asked for by name
        texts = map(text_of, self.selector.everything(answer))
        return any(self.wanted.fullmatch(text) for text in texts if text is not None)

    @property
    def is_marker(self) -> bool:
        """Does it ask for something that only a success says? A status is none: error pages have 200 too; nor is what
        fits everything."""
        if self.negated or self.selector.kind in ("status", "form"):
            return False
        if self.selector.kind == "regex":
            return not re.search(self.selector.argument, "")
        wanted = self.wanted
        return not (wanted and (wanted.fullmatch("") or (wanted.fullmatch("true") and wanted.fullmatch("false"))))


@dataclass(frozen=True)
class Rule:
    """Conditions that must all hold."""

    conditions: tuple[Condition, ...]

    @property
    def statuses(self) -> frozenset[int]:
        """Those that it names: what it does not want to be is everything else, and errors too."""
        wanted = [each for each in self.conditions if each.selector.kind == "status" and not each.negated]
        named = [each.selector.argument for each in wanted]
        return frozenset(int(status) for each in named for status in each.split())

    def holds(self, answer: Answer, below: int = 500) -> bool:
        """`below` is the first status of which a rule that names none is not read."""
        if not self.statuses and (answer.status >= below or answer.status in _BUSY):
            return False
        return all(condition.holds(answer) for condition in self.conditions)

    @property
    def has_marker(self) -> bool:
        return any(condition.is_marker for condition in self.conditions)


def parse_selector(text: str) -> Selector:
    """Raises ValueError, in words that do not repeat the text."""
    if text.startswith("/"):
        if re.search(r"~(?![01])", text):
            raise ValueError("holds something that is no JSON pointer")
        if "=" in text:
            raise ValueError(f"holds a pointer with an = in it: {_SPACED}")
        return Selector("pointer", text)
    kind, colon, argument = text.partition(":")
    argument = argument.strip()
    if not colon or kind not in KINDS:
        raise ValueError("holds something that is no selector: /pointer, " + ", ".join(f"{each}:" for each in KINDS))
    if not argument:
        raise ValueError(f"holds {kind}: with nothing behind it")
    if kind in ("header", "cookie") and not TOKEN.fullmatch(argument):
        raise ValueError(f"holds a {kind}: with something that is no name: {_SPACED}")
    if kind == "jwt" and not re.fullmatch(r"/[^\s=]+\s+/[^\s=]+", argument):
        raise ValueError("holds a jwt: without two pointers: /id_token /sub")
    if kind == "regex":
        try:
            re.compile(argument)
        except re.error:
            raise ValueError("holds a regex: that is no regular expression") from None
    if kind == "xpath":
        try:
            ElementTree.Element("x").findall(argument.partition("/@")[0])
        except (SyntaxError, KeyError, ValueError, TypeError):
            raise ValueError("holds an xpath: that ElementTree cannot read") from None
    return Selector(kind, argument)


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a setting, one a line. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(Rule(tuple(_condition(part.strip()) for part in _AND.split(line))) for line in lines)


def _condition(text: str) -> Condition:
    negated = re.match(r"not\s+", text)
    text = text[negated.end() :] if negated else text
    kind, _, argument = text.partition(":")
    argument = argument.strip()
    if kind == "status":
        if not re.fullmatch(r"[1-5][0-9]{2}(\s+[1-5][0-9]{2})*", argument):
            raise ValueError("holds a status: without numbers such as 200 204")
        if set(argument.split()) & set(map(str, _BUSY)):
            raise ValueError("holds a status: 429, 502, 503 and 504 are never about a person")
        return Condition(Selector("status", argument), None, bool(negated))
    if kind == "form":
        if argument:
            raise ValueError("holds a form: with something behind it")
        return Condition(Selector("form", ""), None, bool(negated))
    if kind == "location":
        if not argument.strip("*"):
            raise ValueError("holds a location: without a pattern")
        return Condition(Selector("location", ""), wildcard(argument), bool(negated))
    selector, equals, wanted = text.rpartition(" = ")
    if not equals or kind == "regex":
        selector, wanted = text, ""
    parsed, wanted = parse_selector(selector.strip()), wanted.strip()
    if parsed.kind == "pointer" and re.search(r"\s", parsed.argument):
        # as a value such a key may be named, but here it is more likely a slip
        raise ValueError(f"holds a pointer with a space in it: {_SPACED}")
    if (
        parsed.kind in ("pointer", "jwt", "xpath")
        and len(wanted) > 1
        and wanted[0] == wanted[-1]
        and wanted[0] in "'\""
    ):
        raise ValueError("holds a text in quotes, which would be looked for too: leave them out")
    return Condition(parsed, wildcard(wanted) if wanted else None, bool(negated))


def wildcard(pattern: str) -> re.Pattern[str]:
    """`*` stands for any characters, everything else for itself.

    The parts between two `*` are atomic, so that each is looked for once: the cost grows linearly with the text.
    """
    first, *rest = map(re.escape, pattern.split("*"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL)


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != 0


def _says_no(text: str) -> bool:
    return text.strip().casefold() in NO


def _members(value: Any) -> list[Any]:
    if value is NOTHING:
        return []
    return value if isinstance(value, list) else [value]


def text_of(value: Any) -> str | None:
    """A JSON scalar or a text as text, as JSON writes it; None for what is neither."""
    names: Mapping[Any, str] = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return names[value]
    return str(value) if isinstance(value, str | int | float) else None
