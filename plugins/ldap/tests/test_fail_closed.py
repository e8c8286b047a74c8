"""Tests that an attribute value that is not understood refuses the account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from linkauth.backends import CHANGEABLE, BackendMisconfigured, BackendUnavailable
from linkauth.testing import settings_of
from linkauth_ldap import LDAPSettings, outcomes, states
from linkauth_ldap.controls import PPOLICY
from linkauth_ldap.entries import Entry
from linkauth_ldap.groups import groups_of
from linkauth_ldap.values import UnknownValue

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
FAR = str(2**63)
INVALID_NUMBERS = [
    "0x202",
    "FALSE",
    "gesperrt",
    "مقفل",
    "一",
    "５１２",
    "5 12",
    "5_12",
    "+512",
    "512.0",
    "1e3",
    "-5",
    FAR,
    "9" * 400,
]
"""Values that are not valid decimal numbers of an attribute."""
INVALID_TIMES = [
    *("never", "nie", "20261301000000Z", "20260230000000Z", "20261125250000Z", "20261125", "2026-11-25T12:30:00Z"),
    *("20261125123000", "20261125123000+99", "00000101000000Z", "٢٠٢٦١١٢٥١٢٣٠٠٠Z", "1764073800", "20261125123000Z "),
]
INVALID_FLAGS = ["blocked", "pending", "gesperrt", "はい", "2", "-1", "TRUE FALSE", "null"]

STANDARD_ATTRIBUTES: list[tuple[str, str, dict[str, str], list[str]]] = [
    # (state_check, attribute, other attributes of a valid entry, values that are not understood)
    ("ad", "userAccountControl", {}, [*INVALID_NUMBERS, "0", "2", "4096"]),
    ("ad", "msDS-User-Account-Control-Computed", {"userAccountControl": "512"}, INVALID_NUMBERS),
    ("ad", "accountExpires", {"userAccountControl": "512"}, [*INVALID_NUMBERS, "20261231000000Z"]),
    ("ad", "pwdLastSet", {"userAccountControl": "512"}, INVALID_NUMBERS),
    ("ad", "lockoutTime", {"userAccountControl": "512"}, INVALID_NUMBERS),
    ("ppolicy", "pwdAccountLockedTime", {}, INVALID_TIMES),
    ("ppolicy", "pwdStartTime", {}, INVALID_TIMES),
    ("ppolicy", "pwdEndTime", {}, INVALID_TIMES),
    ("ppolicy", "pwdReset", {}, INVALID_FLAGS),
    ("shadow", "shadowExpire", {}, [*INVALID_NUMBERS, "-2", "1764073800"]),
    ("shadow", "shadowLastChange", {"shadowMax": "90"}, [*INVALID_NUMBERS, "-2", "30000"]),
    ("shadow", "shadowMax", {"shadowLastChange": "20600"}, INVALID_NUMBERS),
    ("shadow", "shadowInactive", {"shadowLastChange": "20600", "shadowMax": "90"}, INVALID_NUMBERS),
    ("389ds", "nsAccountLock", {}, INVALID_FLAGS),
    ("389ds", "accountUnlockTime", {}, INVALID_TIMES),
    ("389ds", "passwordExpirationTime", {}, INVALID_TIMES),
    ("freeipa", "nsAccountLock", {"krbPrincipalName": "a@X"}, INVALID_FLAGS),
    ("freeipa", "krbPrincipalExpiration", {"krbPrincipalName": "a@X"}, INVALID_TIMES),
    ("freeipa", "krbPasswordExpiration", {"krbPrincipalName": "a@X"}, INVALID_TIMES),
]
CONFIGURED_ATTRIBUTES: list[tuple[dict[str, Any], list[str]]] = [
    ({"active_attribute": "state"}, INVALID_FLAGS),
    ({"active_attribute": "state", "active_values": ("active", "confirmed")}, [*INVALID_FLAGS, "TRUE", "1"]),
    ({"active_attribute": "state", "disabled_values": ("0",)}, [*INVALID_FLAGS, "FALSE"]),
    ({"disabled_attribute": "state"}, INVALID_FLAGS),
    ({"disabled_attribute": "state", "disabled_values": ("blocked",)}, [*INVALID_FLAGS[1:], "TRUE"]),
    *(
        ({f"{kind}_expiry_attribute": "state", f"{kind}_expiry_format": form}, values)
        for kind in ("account", "password")
        for form, values in (
            ("generalized_time", INVALID_TIMES),
            ("days", [*INVALID_NUMBERS, "-2", "1764073800"]),
            ("seconds", [*INVALID_NUMBERS, "-2", "1764073800000"]),
            ("filetime", [*INVALID_NUMBERS, "-1"]),
        )
    ),
]


def settings(**changes: Any) -> LDAPSettings:
    made = settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", **changes)
    assert not list(made.faults())
    return made


def entry(**attributes: Any) -> Entry:
    """Returns an entry. A value may be text, bytes or a list of values."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in attributes.items()}
    raw = {
        name: [each if isinstance(each, bytes) else each.encode() for each in each_] for name, each_ in lists.items()
    }
    return Entry({"dn": "uid=ada,dc=x", "raw_attributes": raw})


def not_understood(made: LDAPSettings, attributes: Mapping[str, Any], attribute: str) -> bool:
    """Returns whether the account is refused because of this attribute, after a bind and without one."""
    for bound in (True, False):
        found = states.account_problems(entry(**attributes), made, NOW, bound)
        if [each.unknown.attribute for each in found if each.unknown] != [attribute]:
            return False
        if any(each.reason in CHANGEABLE for each in found if each.unknown):
            return False
    return True


@pytest.mark.parametrize(("check", "attribute", "others", "unknown"), STANDARD_ATTRIBUTES)
def test_standard_attributes(check: str, attribute: str, others: dict[str, str], unknown: list[str]) -> None:
    made = settings(state_check=(check,))
    blanks: list[Any] = ["", " ", "\u00a0", b"\xff\xfe", ["512", "514"], ["20991231000000Z", "20200101000000Z"]]
    for value in [*unknown, *(blanks if check != "shadow" else blanks[1:])]:
        assert not_understood(made, {**others, attribute: value}, attribute), value
    # an attribute with an option must not be ignored
    assert not_understood(made, {**others, f"{attribute};x-own": unknown[0]}, attribute)
    facts = states.facts_of(entry(**others, **{attribute: unknown[0]}), made)
    assert facts[attribute] == unknown[0]


@pytest.mark.parametrize(("names", "unknown"), CONFIGURED_ATTRIBUTES)
def test_configured_attributes(names: dict[str, Any], unknown: list[str]) -> None:
    made = settings(**names)
    for value in [*unknown, "", " ", b"\xff\xfe"]:
        assert not_understood(made, {"state": value}, "state"), value
    assert not_understood(made, {"state": [unknown[0], unknown[1]]}, "state")


BOTH = {"active_attribute": "state", "disabled_attribute": "lock"}


@pytest.mark.parametrize(
    ("values", "state", "lock", "is_in"),
    [
        ((("active",), ("true",)), "active", "FALSE", True),
        ((("active",), ("true",)), "active", "TRUE", False),
        ((("active",), ("true",)), "true", "FALSE", False),
        ((("1",), ("yes",)), "1", "no", True),
        ((("1",), ("yes",)), "1", "1", False),
        ((("0",), ("1",)), "0", "0", True),
        ((("0",), ("1",)), "0", "1", False),
        (((), ("true", "x")), "TRUE", "FALSE", True),
        (((), ("true", "x")), "x", "FALSE", False),
        ((("here",), ("gone",)), "here", "here", True),
    ],
)
def test_values_of_one_attribute_do_not_apply_to_the_other(values: Any, state: str, lock: str, is_in: bool) -> None:
    made = settings(**BOTH, active_values=values[0], disabled_values=values[1])
    assert is_in == (not states.account_problems(entry(state=state, lock=lock), made, NOW, True))


@pytest.mark.parametrize(
    ("names", "value", "expected"),
    [
        ({"active_attribute": "state"}, "TRUE", None),
        ({"active_attribute": "state"}, "no", "disabled"),
        ({"active_attribute": "state", "active_values": ("active",)}, " Active", None),
        ({"active_attribute": "state", "active_values": ("active",)}, "false", "disabled"),
        ({"active_attribute": "state", "active_values": ("0",), "disabled_values": ("1",)}, "0", None),
        ({"active_attribute": "state", "active_values": ("0",), "disabled_values": ("1",)}, "1", "disabled"),
        ({"active_attribute": "state", "active_values": ("a", "b")}, ["a", "b"], None),
        ({"disabled_attribute": "state"}, "FALSE", None),
        ({"disabled_attribute": "state"}, "TRUE", "disabled"),
        ({"disabled_attribute": "state", "disabled_values": ("left",), "active_values": ("here",)}, "left", "disabled"),
        ({"disabled_attribute": "state", "disabled_values": ("left",), "active_values": ("here",)}, "here", None),
        # the ini file defines a built-in yes as disabled
        ({"active_attribute": "state", "disabled_values": ("1", "x")}, "1", "disabled"),
        ({"active_attribute": "state", "disabled_values": ("1", "x")}, "TRUE", None),
    ],
)
def test_values_that_are_understood(names: dict[str, Any], value: Any, expected: str | None) -> None:
    found = states.account_problems(entry(state=value), settings(**names), NOW, True)
    assert [each.unknown for each in found] == [None] * len(found)
    assert [each.reason for each in found] == [expected] * (expected is not None)


def test_missing_required_attribute_refuses() -> None:
    assert not_understood(settings(state_check=("ad",)), {"accountExpires": "0"}, "userAccountControl")
    assert not_understood(settings(state_check=("freeipa",)), {"nsAccountLock": "FALSE"}, "krbPrincipalName")
    assert not_understood(settings(active_attribute="state"), {}, "state")


@pytest.mark.parametrize("role", ["cn=nsManagedDisabledRole,dc=x", "CN=nsDisabledRole,dc=x"])
@pytest.mark.parametrize("attribute", ["nsRole", "nsRoleDN"])
def test_inactivating_roles(role: str, attribute: str) -> None:
    found = states.account_problems(
        entry(**{attribute: ["cn=staff,dc=x", role]}), settings(state_check=("389ds",)), NOW, True
    )
    assert [each.reason for each in found] == ["disabled"]


def test_logon_hours_of_invalid_length() -> None:
    hours = {"userAccountControl": "512", "logonHours": b"\xff" * 20}
    found = states.account_problems(entry(**hours), settings(state_check=("ad",)), NOW, bound=False)
    assert [each.unknown and each.unknown.attribute for each in found] == ["logonHours"]


def test_state_that_is_not_understood_is_not_changeable() -> None:
    made = settings(state_check=("shadow", "ppolicy"))
    found = states.account_problems(entry(shadowLastChange="0", pwdReset="perhaps"), made, NOW, True)
    assert [each.reason for each in found] == ["disabled", "must_change_password"]


def test_unreadable_policy_control_is_an_outage() -> None:
    for value in (b"\x30\x03\x81\x01\x63", b"\x30\x05\x81", b"\x31\x00"):
        with pytest.raises(BackendUnavailable, match="control"):
            outcomes.bind_outcome({"result": 0, "controls": {PPOLICY: {"value": value}}})
    assert outcomes.bind_outcome({"result": 0, "controls": {PPOLICY: {"value": b"\x30\x00"}}}) == outcomes.Outcome()


class TestGroups:
    AD = ("ad",)
    DENIED = "cn=staff,dc=x"
    SID = bytes.fromhex("010500000000000515000000") + bytes(range(16))

    def groups(self, attributes: dict[str, Any], found: list[Entry] | None = None, **changes: Any) -> object:
        made = settings(denied_groups=self.DENIED, **changes)
        return groups_of(entry(**attributes), "ada", made, lambda *_: found or [])

    @pytest.mark.parametrize("number", [*INVALID_NUMBERS, "", "0", ["513", "514"]])
    def test_invalid_primary_group_id(self, number: Any) -> None:
        for mode in ("memberof", "in_chain"):
            with pytest.raises(UnknownValue, match="primaryGroupID"):
                attributes = {"primaryGroupID": number, "objectSid": self.SID}
                self.groups(attributes, group_mode=mode, group_base="dc=x", state_check=self.AD)

    @pytest.mark.parametrize("sid", [b"", b"\x01\x05", SID[:-1], [SID, SID[:-1] + b"x"]])
    def test_invalid_sid(self, sid: Any) -> None:
        with pytest.raises(UnknownValue, match="objectSid"):
            self.groups({"primaryGroupID": "513", "objectSid": sid}, group_mode="memberof", state_check=self.AD)

    def test_unreadable_primary_group(self) -> None:
        with pytest.raises(UnknownValue, match="bind_dn"):
            self.groups({}, group_mode="memberof", state_check=self.AD)
        with pytest.raises(BackendMisconfigured, match="primary group"):
            attributes = {"primaryGroupID": "513", "objectSid": self.SID}
            self.groups(attributes, group_mode="memberof", state_check=self.AD)

    def test_unreadable_token_groups(self) -> None:
        with pytest.raises(BackendMisconfigured, match="tokenGroups"):
            self.groups({}, [entry()], group_mode="tokengroups", state_check=self.AD)

    @pytest.mark.parametrize("number", [*INVALID_NUMBERS, "", ["100", "101"]])
    def test_invalid_gid_number(self, number: Any) -> None:
        posix = {"group_base": "dc=x", "group_filter": "(&(objectClass=posixGroup)(memberUid={username}))"}
        with pytest.raises(UnknownValue, match="gidNumber"):
            self.groups({"gidNumber": number}, **posix)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"state_check": ("ppolicy", "windows")}, "state_check"),
        ({"state_check": ("none", "ad")}, "state_check"),
        ({"active_values": ("active",)}, "active_attribute"),
        ({"active_attribute": "a", "active_values": ("Yes",), "disabled_values": ("yes",)}, "active_values"),
        ({"disabled_attribute": "a b"}, "disabled_attribute"),
        ({"account_expiry_attribute": "a=b"}, "account_expiry_attribute"),
        (
            {"login_mode": "template", "user_dn_template": "uid={rdn},dc=x", "user_filter": "(&(uid={username})(a=b))"},
            "user_filter",
        ),
    ],
)
def test_ineffective_settings_are_refused_at_start(changes: dict[str, Any], key: str) -> None:
    assert [
        each for each, _ in settings_of(LDAPSettings, uris=("ldaps://x",), user_base="dc=x", **changes).faults()
    ] == [key]
