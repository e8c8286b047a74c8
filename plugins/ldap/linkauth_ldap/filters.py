"""Inserts values into filters (RFC 4515) and DNs (RFC 4514) safely, and compares DNs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn, parse_dn

from linkauth_ldap.encoding import INVALID_FILTER, encode_filter

DN_LIMIT = 8_192
"""The maximum length of a DN in characters. A longer DN counts as invalid."""
NAMES = ("username", "login")
"""The placeholders of a filter for people: the name without a domain of `username_domains`, and the whole name."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_filter(template: str, **values: str) -> str:
    """Returns the filter with each `{name}` replaced by its escaped value. Placeholders in values are not replaced."""
    return _PLACEHOLDER.sub(lambda match: escape_filter_chars(values[match[1]]), template)


def any_of(filters: Sequence[str]) -> str:
    """Returns a filter that matches what any of the filters matches. There is at least one."""
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


def with_mail_filter(template: str, attribute: str) -> str:
    """Returns a filter for the people that `template` finds, and those with the name as the value of `attribute`.

    Only people that `template` finds by any name count.
    """
    return f"(|{template}(&{any_name_filter(template)}({attribute}={{login}})))"


def any_name_filter(template: str) -> str:
    """Returns a filter for all people that `template` finds by any name.

    `{username}` and `{login}` become an asterisk. The name is not read from the entry, because people may sign in with
    another attribute than `username_attribute`.
    """
    # an assertion with a matching rule does not support an asterisk
    *heads, tail = template.replace("{login}", "{username}").split(":={username}")
    return "=*".join([*map(_without_rule, heads), tail]).replace("{username}", "*")


def _without_rule(head: str) -> str:
    """Removes the matching rule from a filter that ends before the := of an assertion."""
    end = head.find(":", max(map(head.rfind, "()=")) + 1)
    return head if end < 0 else head[:end]


def filter_problem(template: str, *names: str) -> str | None:
    """Returns what is wrong with a filter that must contain at least one of the placeholders `names`, or None."""
    placeholders = set(_PLACEHOLDER.findall(template))
    if not placeholders & set(names):
        return f"does not contain {{{'} or {'.join(names)}}}"
    if placeholders - set(names):
        return f"supports only these placeholders: {{{'} {'.join(names)}}}"
    try:
        encode_filter(fill_filter(template, **dict.fromkeys(names, "a")))
    except INVALID_FILTER:
        return "is not an LDAP filter (RFC 4515)"
    return None


def rdn_value(text: str) -> str:
    """Escapes `text` as the value of one RDN."""
    escaped: str = escape_rdn(text)
    return escaped


def canonical_dn(dn: str) -> tuple[tuple[str, str], ...] | None:
    """Returns a normalized form of a DN for comparisons, or None if the DN is invalid or longer than DN_LIMIT."""
    if len(dn) > DN_LIMIT:
        return None
    # parse_dn() strips a trailing escaped space and then fails at the backslash
    escaped = re.sub(r"\\(.)", lambda match: "\\20" if match[1] == " " else match[0], dn)
    try:
        parts = parse_dn(escaped, escape=False, strip=True)
    except (LDAPExceptionError, ValueError, IndexError):
        return None
    return tuple((name.strip().lower(), _normalize(unescape(value))) for name, value, _ in parts)


def is_below(dn: str, base: str) -> bool:
    """Returns whether `dn` is `base` or below it."""
    rdns, base_rdns = canonical_dn(dn), canonical_dn(base)
    return rdns is not None and base_rdns is not None and rdns[len(rdns) - len(base_rdns) :] == base_rdns


def domain_of(dn: str) -> str:
    """Returns the DC components of a DN, or the whole DN if it has none."""
    parts = re.split(r"(?<!\\),", dn)
    return ",".join(part.strip() for part in parts if part.strip().upper().startswith("DC=")) or dn


def first_rdn(dn: str) -> str:
    """Returns the unescaped value of the first RDN, or the whole DN if it is invalid."""
    if len(dn) > DN_LIMIT:
        return dn
    try:
        return unescape(parse_dn(dn)[0][1])
    except (LDAPExceptionError, ValueError, IndexError):
        return dn


def _normalize(value: str) -> str:
    """Removes differences in case, surrounding spaces and Unicode composition."""
    return unicodedata.normalize("NFC", value.strip().casefold())


def unescape(value: str) -> str:
    """Unescapes the value of an RDN (RFC 4514 section 2.4): `\\,` is a comma, and `\\2C` is a byte of UTF-8."""
    out, index = bytearray(), 0
    while index < len(value):
        if value[index] == "\\" and re.fullmatch(r"[0-9A-Fa-f]{2}", value[index + 1 : index + 3]):
            out += bytes.fromhex(value[index + 1 : index + 3])
            index += 3
        elif value[index] == "\\" and index + 1 < len(value):
            out += value[index + 1].encode("utf-8", "surrogatepass")
            index += 2
        else:
            out += value[index].encode("utf-8", "surrogatepass")
            index += 1
    return out.decode("utf-8", "replace")
