"""One answer of a login API, read as whatever a rule asks for: JSON, XML, a page, headers, cookies.

An answer that is not what a rule asks for holds nothing for that rule; nothing here raises.
"""

from __future__ import annotations

import base64
import binascii
import re
from codecs import lookup
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

from urllib3 import HTTPHeaderDict

from linkauth_http.documents import CHARSET, NOTHING, json_value, xml_root
from linkauth_http.pages import Page

HEADER_LIMIT = 8_192
"""Characters of one header that are read; what http.client accepts is eight times as much."""
DATE_LIMIT = 100
"""Characters of a date."""
_AS_BROWSERS = {"iso-8859-1": "windows-1252", "iso8859-1": "windows-1252", "us-ascii": "windows-1252"}
"""What browsers take a charset for (WHATWG Encoding, section 4.2), where that makes a difference."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAMED_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_NAMED_IN_PAGE = re.compile(rb"<meta\s[^<>]{0,200}?charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)


class Answer:
    """What came back: `body` is whole and decompressed; `origin` and `target` are where it was asked."""

    def __init__(self, status: int, headers: HTTPHeaderDict, body: bytes, origin: str, target: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.origin = origin
        self.target = target

    def __str__(self) -> str:
        """For logs: never the body or a header's value at length, which may repeat a password."""
        kind = self.headers.get("Content-Type", "no type").split(";")[0][:50]
        return f"status {self.status}, {len(self.body)} bytes of {kind!a}"

    @cached_property
    def json(self) -> Any:
        """The JSON value (RFC 8259), NOTHING for what is none or says one thing twice."""
        return json_value(self.body)

    @cached_property
    def xml(self) -> ElementTree.Element | None:
        """An element around the document's own; None for what `documents.xml_root` does not read."""
        root = xml_root(self.body, self._named_in_header)
        if root is None:
            return None
        whole = ElementTree.Element("document")
        whole.append(root)
        return whole

    @cached_property
    def text(self) -> str:
        charset = "utf-16" if self.body.startswith((b"\xff\xfe", b"\xfe\xff")) else self.charset
        try:
            return self.body.decode(charset, "replace")
        except (UnicodeError, LookupError):
            return ""

    @cached_property
    def page(self) -> Page:
        return Page(self.text)

    @property
    def charset(self) -> str:
        """That of a page, as browsers find it: the header says it, or a meta at the start (HTML section 13.2.3.2)."""
        named = _NAMED_IN_PAGE.search(self.body[:1024])
        return _known(self._named_in_header) or _in_form(named[1].decode("ascii") if named else "")

    @property
    def form_charset(self) -> str:
        """In which browsers send the page's login form: its own accept-charset, or that of the page."""
        return _in_form(self.page.accepted_charset or self.charset)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """What Set-Cookie sets (RFC 6265 section 5.2), without what it deletes."""
        found: dict[str, str] = {}
        for line in self.headers.getlist("Set-Cookie"):
            if len(line) > HEADER_LIMIT:
                # browsers ignore cookies of half that length (RFC 6265 section 6.1)
                continue
            pair, *attributes = line.split(";")
            name, _, value = pair.partition("=")
            if name.strip():
                found[name.strip()] = "" if _is_over(attributes) else value.strip()
        return {name: value for name, value in found.items() if value.strip('"') and not _CONTROL.search(name + value)}

    @property
    def location(self) -> tuple[str, ...]:
        """The Location as it came, as the URL that it means (RFC 9110 section 10.2.2), and that without our own
        origin."""
        named = set(self.headers.getlist("Location"))
        whole = named.pop() if len(named) == 1 else ""
        if not whole or len(whole) > HEADER_LIMIT:
            # none, or several, of which a browser would follow one
            return ()
        try:
            meant = urljoin(self.origin + self.target, whole)
        except ValueError:
            return (whole,)
        own = meant.startswith(self.origin + "/")
        return (whole, meant, meant.removeprefix(self.origin)) if own else (whole, meant)

    @property
    def _named_in_header(self) -> str:
        named = _NAMED_IN_HEADER.search(self.headers.get("Content-Type", "")[:HEADER_LIMIT])
        return named[1] if named else ""


def _known(label: str) -> str:
    """The charset that browsers take `label` for; "" for none of ours."""
    label = label.lower()
    if not CHARSET.fullmatch(label):
        return ""
    try:
        lookup(label)
    except LookupError:
        return ""
    return _AS_BROWSERS.get(label, label)


def _in_form(label: str) -> str:
    """The same of a form, or of a page that was readable as ASCII: neither is UTF-16."""
    charset = _known(label)
    return charset if charset and not charset.startswith("utf") else "utf-8"


def _is_over(attributes: Iterable[str]) -> bool:
    """Do the attributes of a cookie delete it? The last Max-Age says so, and only without one the last Expires; what
    cannot be read counts as not there (RFC 6265 sections 5.2.1, 5.2.2 and 5.3)."""
    pairs = [(name.strip().lower(), text.strip()) for name, _, text in (each.partition("=") for each in attributes)]
    ages = [text for name, text in pairs if name == "max-age" and re.fullmatch(r"-?[0-9]+", text)]
    if ages:
        return ages[-1].startswith("-") or not ages[-1].strip("0")
    dates = [at for name, text in pairs if name == "expires" and (at := date_of(text))]
    return bool(dates) and dates[-1] <= datetime.now(UTC)


def date_of(text: str) -> datetime | None:
    """A date as headers write it (RFC 9110 section 5.6.7), and in older forms; None for what is none or too long."""
    if len(text) > DATE_LIMIT:
        return None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


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
    """The claims of a JWT, NOTHING if it is none.

    Its signature is not looked at: the token came straight from the token endpoint, over TLS (OpenID Connect Core
    3.1.3.7, 6).
    """
    parts = token.split(".") if isinstance(token, str) else ()
    if len(parts) != 3:
        return NOTHING
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (ValueError, binascii.Error):
        return NOTHING
    return json_value(payload)
