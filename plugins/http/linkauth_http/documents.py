"""JSON and XML of a login API, read within bounds; what is broken, hostile or ambiguous is read as nothing."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn
from xml.etree import ElementTree

from defusedxml.ElementTree import DefusedXMLParser

CHARSET = re.compile(r"utf-?(8|16)|us-ascii|iso-?8859-[0-9]{1,2}|windows-125[0-8]|shift_jis|euc-(jp|kr)|gb18030|big5")
DEPTH_LIMIT = 100
"""XML elements inside each other; Python bounds those of JSON."""
ELEMENT_LIMIT = 5_000
"""XML elements in all."""
ATTRIBUTE_LIMIT = 100
"""Attributes of one XML element."""
NAME_LIMIT = 1_000
"""Characters of the name of an XML element or attribute, with its namespace, which each name repeats."""
_DECLARED = re.compile(rb"<\?xml[^<>]{1,200}?\sencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

NOTHING = object()
"""What cannot be read, and what a pointer names that leads nowhere: not null, which is something."""


def json_value(body: bytes) -> Any:
    """The JSON value (RFC 8259) in `body`, UTF-8 with or without a byte order mark.

    NOTHING for what is none, for a key that stands twice in one object, and for numbers that are not finite.
    """
    try:
        return json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        return NOTHING


def xml_root(body: bytes, charset: str) -> ElementTree.Element | None:
    """The root element of the XML document in `body`; `charset` is that of the Content-Type, "" for none.

    None for what is no XML, is not in the encoding that it is said to be in, has a document type (so that there are no
    entities to expand and no other files to read), or is beyond the limits of this module.
    """
    text = _xml_text(body, charset)
    if text is None:
        return None
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        # a str is read as what it is, whatever encoding it declares
        parser.feed(text)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError):
        return None
    return root


def _xml_text(body: bytes, charset: str) -> str | None:
    """The text of an XML document, None if it is in no known encoding or not in the one that it is said to be in.

    A byte order mark counts first, then the Content-Type, then the declaration (RFC 7303 section 3); else it is UTF-8.
    UTF-16 needs its mark: without one a document is text to us and something else to a parser that guesses.
    """
    marked = body.startswith(_UTF16_MARKS)
    if marked:
        label = "utf-16"
    elif body.startswith(b"\xef\xbb\xbf"):
        label = "utf-8-sig"
    else:
        declared = _DECLARED.match(body)
        label = (charset or (declared[1].decode("ascii", "replace") if declared else "utf-8")).lower().replace("_", "-")
        label = "shift_jis" if label == "shift-jis" else label
        if not CHARSET.fullmatch(label) or label.endswith("16"):
            return None
    try:
        text = body.decode(label)
    except (UnicodeError, LookupError):
        return None
    return None if "\0" in text else text.lstrip("\ufeff")


class _BoundedBuilder(ElementTree.TreeBuilder):
    """Builds the elements; raises ValueError beyond the limits."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def start(self, tag: Any, attrs: Any, /) -> ElementTree.Element:
        self._depth += 1
        self._count += 1
        if self._depth > DEPTH_LIMIT or self._count > ELEMENT_LIMIT or len(attrs) > ATTRIBUTE_LIMIT:
            raise ValueError("too many elements or attributes, or too many elements inside each other")
        if len(tag) > NAME_LIMIT or any(len(name) > NAME_LIMIT for name in attrs):
            raise ValueError("a name is too long")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
