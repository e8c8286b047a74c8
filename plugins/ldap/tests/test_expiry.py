"""Tests of expiry attributes that a bind does not check, on a real OpenLDAP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from linkauth.backends import AccountRefused, Identity, WrongPassword
from linkauth_ldap import LDAPBackend
from linkauth_ldap.values import to_filetime
from tests.servers.openldap import OpenLDAP

Make = Callable[..., LDAPBackend]
Set = Callable[..., None]
TODAY = int(time.time()) // 86_400
NOW = datetime.now(UTC)
NAME = "user41"


@pytest.fixture
def set_attributes(slapd: OpenLDAP) -> Iterator[Set]:
    """Returns a function that sets attributes of the entry of NAME: `set_attributes(attribute=value, ...)`."""
    touched: set[str] = set()

    def change(**attributes: str | int) -> None:
        touched.update(attributes)
        slapd.modify(slapd.people[NAME].dn, {name: [str(value)] for name, value in attributes.items()})

    yield change
    slapd.modify(slapd.people[NAME].dn, {name: [] for name in touched})


def outcome(backend: LDAPBackend, slapd: OpenLDAP) -> str:
    """Signs in with the correct password. Asserts that a look-up returns the same state."""
    result, proven = "let in", True
    try:
        assert isinstance(backend.authenticate(NAME, slapd.people[NAME].password), Identity)
    except AccountRefused as refused:
        result, proven = refused.reason, refused.proven
    assert (backend.find(NAME).refused or "let in", proven) == (result, True)
    return result


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"shadowExpire": 15000}, "account_expired"),
        ({"shadowExpire": 0}, "account_expired"),
        ({"shadowExpire": TODAY}, "account_expired"),
        ({"shadowExpire": TODAY + 2}, "let in"),
        ({"shadowExpire": -1}, "let in"),
        ({"shadowLastChange": TODAY - 100, "shadowMax": 90}, "password_expired"),
        ({"shadowLastChange": TODAY - 100, "shadowMax": 90, "shadowInactive": 30}, "password_expired"),
        ({"shadowLastChange": TODAY - 100, "shadowMax": 90, "shadowInactive": 5}, "account_expired"),
        ({"shadowLastChange": TODAY - 100, "shadowMax": 90, "shadowInactive": -1}, "password_expired"),
        ({"shadowLastChange": TODAY - 10, "shadowMax": 90}, "let in"),
        ({"shadowLastChange": TODAY - 100, "shadowMax": 99999}, "let in"),
        ({"shadowLastChange": TODAY - 100, "shadowMax": -1}, "let in"),
        ({"shadowLastChange": TODAY - 100}, "let in"),
        ({"shadowLastChange": 0}, "must_change_password"),
        ({"shadowLastChange": 0, "shadowMax": 99999}, "must_change_password"),
        ({"shadowLastChange": 0, "shadowMax": 90, "shadowInactive": 5}, "must_change_password"),
        ({"shadowLastChange": -1, "shadowMax": 1}, "let in"),
        ({"shadowLastChange": 0, "shadowExpire": 15000}, "account_expired"),
        # numbers that cannot be dates
        ({"shadowExpire": -2}, "disabled"),
        ({"shadowExpire": 99999999999999999999}, "disabled"),
        ({"shadowExpire": int(time.time()) + 10**7}, "disabled"),
        ({"shadowLastChange": TODAY + 400, "shadowMax": 90}, "disabled"),
        ({"shadowLastChange": TODAY - 10, "shadowMax": 2**63}, "disabled"),
    ],
)
def test_shadow_fields(
    slapd: OpenLDAP, openldap_backend: Make, set_attributes: Set, fields: dict[str, int], expected: str
) -> None:
    assert outcome(openldap_backend(), slapd) == "let in"
    set_attributes(**fields)
    # the preset uses both ppolicy and shadow
    assert outcome(openldap_backend(), slapd) == expected
    assert outcome(openldap_backend(state_check=("ppolicy",)), slapd) == "let in"


def test_wrong_password_does_not_show_expiry(slapd: OpenLDAP, openldap_backend: Make, set_attributes: Set) -> None:
    set_attributes(shadowExpire=15000)
    with pytest.raises(WrongPassword):
        openldap_backend().authenticate(NAME, "a wrong one")
    slapd.restore(NAME)


def test_two_state_checks(slapd: OpenLDAP, openldap_backend: Make, set_attributes: Set) -> None:
    backend = openldap_backend(state_check=("ppolicy", "shadow"), must_change="allow")
    assert backend.authenticate("user03", slapd.people["user03"].password)
    # a result that must_change = allow ignores does not hide the result of another check
    set_attributes(shadowLastChange=0)
    assert outcome(backend, slapd) == "let in"
    set_attributes(shadowExpire=15000)
    with pytest.raises(AccountRefused, match="account_expired"):
        backend.authenticate(NAME, slapd.people[NAME].password)
    with pytest.raises(AccountRefused, match="locked"):
        backend.authenticate("locked", slapd.people["locked"].password)


def test_shadow_expiry_is_not_changeable(slapd: OpenLDAP, openldap_backend: Make, set_attributes: Set) -> None:
    """A password change of the directory does not update shadowLastChange."""
    set_attributes(shadowLastChange=TODAY - 100, shadowMax=90)
    backend = openldap_backend(password_change="self", password_change_url="https://pw.example.org/")
    with pytest.raises(AccountRefused) as refused:
        backend.authenticate(NAME, slapd.people[NAME].password)
    assert (refused.value.changeable, refused.value.change_url) == (False, "https://pw.example.org/")


def stamp(days: float) -> str:
    return f"{NOW + timedelta(days=days):%Y%m%d%H%M%SZ}"


@pytest.mark.parametrize(
    ("form", "past", "future", "never", "unreadable"),
    [
        ("generalized_time", stamp(-1), stamp(1), None, "next summer"),
        ("generalized_time", "202001010000Z", "99991231235959Z", None, stamp(1)[:-1]),
        ("generalized_time", "2020010100Z", "20990101000000.5+0130", None, "20260230000000Z"),
        ("days", TODAY, TODAY + 2, -1, int(time.time()) + 10**6),
        ("seconds", int(time.time()) - 5, int(time.time()) + 9_000, -1, (int(time.time()) + 9_000) * 1_000),
        ("filetime", to_filetime(NOW), to_filetime(NOW + timedelta(days=1)), 0, "-1"),
        ("filetime", 1, 9223372032559808511, 2**63 - 1, 2**63),
    ],
    ids=["ASN.1", "ASN.1 minutes", "ASN.1 hours", "days", "seconds", "filetime", "to_filetime limits"],
)
@pytest.mark.parametrize("kind", ["account", "password"])
def test_configured_attributes(
    slapd: OpenLDAP,
    openldap_backend: Make,
    set_attributes: Set,
    kind: str,
    form: str,
    past: str | int,
    future: str | int,
    never: str | int | None,
    unreadable: str | int,
) -> None:
    attribute = "departmentNumber"
    backend = openldap_backend(**{f"{kind}_expiry_attribute": attribute, f"{kind}_expiry_format": form})
    assert outcome(backend, slapd) == "let in"
    set_attributes(**{attribute: past})
    assert outcome(backend, slapd) == f"{kind}_expired"
    set_attributes(**{attribute: unreadable})
    assert outcome(backend, slapd) == "disabled"
    for value in (future, *([] if never is None else [never])):
        set_attributes(**{attribute: value})
        assert outcome(backend, slapd) == "let in"
