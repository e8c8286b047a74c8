"""One answer of a login API, read as whatever a rule asks for: JSON, XML, a page, headers, cookies.

An answer that is not what a rule asks for holds nothing for that rule; nothing here raises.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import urljoin
from xml.etree import ElementTree

from urllib3 import HTTPHeaderDict

from linkauth_http.pages import Page

_CHARSET = re.compile(r"utf-?(8|16)|us-ascii|iso-?8859-[0-9]{1,2}|windows-125[0-8]|shift_jis|euc-(jp|kr)|gb18030|big5")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAMED_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_NAMED_IN_XML = re.compile(rb"<\?xml[^>]{1,100}?encoding\s*=\s*[\"']([\w-]+)[\"']")


class Answer:
    """What came back: `body` is whole and decompressed; it was asked of `origin`, for `target` there."""

    def __init__(self, status: int, headers: HTTPHeaderDict, body: bytes, origin: str, target: str = "/") -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.origin = origin
        self.url = origin + target

    def __str__(self) -> str:
        """For logs: never the body or a header's value at length, which may repeat a password."""
        kind = self.headers.get("Content-Type", "no type").split(";")[0][:50]
        return f"status {self.status}, {len(self.body)} bytes of {kind!a}"

    @property
    def has_json(self) -> bool:
        """Is it JSON (RFC 8259) that says nothing twice?"""
        return self._json is not NOTHING

    @property
    def json(self) -> Any:
        """The JSON value, None for what is none."""
        return self._json if self.has_json else None

    @cached_property
    def _json(self) -> Any:
        try:
            return json.loads(self.body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
        except (ValueError, RecursionError):
            return NOTHING

    @cached_property
    def xml(self) -> ElementTree.Element | None:
        """An element around the document's own; None for what is no XML. Nothing with a document type is read: no
        entities, no other files."""
        named = _NAMED_IN_XML.match(self.body)
        text = self._decoded(named[1].decode("ascii") if named else "utf-8", "strict")
        if text is None or "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None
        whole = ElementTree.Element("document")
        try:
            # without a document type there is nothing to expand, and a str is read as what it is
            whole.append(ElementTree.fromstring(text.lstrip("\ufeff")))  # noqa: S314
        except (ElementTree.ParseError, ValueError):
            return None
        return whole

    @cached_property
    def text(self) -> str:
        return self._decoded("utf-8", "replace") or ""

    @cached_property
    def page(self) -> Page:
        return Page(self.text)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """What Set-Cookie sets (RFC 6265 section 5.2), without what it deletes."""
        found: dict[str, str] = {}
        for line in self.headers.getlist("Set-Cookie"):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if name.strip():
                found[name.strip()] = "" if _is_over(";" + attributes) else value.strip()
        return {name: value for name, value in found.items() if value.strip('"') and not _CONTROL.search(name + value)}

    @property
    def location(self) -> tuple[str, ...]:
        """The Location as it came, and as a path where it leads to our own origin."""
        came = self.headers.get("Location", "")
        try:
            whole = urljoin(self.url, came) if came else ""
        except ValueError:
            return (came,)
        own = whole.startswith(self.origin + "/")
        return tuple(dict.fromkeys((came, whole.removeprefix(self.origin)))) if own else (came,)

    def _decoded(self, otherwise: str, errors: str) -> str | None:
        named = _NAMED_IN_HEADER.search(self.headers.get("Content-Type", ""))
        charset = (named[1] if named else otherwise).lower()
        if self.body.startswith((b"\xff\xfe", b"\xfe\xff")):
            charset = "utf-16"
        try:
            return self.body.decode(charset if _CHARSET.fullmatch(charset) else "utf-8", errors)
        except (UnicodeError, LookupError):
            return None


NOTHING = object()
"""What a pointer names that leads nowhere: not null, which is something."""


def pointed_at(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) names in `document`; NOTHING if it leads nowhere."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key, NOTHING)
        elif isinstance(document, list) and re.fullmatch(r"0|[1-9][0-9]{0,5}", key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return NOTHING
    return document


def payload_of(token: object) -> Any:
    """The claims of a JWT, None if it is none.

    Its signature is not looked at: the token came straight from the token endpoint, over TLS (OpenID Connect Core
    3.1.3.7, 6).
    """
    parts = token.split(".") if isinstance(token, str) else ()
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return json.loads(payload.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, binascii.Error, RecursionError):
        return None


def _is_over(attributes: str) -> bool:
    """Do a cookie's attributes delete it? Max-Age goes before Expires (RFC 6265 section 5.3)."""
    age = re.search(r";\s*max-age\s*=\s*(-?\d+)\s*(;|$)", attributes, re.IGNORECASE)
    if age:
        return int(age[1]) <= 0
    expires = re.search(r";\s*expires\s*=\s*([^;]+)", attributes, re.IGNORECASE)
    try:
        at = parsedate_to_datetime(expires[1].strip()) if expires else None
    except ValueError:
        return False
    return at is not None and (at if at.tzinfo else at.replace(tzinfo=UTC)) <= datetime.now(UTC)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
