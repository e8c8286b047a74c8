"""Inserts names and passwords into requests, encoded for their position, so that they cannot change its structure."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, quote_plus
from xml.etree import ElementTree

ENCODED: Mapping[str, Callable[[str], str]] = {
    "username_base64": lambda text: b64encode(text.encode()).decode(),
    "password_base64": lambda text: b64encode(text.encode()).decode(),
    "password_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
    "password_sha1": lambda text: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
    "password_sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "password_sha512": lambda text: hashlib.sha512(text.encode()).hexdigest(),
}
"""The placeholders for the Base64 of a name or password in UTF-8 (RFC 4648 section 4), and for the digest of a password
in lower-case hex. An API that wants a digest accepts it instead of the password, so it is as secret as the password."""
VALUE_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""The name of a value of the first response. The keys of an ini file are in lower case."""
NAMES = ("username", "password", "client_id", "client_secret", *ENCODED)


def pattern_of(further: Iterable[str]) -> re.Pattern[str]:
    """Returns the pattern of the placeholders of a sign-in; `further` are the names of values of the first response."""
    return re.compile(rf"\{{({'|'.join((*NAMES, *further))})\}}")


PLACEHOLDER = pattern_of(())
ANY_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")
"""A placeholder of a request about an account, which may name a field of the registration form."""
_PLACEHOLDER_LIKE = re.compile(r"\{[A-Za-z_]\w*\}")
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
"""A value with characters that need escaping in every format."""

UNKNOWN_PLACEHOLDER = (
    "contains an unknown placeholder; valid are "
    + ", ".join(f"{{{name}}}" for name in NAMES)
    + " and the names of prefetch_value"
)

Encode = Callable[[str], str]


class UnencodableText(ValueError):
    """The text cannot be encoded for this position, so it cannot be a name or password of the API."""


def placeholders(template: str, pattern: re.Pattern[str] = PLACEHOLDER) -> frozenset[str]:
    return frozenset(pattern.findall(template))


def has_unknown_placeholder(template: str, pattern: re.Pattern[str] = PLACEHOLDER) -> bool:
    """Returns whether the template contains text like an unknown placeholder. Not for JSON, which uses braces."""
    return bool(_PLACEHOLDER_LIKE.search(pattern.sub("x", template)))


def encoded_credentials(names: Iterable[str], username: str, password: str) -> dict[str, str]:
    """Returns the values of the placeholders in `names` that are in ENCODED. Raises UnencodableText."""
    texts = {"username": _encodable(username), "password": _encodable(password)}
    return {name: ENCODED[name](texts[name.partition("_")[0]]) for name in names if name in ENCODED}


def fill_template(
    template: str, values: Mapping[str, str], encode: Encode, pattern: re.Pattern[str] = PLACEHOLDER
) -> str:
    """Returns the template with its placeholders replaced by encoded values. Raises UnencodableText."""
    return pattern.sub(lambda match: encode(values[match[1]]), template)


def encode_form(text: str, charset: str = "utf-8") -> str:
    """Encodes a form value. Like browsers, it replaces unsupported characters by references such as &#8364;"""
    return quote_plus(_encodable(text), encoding=charset, errors="xmlcharrefreplace")


def encode_json(text: str) -> str:
    """Encodes a JSON string, including its quotes (RFC 8259 section 7)."""
    return json.dumps(_encodable(text), ensure_ascii=False)


def encode_ascii_json(text: str) -> str:
    """Encodes a JSON string in ASCII, so that it does not depend on the charset of the form that contains it."""
    return json.dumps(_encodable(text))


def encode_xml(text: str) -> str:
    """Encodes character data or an attribute value. Line ends become references, because parsers normalize them."""
    if _NOT_IN_XML.search(text):
        raise UnencodableText("has characters that XML 1.0 does not allow")
    return "".join(_XML.get(letter, letter) for letter in text)


def encode_url(text: str) -> str:
    """Encodes a part of a path or a query. Servers would resolve . and .. in a path."""
    if text in (".", ".."):
        raise UnencodableText("would select another path")
    return quote(_encodable(text), safe="")


def encode_header(text: str) -> str:
    """Encodes a header value in UTF-8, as the latin-1 text that http.client expects."""
    if _CONTROL.search(text) or text != text.strip():
        raise UnencodableText("has control characters or surrounding spaces, which a header cannot contain")
    return _encodable(text).encode("utf-8").decode("latin-1")


def basic_credentials(username: str, password: str) -> str:
    """Returns HTTP Basic credentials in UTF-8 (RFC 7617). Raises UnencodableText."""
    if ":" in username or _CONTROL.search(username + password):
        raise UnencodableText("HTTP Basic does not support a colon in a name or control characters")
    return "Basic " + b64encode(_encodable(f"{username}:{password}").encode("utf-8")).decode("ascii")


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UnencodableText("contains a lone surrogate") from None
    return text


ENCODERS: Mapping[str, Encode] = {"form": encode_form, "json": encode_json, "xml": encode_xml}


def form_pairs(body: str) -> list[tuple[str, str]]:
    return parse_qsl(body, keep_blank_values=True)


def template_problem(kind: str, template: str, pattern: re.Pattern[str] = PLACEHOLDER) -> str | None:
    """Returns what is wrong with a `body_template` of this `kind`, or None.

    The template is filled with sample values and parsed, and must contain the same values.
    """
    if kind != "json" and pattern is not ANY_PLACEHOLDER and has_unknown_placeholder(template, pattern):
        return UNKNOWN_PLACEHOLDER
    names = placeholders(template, pattern)
    body = fill_template(template, {name: SAMPLE + name for name in names}, ENCODERS[kind], pattern)
    try:
        parsed = set(_texts(kind, body))
        if all(SAMPLE + name in parsed for name in names):
            return None
    except (ValueError, ElementTree.ParseError):
        pass
    hint = {
        "form": "name={username}&other={password}",
        "json": '{"name": {username}}',
        "xml": "<name>{username}</name>",
    }
    return f"is not {kind} with a placeholder for each whole value, such as {hint[kind]} (without additional quotes)"


def _texts(kind: str, body: str) -> Iterator[str]:
    if kind == "form":
        yield from (value for _, value in form_pairs(body))
    elif kind == "json":
        yield from _leaves(json.loads(body))
    else:
        # the template comes from the operator, so it is not hostile
        for element in ElementTree.fromstring(body).iter():  # noqa: S314
            yield from (*element.attrib.values(), element.text or "")


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
