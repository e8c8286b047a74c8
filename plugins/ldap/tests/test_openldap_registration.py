"""Tests of new accounts on a real OpenLDAP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

import pytest

from linkauth.backends import (
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    NameTaken,
    PasswordRefused,
    Registration,
    UnknownUser,
)
from linkauth_ldap import LDAPBackend
from tests.servers import openldap
from tests.servers.openldap import OpenLDAP

from .conftest import SHORT, settings_for

Make = Callable[..., LDAPBackend]
PASSWORD = "Copper-31-harbour-Violet"
PROFILE = {"name": "New Comer", "email": "new.comer@example.com"}


@pytest.fixture
def register_with(slapd: OpenLDAP, openldap_backend: Make) -> Make:
    """Returns a function that creates a backend of the account `registrar`."""
    account = {"bind_dn": slapd.registrar_dn, "bind_password": slapd.registrar_password}
    return lambda **changes: openldap_backend(registration=True, **{**account, **changes})


@pytest.fixture
def backend(register_with: Make) -> LDAPBackend:
    return register_with()


@pytest.fixture(scope="module")
def careless() -> Iterator[OpenLDAP]:
    """Starts a server that stores the password of a new entry in clear text, as OpenLDAP does by default."""
    with openldap.running(hash_new_passwords=False) as directory:
        yield directory


@pytest.fixture
def name() -> str:
    return f"new-{token_hex(6)}"


@pytest.fixture(autouse=True)
def no_new_people(slapd: OpenLDAP) -> Iterator[None]:
    """Deletes the accounts that the test has created."""
    yield
    with slapd.a.as_root() as connection:
        connection.search(slapd.people_base, "(uid=new-*)", attributes=["1.1"])
        for dn in [each["dn"] for each in connection.response if each["type"] == "searchResEntry"]:
            connection.delete(dn)
    slapd.settle()


def entry_of(slapd: OpenLDAP, name: str) -> dict[str, list[bytes]]:
    """Returns the attributes of the entry with this uid, or an empty dict."""
    with slapd.a.as_root() as connection:
        connection.search(slapd.people_base, f"(uid={name})", attributes=["*", "pwdReset", "pwdHistory"])
        found = [dict(each["raw_attributes"]) for each in connection.response if each["type"] == "searchResEntry"]
    return {name: values for name, values in found[0].items() if values} if found else {}


class TestNewEntry:
    def test_fields_of_the_profile_become_attributes(self, slapd: OpenLDAP, backend: LDAPBackend, name: str) -> None:
        assert Registration in backend.offers
        profile = {**PROFILE, "phone": "+4930123456", "postal_code": "", "unknown": "x"}
        assert {"name", "given_name", "family_name", "email", "phone", "postal_code"} == backend.profile_fields
        identity = backend.register(name, PASSWORD, profile)
        assert (identity.username, identity.name, identity.email) == (name, "New Comer", "new.comer@example.com")
        entry = entry_of(slapd, name)
        assert entry.pop("userPassword")[0].startswith(b"{SSHA}")
        assert entry == {
            "objectClass": [b"inetOrgPerson"],
            "uid": [name.encode()],
            "cn": [b"New Comer"],
            "sn": [b"New Comer"],
            "displayName": [b"New Comer"],
            "mail": [b"new.comer@example.com"],
            "telephoneNumber": [b"+4930123456"],
        }
        # in one operation, so that there is never an account without a password
        assert f'ADD dn="uid={name},' in slapd.a.log.read_text("utf-8")

    def test_the_username_is_enough(self, slapd: OpenLDAP, backend: LDAPBackend, name: str) -> None:
        assert backend.register(name, PASSWORD, {}).username == name
        assert backend.authenticate(name, PASSWORD)

    @pytest.mark.parametrize("suffix", [",ou=groups", "+cn=x", "\\2a", '"<x>;=', "#", "' ü"])
    def test_special_characters_stay_in_the_name(
        self, slapd: OpenLDAP, backend: LDAPBackend, name: str, suffix: str
    ) -> None:
        identity = backend.register(name + suffix, PASSWORD, PROFILE)
        assert identity.username == name + suffix
        assert backend.authenticate(name + suffix, PASSWORD) == identity
        assert backend.is_taken((name + suffix).upper())

    def test_own_template(self, slapd: OpenLDAP, register_with: Make, name: str) -> None:
        lines = "objectClass=inetOrgPerson\nobjectClass=posixAccount\nuidNumber=99\ngidNumber=20000\nsn={name}"
        lines += "\nhomeDirectory=/home/{username}\ndescription={city} {country}\ncn=a\nmail={email}"
        backend = register_with(new_entry=lines, new_entry_dn=f"uid={{username}}, {slapd.people_base}")
        assert {"city", "country"} <= backend.profile_fields
        backend.register(name, PASSWORD, {**PROFILE, "country": "DE"})
        entry = entry_of(slapd, name)
        assert (entry["homeDirectory"], entry["description"]) == ([f"/home/{name}".encode()], [b"DE"])
        assert entry["objectClass"] == [b"inetOrgPerson", b"posixAccount"]

    def test_names_that_exist(self, slapd: OpenLDAP, backend: LDAPBackend) -> None:
        for username in ("user01", "USER01", " user01", "comma,user", "ｕｓｅｒ０１"):
            assert backend.is_taken(username)
            with pytest.raises(NameTaken):
                backend.register(username, PASSWORD, PROFILE)
        assert not backend.is_taken(f"new-{token_hex(6)}")
        assert not backend.is_taken("*")

    def test_an_entry_that_is_no_account_takes_the_name(
        self, slapd: OpenLDAP, register_with: Make, openldap_backend: Make
    ) -> None:
        # the DN exists, but user_filter does not find it
        backend = register_with(user_filter="(&(objectClass=inetOrgPerson)(uid={username})(!(uid=user02)))")
        assert backend.is_taken("user02")
        by_cn = {"user_filter": "(cn={username})", "username_attribute": "cn"}
        assert register_with(**by_cn, new_entry_dn=f"uid={{username}},{slapd.people_base}").is_taken("user02")

    def test_a_name_that_another_registration_takes_meanwhile(
        self, slapd: OpenLDAP, register_with: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("linkauth_ldap.registration.Registrar._has_entry", lambda *_: False)
        with pytest.raises(NameTaken):
            register_with().register("user03", PASSWORD, PROFILE)
        # the new DN is unique, but as a name it would mean two people
        with pytest.raises(NameTaken):
            register_with(user_filter="(|(uid={username})(mail={username}))").register(
                "user03@example.org", PASSWORD, {}
            )
        assert entry_of(slapd, "user03@example.org") == {}

    def test_a_name_that_exists_costs_the_same_searches(self, slapd: OpenLDAP, backend: LDAPBackend) -> None:
        def searches(username: str) -> int:
            before = slapd.a.log.read_text("utf-8").count(" SRCH base=")
            backend.is_taken(username)
            return slapd.a.log.read_text("utf-8").count(" SRCH base=") - before

        assert searches("user03") == searches(f"new-{token_hex(6)}") == 2

    def test_an_address_that_is_a_name_is_taken(self, slapd: OpenLDAP, register_with: Make, name: str) -> None:
        backend = register_with(user_filter="(|(uid={username})(mail={username}))")
        with pytest.raises(NameTaken):
            backend.register(name, PASSWORD, {"email": "user02@example.org"})
        assert entry_of(slapd, name) == {}


class TestPasswords:
    @pytest.mark.parametrize(("mode", "new"), [("add", "short"), ("modify", "short"), ("add", "")])
    def test_the_policy_of_the_directory_applies(
        self, slapd: OpenLDAP, register_with: Make, name: str, mode: str, new: str
    ) -> None:
        with pytest.raises(PasswordRefused) as refused:
            register_with(new_entry_password=mode).register(name, new, PROFILE)
        assert (refused.value.rule, refused.value.minimum) == ("too_short", 8)
        assert entry_of(slapd, name) == {}

    def test_in_a_second_operation(self, slapd: OpenLDAP, register_with: Make, name: str) -> None:
        backend = register_with(new_entry_password="modify")
        identity = backend.register(name, PASSWORD, PROFILE)
        assert backend.authenticate(name, PASSWORD) == identity
        assert "pwdReset" not in entry_of(slapd, name)


class TestClearText:
    def backend(self, directory: OpenLDAP, **changes: Any) -> LDAPBackend:
        account = {"bind_dn": directory.registrar_dn, "bind_password": directory.registrar_password}
        return LDAPBackend(settings_for(directory, registration=True, **account, **changes))

    def test_nobody_is_registered(self, careless: OpenLDAP, name: str) -> None:
        backend = self.backend(careless)
        for _ in range(2):
            with pytest.raises(BackendMisconfigured, match="ppolicy_hash_cleartext"):
                backend.register(name, PASSWORD, PROFILE)
            assert entry_of(careless, name) == {}
        # the second attempt is refused before the server gets another password
        assert careless.a.log.read_text("utf-8").count(f'ADD dn="uid={name},') == 1
        backend.close()

    def test_a_second_operation_leaves_no_clear_text(self, careless: OpenLDAP, name: str) -> None:
        backend = self.backend(careless, new_entry_password="modify")
        identity = backend.register(name, PASSWORD, PROFILE)
        assert backend.authenticate(name, PASSWORD) == identity
        stored = [value for values in entry_of(careless, name).values() for value in values]
        assert not [value for value in stored if PASSWORD.encode() in value]
        backend.close()

    def test_doctor_counts_passwords_in_clear_text(self, careless: OpenLDAP) -> None:
        backend = self.backend(careless)
        careless.modify(careless.people["user01"].dn, {"userPassword": [PASSWORD]})
        (check,) = [check for check in backend.check() if check.name == "new passwords"]
        assert (check.warning, check.detail.startswith("1 of ")) == (True, True)
        assert PASSWORD not in check.detail
        careless.restore("user01")
        backend.close()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"new_entry": "objectClass=inetOrgPerson\nuid={username}\nmail={email}"}, "requires attribute"),
            ({"new_entry": "objectClass=person\nsn=x\ncn=x\nnoSuchAttribute=x"}, "noSuchAttribute"),
            ({"new_entry_dn": "uid={username},ou=nowhere,ou=people,dc=example,dc=org"}, "does not exist"),
            ({"new_entry_dn": "uid={username},ou={city},ou=people,dc=example,dc=org"}, "has no value"),
            ({"user_filter": "(&(uid={username})(employeeType=staff))"}, "user_filter"),
            ({"required_attributes": ("carLicense",)}, "required_attributes"),
            ({"required_groups": "cn=admins,ou=groups,dc=example,dc=org"}, "required_groups"),
            ({"active_attribute": "employeeType"}, "could not sign in"),
        ],
    )
    def test_nothing_remains_of_an_account_that_could_not_sign_in(
        self, slapd: OpenLDAP, register_with: Make, name: str, changes: dict[str, Any], text: str
    ) -> None:
        with pytest.raises(BackendMisconfigured, match=text):
            register_with(**changes).register(name, PASSWORD, PROFILE)
        assert entry_of(slapd, name) == {}

    def test_an_account_without_permission_is_misconfigured(
        self, slapd: OpenLDAP, openldap_backend: Make, name: str
    ) -> None:
        backend = openldap_backend(registration=True)
        with pytest.raises(BackendMisconfigured, match="bind_dn may not add"):
            backend.register(name, PASSWORD, PROFILE)

    def test_a_server_that_hangs_registers_nobody(self, slapd: OpenLDAP, register_with: Make, name: str) -> None:
        backend = register_with(**SHORT)
        slapd.a.hang()
        slapd.b.hang()
        try:
            with pytest.raises(BackendUnavailable):
                backend.register(name, PASSWORD, PROFILE)
            with pytest.raises(BackendUnavailable):
                backend.is_taken(name)
        finally:
            slapd.a.resume()
            slapd.b.resume()
        with pytest.raises(UnknownUser):
            backend.find(name)


class TestChecks:
    def checks(self, backend: LDAPBackend) -> dict[str, Check]:
        return {check.name: check for check in backend.check()}

    def test_what_cannot_be_checked_is_a_warning(self, slapd: OpenLDAP, register_with: Make) -> None:
        before = slapd.a.log.read_text("utf-8").count(" ADD ")
        found = self.checks(register_with(password_recovery=True))
        assert [check for check in found.values() if not check.ok] == []
        # the tree has a person whose state is hidden
        warnings = {name for name, check in found.items() if check.warning}
        assert warnings == {"password recovery", "registration", "account state"}
        assert all("try it once" in found[name].detail for name in ("password recovery", "registration"))
        assert "hashed" in found["new passwords"].detail
        assert slapd.a.log.read_text("utf-8").count(" ADD ") == before

    def test_unreadable_passwords_are_a_warning(self, openldap_backend: Make) -> None:
        check = self.checks(openldap_backend(registration=True))["new passwords"]
        assert (check.warning, "cannot read userPassword" in check.detail) == (True, True)

    def test_a_missing_parent_is_reported(self, register_with: Make) -> None:
        backend = register_with(new_entry_dn="uid={username},ou=nowhere,ou=people,dc=example,dc=org")
        check = self.checks(backend)["registration"]
        assert (check.ok, "ou=nowhere" in check.detail) == (False, True)
