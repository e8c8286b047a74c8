"""A response of a login API, which rules read as JSON, XML, a page, headers or cookies.

Nothing here raises. A response in another format has no values.
"""

from __future__ import annotations

import base64
import binascii
import re
from codecs import lookup
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote, unquote_plus, urljoin, urlsplit
from xml.etree import ElementTree

from urllib3 import HTTPHeaderDict

from linkauth_http.documents import CHARSET, MISSING, parse_json, parse_xml
from linkauth_http.pages import Page

HEADER_LIMIT = 8_192
"""The maximum length of a header that is read; http.client accepts eight times as much."""
PATH_LIMIT = 200
"""The maximum length of the path of a redirect in a log."""
TOKEN_LENGTH = 16
"""The minimum length of a part of a path that may be a token."""
DATE_LIMIT = 100
"""The maximum length of a date."""
_AS_BROWSERS = {"iso-8859-1": "windows-1252", "iso8859-1": "windows-1252", "us-ascii": "windows-1252"}
"""The encodings that browsers use for a charset, if they differ from its name (WHATWG Encoding, section 4.2)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta\s[^<>]{0,200}?charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)


class LoginResponse:
    """A response. `body` is complete and decompressed. `origin` and `target` are those of the request."""

    def __init__(self, status: int, headers: HTTPHeaderDict, body: bytes, origin: str, target: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.origin = origin
        self.target = target

    def __str__(self) -> str:
        """Returns a description for logs. It omits the body and long header values, which may contain a password."""
        kind = self.headers.get("Content-Type", "no type").split(";")[0][:50]
        return f"status {self.status}, {len(self.body)} bytes of {kind!a}"

    @cached_property
    def json(self) -> Any:
        """The JSON value, or MISSING if the body is not valid JSON (see `documents.parse_json`)."""
        return parse_json(self.body)

    @cached_property
    def xml(self) -> ElementTree.Element | None:
        """An element that contains the root element of the document; None if `documents.parse_xml` refuses it."""
        root = parse_xml(self.body, self._header_charset)
        if root is None:
            return None
        whole = ElementTree.Element("document")
        whole.append(root)
        return whole

    def part(self, json: Any = MISSING, xml: ElementTree.Element | None = None) -> LoginResponse:
        """Returns a response whose document is a part of this one, for selectors that are relative to this part."""
        part = LoginResponse(self.status, HTTPHeaderDict(), b"", self.origin, self.target)
        part.json = json
        if xml is not None:
            part.xml = ElementTree.Element("document")
            part.xml.append(xml)
        return part

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
        """The charset of a page: from the header, or from a meta element at the start (HTML section 13.2.3.2)."""
        match = _META_CHARSET.search(self.body[:1024])
        meta_charset = match[1].decode("ascii") if match else ""
        return _known_charset(self._header_charset) or _ascii_compatible_charset(meta_charset)

    @property
    def form_charset(self) -> str:
        """The charset in which browsers submit the login form: its accept-charset, or that of the page."""
        return _ascii_compatible_charset(self.page.accepted_charset or self.charset)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that Set-Cookie sets (RFC 6265 section 5.2), without those that it deletes."""
        cookies: dict[str, str] = {}
        for line in self.headers.getlist("Set-Cookie"):
            if len(line) > HEADER_LIMIT:
                # browsers ignore cookies of more than half this length (RFC 6265 section 6.1)
                continue
            pair, *attributes = line.split(";")
            name, _, value = pair.partition("=")
            if name.strip():
                cookies[name.strip()] = "" if _is_deleted(attributes) else value.strip()
        return {
            name: value for name, value in cookies.items() if value.strip('"') and not _CONTROL.search(name + value)
        }

    @property
    def location(self) -> tuple[str, ...]:
        """The Location header in up to three forms: unchanged, as an absolute URL (RFC 9110 section 10.2.2), and
        without the origin of the request. Empty if there are different Location headers."""
        headers = set(self.headers.getlist("Location"))
        header = headers.pop() if len(headers) == 1 else ""
        if not header or len(header) > HEADER_LIMIT:
            return ()
        try:
            url = urljoin(self.origin + self.target, header)
        except ValueError:
            return (header,)
        is_same_origin = url.startswith(self.origin + "/")
        return (header, url, url.removeprefix(self.origin)) if is_same_origin else (header, url)

    def redirect(self, typed: Collection[str] = ()) -> str:
        """Returns a description of the target of a redirect for logs: ", a redirect to '<URL>'", or "".

        The query is omitted, and so is a path that contains one of the texts in `typed`, such as the password. Parts of
        a path that look like tokens are masked.
        """
        if self.status // 100 != 3 or len(self.location) < 2:
            return ""
        try:
            parts = urlsplit(self.location[1])
            origin = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        except ValueError:
            return ""
        # the parameters of a path may contain a session
        path = parts.path.partition(";")[0][:PATH_LIMIT]
        readings = [path, unquote(path), unquote(unquote(path)), unquote_plus(path)]
        is_shown = not any(text and text.lower() in each.lower() for text in typed for each in readings)
        shown = "/".join(map(_without_token, path.split("/"))) if is_shown else "/..."
        return f", a redirect to {origin + shown!a}"

    @property
    def _header_charset(self) -> str:
        match = _HEADER_CHARSET.search(self.headers.get("Content-Type", "")[:HEADER_LIMIT])
        return match[1] if match else ""


def _without_token(part: str) -> str:
    """Returns a part of a path, or "..." if it looks like a token: long, with letters mixed with digits."""
    has_mixed_piece = any(
        not piece.isdigit() and not piece.isalpha() for piece in re.split("[^A-Za-z0-9]+", part) if piece
    )
    return "..." if len(part) >= TOKEN_LENGTH and has_mixed_piece else part


def _known_charset(label: str) -> str:
    """Returns the encoding that browsers use for the charset `label`, or "" if it is not supported."""
    label = label.lower()
    if not CHARSET.fullmatch(label):
        return ""
    try:
        lookup(label)
    except LookupError:
        return ""
    return _AS_BROWSERS.get(label, label)


def _ascii_compatible_charset(label: str) -> str:
    """Returns the encoding of a form or of a page with a meta element; a UTF charset becomes UTF-8."""
    charset = _known_charset(label)
    return charset if charset and not charset.startswith("utf") else "utf-8"


def _is_deleted(attributes: Iterable[str]) -> bool:
    """Returns whether the attributes of a cookie delete it.

    The last valid Max-Age decides, or else the last valid Expires (RFC 6265 sections 5.2.1, 5.2.2 and 5.3).
    """
    pairs = [(name.strip().lower(), text.strip()) for name, _, text in (each.partition("=") for each in attributes)]
    ages = [text for name, text in pairs if name == "max-age" and re.fullmatch(r"-?[0-9]+", text)]
    if ages:
        return ages[-1].startswith("-") or not ages[-1].strip("0")
    dates = [at for name, text in pairs if name == "expires" and (at := parse_date(text))]
    return bool(dates) and dates[-1] <= datetime.now(UTC)


def parse_date(text: str) -> datetime | None:
    """Parses a date of a header (RFC 9110 section 5.6.7), also in older formats. Returns None if it is invalid."""
    if len(text) > DATE_LIMIT:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def resolve_pointer(document: Any, pointer: str) -> Any:
    """Returns the value that a JSON pointer (RFC 6901) selects in `document`, or MISSING."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key, MISSING)
        elif isinstance(document, list) and re.fullmatch(r"0|[1-9][0-9]{0,5}", key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document


def jwt_claims(token: object) -> Any:
    """Returns the claims of a JWT, or MISSING if the token is not a JWT.

    The signature is not verified, because the token was received directly from the token endpoint over TLS (OpenID
    Connect Core section 3.1.3.7, item 6).
    """
    parts = token.split(".") if isinstance(token, str) else ()
    if len(parts) != 3:
        return MISSING
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (ValueError, binascii.Error):
        return MISSING
    return parse_json(payload)
