"""Tests of recovery and registration on a real Samba AD."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from secrets import token_hex

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    NameTaken,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    WrongPassword,
)
from linkauth_ldap import LDAPBackend
from tests.servers.samba import SambaAD

Make = Callable[..., LDAPBackend]
NEW = "Copper-31-harbour-Violet"


@pytest.fixture
def make(domain: SambaAD, ad_backend: Make) -> Make:
    account = {"bind_dn": domain.reset_dn, "bind_password": domain.reset_password}
    return lambda **changes: ad_backend(password_recovery=True, registration=True, **{**account, **changes})


@pytest.fixture
def backend(make: Make) -> LDAPBackend:
    return make()


@pytest.fixture
def name(domain: SambaAD) -> Iterator[str]:
    """Returns a new user name. The end of the test deletes the accounts whose names begin with it."""
    name = f"new-{token_hex(4)}"
    yield name
    with domain.as_admin() as connection:
        connection.search(domain.people_base, f"(cn={name}*)", attributes=["cn"])
        for dn in [each["dn"] for each in connection.response if each["type"] == "searchResEntry"]:
            connection.delete(dn)


class TestRecovery:
    def test_people_at_an_address(self, backend: LDAPBackend) -> None:
        assert PasswordRecovery in backend.offers
        assert [person.username for person in backend.people_at("USER04@example.org")] == ["user04"]
        assert list(backend.people_at("contact@example.org")) == []
        # the directory may find an address without the accent
        assert list(backend.people_at("üser04@example.org")) == []

    @pytest.mark.parametrize(
        ("username", "reason"),
        [
            ("disabled", "disabled"),
            ("accexpired", "account_expired"),
            ("smartcard", "logon_restricted"),
            ("veiled", "disabled"),
        ],
    )
    def test_accounts_that_a_new_password_does_not_help(
        self, domain: SambaAD, make: Make, username: str, reason: str
    ) -> None:
        # svc-linkauth may not read userAccountControl of `veiled`
        account = {"bind_dn": domain.bind_dn, "bind_password": domain.bind_password} if username == "veiled" else {}
        backend = make(**account)
        for call in (
            lambda: backend.recipient(username),
            lambda: backend.reset_password(domain.subject_of(username), NEW),
        ):
            with pytest.raises(AccountRefused) as refused:
                call()
            assert (refused.value.reason, refused.value.proven) == (reason, False)

    @pytest.mark.parametrize("username", ["mustchange3", "user18"])
    def test_the_person_can_sign_in_at_once(self, domain: SambaAD, backend: LDAPBackend, username: str) -> None:
        current, subject = domain.people[username].password, backend.recipient(username).subject
        for _ in range(3 if username == "user18" else 0):
            with pytest.raises(WrongPassword):
                backend.authenticate(username, "a wrong one")
        with pytest.raises(AccountRefused, match="locked" if username == "user18" else "must_change"):
            backend.authenticate(username, current)
        try:
            backend.reset_password(subject, NEW)
            assert backend.authenticate(username, NEW).subject == subject
        finally:
            domain.unlock(username)
            if username == "user18":
                domain.set_password(username, current)
            else:
                domain.must_change(username, current)

    def test_the_policy_of_the_domain_applies(self, domain: SambaAD, backend: LDAPBackend) -> None:
        subject = domain.subject_of("user19")
        assert backend.minimum_length() == 7
        for new, rule, minimum in (("Sh0rt!", "too_short", 7), ("aaaaaaaaaaaaaa", "too_simple", 0)):
            with pytest.raises(PasswordRefused) as refused:
                backend.reset_password(subject, new)
            assert (refused.value.rule, refused.value.minimum) == (rule, minimum)
        assert backend.authenticate("user19", domain.people["user19"].password)

    def test_an_account_without_permission_is_misconfigured(self, domain: SambaAD, ad_backend: Make) -> None:
        backend = ad_backend(password_recovery=True, registration=True)
        with pytest.raises(BackendMisconfigured, match="may not change"):
            backend.reset_password(domain.subject_of("user20"), NEW)
        with pytest.raises(BackendMisconfigured, match="may not add"):
            backend.register("new-nobody", NEW, {})
        failed = {check.name: check.detail for check in backend.check() if not check.ok}
        assert set(failed) == {"password recovery", "registration"}
        assert "lockoutTime" in failed["password recovery"]
        assert "may not add users" in failed["registration"]


class TestRegistration:
    def test_an_account_of_the_preset(self, domain: SambaAD, backend: LDAPBackend, name: str) -> None:
        assert Registration in backend.offers
        profile = {"name": "Maria Müller, jr", "email": "maria@example.com", "phone": "+4930123456"}
        identity = backend.register(name, NEW, profile)
        assert (identity.username, identity.name, identity.email) == (name, profile["name"], profile["email"])
        assert "Domain Users" in identity.groups
        account = backend.find(name)
        assert (account.refused, account.facts["userAccountControl"]) == (None, "0x200")
        assert account.identity == identity
        assert backend.authenticate(name, NEW) == identity

    def test_an_address_that_does_not_fit_is_reported(
        self, backend: LDAPBackend, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert backend.is_taken("somebody.with.a.long@example.com")
        assert "registration_fields" in caplog.text
        assert "somebody" not in caplog.text

    def test_names_that_exist(self, domain: SambaAD, backend: LDAPBackend) -> None:
        # also those of a group, of an account outside of user_base, and what is no sAMAccountName
        for taken in (
            "user01",
            "USER01",
            "developers",
            "svc-linkauth",
            "krbtgt",
            "a" * 21,
            "a[b",
            "Smith, John (Sales) *",
        ):
            assert backend.is_taken(taken)
            with pytest.raises(NameTaken):
                backend.register(taken, NEW, {})
        assert not backend.is_taken(f"new-{token_hex(4)}")

    def test_names_that_the_directory_refuses(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another registration may take the name between the search for it and the new entry."""
        monkeypatch.setattr("linkauth_ldap.registration.Registrar._has_entry", lambda *_: False)
        for backend in (make(), make(new_entry="objectClass=user\nuserPrincipalName={username}@{domain}")):
            with pytest.raises(NameTaken):
                backend.register("user01", NEW, {})

    def test_an_address_as_the_name(self, domain: SambaAD, make: Make, name: str) -> None:
        lines = "objectClass=user\nuserPrincipalName={username}\nuserAccountControl=512\nmail={email}"
        by_upn = {"user_filter": "(userPrincipalName={username})", "username_attribute": "userPrincipalName"}
        backend, address = make(**by_upn, new_entry=lines), f"{name}@customers.example.com"
        identity = backend.register(address, NEW, {"email": address})
        assert (identity.username, identity.email) == (address, address)
        assert backend.authenticate(address.upper(), NEW) == identity
        assert backend.is_taken(address.upper())

    def test_weak_passwords(self, backend: LDAPBackend, name: str) -> None:
        for new, rule, minimum in (("Sh0rt!", "too_short", 7), ("aaaaaaaaaaaaaa", "too_simple", 0)):
            with pytest.raises(PasswordRefused) as refused:
                backend.register(name, new, {})
            assert (refused.value.rule, refused.value.minimum) == (rule, minimum)
        assert not backend.is_taken(name)

    def test_an_account_that_stays_disabled_is_deleted(self, make: Make, name: str) -> None:
        backend = make(new_entry="objectClass=user\nsAMAccountName={username}\nuserAccountControl=514")
        with pytest.raises(BackendMisconfigured, match=r"could not sign in, .*disabled"):
            backend.register(name, NEW, {})
        assert not backend.is_taken(name)

    def test_checks(self, backend: LDAPBackend) -> None:
        found = [check for check in backend.check() if check.name in ("registration", "password recovery")]
        assert all(check.ok for check in found)
        details = " ".join(check.detail for check in found)
        assert "may add users below OU=People" in details
        assert "no policy hints" in details
