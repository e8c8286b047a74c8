"""What was typed, put into a request: always encoded for the place where it stands, so that it stays a value."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, quote_plus
from xml.etree import ElementTree

PLACEHOLDER = re.compile(r"\{(username|password|csrf|client_id|client_secret)\}")
_MEANT = re.compile(r"\{[A-Za-z_]\w*\}")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SAMPLE = "a&b<c>\"d'e%41+f{g}\\ü"
"""A value in which every language has something to escape."""

UNKNOWN = (
    "holds a placeholder that nobody knows: there are {username}, {password}, {csrf}, {client_id}, {client_secret}"
)

Encode = Callable[[str], str]


class Unsendable(ValueError):
    """The text cannot stand in that place, so it is nobody's name or password there."""


def placeholders(template: str) -> frozenset[str]:
    return frozenset(PLACEHOLDER.findall(template))


def holds_unknown(template: str) -> bool:
    """Does it hold what looks like a placeholder, and is none? In JSON that says nothing: braces are its own."""
    return bool(_MEANT.search(PLACEHOLDER.sub("x", template)))


def filled(template: str, values: Mapping[str, str], encode: Encode) -> str:
    """`template` with its placeholders replaced. Raises Unsendable."""
    return PLACEHOLDER.sub(lambda found: encode(values[found[1]]), template)


def in_form(text: str, charset: str = "utf-8") -> str:
    """What the charset does not have is sent as browsers do, as a reference such as &#8364;"""
    return quote_plus(_encodable(text), encoding=charset, errors="xmlcharrefreplace")


def in_json(text: str) -> str:
    """With its quotes (RFC 8259 section 7)."""
    return json.dumps(_encodable(text), ensure_ascii=False)


def in_xml(text: str) -> str:
    """As character data or in an attribute; line ends as references, or a parser would change them."""
    if _NOT_IN_XML.search(text):
        raise Unsendable("has characters that XML 1.0 cannot hold")
    return "".join(_XML.get(letter, letter) for letter in text)


def in_url(text: str) -> str:
    """In a path or a query. Servers resolve . and .. even if nobody else does."""
    if text in (".", ".."):
        raise Unsendable("would name another path")
    return quote(_encodable(text), safe="")


def in_header(text: str) -> str:
    """A header's value: UTF-8, which http.client takes as latin-1."""
    if _CONTROL.search(text) or text != text.strip():
        raise Unsendable("has control characters or spaces at an end, which a header loses")
    return _encodable(text).encode("utf-8").decode("latin-1")


def basic(username: str, password: str) -> str:
    """HTTP Basic credentials in UTF-8 (RFC 7617); a name with a colon cannot be said. Raises Unsendable."""
    if ":" in username or _CONTROL.search(username + password):
        raise Unsendable("HTTP Basic takes no colon in a name and no control characters")
    return "Basic " + b64encode(_encodable(f"{username}:{password}").encode("utf-8")).decode("ascii")


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unsendable("is no text") from None
    return text


ENCODERS: Mapping[str, Encode] = {"form": in_form, "json": in_json, "xml": in_xml}


def form_pairs(body: str) -> list[tuple[str, str]]:
    return parse_qsl(body, keep_blank_values=True)


def template_problem(kind: str, template: str) -> str | None:
    """What is wrong with a body_template of that `kind`: it is filled in, and read back."""
    if kind != "json" and holds_unknown(template):
        return UNKNOWN
    names = placeholders(template)
    body = filled(template, {name: SAMPLE + name for name in names}, ENCODERS[kind])
    try:
        read = set(_texts(kind, body))
    except (ValueError, ElementTree.ParseError):
        read = set()
    if all(SAMPLE + name in read for name in names):
        return None
    hint = {
        "form": "name={username}&other={password}",
        "json": '{"name": {username}}',
        "xml": "<name>{username}</name>",
    }
    return (
        f"is no {kind} with whole values in place of its placeholders, such as {hint[kind]} (without quotes of yours)"
    )


def _texts(kind: str, body: str) -> Iterator[str]:
    if kind == "form":
        yield from (value for _, value in form_pairs(body))
    elif kind == "json":
        yield from _leaves(json.loads(body))
    else:
        # the operator's own template, of which nothing is trusted but its shape
        for element in ElementTree.fromstring(body).iter():  # noqa: S314
            yield from (*element.attrib.values(), element.text or "")


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
