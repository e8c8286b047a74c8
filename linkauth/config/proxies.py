"""Which peers are proxies whose forwarded headers are believed: the value of `linkauth.trusted_proxies`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX = "unix"
"""The peer of a unix domain socket, which has no address."""
_LONGEST = 64
_MAPPED_BITS = 96
_MAPPED = IPv6Network("::ffff:0:0/96")


def address(text: str) -> Address | None:
    """The IP address that `text` is, or None; no name is looked up.

    A zone (RFC 4007) is left out, and an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is its IPv4 address.
    """
    return _parsed(text) if len(text) <= _LONGEST else None


@lru_cache(1024)
def _parsed(text: str) -> Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@dataclass(frozen=True)
class TrustedProxies:
    """Networks, and whether peers on a unix domain socket count too."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, words: Iterable[str]) -> TrustedProxies:
        """From networks, addresses and `unix`. Raises ValueError with a sentence about the first other word."""
        words = tuple(words)
        return cls(tuple(_network(word) for word in words if word != UNIX), UNIX in words)

    def __bool__(self) -> bool:
        return self.unix or bool(self.networks)

    def trusts(self, peer: Address | None) -> bool:
        """Is this the address of a trusted proxy? None is the peer of a unix domain socket."""
        if peer is None:
            return self.unix
        return any(peer in network for network in self.networks)


def _network(word: str) -> Network:
    """A network; an IPv4-mapped one is its IPv4 network. Raises ValueError."""
    try:
        if "%" in word:
            # a zone means something else on another machine
            raise ValueError
        found = ip_network(word)
    except ValueError:
        raise ValueError(_syntax_problem(word)) from None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        mapped = found.network_address.ipv4_mapped
        assert mapped is not None
        return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def _syntax_problem(word: str) -> str:
    if "," in word:
        return "holds a comma: its words are separated by spaces"
    try:
        if "%" in word:
            raise ValueError
        return f"holds {word}, which is an address inside a network: the network is {ip_network(word, strict=False)}"
    except ValueError:
        pass
    bare = word.strip("[]").partition("%")[0]
    without_port = re.fullmatch(r"\[?([0-9A-Fa-f.:]+?)\]?:[0-9]{1,5}", word) if len(word) <= _LONGEST else None
    for candidate in (bare, without_port[1] if without_port else ""):
        if address(candidate):
            return f"holds an address with a port, brackets or a zone: write {candidate}"
    if re.fullmatch(r"[0-9.:/*]+", word):
        return "holds a word that is neither an address such as 10.0.0.5 nor a network such as 10.0.0.0/8"
    return "holds a word that is no network, no address and not unix; host names are not looked up, write the address"
