"""Tests of reports about values that are not understood or not readable, on real directories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendMisconfigured, Check
from linkauth_ldap import LDAPBackend, readable, survey
from linkauth_ldap.value_log import UnknownValueLog
from linkauth_ldap.values import UnknownValue
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

Make = Callable[..., LDAPBackend]


class TestReports:
    @pytest.fixture
    def says(self, slapd: OpenLDAP) -> Iterator[Callable[[str, str], None]]:
        touched = set()

        def change(username: str, value: str) -> None:
            touched.add(username)
            slapd.modify(slapd.people[username].dn, {"employeeType": [value]})

        yield change
        for username in touched:
            slapd.modify(slapd.people[username].dn, {"employeeType": []})

    def state(self, backend: LDAPBackend) -> Check:
        return next(check for check in backend.check() if check.name == "account state")

    def test_unknown_value_in_log_lookup_and_check(
        self,
        slapd: OpenLDAP,
        openldap_backend: Make,
        says: Callable[[str, str], None],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for username, value in (("user42", "gesperrt"), ("user43", "gesperrt"), ("user44", "active")):
            says(username, value)
        backend = openldap_backend(disabled_attribute="employeeType", active_values=("active",))
        for username in ("user42", "user42", "user43"):
            with pytest.raises(AccountRefused) as refused:
                backend.authenticate(username, slapd.people[username].password)
            assert (refused.value.reason, refused.value.proven) == ("disabled", True)
        records = [record for record in caplog.records if "gesperrt" in record.getMessage()]
        assert [record.levelno for record in records] == [logging.ERROR]
        account = backend.find("user42")
        assert account.refused == "disabled"
        assert "employeeType = 'gesperrt'" in account.facts["not understood"]
        assert backend.authenticate("user44", slapd.people["user44"].password)
        # with several pages of results; also "inactive" has an unknown value, and "veiled" an unreadable one
        monkeypatch.setattr(survey, "PAGE_SIZE", 10)
        check = self.state(backend)
        assert (check.ok, check.warning) == (True, True)
        assert check.detail.startswith("4 of ")
        problem = "is not a known value: name it in active_values or disabled_values"
        assert f"'gesperrt' {problem} (2)" in check.detail
        assert "'disabled' is not a known value" in check.detail

    def test_check_if_all_values_are_understood(self, openldap_backend: Make) -> None:
        check = self.state(openldap_backend(state_check=("ppolicy",)))
        assert (check.ok, check.warning) == (True, False)

    def test_advice_for_an_invalid_date(self, openldap_backend: Make) -> None:
        for kind in ("account", "password"):
            backend = openldap_backend(**{f"{kind}_expiry_attribute": "displayName"})
            assert f"is not a generalized time such as 20261231235959Z: see {kind}_expiry_format" in str(
                self.state(backend)
            )

    def test_check_fails_if_everybody_is_refused(self, openldap_backend: Make) -> None:
        found = list(openldap_backend(active_attribute="employeeNumber").check())
        assert [check.name for check in found if not check.ok] == ["account state"]
        assert any(check.name == "active_attribute" and check.warning for check in found)

    def test_number_of_logged_values_is_limited(self, slapd: OpenLDAP, caplog: pytest.LogCaptureFixture) -> None:
        value_log = UnknownValueLog()
        for number in range(3 * UnknownValueLog.LIMIT):
            value_log.log(UnknownValue("state", "is strange", f"{number}" * 100), "dc=x")
        assert len(caplog.records) == UnknownValueLog.LIMIT
        assert all(len(record.getMessage()) < 250 for record in caplog.records)


def test_unreadable_attributes_refuse(
    slapd: OpenLDAP, domain: SambaAD, openldap_backend: Make, ad_backend: Make
) -> None:
    """An unreadable attribute is not treated as a missing one."""
    disabled: dict[str, Any] = {"state_check": (), "disabled_attribute": "carLicense"}
    expiry: dict[str, Any] = {"state_check": (), "account_expiry_attribute": "carLicense"}
    backends = [
        # shadowMax is readable, but shadowLastChange is not
        (openldap_backend(), "shadowLastChange", slapd),
        (openldap_backend(**disabled), "carLicense", slapd),
        (openldap_backend(**expiry), "carLicense", slapd),
        (ad_backend(), "userAccountControl", domain),
    ]
    for backend, attribute, directory in backends:
        with pytest.raises(AccountRefused, match="disabled"):
            backend.authenticate("veiled", directory.people["veiled"].password)
        problem = f"{attribute} is not shown"
        assert problem in backend.find("veiled").facts["not understood"]
        assert any(problem in check.detail for check in backend.check() if check.name == "account state")
        assert backend.authenticate("user03", directory.people["user03"].password)
    # nothing of shadow is shown, not even shadowMax
    person, shadow = slapd.people["veiled"], ("shadowMax", "shadowLastChange", "shadowExpire")
    slapd.modify(person.dn, dict(zip(shadow, ([], [], ["1"]), strict=True)))
    try:
        with pytest.raises(AccountRefused, match="disabled"):
            backends[0][0].authenticate("veiled", person.password)
        assert "shadowExpire or shadowMax is not shown" in backends[0][0].find("veiled").facts["not understood"]
    finally:
        slapd.modify(person.dn, dict(zip(shadow, (["90"], ["15000"], []), strict=True)))
    group = f"cn=veiled,{slapd.group_base}"
    with pytest.raises(BackendMisconfigured, match=r"member of .* is not shown"):
        openldap_backend(denied_groups=group).authenticate("user03", slapd.people["user03"].password)
    memberof = openldap_backend(group_mode="memberof", state_check=(), denied_groups=group)
    with pytest.raises(AccountRefused, match="not_entitled"):
        memberof.authenticate("veiled", slapd.people["veiled"].password)


def test_only_recent_matches_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    now, searches = [1000.0], list[str]()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(readable, "MAX_ENTRIES", 2)
    entries, answers = readable.ReadableEntries(), {"dc=a": True, "dc=b": True, "dc=c": True, "dc=hidden": False}

    def ask(dn: str) -> bool:
        return entries.matches(dn, "(!(a=*))", lambda: searches.append(dn) or answers[dn])

    assert [ask(dn) for dn in ("dc=a", "dc=a", "dc=hidden", "dc=hidden")] == [True, True, False, False]
    assert searches == ["dc=a", "dc=hidden", "dc=hidden"]
    # another filter is another question
    assert not entries.matches("dc=a", "(!(b=*))", lambda: False)
    now[0] += readable.VALID_SECONDS
    answers["dc=a"] = False
    assert not ask("dc=a")
    searches.clear()
    for dn in ("dc=b", "dc=c", "dc=b", "dc=c"):
        assert ask(dn)
    assert searches == ["dc=b", "dc=c"]
