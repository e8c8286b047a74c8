"""The controls that ldap3 has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PPOLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
"""Password policy (draft-behera-ldap-password-policy-10): asked for with every bind, never critical."""
EXPIRED = "2.16.840.1.113730.3.4.4"
EXPIRING = "2.16.840.1.113730.3.4.5"
"""Netscape's older controls, sent unasked by 389 Directory Server."""
POLICY_HINTS = "1.2.840.113556.1.4.2239"
"""Active Directory: apply the history to a password that somebody else sets (MS-ADTS 3.1.1.3.4.1.27)."""

PPOLICY_REQUEST = (PPOLICY, False, None)
POLICY_HINTS_REQUEST = (POLICY_HINTS, True, b"\x30\x03\x02\x01\x01")
"""SEQUENCE { INTEGER 1 }"""

INTEGER_BYTES = 8
"""Of a number in a control."""
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
"""The control's error codes, 0 to 9."""


@dataclass(frozen=True, slots=True)
class PasswordPolicyResponse:
    """What the password policy says: one of ERRORS or "", grace logins left, seconds until the password expires."""

    error: str = ""
    grace: int | None = None
    expires_in: int | None = None


def parse_ppolicy(controls: Mapping[str, Any] | None) -> PasswordPolicyResponse | None:
    """The answer to PPOLICY_REQUEST among a result's controls; None if there is none or it cannot be read."""
    answer = (controls or {}).get(PPOLICY)
    value = answer.get("value") if isinstance(answer, Mapping) else None
    if not isinstance(value, bytes):
        return None
    try:
        return _decode(value)
    except (IndexError, ValueError):
        return None


def _decode(value: bytes) -> PasswordPolicyResponse:
    """SEQUENCE { [0] { [0] INTEGER seconds | [1] INTEGER grace } OPTIONAL, [1] ENUMERATED error OPTIONAL }."""
    error, numbers = "", dict[int, int]()
    for tag, content in _elements(_only(value, 0x30)):
        if tag == 0xA0:
            for inner, number in _elements(content):
                if len(number) > INTEGER_BYTES:
                    raise ValueError("no number of seconds or logins")
                numbers[inner] = int.from_bytes(number, "big", signed=True)
        elif tag == 0x81:
            error = ERRORS[int.from_bytes(content, "big")]
    return PasswordPolicyResponse(error, grace=numbers.get(0x81), expires_in=numbers.get(0x80))


def _only(data: bytes, tag: int) -> bytes:
    elements = _elements(data)
    if len(elements) != 1 or elements[0][0] != tag:
        raise ValueError("not the one element that is expected")
    return elements[0][1]


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """The (tag, content) pairs of definite-length BER."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise ValueError("cut short")
        found.append((tag, data[at : at + length]))
        at += length
    return found
