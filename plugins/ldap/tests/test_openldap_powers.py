"""Tests of password changes, look-ups and checks on a real OpenLDAP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    PasswordChange,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)
from linkauth_ldap import LDAPBackend
from tests.servers.openldap import OpenLDAP

Make = Callable[..., LDAPBackend]


class TestPasswordChange:
    NEW = "Neues-Passwort-77"

    @pytest.fixture
    def restore_person(self, slapd: OpenLDAP) -> Iterator[Callable[[str], str]]:
        usernames = []

        def restore(username: str) -> str:
            slapd.restore(username)
            usernames.append(username)
            return slapd.people[username].password

        yield restore
        for username in usernames:
            slapd.restore(username)

    def test_required_change_by_the_person(self, openldap_backend: Make, restore_person: Callable[[str], str]) -> None:
        backend, current = openldap_backend(password_change="self"), restore_person("mustchange3")
        assert PasswordChange in backend.offers
        for new, rule in (("short", "too_short"), (current, "used_before")):
            with pytest.raises(PasswordRefused) as refused:
                backend.change_password("mustchange3", current, new)
            assert refused.value.rule == rule
        with pytest.raises(WrongPassword):
            backend.change_password("mustchange3", "a wrong one", self.NEW)
        backend.change_password("mustchange3", current, self.NEW)
        assert backend.authenticate("mustchange3", self.NEW).username == "mustchange3"
        with pytest.raises(WrongPassword):
            backend.authenticate("mustchange3", current)

    def test_expired_password_needs_the_service_account(
        self, slapd: OpenLDAP, openldap_backend: Make, restore_person: Callable[[str], str]
    ) -> None:
        current = restore_person("expired2")
        helpdesk = {"bind_dn": slapd.helpdesk_dn, "bind_password": slapd.helpdesk_password}
        with pytest.raises(WrongPassword):
            openldap_backend(password_change="service", **helpdesk).change_password("expired2", "a wrong one", self.NEW)
        openldap_backend(password_change="service", **helpdesk).change_password("expired2", current, self.NEW)
        slapd.settle()
        with pytest.raises(WrongPassword):
            openldap_backend().authenticate("expired2", current)
        # a reset sets pwdReset, and the backend removes it because the person chose the password
        assert openldap_backend().authenticate("expired2", self.NEW).username == "expired2"

    def test_change_is_not_offered_without_a_bind(
        self, slapd: OpenLDAP, openldap_backend: Make, restore_person: Callable[[str], str]
    ) -> None:
        backend, current = openldap_backend(password_change="self"), restore_person("expired2")
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate("expired2", current)
        assert not refused.value.changeable
        with pytest.raises(PasswordRefused, match="not_allowed"):
            backend.change_password("expired2", current, self.NEW)

    def test_unusable_new_password_is_refused(
        self, openldap_backend: Make, restore_person: Callable[[str], str]
    ) -> None:
        current = restore_person("user40")
        with pytest.raises(PasswordRefused, match="policy"):
            openldap_backend(password_change="self").change_password("user40", current, "ü" * 600)
        assert openldap_backend().authenticate("user40", current)

    def test_account_without_permission_is_misconfigured(
        self, openldap_backend: Make, restore_person: Callable[[str], str]
    ) -> None:
        current = restore_person("user40")
        with pytest.raises(BackendMisconfigured, match="may not change"):
            openldap_backend(password_change="service").change_password("user40", current, self.NEW)

    def test_disabled_by_default(self, openldap_backend: Make) -> None:
        assert PasswordChange not in openldap_backend().offers


class TestLookUp:
    def test_by_name_and_by_subject(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend()
        account = backend.find("user03")
        assert account.identity == backend.authenticate("user03", slapd.people["user03"].password)
        assert account.refused is None
        assert account.facts["entry"] == slapd.people["user03"].dn
        assert backend.look_up(slapd.subject_of("user03")) == account

    @pytest.mark.parametrize("subject", ["*", "nobody", "00000000-0000-0000-0000-000000000000", "x)(uid=*"])
    def test_unknown_name(self, openldap_backend: Make, subject: str) -> None:
        with pytest.raises(UnknownUser):
            openldap_backend().look_up(subject)

    @pytest.mark.parametrize("name", ["uid={username}", "mail={username}@*", "uid:caseExactMatch:={username}"])
    def test_person_excluded_by_filter_is_unknown(self, slapd: OpenLDAP, openldap_backend: Make, name: str) -> None:
        backend = openldap_backend(user_filter=f"(&(sn=User03)({name}))")
        assert backend.look_up(slapd.subject_of("user03")).identity.username == "user03"
        with pytest.raises(UnknownUser):
            backend.look_up(slapd.subject_of("user04"))

    def test_lookup_returns_readable_refusals(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        helpdesk = {"bind_dn": slapd.helpdesk_dn, "bind_password": slapd.helpdesk_password}
        backend = openldap_backend(**helpdesk)
        found = {name: backend.find(name).refused for name in ("locked", "mustchange3", "ended", "notyet", "user03")}
        expected = {"locked": "locked", "mustchange3": "must_change_password"}
        assert found == {**expected, "ended": "account_expired", "notyet": "account_expired", "user03": None}
        assert backend.find("locked").facts["pwdAccountLockedTime"] == "000001010000Z"
        # the account is marked as incomplete
        assert not openldap_backend().find("locked").complete

    def test_lookup_returns_missing_entitlement(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend(denied_groups=f"cn=admins,ou=groups,{slapd.base}")
        assert backend.find("user01").refused == "not_entitled"


class TestChecks:
    def test_all_checks_are_ok(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        root = {"bind_dn": slapd.root_dn, "bind_password": slapd.root_password}
        found = {check.name: check for check in openldap_backend(password_change="self", **root).check()}
        assert [check for check in found.values() if not check.ok or check.warning] == []
        assert {"user_base", "group_base", "preset", "password policy control", "password change"} <= set(found)

    @pytest.mark.parametrize(
        ("changes", "name", "text"),
        [
            ({"user_base": "ou=nobody,dc=example,dc=org"}, ("user_base", "subject"), "nobody"),
            ({"bind_password": "wrong"}, ("server",), "bind_dn"),
            ({"uris": ("ldap://127.0.0.1:1",)}, ("server",), "refused"),
            ({"uris": ("ldap://no-such-host.invalid",)}, ("server",), "resolved"),
        ],
    )
    def test_problems_are_reported(
        self, openldap_backend: Make, changes: Any, name: tuple[str, ...], text: str
    ) -> None:
        failed = [check for check in openldap_backend(**changes).check() if not check.ok]
        assert failed
        assert all(check.name.startswith(name) and text in check.detail for check in failed)

    def test_unreadable_policy_is_a_warning(self, openldap_backend: Make) -> None:
        found = {check.name: check for check in openldap_backend().check()}
        assert found["password policy"].warning
        assert "account_failures" in found["password policy"].detail

    def test_missing_group_is_reported(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend(denied_groups=f"cn=admns,{slapd.group_base}")
        (failed,) = [check for check in backend.check() if not check.ok]
        assert failed.name == "denied_groups"

    def test_missing_subject_is_reported(self, openldap_backend: Make) -> None:
        failed = [check for check in openldap_backend(subject_attribute="entryUID").check() if not check.ok]
        assert [check.name for check in failed] == ["subject_attribute"]

    def test_unverifiable_permission_is_a_warning(self, openldap_backend: Make) -> None:
        found = {check.name: check for check in openldap_backend(password_change="service").check()}
        assert (found["password change"].ok, found["password change"].warning) == (True, True)
        assert "bind_dn" in found["password change"].detail

    def test_one_of_two_servers_down_is_a_warning(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        found = list(openldap_backend(uris=("ldap://127.0.0.1:1", slapd.a.ldap)).check())
        assert all(check.ok for check in found)
        assert next(check.name for check in found if check.warning) == "server ldap://127.0.0.1:1"

    def test_server_check_without_service_account(self, openldap_backend: Make) -> None:
        template = {"login_mode": "template", "user_dn_template": "uid={rdn},ou=people,dc=example,dc=org"}
        nobody = {"bind_dn": "", "bind_password": "", "group_mode": "none"}
        found = list(openldap_backend(**template, **nobody).check())
        assert all(check.ok for check in found)
        assert "accepts the service account" not in str(found)

    def test_wrong_preset_is_a_warning(self, openldap_backend: Make) -> None:
        found = {check.name: check for check in openldap_backend(preset="activedirectory").check()}
        assert found["preset"].ok
        assert found["preset"].warning
