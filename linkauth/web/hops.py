"""Parsers for the values of forwarded headers: addresses, and the elements of RFC 7239.

Their cost is linear in the input, and the input is bounded.
"""

from __future__ import annotations

import re

from linkauth.config.proxies import Address, address

FORWARDED_LIMIT = 4_096
"""Maximum length of a Forwarded header in characters. A longer header is ignored."""
WHITESPACE = " \t"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PORT = re.compile(r"[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}")


def parse_hop(hop: str) -> tuple[bool, Address | None]:
    """Parse a hop: an address with an optional port; an IPv6 address may be in brackets.

    Return (valid, address). The address is None for `unix:`, which is how nginx denotes a client on a Unix domain
    socket. Names are not resolved: every other value is invalid, including `unknown` and `_hidden` of RFC 7239.
    """
    if hop in ("unix", "unix:"):
        return True, None
    host, port = hop, ""
    if hop.startswith("["):
        host, bracket, rest = hop[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return False, None
        port = rest[1:] if rest else ""
        if rest and not port:
            return False, None
    elif hop.count(":") == 1:
        host, _, port = hop.partition(":")
        if not port:
            return False, None
    if port and not _PORT.fullmatch(port):
        return False, None
    parsed = address(host)
    return parsed is not None, parsed


def parse_forwarded(value: str) -> list[dict[str, str]]:
    """Return the elements of a Forwarded header (RFC 7239 section 4), each as a dict of lower-case parameter names.

    A malformed or too long header gives an empty list, because the part that the client sent could hide the part that
    the proxy added. Two deviations from the grammar are accepted, because many proxies write them: spaces around `;`,
    and characters such as `:` in values without quotes.
    """
    elements: list[dict[str, str]] = []
    if len(value) > FORWARDED_LIMIT:
        return []
    element: dict[str, str] = {}
    position, end = 0, len(value)
    while True:
        position = _skip_whitespace(value, position)
        if position == end or value[position] == ",":
            if element:
                elements.append(element)
            if position == end:
                return elements
            element = {}
            position += 1
        elif value[position] == ";":
            position += 1
        else:
            pair = _pair(value, position)
            if pair is None or pair[0] in element:
                return []
            name, element[name], position = pair[0], pair[1], pair[2]


def _pair(value: str, position: int) -> tuple[str, str, int] | None:
    """Return (name, value, end position) of the parameter at `position`, or None if it is malformed."""
    name = _TOKEN.match(value, position)
    if name is None or value[name.end() : name.end() + 1] != "=":
        return None
    position, end = name.end() + 1, len(value)
    if value[position : position + 1] == '"':
        characters: list[str] = []
        position += 1
        while position < end and value[position] != '"':
            # a backslash escapes the next character (RFC 9110 section 5.6.4)
            position += value[position] == "\\"
            characters.append(value[position : position + 1])
            position += 1
        if position >= end:
            return None
        text, position = "".join(characters), position + 1
    else:
        start = position
        while position < end and value[position] not in ' \t,;"':
            position += 1
        text = value[start:position]
    position = _skip_whitespace(value, position)
    if not text or (position < end and value[position] not in ",;"):
        return None
    return name[0].lower(), text, position


def _skip_whitespace(value: str, position: int) -> int:
    while position < len(value) and value[position] in WHITESPACE:
        position += 1
    return position
