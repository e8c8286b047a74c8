"""Parses `linkauth.trusted_proxies`: the peers whose forwarded headers are trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX = "unix"
"""Keyword for peers on a unix domain socket, which have no IP address."""
_MAX_LENGTH = 64
_MAPPED_BITS = 96
_MAPPED = IPv6Network("::ffff:0:0/96")


def address(text: str) -> Address | None:
    """Returns `text` as an IP address, or None if it is not one. Host names are not resolved.

    A zone (RFC 4007) is dropped. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) becomes its IPv4 address.
    """
    return _parsed(text) if len(text) <= _MAX_LENGTH else None


@lru_cache(1024)
def _parsed(text: str) -> Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@dataclass(frozen=True)
class TrustedProxies:
    """Trusted networks. If `unix` is true, peers on a unix domain socket are trusted too."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, values: Iterable[str]) -> TrustedProxies:
        """Parses networks, addresses and the keyword `unix`. Raises ValueError with a message about the first error."""
        values = tuple(values)
        return cls(tuple(_network(value) for value in values if value != UNIX), UNIX in values)

    def __bool__(self) -> bool:
        return self.unix or bool(self.networks)

    def trusts(self, peer: Address | None) -> bool:
        """Returns whether `peer` is a trusted proxy. None stands for a peer on a unix domain socket."""
        if peer is None:
            return self.unix
        return any(peer in network for network in self.networks)


def _network(value: str) -> Network:
    """Parses a network. An IPv4-mapped IPv6 network becomes its IPv4 network. Raises ValueError."""
    try:
        if "%" in value:
            # a zone is valid only on the machine that defines it
            raise ValueError
        found = ip_network(value)
    except ValueError:
        raise ValueError(_syntax_problem(value)) from None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        mapped = found.network_address.ipv4_mapped
        assert mapped is not None
        return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def _syntax_problem(value: str) -> str:
    if "," in value:
        return "contains a comma: separate the values with spaces"
    try:
        if "%" in value:
            raise ValueError
        return f"contains {value}, which is an address with a prefix length: write {ip_network(value, strict=False)}"
    except ValueError:
        pass
    bare = value.strip("[]").partition("%")[0]
    without_port = re.fullmatch(r"\[?([0-9A-Fa-f.:]+?)\]?:[0-9]{1,5}", value) if len(value) <= _MAX_LENGTH else None
    for candidate in (bare, without_port[1] if without_port else ""):
        if address(candidate):
            return f"contains an address with a port, brackets or a zone: write {candidate}"
    if re.fullmatch(r"[0-9.:/*]+", value):
        return "contains a value that is neither an address such as 10.0.0.5 nor a network such as 10.0.0.0/8"
    return "contains a value that is not a network, an address or unix; host names are not resolved: write the address"
