"""Tests of the size limits of data from a directory."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from linkauth.backends import PasswordRefused, WrongPassword
from linkauth_ldap import bounds, outcomes, passwords
from linkauth_ldap.bounds import Deadline, TimedSocket
from linkauth_ldap.controls import EXPIRING, PPOLICY, PasswordPolicyResponse, parse_ppolicy
from linkauth_ldap.filters import DN_LIMIT, any_name_filter, canonical_dn, first_rdn


def test_response_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ANSWER_LIMIT", 10)
    client, server = socket.socketpair()
    with client, server:
        timed = TimedSocket(client, Deadline(10), 10)
        server.sendall(b"x" * 11)
        assert timed.recv(8) == b"x" * 8
        with pytest.raises(OSError, match="larger than 10 bytes"):
            timed.recv(8)
        # reset the count, as before each request
        timed.received = 0
        server.sendall(b"y")
        assert timed.recv(8) == b"y"


def test_dn_length_is_limited() -> None:
    longest = "cn=" + "a" * (DN_LIMIT - 3)
    assert canonical_dn(longest)
    assert canonical_dn(longest + "a") is None
    assert first_rdn(longest) == "a" * (DN_LIMIT - 3)
    assert first_rdn(longest + "a") == longest + "a"


@pytest.mark.parametrize("digits", ["7", "9" * 10, "9" * 5_000])
def test_long_numbers_are_ignored(digits: str) -> None:
    error = passwords.change_error({"result": 19, "message": f"too short, at least {digits} characters"}, False)
    assert isinstance(error, PasswordRefused)
    assert error.minimum == (7 if digits == "7" else 0)
    controls = {EXPIRING: {"value": digits.encode()}}
    expires_in = outcomes.bind_outcome({"result": 0, "controls": controls}).expires_in
    assert expires_in == (None if len(digits) > outcomes.MAX_SECONDS_DIGITS else int(digits))


def test_huge_number_in_a_control_is_ignored() -> None:
    def control(number: bytes) -> dict[str, Any]:
        inner = b"\x80" + bytes([len(number)]) + number
        warning = b"\xa0" + bytes([len(inner)]) + inner
        return {PPOLICY: {"value": b"\x30" + bytes([len(warning)]) + warning}}

    assert parse_ppolicy(control(b"\x05")) == PasswordPolicyResponse(expires_in=5)
    assert parse_ppolicy(control(b"\x7f" * 9)) is None
    with pytest.raises(WrongPassword):
        outcomes.bind_outcome({"result": 49, "controls": control(b"\x7f" * 100)})


@pytest.mark.parametrize(
    ("template", "everybody"),
    [
        ("(uid={username})", "(uid=*)"),
        ("(uid:caseExactMatch:={username})", "(uid=*)"),
        ("(uid:dn:caseExactMatch:={username})", "(uid=*)"),
        ("(&(a:b:=c)(|(uid:x:={username})(mail={username})))", "(&(a:b:=c)(|(uid=*)(mail=*)))"),
        ("(|(uid={username})(upn:caseExactMatch:={login})(mail={login}))", "(|(uid=*)(upn=*)(mail=*))"),
        ("(member:1.2.840.113556.1.4.1941:={username})", "(member=*)"),
    ],
)
def test_any_name_filter(template: str, everybody: str) -> None:
    assert any_name_filter(template) == everybody
