"""Putting what somebody typed into a filter (RFC 4515) or a DN (RFC 4514), and comparing DNs."""

from __future__ import annotations

import re
import unicodedata

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import parse_filter
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn, parse_dn

DN_LIMIT = 8_192
"""Characters of a DN that is read; a longer one counts as none."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_filter(template: str, **values: str) -> str:
    """The filter with `{name}` replaced by each escaped value; a value is never read as a placeholder again."""
    return _PLACEHOLDER.sub(lambda found: escape_filter_chars(values[found[1]]), template)


def any_name_filter(template: str) -> str:
    """The filter that finds everybody whom `template` finds by some name.

    The name is left open, not read from the entry: people may sign in by another attribute than `username_attribute`.
    """
    # a matching rule of its own knows no asterisk
    *heads, tail = template.split(":={username}")
    return "=*".join([*map(_without_rule, heads), tail]).replace("{username}", "*")


def _without_rule(head: str) -> str:
    """A filter up to the := of an assertion, without the options between its attribute and that."""
    end = head.find(":", max(map(head.rfind, "()=")) + 1)
    return head if end < 0 else head[:end]


def filter_problem(template: str, *names: str) -> str | None:
    """What is wrong with a filter that must name at least one of the placeholders `names`, or None."""
    found = set(_PLACEHOLDER.findall(template))
    if not found & set(names):
        return f"names no {{{'} or {'.join(names)}}}"
    if found - set(names):
        return f"knows only: {{{'} {'.join(names)}}}"
    try:
        parse_filter(fill_filter(template, **dict.fromkeys(names, "a")), None, True, True, None, False)
    except (LDAPExceptionError, ValueError, IndexError):
        return "is not an LDAP filter (RFC 4515)"
    return None


def rdn_value(text: str) -> str:
    """`text` as the value of one RDN: no character of it ends or joins RDNs."""
    escaped: str = escape_rdn(text)
    return escaped


def canonical_dn(dn: str) -> tuple[tuple[str, str], ...] | None:
    """A DN in one form for all its spellings, to compare it; None if it is none or longer than DN_LIMIT."""
    if len(dn) > DN_LIMIT:
        return None
    # parse_dn() would strip the blank of a last "\\ " and trip over the backslash
    written = re.sub(r"\\(.)", lambda found: "\\20" if found[1] == " " else found[0], dn)
    try:
        parts = parse_dn(written, escape=False, strip=True)
    except (LDAPExceptionError, ValueError, IndexError):
        return None
    return tuple((name.strip().lower(), _folded(_unescaped(value))) for name, value, _ in parts)


def is_below(dn: str, base: str) -> bool:
    """Does `dn` stand below `base`, or is it that entry?"""
    own, top = canonical_dn(dn), canonical_dn(base)
    return own is not None and top is not None and own[len(own) - len(top) :] == top


def domain_of(dn: str) -> str:
    """The DC parts of a DN as it spells them, or all of it if it has none."""
    parts = re.split(r"(?<!\\),", dn)
    return ",".join(part.strip() for part in parts if part.strip().upper().startswith("DC=")) or dn


def first_rdn(dn: str) -> str:
    """The value of a DN's first RDN, unescaped: the name of a group that is known by its DN only."""
    if len(dn) > DN_LIMIT:
        return dn
    try:
        return _unescaped(parse_dn(dn)[0][1])
    except (LDAPExceptionError, ValueError, IndexError):
        return dn


def _folded(value: str) -> str:
    """Without regard to case, to blanks around it, and to whether é is one letter or two."""
    return unicodedata.normalize("NFC", value.strip().casefold())


def _unescaped(value: str) -> str:
    """RFC 4514 section 2.4: `\\2C` and `\\,` are both a comma; hex pairs are bytes of UTF-8."""
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
