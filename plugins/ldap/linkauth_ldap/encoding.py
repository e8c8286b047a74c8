"""Encodes the requests of a sign-in, a search and a bind, in BER (RFC 4511 section 5.1).

ldap3 makes pyasn1 objects of each request, and needs more time for them than for all the rest of the operation. It
still parses the filters, and decodes the answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import starmap
from typing import Any

from ldap3 import BASE, LEVEL, SUBTREE
from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation import search
from ldap3.protocol.convert import prepare_filter_for_sending

Control = tuple[str, bool, bytes | None]
"""The type of a control, whether it is critical, and its value. ldap3 uses the same form."""
PAGED_RESULTS = "1.2.840.113556.1.4.319"
INTEGER, OCTET_STRING, SEQUENCE = 0x02, 0x04, 0x30
BIND, SEARCH = 0x60, 0x63
"""The application tags of the two requests."""
_SCOPES = {BASE: b"\x0a\x01\x00", LEVEL: b"\x0a\x01\x01", SUBTREE: b"\x0a\x01\x02"}
_DEREFERENCE_ALWAYS, _NO_TIME_LIMIT, _TYPES_AND_VALUES = b"\x0a\x01\x03", b"\x02\x01\x00", b"\x01\x01\x00"
_COMPARISONS = {
    search.MATCH_EQUAL: 0xA3,
    search.MATCH_GREATER_OR_EQUAL: 0xA5,
    search.MATCH_LESS_OR_EQUAL: 0xA6,
    search.MATCH_APPROX: 0xA8,
}

INVALID_FILTER = (LDAPExceptionError, ValueError, IndexError)
"""The exceptions of `encode_filter`."""


def message(number: int, request: bytes, controls: Iterable[Control] | None = None) -> bytes:
    """Returns the LDAPMessage of a request. `number` is its message ID."""
    encoded = _element(0xA0, b"".join(starmap(_control, controls))) if controls else b""
    return _element(SEQUENCE, _integer(number) + request + encoded)


def page_control(size: int, cookie: bytes) -> Control:
    """Returns the simple paged results control (RFC 2696). The first page has an empty cookie."""
    return PAGED_RESULTS, False, _element(SEQUENCE, _integer(size) + _element(OCTET_STRING, cookie))


def bind_request(dn: str, password: bytes) -> bytes:
    """Returns a simple bind of LDAP version 3."""
    return _element(BIND, b"\x02\x01\x03" + _text(dn) + _element(0x80, password))


def external_bind_request() -> bytes:
    """Returns a SASL EXTERNAL bind, in which the server derives the identity (RFC 4422 appendix A)."""
    return _element(BIND, b"\x02\x01\x03" + _text("") + _element(0xA3, _text("EXTERNAL") + _text("")))


def search_request(base: str, filter_text: str, scope: str, attributes: Iterable[str], size_limit: int) -> bytes:
    """Returns a search that dereferences aliases. Raises one of INVALID_FILTER."""
    fields = (
        *(_text(base), _SCOPES[scope], _DEREFERENCE_ALWAYS, _integer(size_limit), _NO_TIME_LIMIT, _TYPES_AND_VALUES),
        *(encode_filter(filter_text), _attributes(tuple(attributes))),
    )
    return _element(SEARCH, b"".join(fields))


def encode_filter(text: str) -> bytes:
    """Encodes a filter (RFC 4515). Raises one of INVALID_FILTER if it is not a filter."""
    # without a schema to check names and values
    return _filter(search.parse_filter(text, None, True, True, None, False).elements[0])


def _control(kind: str, critical: bool, value: bytes | None) -> bytes:
    optional = (b"\x01\x01\xff" if critical else b"") + (b"" if value is None else _element(OCTET_STRING, value))
    return _element(SEQUENCE, _text(kind) + optional)


@lru_cache(maxsize=64)
def _attributes(names: tuple[str, ...]) -> bytes:
    return _element(SEQUENCE, b"".join(map(_text, names)))


def _filter(node: search.FilterNode) -> bytes:
    """Encodes a filter that ldap3 has parsed."""
    kind, assertion = node.tag, node.assertion
    if kind in (search.AND, search.OR):
        return _element(0xA0 if kind == search.AND else 0xA1, b"".join(map(_filter, node.elements)))
    if kind == search.NOT:
        # ldap3 parses some filters with several, and would send the first one only
        (negated,) = node.elements
        return _element(0xA2, _filter(negated))
    if kind in _COMPARISONS:
        return _element(_COMPARISONS[kind], _text(assertion["attr"]) + _value(OCTET_STRING, assertion["value"]))
    if kind == search.MATCH_PRESENT:
        return _element(0x87, assertion["attr"].encode("utf-8"))
    if kind == search.MATCH_SUBSTRING:
        parts = [_value(0x80, assertion["initial"])] if "initial" in assertion else []
        parts += [_value(0x81, value) for value in assertion.get("any", ())]
        parts += [_value(0x82, assertion["final"])] if "final" in assertion else []
        if not parts:
            raise ValueError("a substring filter needs a substring")
        return _element(0xA4, _text(assertion["attr"]) + _element(SEQUENCE, b"".join(parts)))
    rule, name = assertion["matchingRule"], assertion["attr"]
    parts = [_element(0x81, rule.encode("utf-8"))] if rule else []
    parts += [_element(0x82, name.encode("utf-8"))] if name else []
    parts += [_value(0x83, assertion["value"]), b"\x84\x01\xff" if assertion["dnAttributes"] else b""]
    return _element(0xA9, b"".join(parts))


def _value(tag: int, escaped: Any) -> bytes:
    return _element(tag, prepare_filter_for_sending(escaped))


def _text(text: str) -> bytes:
    return _element(OCTET_STRING, text.encode("utf-8"))


def _integer(number: int) -> bytes:
    """Encodes a number that is not negative. The highest bit is the sign."""
    return _element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
