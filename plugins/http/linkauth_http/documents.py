"""Parses JSON and XML of a login API with limits. A broken, hostile or ambiguous document counts as missing."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn
from xml.etree import ElementTree

from defusedxml.ElementTree import DefusedXMLParser

CHARSET = re.compile(r"utf-?(8|16)|us-ascii|iso-?8859-[0-9]{1,2}|windows-125[0-8]|shift_jis|euc-(jp|kr)|gb18030|big5")
DEPTH_LIMIT = 100
"""The maximum depth of XML elements. Python limits the depth of JSON."""
ELEMENT_LIMIT = 5_000
"""The maximum number of XML elements."""
ATTRIBUTE_LIMIT = 100
"""The maximum number of attributes of an XML element."""
NAME_LIMIT = 1_000
"""The maximum length of the name of an XML element or attribute, including its namespace."""
_DECLARED = re.compile(rb"<\?xml[^<>]{1,200}?\sencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

MISSING = object()
"""Stands for an unreadable document and for a value that does not exist. It is different from null."""


def parse_json(body: bytes) -> Any:
    """Parses JSON (RFC 8259) in UTF-8, with or without a byte order mark.

    Returns MISSING if `body` is not JSON, if an object contains a key twice, or if a number is not finite.
    """
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_unique_keys,
            parse_float=_finite_float,
            parse_constant=_reject_constant,
        )
    except (ValueError, RecursionError):
        return MISSING


def parse_xml(body: bytes, charset: str) -> ElementTree.Element | None:
    """Returns the root element of the XML document in `body`. `charset` is that of the Content-Type, or "".

    Returns None if `body` is not XML, is not in its declared encoding, has a document type (which could define
    entities or include files), or exceeds the limits of this module.
    """
    text = _xml_text(body, charset)
    if text is None:
        return None
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        # the parser ignores the declared encoding of a str
        parser.feed(text)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError):
        return None
    return root


def _xml_text(body: bytes, charset: str) -> str | None:
    """Returns the text of an XML document, or None if it is not in its declared encoding or the encoding is unknown.

    The encoding is that of the byte order mark, or else of the Content-Type, or else of the XML declaration, or else
    UTF-8 (RFC 7303 section 3). UTF-16 needs a byte order mark, because parsers treat UTF-16 without one differently.
    """
    if body.startswith(_UTF16_MARKS):
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
    """Builds the elements. Raises ValueError if a limit is exceeded."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def start(self, tag: Any, attrs: Any, /) -> ElementTree.Element:
        self._depth += 1
        self._count += 1
        if self._depth > DEPTH_LIMIT or self._count > ELEMENT_LIMIT or len(attrs) > ATTRIBUTE_LIMIT:
            raise ValueError("too many elements or attributes, or elements are nested too deeply")
        if len(tag) > NAME_LIMIT or any(len(name) > NAME_LIMIT for name in attrs):
            raise ValueError("a name is too long")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("an object contains a key twice")
    return result


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
