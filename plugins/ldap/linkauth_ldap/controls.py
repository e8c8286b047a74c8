"""LDAP controls that ldap3 does not support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PPOLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
"""Password policy (draft-behera-ldap-password-policy-10), requested with every bind as a non-critical control."""
EXPIRED = "2.16.840.1.113730.3.4.4"
EXPIRING = "2.16.840.1.113730.3.4.5"
"""The older controls of Netscape, which 389 Directory Server returns without a request."""
POLICY_HINTS = "1.2.840.113556.1.4.2239"
"""Makes Active Directory apply the password history to a reset (MS-ADTS 3.1.1.3.4.1.27)."""

PPOLICY_REQUEST = (PPOLICY, False, None)
POLICY_HINTS_REQUEST = (POLICY_HINTS, True, b"\x30\x03\x02\x01\x01")
"""The value is the BER encoding of SEQUENCE { INTEGER 1 }."""

INTEGER_BYTES = 8
"""The maximum length of a number in a control."""
ERRORS = (
    "password_expired",
    "account_locked",
    "change_after_reset",
    "modification_not_allowed",
    "must_supply_old_password",
    "insufficient_quality",
    "too_short",
    "too_young",
    "in_history",
    "too_long",
)
"""The error codes 0 to 9 of the password policy control."""


@dataclass(frozen=True, slots=True)
class PasswordPolicyResponse:
    """The password policy response: one of ERRORS or "", remaining grace logins, and seconds until expiry."""

    error: str = ""
    grace: int | None = None
    expires_in: int | None = None


def parse_ppolicy(controls: Mapping[str, Any] | None) -> PasswordPolicyResponse | None:
    """Returns the password policy response among the controls of a result, or None if it is missing or invalid."""
    control = (controls or {}).get(PPOLICY)
    value = control.get("value") if isinstance(control, Mapping) else None
    if not isinstance(value, bytes):
        return None
    try:
        return _decode(value)
    except (IndexError, ValueError):
        return None


def _decode(value: bytes) -> PasswordPolicyResponse:
    """Decodes SEQUENCE { [0] { [0] INTEGER seconds | [1] INTEGER grace } OPTIONAL, [1] ENUMERATED error OPTIONAL }."""
    error, numbers = "", dict[int, int]()
    for tag, content in _elements(_single_element(value, 0x30)):
        if tag == 0xA0:
            for inner, number in _elements(content):
                if len(number) > INTEGER_BYTES:
                    raise ValueError("the number is too long")
                numbers[inner] = int.from_bytes(number, "big", signed=True)
        elif tag == 0x81:
            error = ERRORS[int.from_bytes(content, "big")]
    return PasswordPolicyResponse(error, grace=numbers.get(0x81), expires_in=numbers.get(0x80))


def _single_element(data: bytes, tag: int) -> bytes:
    elements = _elements(data)
    if len(elements) != 1 or elements[0][0] != tag:
        raise ValueError("not exactly one element of the expected tag")
    return elements[0][1]


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Returns the (tag, content) pairs of BER with definite lengths."""
    elements, position = [], 0
    while position < len(data):
        tag, length, position = data[position], data[position + 1], position + 2
        if length & 0x80:
            count = length & 0x7F
            length, position = int.from_bytes(data[position : position + count], "big"), position + count
        if position + length > len(data):
            raise ValueError("the data is truncated")
        elements.append((tag, data[position : position + length]))
        position += length
    return elements
