"""Tests of account states of directories that the tests cannot start, from their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from linkauth.backends import BackendMisconfigured
from linkauth.testing import settings_of
from linkauth_ldap import LDAPSettings, states
from linkauth_ldap.entries import Entry, entries_from_result
from linkauth_ldap.filters import domain_of, is_below
from linkauth_ldap.groups import Group, groups_of, is_entitled

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
"""A Wednesday."""
PAST, FUTURE = "20261124120000Z", "20261126120000Z"


def entry(**attributes: str | bytes) -> Entry:
    values = {name: [value.encode() if isinstance(value, str) else value] for name, value in attributes.items()}
    return Entry({"dn": "uid=ada,dc=x", "raw_attributes": values})


@pytest.mark.parametrize(
    ("check", "attributes", "after_bind", "without_password"),
    [
        ("389ds", {}, None, None),
        ("389ds", {"nsAccountLock": "TRUE"}, "disabled", "disabled"),
        ("389ds", {"accountUnlockTime": FUTURE}, None, "locked"),
        ("389ds", {"accountUnlockTime": PAST}, None, None),
        ("389ds", {"passwordExpirationTime": "19700101000000Z"}, None, "must_change_password"),
        ("389ds", {"passwordExpirationTime": PAST}, None, "password_expired"),
        ("freeipa", {"nsAccountLock": "false", "krbPasswordExpiration": FUTURE}, None, None),
        # FreeIPA accepts a bind with an expired password
        ("freeipa", {"krbPasswordExpiration": PAST}, "password_expired", "password_expired"),
        ("freeipa", {"krbPrincipalExpiration": PAST}, "account_expired", "account_expired"),
        ("freeipa", {"nsAccountLock": "TRUE"}, "disabled", "disabled"),
        # a bind checks these; a temporary lock leaves no attribute when it ends
        ("ppolicy", {"pwdAccountLockedTime": PAST}, None, None),
        ("ppolicy", {"pwdAccountLockedTime": "000001010000Z"}, "locked", "locked"),
        ("ppolicy", {"pwdStartTime": FUTURE}, "account_expired", "account_expired"),
        ("ppolicy", {"pwdEndTime": PAST}, "account_expired", "account_expired"),
        ("ppolicy", {"pwdReset": "TRUE"}, "must_change_password", "must_change_password"),
        ("ppolicy", {"pwdReset": "FALSE", "pwdEndTime": FUTURE, "pwdStartTime": PAST}, None, None),
        ("ad", {"userAccountControl": "66048", "pwdLastSet": "0"}, None, None),
        ("ad", {"userAccountControl": "512", "pwdLastSet": "0"}, "must_change_password", "must_change_password"),
        ("ad", {"userAccountControl": "262656"}, None, "logon_restricted"),
        ("ad", {"userAccountControl": "no number"}, "disabled", "disabled"),
        ("none", {"nsAccountLock": "TRUE"}, None, None),
    ],
)
def test_account_problems(
    check: str, attributes: dict[str, str], after_bind: str | None, without_password: str | None
) -> None:
    if check == "freeipa":
        attributes = {**attributes, "krbPrincipalName": "ada@EXAMPLE.ORG"}
    assert reason(attributes, check, bound=True) == after_bind
    assert reason(attributes, check, bound=False) == without_password


def reason(attributes: Mapping[str, str | bytes], check: str, bound: bool, now: datetime = NOW) -> str | None:
    settings = settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", state_check=(check,))
    found = states.account_problems(entry(**attributes), settings, now, bound)
    return found[0].reason if found else None


def test_logon_hours_are_in_utc() -> None:
    # the week begins on Sunday, so this is hour 3 * 24 + 12
    hours = bytearray(21)
    hours[(3 * 24 + 12) // 8] |= 1 << (3 * 24 + 12) % 8
    person = {"userAccountControl": "512", "logonHours": bytes(hours)}
    assert reason(person, "ad", bound=False) is None
    assert reason(person, "ad", bound=False, now=NOW + timedelta(hours=1)) == "logon_restricted"
    assert reason(person, "ad", bound=False, now=NOW - timedelta(days=7)) is None
    settings = settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", state_check=("ad",))
    assert states.facts_of(entry(**person), settings)["logonHours"] == bytes(hours).hex()


def test_facts_show_numbers_as_dates() -> None:
    shadow = entry(shadowExpire="15000", shadowLastChange="0", shadowMax="90", objectClass="shadowAccount")
    settings = settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", state_check=("shadow",))
    expected = {"shadowExpire": "15000 (2011-01-26)", "shadowLastChange": "0 (1970-01-01)", "shadowMax": "90"}
    assert states.facts_of(shadow, settings) == expected
    for form, text, shown in (
        ("seconds", "1764073800", "1764073800 (2025-11-25T12:30:00Z)"),
        ("filetime", "134085474000000000", "134085474000000000 (2025-11-25T12:30:00Z)"),
        ("filetime", "0", "0 (never)"),
        ("days", "-1", "-1"),
        ("days", "9223372036854775807", "9223372036854775807"),
        ("generalized_time", PAST, PAST),
    ):
        changes = {"account_expiry_attribute": "end", "account_expiry_format": form}
        settings = settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", **changes)
        assert states.facts_of(entry(end=text), settings) == {"end": shown}


def test_truncated_memberof_is_misconfigured() -> None:
    settings = settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", group_mode="memberof")
    cut = Entry({"dn": "uid=ada,dc=x", "raw_attributes": {"memberOf;range=0-1499": [b"cn=staff,dc=x"]}})
    with pytest.raises(BackendMisconfigured, match="group_mode"):
        groups_of(cut, "ada", settings, lambda *_: [])


def test_unparsable_group_dn_is_misconfigured_with_denied_groups() -> None:
    groups = (Group("no DN", "strange"),)
    assert is_entitled(groups, settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x"))
    with pytest.raises(BackendMisconfigured, match="no DN"):
        is_entitled(
            groups, settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", denied_groups="cn=staff,dc=x")
        )


@pytest.mark.parametrize(
    ("returned", "size_limit", "complete"), [(2, 2, True), (1, 2, False), (0, 2, False), (3, 0, False)]
)
def test_incomplete_search_result_is_misconfigured(returned: int, size_limit: int, complete: bool) -> None:
    """Otherwise one of several entries with a name would be mistaken for the only one."""
    result = {"result": 4, "description": "sizeLimitExceeded", "message": ""}
    found = [{"dn": "uid=ada,dc=x", "raw_attributes": {}}] * returned
    if complete:
        assert len(entries_from_result(result, found, "dc=x", size_limit)) == returned
    else:
        with pytest.raises(BackendMisconfigured, match="more entries"):
            entries_from_result(result, found, "dc=x", size_limit)


def test_domain_and_base_of_a_dn() -> None:
    assert is_below("cn=Staff, OU=groups,dc=x", "ou=Groups,DC=x")
    assert is_below("ou=groups,dc=x", "ou=groups,dc=x")
    assert not is_below("cn=staff,dc=x", "ou=groups,dc=x")
    assert not is_below("staff", "dc=x")
    assert domain_of("OU=People,DC=ad,DC=example") == "DC=ad,DC=example"
    assert domain_of("ou=a\\,dc=b,dc=c") == "dc=c"
    assert domain_of("o=example") == "o=example"
