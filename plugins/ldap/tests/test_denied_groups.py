"""Tests that a denied group refuses its members in every group_mode, or that all sign-ins fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendMisconfigured, BackendUnavailable, Check
from linkauth_ldap import LDAPBackend, directory, membership
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

Make = Callable[..., LDAPBackend]
Results = list[str | Exception]
DIRECT = "(&(objectClass=group)(member={dn}))"
AD_MODES = ("memberof", "in_chain", "search", "tokengroups")


def ad_mode(domain: SambaAD, mode: str, **changes: Any) -> dict[str, Any]:
    """Returns the settings of a group_mode that finds all groups of the domain."""
    base = {} if mode == "memberof" else {"group_base": domain.base}
    return {"group_mode": mode, **base, **({"group_filter": DIRECT} if mode == "search" else {}), **changes}


def can_sign_in(backend: LDAPBackend, directory: OpenLDAP | SambaAD, username: str) -> bool:
    """Returns whether a correct password signs in. Asserts that a look-up returns the same."""
    try:
        backend.authenticate(username, directory.people[username].password)
    except AccountRefused as refused:
        outcome = refused.reason, refused.proven
    else:
        outcome = None, True
    assert (backend.find(username).refused, True) == outcome
    assert outcome[0] in (None, "not_entitled")
    return outcome[0] is None


def group_checks(backend: LDAPBackend) -> list[Check]:
    return [check for check in backend.check() if check.name in ("denied_groups", "required_groups")]


class TestPrimaryGroups:
    @pytest.fixture
    def developer(self, domain: SambaAD) -> Iterator[str]:
        """A person with the primary group developers, which therefore does not list them as a member."""
        dn, group = domain.people["user03"].dn, f"CN=developers,{domain.group_base}"
        with domain.as_admin() as connection:
            connection.search(group, "(objectClass=*)", "BASE", attributes=["objectSid"])
            sid = connection.response[0]["raw_attributes"]["objectSid"][0]
        domain.modify(dn, {"primaryGroupID": [str(int.from_bytes(sid[-4:], "little"))]})
        yield "user03"
        domain.modify(dn, {"primaryGroupID": ["513"]})

    @pytest.mark.parametrize("mode", AD_MODES)
    def test_primary_group_of_all_people(self, domain: SambaAD, ad_backend: Make, mode: str) -> None:
        users = f"CN=Domain Users,CN=Users,{domain.base}"
        denying = ad_backend(**ad_mode(domain, mode, denied_groups=users))
        assert not can_sign_in(denying, domain, "user04")
        assert [(check.ok, check.warning) for check in group_checks(denying)] == [(True, False)]
        requiring = ad_backend(**ad_mode(domain, mode, required_groups=users))
        assert can_sign_in(requiring, domain, "user04")
        assert [(check.ok, check.warning) for check in group_checks(requiring)] == [(True, False)]

    @pytest.mark.parametrize("mode", AD_MODES)
    def test_primary_group_of_one_person(self, domain: SambaAD, ad_backend: Make, developer: str, mode: str) -> None:
        developers = f"CN=developers,{domain.group_base}"
        denying = ad_backend(**ad_mode(domain, mode, denied_groups=developers))
        assert not can_sign_in(denying, domain, developer)
        assert not can_sign_in(denying, domain, "user04")
        assert can_sign_in(denying, domain, "user15")
        assert can_sign_in(ad_backend(**ad_mode(domain, mode, required_groups=developers)), domain, developer)

    @pytest.mark.parametrize("mode", ["in_chain", "search", "tokengroups"])
    def test_primary_group_nested_in_another_group(
        self, domain: SambaAD, ad_backend: Make, developer: str, mode: str
    ) -> None:
        staff = f"CN=staff,{domain.group_base}"
        assert not can_sign_in(ad_backend(**ad_mode(domain, mode, denied_groups=staff)), domain, developer)
        # also if the primary group is outside of group_base
        inside = {"group_base": domain.group_base, "required_groups": staff}
        assert can_sign_in(ad_backend(**ad_mode(domain, mode, **inside)), domain, developer)

    def test_primary_group_without_service_account(self, domain: SambaAD, ad_backend: Make) -> None:
        users = f"CN=Domain Users,CN=Users,{domain.base}"
        template = {"login_mode": "template", "user_dn_template": "{upn}@ad.example.org", "group_mode": "memberof"}
        backend = ad_backend(**template, bind_dn="", bind_password="", denied_groups=users)
        with pytest.raises(AccountRefused, match="not_entitled"):
            backend.authenticate("user08", domain.people["user08"].password)

    def test_primary_group_of_posix_accounts(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        posix = {
            "group_base": f"ou=posix,{slapd.base}",
            "group_filter": "(&(objectClass=posixGroup)(memberUid={username}))",
        }
        users, developers = (f"cn=unix-{name},ou=posix,{slapd.base}" for name in ("users", "devs"))
        denying = openldap_backend(**posix, denied_groups=users)
        assert not can_sign_in(denying, slapd, "user20")
        assert [(check.ok, check.warning) for check in group_checks(denying)] == [(True, False)]
        assert can_sign_in(openldap_backend(**posix, required_groups=users), slapd, "user20")
        assert can_sign_in(openldap_backend(**posix, denied_groups=developers), slapd, "user20")
        assert not can_sign_in(openldap_backend(**posix, denied_groups=developers), slapd, "user05")


def refuses_everybody(backend: LDAPBackend, directory: OpenLDAP | SambaAD, message: str) -> None:
    """All sign-ins and look-ups raise BackendMisconfigured, and the checks report the problem."""
    for username in ("user03", "user15"):
        with pytest.raises(BackendMisconfigured, match=message):
            backend.authenticate(username, directory.people[username].password)
        with pytest.raises(BackendMisconfigured, match=message):
            backend.find(username)
    assert [check for check in group_checks(backend) if not check.ok]


class TestUndetectedMembers:
    def test_distribution_groups(self, domain: SambaAD, ad_backend: Make) -> None:
        group = f"CN=mail-list,{domain.group_base}"
        refuses_everybody(ad_backend(denied_groups=group), domain, "distribution group")
        for mode in ("memberof", "in_chain", "search"):
            assert not can_sign_in(ad_backend(**ad_mode(domain, mode, denied_groups=group)), domain, "user17")

    def test_nested_members_by_memberof(self, domain: SambaAD, ad_backend: Make) -> None:
        group = f"CN=company,{domain.group_base}"
        refuses_everybody(ad_backend(group_mode="memberof", denied_groups=group), domain, "does not detect")
        assert not can_sign_in(ad_backend(denied_groups=group), domain, "user03")

    def test_required_group_with_undetected_nested_members_is_a_warning(
        self, slapd: OpenLDAP, openldap_backend: Make, domain: SambaAD, ad_backend: Make
    ) -> None:
        company = ad_backend(group_mode="memberof", required_groups=f"CN=company,{domain.group_base}")
        (check,) = group_checks(company)
        assert (check.ok, check.warning) == (True, True)
        assert "does not detect that" in check.detail
        posix = f"cn=unix-devs,ou=posix,{slapd.base}"
        (check,) = group_checks(openldap_backend(group_base=slapd.base, required_groups=posix))
        assert not check.ok

    def test_nested_members_by_memberof_of_openldap(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        group = f"cn=staff,{slapd.group_base}"
        refuses_everybody(openldap_backend(group_mode="memberof", denied_groups=group), slapd, "does not detect")
        assert not can_sign_in(openldap_backend(denied_groups=group), slapd, "user03")

    def test_groups_of_another_class_than_in_the_filter(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        for name in ("unix-devs", "unix-users"):
            changes = {"group_base": slapd.base, "denied_groups": f"cn={name},ou=posix,{slapd.base}"}
            refuses_everybody(openldap_backend(**changes), slapd, "does not detect")
            refuses_everybody(openldap_backend(group_mode="memberof", **changes), slapd, "does not detect")

    def test_missing_groups(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        denied = f"cn=admins,{slapd.group_base}\ncn=admns,{slapd.group_base}"
        for mode in ("search", "memberof"):
            refuses_everybody(openldap_backend(group_mode=mode, denied_groups=denied), slapd, "admns")

    def test_unreadable_groups(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        """The service account may not read policies."""
        hidden = f"cn=default,ou=policies,{slapd.base}"
        changes = {"group_base": slapd.base, "denied_groups": hidden}
        refuses_everybody(openldap_backend(**changes), slapd, "policies")

    @pytest.mark.parametrize(
        "base", ["cn=sizelimit,ou=RetCodes", "ou=elsewhere,ou=people", "cn=adminlimit,ou=RetCodes"]
    )
    def test_incomplete_list_of_groups(self, slapd: OpenLDAP, openldap_backend: Make, base: str) -> None:
        """A size limit truncates a search, or the result is a referral, which is never followed."""
        group = f"cn=admins,{base},{slapd.base}"
        for changes in ({"denied_groups": group}, {"required_groups": group}, {}):
            backend = openldap_backend(group_base=f"{base},{slapd.base}", **changes)
            with pytest.raises(BackendUnavailable):
                backend.authenticate("user03", slapd.people["user03"].password)
            with pytest.raises(BackendUnavailable):
                backend.find("user03")
        with pytest.raises(BackendUnavailable):
            openldap_backend(denied_groups=group, group_mode="memberof", group_base="").find("user03")

    def test_groups_nested_deeper_than_group_nesting(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend(group_nesting=1, denied_groups=f"cn=company,{slapd.group_base}")
        with pytest.raises(BackendMisconfigured, match="group_nesting"):
            backend.authenticate("user03", slapd.people["user03"].password)
        assert not can_sign_in(backend, slapd, "user20")
        assert can_sign_in(backend, slapd, "user13")
        # group_nesting = 0 is a documented choice
        direct = openldap_backend(group_nesting=0, denied_groups=f"cn=company,{slapd.group_base}")
        assert can_sign_in(direct, slapd, "user03")
        assert not can_sign_in(direct, slapd, "user20")

    @pytest.fixture
    def admins(self, slapd: OpenLDAP) -> Iterator[Callable[..., str]]:
        """Returns a function that sets the members of the group and returns its DN: `admins(*members)`."""
        group = f"cn=admins,{slapd.group_base}"

        def change(*members: str) -> str:
            slapd.modify(group, {"member": members})
            return group

        yield change
        change(*(slapd.people[name].dn for name in ("user01", "user02")))

    def test_members_without_an_entry(
        self, slapd: OpenLDAP, openldap_backend: Make, admins: Callable[..., str]
    ) -> None:
        leavers = [f"uid=leaver{number},{slapd.people_base}" for number in range(8)]
        for members, is_sure in (([*leavers, slapd.people["user03"].dn], True), (leavers, False)):
            for mode in ("search", "memberof"):
                backend = openldap_backend(group_mode=mode, denied_groups=admins(*members))
                assert can_sign_in(backend, slapd, "user15")
                assert can_sign_in(backend, slapd, "user03") != is_sure
                assert [(check.ok, check.warning) for check in group_checks(backend)] == [(True, not is_sure)]

    def test_nested_group_after_many_members_with_memberof(
        self, slapd: OpenLDAP, openldap_backend: Make, admins: Callable[..., str]
    ) -> None:
        people = [slapd.people[f"user{number:02}"].dn for number in range(20, 40)]
        group = admins(*people, f"cn=developers,{slapd.group_base}")
        refuses_everybody(openldap_backend(group_mode="memberof", denied_groups=group), slapd, "does not detect")
        assert not can_sign_in(openldap_backend(denied_groups=group), slapd, "user03")

    def test_empty_group_is_a_warning(self, domain: SambaAD, ad_backend: Make) -> None:
        empty = ad_backend(group_mode="memberof", denied_groups=f"CN=Cert Publishers,CN=Users,{domain.base}")
        assert can_sign_in(empty, domain, "user04")
        assert [(check.ok, check.warning) for check in group_checks(empty)] == [(True, True)]


class TestCheckInterval:
    """The members of a denied group are checked at intervals, not for each sign-in."""

    @pytest.fixture
    def results(self, monkeypatch: pytest.MonkeyPatch) -> Results:
        """A queue of results for the next checks; "" stands for the real result."""
        planned: Results = []
        ask = membership.membership_problem

        def membership_problem(*args: Any, **more: Any) -> str | None:
            end = planned.pop(0)
            if isinstance(end, Exception):
                raise end
            return end or ask(*args, **more)

        monkeypatch.setattr(membership, "membership_problem", membership_problem)
        return planned

    def test_result_is_reused_for_many_sign_ins(
        self, slapd: OpenLDAP, openldap_backend: Make, results: Results
    ) -> None:
        results += [""]
        backend = openldap_backend(denied_groups=f"cn=admins,{slapd.group_base}")
        for _ in range(3):
            assert can_sign_in(backend, slapd, "user15")
        assert not results

    def test_health_checks_reuse_the_result(self, slapd: OpenLDAP, openldap_backend: Make, results: Results) -> None:
        groups = {f"{key}_groups": f"cn=admins,{slapd.group_base}" for key in ("denied", "required")}
        # required groups are checked first, twice if there is a problem, and again until it is resolved
        results += ["unseen", "unseen", "unseen", "", ""]
        backend = openldap_backend(**groups)
        for expected in ([False, False], [True, True], [True, True]):
            assert [check.ok for check in group_checks(backend)] == expected
        assert not results

    def test_slow_directory_does_not_prevent_sign_in(
        self,
        slapd: OpenLDAP,
        openldap_backend: Make,
        results: Results,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(directory, "GROUP_CHECK_SECONDS", -1)
        group = f"cn=admins,{slapd.group_base}"
        backend, slow = openldap_backend(denied_groups=group), BackendUnavailable("no answer in time")
        # there was no successful check before
        results += [slow, slow]
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="no answer in time"):
                backend.authenticate("user15", slapd.people["user15"].password)
        results += ["", slow]
        for _ in range(3):
            assert can_sign_in(backend, slapd, "user15")
        assert not results
        assert caplog.text.count("the last check is still valid") == 1
        # the last successful check is too old
        monkeypatch.setattr(directory, "GROUP_CHECK_VALID_SECONDS", -1)
        monkeypatch.setattr(directory, "GROUP_CHECK_RETRY_SECONDS", -1)
        backend = openldap_backend(denied_groups=group)
        results += ["", slow]
        assert backend.authenticate("user15", slapd.people["user15"].password)
        with pytest.raises(BackendUnavailable, match="no answer in time"):
            backend.authenticate("user15", slapd.people["user15"].password)

    def test_problem_found_later_takes_effect_immediately(
        self, slapd: OpenLDAP, openldap_backend: Make, results: Results, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(directory, "GROUP_CHECK_SECONDS", -1)
        backend = openldap_backend(denied_groups=f"cn=admins,{slapd.group_base}")
        results += ["", "it was deleted", "it was deleted", ""]
        assert backend.find("user15").refused is None
        for _ in range(2):
            with pytest.raises(BackendMisconfigured, match="it was deleted"):
                backend.find("user15")
        assert backend.find("user15").refused is None
