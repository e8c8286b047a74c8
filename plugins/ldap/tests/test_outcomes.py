"""Tests of the interpretation of bind results, with results that were observed with real directories."""

from __future__ import annotations

from typing import Any

import pytest

from linkauth import identities
from linkauth.backends import AccountRefused, BackendError, BackendMisconfigured, BackendUnavailable, WrongPassword
from linkauth_ldap import outcomes
from linkauth_ldap.controls import EXPIRED, EXPIRING, PPOLICY, PasswordPolicyResponse, parse_ppolicy

AD = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"


def result(code: int, text: str = "", **controls: bytes) -> dict[str, Any]:
    oids = {"ppolicy": PPOLICY, "expired": EXPIRED, "expiring": EXPIRING}
    return {
        "result": code,
        "description": "",
        "message": text,
        "controls": {oids[name]: {"value": value} for name, value in controls.items()},
    }


def refused(answer: dict[str, Any]) -> tuple[str, bool]:
    with pytest.raises(AccountRefused) as error:
        outcomes.bind_outcome(answer)
    return error.value.reason, error.value.proven


@pytest.mark.parametrize(
    ("data", "reason", "proven"),
    [
        ("530", "logon_restricted", True),
        ("531", "logon_restricted", True),
        ("532", "password_expired", True),
        ("533", "disabled", True),
        ("701", "account_expired", True),
        ("773", "must_change_password", True),
        ("775", "locked", False),
    ],
)
def test_sub_codes_of_active_directory(data: str, reason: str, proven: bool) -> None:
    assert refused(result(49, AD.format(data))) == (reason, proven)


@pytest.mark.parametrize("data", ["52e", "525", "57", "80090346"])
def test_other_sub_codes_are_wrong_passwords(data: str) -> None:
    with pytest.raises(WrongPassword):
        outcomes.bind_outcome(result(49, AD.format(data)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (result(49, ppolicy=b"\x30\x03\x81\x01\x00"), ("password_expired", True)),
        (result(49, ppolicy=b"\x30\x03\x81\x01\x01"), ("locked", False)),
        (result(49, "password expired!", expired=b"0"), ("password_expired", True)),
        (result(49, "Password is expired."), ("password_expired", True)),
        (result(19, "Exceed password retry limit. Contact system administrator to reset."), ("locked", False)),
        (result(19), ("locked", False)),
        (result(19, "Account inactivity limit exceeded. Contact system administrator"), ("disabled", False)),
        (result(53, "Account inactivated. Contact system administrator."), ("disabled", False)),
        (result(53, "Too many failed logins.\n"), ("locked", False)),
        (result(53, "Entry permanently locked.\n"), ("locked", False)),
        (result(53, "Account (Kerberos principal) is expired"), ("account_expired", False)),
    ],
)
def test_refused_accounts(answer: dict[str, Any], expected: tuple[str, bool]) -> None:
    assert refused(answer) == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (result(49), WrongPassword),
        (result(49, ppolicy=b"\x30\x00"), WrongPassword),
        # OpenLDAP also returns this Netscape control for a locked account, so it does not mean an expired password
        (result(49, expired=b"0"), WrongPassword),
        (result(49, ppolicy=b"\x30\x03\x81\x01\x02"), WrongPassword),
        (result(32), WrongPassword),
        (result(34, "invalid DN"), WrongPassword),
        (result(48), WrongPassword),
        (result(8, "BindSimple: Transport encryption required."), BackendMisconfigured),
        (result(13, "confidentiality required"), BackendMisconfigured),
        (result(10), BackendMisconfigured),
        (result(50), BackendMisconfigured),
        *((result(code), BackendUnavailable) for code in (1, 3, 11, 51, 52, 80, 53, 2, 4096)),
    ],
)
def test_other_results(answer: dict[str, Any], error: type[BackendError]) -> None:
    with pytest.raises(BackendError) as raised:
        outcomes.bind_outcome(answer)
    assert type(raised.value) is error


def test_tls_requirement_is_named_in_the_error() -> None:
    for code, names_tls in ((8, True), (13, True), (50, False)):
        with pytest.raises(BackendMisconfigured) as raised:
            outcomes.bind_outcome(result(code))
        assert (outcomes.USE_TLS in str(raised.value)) is names_tls


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (result(0), outcomes.Outcome()),
        (result(0, ppolicy=b"\x30\x00"), outcomes.Outcome()),
        (result(0, ppolicy=b"\x30\x03\x81\x01\x02"), outcomes.Outcome(must_change=True)),
        (result(0, expired=b"0"), outcomes.Outcome(must_change=True)),
        (result(0, ppolicy=b"\x30\x05\xa0\x03\x81\x01\x02", expired=b"0"), outcomes.Outcome(grace=2)),
        (result(0, ppolicy=b"\x30\x06\xa0\x04\x80\x02\x0e\x10"), outcomes.Outcome(expires_in=3600)),
        (result(0, expiring=b"3600"), outcomes.Outcome(expires_in=3600)),
    ],
)
def test_correct_passwords(answer: dict[str, Any], expected: outcomes.Outcome) -> None:
    assert outcomes.bind_outcome(answer) == expected


@pytest.mark.parametrize(
    "value", [b"", b"\x30", b"\x30\x05\x81\x01", b"\x31\x00", b"\x30\x03\x81\x01\x7f", b"\xff" * 9]
)
def test_unreadable_policy_control_is_none(value: bytes) -> None:
    assert parse_ppolicy({PPOLICY: {"value": value}}) is None


def test_lengths_of_several_bytes() -> None:
    assert parse_ppolicy({PPOLICY: {"value": b"\x30\x81\x03\x81\x01\x05"}}) == PasswordPolicyResponse(
        "insufficient_quality"
    )


def test_a_message_of_the_directory_is_one_line_without_the_dn_of_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "_policy", ("none", ""))
    text = 'Password for dn="uid=ada,ou=people" does not pass required number of strength checks\nERROR forged\0'
    shown = 'Password for dn="(not logged)" does not pass required number of strength checks ERROR forged'
    assert outcomes.describe_result(result(19, text)) == shown
    for code, error in ((8, BackendMisconfigured), (80, BackendUnavailable)):
        with pytest.raises(error) as raised:
            outcomes.bind_outcome(result(code, text))
        assert str(raised.value).endswith(f": {shown}")
