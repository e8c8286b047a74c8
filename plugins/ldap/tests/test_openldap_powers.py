"""What the backend does on a real OpenLDAP besides signing people in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, PasswordChange, PasswordRefused, UnknownUser, WrongPassword
from linkauth_ldap import LDAPBackend
from tests.servers.openldap import OpenLDAP

Make = Callable[..., LDAPBackend]


class TestPasswordChange:
    NEW = "Neues-Passwort-77"

    @pytest.fixture
    def fresh(self, slapd: OpenLDAP) -> Iterator[Callable[[str], str]]:
        touched = []

        def restore(username: str) -> str:
            slapd.restore(username)
            touched.append(username)
            return slapd.people[username].password

        yield restore
        for username in touched:
            slapd.restore(username)

    def test_who_must_change_does_it_by_themselves(self, openldap_backend: Make, fresh: Callable[[str], str]) -> None:
        backend, current = openldap_backend(password_change="self"), fresh("mustchange3")
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

    def test_an_expired_password_needs_the_service_account(
        self, slapd: OpenLDAP, openldap_backend: Make, fresh: Callable[[str], str]
    ) -> None:
        current = fresh("expired2")
        helpdesk = {"bind_dn": slapd.helpdesk_dn, "bind_password": slapd.helpdesk_password}
        with pytest.raises(WrongPassword):
            openldap_backend(password_change="service", **helpdesk).change_password("expired2", "a wrong one", self.NEW)
        openldap_backend(password_change="service", **helpdesk).change_password("expired2", current, self.NEW)
        slapd.settle()
        with pytest.raises(WrongPassword):
            openldap_backend().authenticate("expired2", current)

    def test_an_account_without_the_right_is_the_operators_problem(
        self, openldap_backend: Make, fresh: Callable[[str], str]
    ) -> None:
        current = fresh("user40")
        with pytest.raises(BackendMisconfigured, match="may not change"):
            openldap_backend(password_change="service").change_password("user40", current, self.NEW)

    def test_it_is_off_unless_the_ini_says_so(self, openldap_backend: Make) -> None:
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
    def test_of_nobody(self, openldap_backend: Make, subject: str) -> None:
        with pytest.raises(UnknownUser):
            openldap_backend().look_up(subject)

    def test_it_says_who_would_not_be_entitled(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend(denied_groups=f"cn=admins,ou=groups,{slapd.base}")
        assert backend.find("user01").refused == "not_entitled"


class TestChecks:
    def test_all_is_well(self, openldap_backend: Make) -> None:
        found = {check.name: check for check in openldap_backend(password_change="self").check()}
        assert all(check.ok and not check.warning for check in found.values())
        assert {"user_base", "group_base", "preset", "password policy control", "password change"} <= set(found)

    @pytest.mark.parametrize(
        ("changes", "name", "words"),
        [
            ({"user_base": "ou=nobody,dc=example,dc=org"}, "user_base", "noSuchObject"),
            ({"bind_password": "wrong"}, "server", "bind_dn"),
            ({"uris": ("ldap://127.0.0.1:1",)}, "server", "refused"),
            ({"uris": ("ldap://no-such-host.invalid",)}, "server", "resolved"),
        ],
    )
    def test_what_is_wrong_is_said(self, openldap_backend: Make, changes: Any, name: str, words: str) -> None:
        failed = [check for check in openldap_backend(**changes).check() if not check.ok]
        assert failed
        assert all(check.name.startswith(name) and words in check.detail for check in failed)

    def test_a_preset_that_does_not_fit_is_a_warning(self, openldap_backend: Make) -> None:
        found = {check.name: check for check in openldap_backend(preset="activedirectory").check()}
        assert found["preset"].ok
        assert found["preset"].warning
