"""Tests of every kind of account on a real Samba AD."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    Lockout,
    Lookup,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)
from linkauth_ldap import LDAPBackend
from tests.servers.samba import SambaAD

Make = Callable[..., LDAPBackend]
SPECIAL = (
    *("jsmith", "bslash", "o'brien", "two words", "müller", "محمد", "山田太郎", "bidipw", "nfkcpw", "nomail", "noupn"),
    *("twin", "neverexp", "jdoe"),
)


@pytest.fixture
def backend(ad_backend: Make) -> LDAPBackend:
    return ad_backend()


@pytest.mark.parametrize("username", SPECIAL)
def test_sign_in_with_special_characters_in_names(domain: SambaAD, backend: LDAPBackend, username: str) -> None:
    identity = backend.authenticate(username, domain.people[username].password)
    assert identity.username == username
    assert str(uuid.UUID(identity.subject)) == identity.subject


def test_subject_is_the_guid_in_the_format_of_microsoft(domain: SambaAD, backend: LDAPBackend) -> None:
    subject = backend.authenticate("user03", domain.people["user03"].password).subject
    account = backend.look_up(subject)
    assert account.identity.username == "user03"
    # search by GUID in the string format of Microsoft
    by_guid = ad_entry(domain, f"<GUID={subject}>")
    assert by_guid == domain.people["user03"].dn


def ad_entry(domain: SambaAD, base: str) -> str:
    with domain.as_admin() as connection:
        connection.search(base, "(objectClass=*)", "BASE", attributes=["cn"])
        return str(connection.response[0]["dn"])


@pytest.mark.parametrize(
    ("username", "reason", "proven"),
    [
        ("disabled", "disabled", True),
        ("accexpired", "account_expired", True),
        ("pwdexpired", "password_expired", True),
        ("nohours", "logon_restricted", True),
        ("workst", "logon_restricted", True),
        ("disexp", "disabled", True),
        ("mustchange", "must_change_password", True),
        ("lockedout", "locked", False),
    ],
)
def test_refused_accounts(domain: SambaAD, backend: LDAPBackend, username: str, reason: str, proven: bool) -> None:
    with pytest.raises(AccountRefused) as refused:
        backend.authenticate(username, domain.people[username].password)
    assert (refused.value.reason, refused.value.proven) == (reason, proven)


@pytest.mark.parametrize("username", ["disabled", "accexpired", "pwdexpired", "nohours", "mustchange", "user05"])
def test_wrong_password_does_not_show_the_state(backend: LDAPBackend, username: str) -> None:
    with pytest.raises(WrongPassword):
        backend.authenticate(username, "a wrong one")


def test_each_wrong_password_counts_once_towards_the_lockout(domain: SambaAD, backend: LDAPBackend) -> None:
    for _ in range(3):
        with pytest.raises(WrongPassword):
            backend.authenticate("lockme", "a wrong one")
    with pytest.raises(AccountRefused, match="locked"):
        backend.authenticate("lockme", domain.people["lockme"].password)
    assert backend.find("lockme").refused == "locked"
    domain.unlock("lockme")
    assert backend.authenticate("lockme", domain.people["lockme"].password)


def test_empty_password_is_never_sent(domain: SambaAD, backend: LDAPBackend) -> None:
    # the server would count an empty password as a failure
    for _ in range(4):
        with pytest.raises(WrongPassword):
            backend.authenticate("user06", "")
    assert backend.authenticate("user06", domain.people["user06"].password)


@pytest.mark.parametrize("typed", ["user07", "USER07", "EXAMPLE\\user07", "example\\User07", "user07@ad.example.org"])
def test_domain_prefixes_and_case_are_ignored(domain: SambaAD, ad_backend: Make, typed: str) -> None:
    backend = ad_backend(username_domains=("EXAMPLE", "ad.example.org"))
    assert backend.authenticate(typed, domain.people["user07"].password).username == "user07"
    with pytest.raises(UnknownUser):
        ad_backend().authenticate("EXAMPLE\\user07", domain.people["user07"].password)


def test_template_with_upn(domain: SambaAD, ad_backend: Make) -> None:
    changes = {"login_mode": "template", "user_dn_template": "{upn}@ad.example.org", "group_mode": "memberof"}
    backend = ad_backend(**changes, bind_dn="", bind_password="")
    assert backend.authenticate("user08", domain.people["user08"].password).groups == ("Domain Users", "developers")
    with pytest.raises(WrongPassword):
        backend.authenticate("user08", "a wrong one")


def test_template_with_service_account_offers_lookup(domain: SambaAD, ad_backend: Make) -> None:
    backend = ad_backend(login_mode="template", user_dn_template="{upn}@ad.example.org")
    assert Lookup in backend.offers
    identity = backend.authenticate("user08", domain.people["user08"].password)
    assert backend.find("user08").identity == backend.look_up(identity.subject).identity == identity


def test_template_refuses_a_name_of_two_accounts(domain: SambaAD, ad_backend: Make) -> None:
    """The directory finds one person by the UPN, and user_filter finds another one."""
    changes = {"login_mode": "template", "user_dn_template": "{upn}@corp.example.com", "group_mode": "memberof"}
    other = domain.people["user10"]
    domain.modify(other.dn, {"sAMAccountName": ["john.doe"]})
    try:
        for account in ({}, {"bind_dn": "", "bind_password": ""}):
            with pytest.raises(BackendMisconfigured, match="2 entries"):
                ad_backend(**changes, **account).authenticate("john.doe", domain.people["jdoe"].password)
    finally:
        domain.modify(other.dn, {"sAMAccountName": [other.username]})


@pytest.mark.parametrize(
    ("username", "refused"),
    [
        ("disabled", "disabled"),
        ("accexpired", "account_expired"),
        ("mustchange", "must_change_password"),
        ("nohours", "logon_restricted"),
        ("smartcard", "logon_restricted"),
        ("lockedout", "locked"),
        ("user03", None),
    ],
)
def test_lookup_returns_the_same_state_as_a_sign_in(backend: LDAPBackend, username: str, refused: str | None) -> None:
    account = backend.find(username)
    assert account.refused == refused
    assert account.complete
    # userWorkstations is checked only by a bind
    assert not backend.find("workst").complete


@pytest.mark.parametrize("username", ["*", "user03)(cn=*", "svc-linkauth", "A Contact", "Administrator", "krbtgt"])
def test_invalid_names_are_unknown(backend: LDAPBackend, username: str) -> None:
    with pytest.raises(UnknownUser):
        backend.authenticate(username, "x")


class TestGroups:
    def groups(self, backend: LDAPBackend, domain: SambaAD, username: str) -> set[str]:
        return set(backend.authenticate(username, domain.people[username].password).groups)

    def test_tokengroups_include_nested_and_primary_groups(self, domain: SambaAD, ad_backend: Make) -> None:
        backend = ad_backend()
        assert {"developers", "staff", "company", "Domain Users"} <= self.groups(backend, domain, "user03")
        assert {"loop-a", "loop-b"} <= self.groups(backend, domain, "user16")
        assert {"company", "ops, infra (EU)"} <= self.groups(backend, domain, "jsmith")
        # a distribution group grants no permissions
        assert "mail-list" not in self.groups(backend, domain, "user17")

    @pytest.mark.parametrize("mode", ["in_chain", "search"])
    def test_in_chain_includes_nested_groups(self, domain: SambaAD, ad_backend: Make, mode: str) -> None:
        direct = "(&(objectClass=group)(member={dn}))"
        backend = ad_backend(group_mode=mode, group_base=domain.group_base, group_filter=direct)
        assert self.groups(backend, domain, "user03") == {"developers", "staff", "company"}
        assert self.groups(backend, domain, "jsmith") == {"company", "ops, infra (EU)"}
        assert self.groups(backend, domain, "user16") == {"loop-a", "loop-b"}

    def test_memberof_includes_direct_and_primary_groups(self, domain: SambaAD, ad_backend: Make) -> None:
        assert self.groups(ad_backend(group_mode="memberof"), domain, "user03") == {"developers", "Domain Users"}

    def test_several_lines_of_user_base_have_the_groups_of_one(self, domain: SambaAD, ad_backend: Make) -> None:
        direct = "(&(objectClass=group)(member={dn}))"
        for bases in (f"{domain.people_base}\nCN=Users,{domain.base}", f"{domain.base}\n{domain.people_base}"):
            for mode in ("tokengroups", "in_chain", "memberof", "search"):
                groups = {"group_mode": mode, "group_base": domain.group_base, "group_filter": direct}
                one, several = ad_backend(**groups), ad_backend(**groups, user_base=bases)
                assert self.groups(several, domain, "user03") == self.groups(one, domain, "user03")
                assert (several.lockout(), several.minimum_length()) == (one.lockout(), one.minimum_length())

    def test_required_groups(self, domain: SambaAD, ad_backend: Make) -> None:
        backend = ad_backend(required_groups=f"cn=staff,{domain.group_base}")
        assert backend.authenticate("user03", domain.people["user03"].password)
        with pytest.raises(AccountRefused, match="not_entitled"):
            backend.authenticate("user15", domain.people["user15"].password)
        assert backend.find("user15").refused == "not_entitled"


class TestPasswordChange:
    NEW = "Neues-Passwort-77"

    @pytest.mark.parametrize("username", ["mustchange2", "pwdexpired"])
    def test_required_change_needs_the_current_password(self, domain: SambaAD, ad_backend: Make, username: str) -> None:
        backend, current = ad_backend(password_change="self"), domain.people[username].password
        with pytest.raises(PasswordRefused) as refused:
            backend.change_password(username, current, "short")
        assert (refused.value.rule, refused.value.minimum) == ("too_short", 7)
        with pytest.raises(PasswordRefused):
            backend.change_password(username, current, current)
        with pytest.raises(WrongPassword):
            backend.change_password(username, "a wrong one", self.NEW)
        backend.change_password(username, current, self.NEW)
        assert backend.authenticate(username, self.NEW).username == username

    def test_reset_respects_the_password_history(self, domain: SambaAD, ad_backend: Make) -> None:
        """This Samba version has no policy hints, so a reset would ignore the password history."""
        reset = {"bind_dn": domain.reset_dn, "bind_password": domain.reset_password, "password_change": "service"}
        backend, current = ad_backend(**reset), domain.people["mustchange3"].password
        with pytest.raises(BackendMisconfigured, match="password_change = self"):
            backend.change_password("mustchange3", current, self.NEW)
        (check,) = [check for check in backend.check() if check.name == "password change"]
        assert not check.ok
        assert "policy hints" in check.detail


def test_lockout_policy_of_the_domain_is_read(backend: LDAPBackend) -> None:
    assert backend.lockout() == Lockout(3, 1800, since_last=True)


def test_lookup_returns_flags_as_facts(backend: LDAPBackend) -> None:
    account = backend.find("disabled")
    assert account.refused == "disabled"
    assert account.facts["userAccountControl"] == "0x202"
    assert account.facts["accountExpires"] == "never"


def test_checks(ad_backend: Make, domain: SambaAD) -> None:
    found = {check.name: check for check in ad_backend(password_change="self").check()}
    assert all(check.ok for check in found.values())
    assert "Samba" in found["preset"].detail
    # two people have policies that bind_dn cannot read, and the state of another one is not readable
    assert [check.name for check in found.values() if check.warning] == ["password policy", "account state"]
    assert "1 of " in found["account state"].detail
    assert "fine-grained" in found["password policy"].detail
    assert ad_backend(preset="openldap", group_mode="none").lockout() is None


def test_check_reports_distribution_group_with_tokengroups(ad_backend: Make, domain: SambaAD) -> None:
    backend = ad_backend(denied_groups=f"CN=mail-list,{domain.group_base}\nCN=admins,{domain.group_base}")
    (failed,) = [check for check in backend.check() if not check.ok]
    assert failed.name == "denied_groups"
    assert "CN=mail-list" in failed.detail
    assert "distribution group" in failed.detail


def test_binary_subject_needs_subject_format(ad_backend: Make, domain: SambaAD) -> None:
    backend = ad_backend(subject_format="text")
    with pytest.raises(BackendMisconfigured, match="guid_le"):
        backend.authenticate("user03", domain.people["user03"].password)
    (failed,) = [check for check in backend.check() if not check.ok]
    assert (failed.name, "guid_le" in failed.detail) == ("subject_attribute", True)


def test_domain_refuses_clear_text(domain: SambaAD, ad_backend: Make) -> None:
    backend = ad_backend(uris=(domain.ldap,), allow_cleartext="true")
    with pytest.raises(BackendMisconfigured, match="starttls = true"):
        backend.authenticate("user03", domain.people["user03"].password)


def test_starttls(domain: SambaAD, ad_backend: Make) -> None:
    backend = ad_backend(uris=(domain.ldap,), starttls=True)
    assert backend.authenticate("user03", domain.people["user03"].password).username == "user03"
