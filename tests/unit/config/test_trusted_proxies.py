"""Tests of linkauth.trusted_proxies, which accepts networks, addresses and `unix` and refuses anything else."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import Any

import pytest

from linkauth.config.proxies import TrustedProxies, address


def trusts(value: str, *peers: str) -> list[bool]:
    proxies = TrustedProxies.parse(value.split())
    return [proxies.trusts(address(peer)) for peer in peers]


def test_listed_networks_addresses_and_unix_are_trusted() -> None:
    value = "10.0.0.0/8 192.0.2.7 ::1 2001:db8::/32 unix"
    assert all(trusts(value, "10.200.3.4", "192.0.2.7", "::1", "2001:db8:ffff::1", "", "localhost"))
    assert not any(trusts(value, "11.0.0.1", "192.0.2.8", "::2", "2001:db9::1", "127.0.0.1"))
    assert trusts("10.0.0.1", "", "localhost") == [False, False]
    assert not TrustedProxies.parse(())


def test_mapped_address_is_treated_as_its_ipv4_address() -> None:
    assert trusts("10.0.0.0/8", "::ffff:10.1.2.3", "::FFFF:0a01:0203") == [True, True]
    assert trusts("::ffff:10.0.0.0/104 ::ffff:192.0.2.7", "10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7") == [True] * 3
    assert trusts("::/0", "10.1.2.3", "2001:db8::1") == [False, True]


def test_zone_of_address_is_ignored() -> None:
    assert trusts("fe80::/10", "fe80::1%eth0") == [True]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("proxy.example.com", "host names are not resolved"),
        ("localhost", "host names are not resolved"),
        ("*", "neither an address"),
        ("unix:/run/proxy.sock", "is not a network, an address or unix"),
        ("10.0.0.1,10.0.0.2", "separate the values with spaces"),
        ("10.0.0.1:6543", "write 10.0.0.1"),
        ("[::1]", "write ::1"),
        ("[2001:db8::1]:443", "write 2001:db8::1"),
        ("fe80::1%eth0", "write fe80::1"),
        ("[fe80::1%eth0]", "write fe80::1"),
        ("10.0.0.256", "neither an address"),
        ("10.0.0.0/33", "neither an address"),
        ("10.*", "neither an address"),
        ("010.0.0.1", "neither an address"),
        ("9" * 5000, "neither an address"),
    ],
)
def test_invalid_value_is_refused_without_name_lookup(monkeypatch: Any, value: str, sentence: str) -> None:
    def fail_on_lookup(*_: Any) -> None:
        raise AssertionError("a name was looked up")

    for function in ("getaddrinfo", "gethostbyname", "gethostbyaddr"):
        monkeypatch.setattr(socket, function, fail_on_lookup)
    with pytest.raises(ValueError, match="contains") as error:
        TrustedProxies.parse(["::1", value])
    assert sentence in str(error.value)


def test_network_proposed_by_message_is_accepted() -> None:
    for value in ("10.1.2.3/8", "172.16.9.9/12", "2001:db8::1/64"):
        with pytest.raises(ValueError, match="write") as error:
            TrustedProxies.parse([value])
        proposed = str(error.value).rpartition(" ")[2]
        assert TrustedProxies.parse([proposed]).networks == (ip_network(value, strict=False),)
