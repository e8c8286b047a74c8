"""The parts of forwarded headers: addresses, and the elements of RFC 7239. Linear in what is read, and bounded."""

from __future__ import annotations

import re

from linkauth.config.proxies import Address, address

FORWARDED_LIMIT = 4_096
"""Characters of a Forwarded header; nothing of a longer one is read."""
WHITESPACE = " \t"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PORT = re.compile(r"[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}")


def parse_hop(hop: str) -> tuple[bool, Address | None]:
    """(is it one, the address) of a hop: an address, perhaps with a port, IPv6 perhaps in brackets.

    The address of `unix:`, as nginx names a client on a unix domain socket, is None. No name is looked up: anything
    else, such as RFC 7239's `unknown` and `_hidden`, is no address.
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
    found = address(host)
    return found is not None, found


def parse_forwarded(value: str) -> list[dict[str, str]]:
    """The elements of a Forwarded header (RFC 7239 section 4): parameters by their lower-case names.

    Nothing of a header that is malformed or too long: what a client sent before might hide what the proxy added. Only
    the spaces around `;` and characters such as `:` outside quotes, which many proxies write, are let through.
    """
    found: list[dict[str, str]] = []
    if len(value) > FORWARDED_LIMIT:
        return []
    element: dict[str, str] = {}
    position, end = 0, len(value)
    while True:
        position = _skip(value, position)
        if position == end or value[position] == ",":
            if element:
                found.append(element)
            if position == end:
                return found
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
    """(name, value, where it ends) of the parameter at `position`; None if it is malformed."""
    name = _TOKEN.match(value, position)
    if name is None or value[name.end() : name.end() + 1] != "=":
        return None
    position, end = name.end() + 1, len(value)
    if value[position : position + 1] == '"':
        characters: list[str] = []
        position += 1
        while position < end and value[position] != '"':
            # a backslash makes the next character itself (RFC 9110 section 5.6.4)
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
    position = _skip(value, position)
    if not text or (position < end and value[position] not in ",;"):
        return None
    return name[0].lower(), text, position


def _skip(value: str, position: int) -> int:
    while position < len(value) and value[position] in WHITESPACE:
        position += 1
    return position
