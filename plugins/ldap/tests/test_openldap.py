"""Tests of every kind of account on a real OpenLDAP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from linkauth import identities
from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Lookup,
    UnknownUser,
    WrongPassword,
)
from linkauth_ldap import LDAPBackend
from tests.servers.openldap import OpenLDAP

Make = Callable[..., LDAPBackend]
SPECIAL = (
    *("comma,user", "par(en)", "star*user", "back\\slash", "a+b=c", 'q"<x>;y', "#hash", "o'brien", "two words"),
    *("dom/user", "müller", "محمد", "山田太郎", "rdnuser", "spacepw", "longpw", "user01@example.org", "nomail"),
    *("emptymail", "twomails", "alias-a"),
)


@pytest.fixture
def backend(openldap_backend: Make) -> LDAPBackend:
    return openldap_backend()


def refusal(backend: LDAPBackend, username: str, password: str) -> tuple[str, bool]:
    with pytest.raises(AccountRefused) as refused:
        backend.authenticate(username, password)
    return refused.value.reason, refused.value.proven


@pytest.mark.parametrize("username", SPECIAL)
def test_sign_in_with_special_characters_in_names(slapd: OpenLDAP, backend: LDAPBackend, username: str) -> None:
    identity = backend.authenticate(username, slapd.people[username].password)
    assert (identity.subject, identity.username) == (slapd.subject_of(username), username)


def test_identity_is_read_from_the_entry(slapd: OpenLDAP, openldap_backend: Make) -> None:
    backend = openldap_backend(claims=("mail", "number:uidNumber"), email_verified=True)
    one, two = (backend.authenticate(name, slapd.people["user03"].password) for name in ("user03", "USER03"))
    assert one == two
    assert (one.name, one.email) == ("Test User03", "user03@example.org")
    assert one.claims["family_name"] == "User03"
    assert one.claims["email_verified"] is True
    assert one.claims["number"].isdigit()
    mails = backend.authenticate("twomails", slapd.people["twomails"].password).claims["mail"]
    assert sorted(mails) == ["first@example.org", "second@example.org"]


@pytest.mark.parametrize(
    ("username", "expected"),
    [
        ("locked", ("locked", False)),
        ("expired", ("password_expired", True)),
        ("mustchange", ("must_change_password", True)),
        # the bind succeeds
        ("shadowexp", ("account_expired", True)),
        # this server does not return the reasons of these refusals
        *((name, ("locked", False)) for name in ("ended", "notyet", "idle")),
    ],
)
def test_refused_accounts(slapd: OpenLDAP, backend: LDAPBackend, username: str, expected: tuple[str, bool]) -> None:
    assert refusal(backend, username, slapd.people[username].password) == expected


@pytest.mark.parametrize("username", ["expired", "mustchange", "nopassword", "grace", "user09"])
def test_wrong_password_does_not_show_the_state(slapd: OpenLDAP, backend: LDAPBackend, username: str) -> None:
    with pytest.raises(WrongPassword):
        backend.authenticate(username, "a wrong one")
    slapd.restore(username)


def test_each_wrong_password_counts_once_towards_the_lockout(slapd: OpenLDAP, backend: LDAPBackend) -> None:
    for _ in range(3):
        with pytest.raises(WrongPassword):
            backend.authenticate("lockme", "a wrong one")
    assert refusal(backend, "lockme", slapd.people["lockme"].password) == ("locked", False)
    slapd.restore("lockme")
    assert backend.authenticate("lockme", slapd.people["lockme"].password)


@pytest.mark.parametrize(
    ("reveal_state", "locked", "expired"), [("never", False, False), ("proven", False, True), ("always", True, True)]
)
def test_reveal_state(slapd: OpenLDAP, openldap_backend: Make, reveal_state: str, locked: bool, expired: bool) -> None:
    backend = openldap_backend(reveal_state=reveal_state, password_change_url="https://pw.example.org/")
    for username, revealed, proven, url in (
        ("locked", locked, False, ""),
        ("expired", expired, True, "https://pw.example.org/"),
    ):
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate(username, slapd.people[username].password)
        assert (refused.value.revealed, refused.value.proven, refused.value.change_url) == (revealed, proven, url)


def test_grace_login_setting(slapd: OpenLDAP, openldap_backend: Make, caplog: pytest.LogCaptureFixture) -> None:
    slapd.restore("grace")
    assert openldap_backend().authenticate("grace", slapd.people["grace"].password)
    assert "2 more time(s)" in caplog.text
    strict = openldap_backend(grace_login="refuse")
    assert refusal(strict, "grace", slapd.people["grace"].password) == ("password_expired", True)
    slapd.restore("grace")


def test_grace_login_allows_a_password_change(slapd: OpenLDAP, openldap_backend: Make) -> None:
    slapd.restore("grace")
    backend, current = openldap_backend(grace_login="refuse", password_change="self"), slapd.people["grace"].password
    with pytest.raises(AccountRefused) as refused:
        backend.authenticate("grace", current)
    assert refused.value.changeable
    backend.change_password("grace", current, "Neues-Passwort-77")
    slapd.restore("grace")


def test_password_expiring_soon_is_logged(
    slapd: OpenLDAP, backend: LDAPBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert backend.authenticate("expiring", slapd.people["expiring"].password)
    assert "expires in" in caplog.text


def test_must_change_may_be_allowed(slapd: OpenLDAP, openldap_backend: Make) -> None:
    backend = openldap_backend(must_change="allow")
    assert backend.authenticate("mustchange2", slapd.people["mustchange2"].password).username == "mustchange2"


def test_name_of_two_people_is_refused_and_logged(
    slapd: OpenLDAP, openldap_backend: Make, caplog: pytest.LogCaptureFixture
) -> None:
    backend = openldap_backend(user_filter="(|(uid={username})(mail={username}))")
    for username, person in (("dup@example.org", "dup1"), ("user01@example.org", "user01")):
        caplog.clear()
        with pytest.raises(WrongPassword):
            backend.authenticate(username, slapd.people[person].password)
        assert f"more than one entry for one name, which is refused: uid={person}," in caplog.text
        with pytest.raises(BackendMisconfigured):
            backend.find(username)
    identities.configure("hashed", "secret")
    caplog.clear()
    with pytest.raises(BackendMisconfigured, match=r"none: hash:[0-9a-f]{16} and hash:[0-9a-f]{16}"):
        backend.find("user01@example.org")
    with pytest.raises(WrongPassword):
        backend.authenticate("user01@example.org", "x")
    assert "user01" not in caplog.text


@pytest.mark.parametrize("username", ["*", "user01)(uid=*", "linkauth,ou=services", "ghost", "nobody"])
def test_invalid_names_are_unknown(backend: LDAPBackend, username: str) -> None:
    with pytest.raises(UnknownUser):
        backend.authenticate(username, "svc-linkauth")


class TestTemplate:
    TEMPLATE = "uid={rdn},ou=people,dc=example,dc=org"

    @pytest.fixture(params=["with a service account", "without one"])
    def backend(self, openldap_backend: Make, request: Any) -> LDAPBackend:
        without = {"bind_dn": "", "bind_password": "", "group_mode": "none"}
        changes = without if request.param == "without one" else {}
        return openldap_backend(login_mode="template", user_dn_template=self.TEMPLATE, **changes)

    @pytest.mark.parametrize("username", ["user03", "comma,user", "back\\slash", "#hash", "müller"])
    def test_sign_in(self, slapd: OpenLDAP, backend: LDAPBackend, username: str) -> None:
        assert backend.authenticate(username, slapd.people[username].password).subject == slapd.subject_of(username)

    def test_name_is_escaped_in_the_dn(self, backend: LDAPBackend) -> None:
        with pytest.raises(WrongPassword):
            backend.authenticate("linkauth,ou=services", "svc-linkauth")

    def test_account_states(self, slapd: OpenLDAP, backend: LDAPBackend) -> None:
        assert refusal(backend, "expired", slapd.people["expired"].password) == ("password_expired", True)
        assert refusal(backend, "mustchange", slapd.people["mustchange"].password) == ("must_change_password", True)

    def test_sign_in_uses_one_grace_login(self, slapd: OpenLDAP, backend: LDAPBackend) -> None:
        slapd.restore("grace")
        for _ in range(3):
            assert backend.authenticate("grace", slapd.people["grace"].password)
        assert refusal(backend, "grace", slapd.people["grace"].password) == ("password_expired", True)
        slapd.restore("grace")

    @pytest.mark.parametrize("username", ["user03", "comma,user", "müller"])
    def test_lookup_needs_a_service_account(self, slapd: OpenLDAP, backend: LDAPBackend, username: str) -> None:
        assert (Lookup in backend.offers) == bool(backend._settings.bind_dn)
        if Lookup in backend.offers:
            account = backend.find(username)
            assert account.identity == backend.authenticate(username, slapd.people[username].password)
            assert backend.look_up(account.identity.subject) == account
            for nobody in ("nobody", "a\x00b", "linkauth,ou=services"):
                with pytest.raises(UnknownUser):
                    backend.find(nobody)


class TestGroups:
    def groups(self, backend: LDAPBackend, slapd: OpenLDAP, username: str) -> set[str]:
        return set(backend.authenticate(username, slapd.people[username].password).groups)

    def test_nested_groups_with_cycles(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend()
        assert self.groups(backend, slapd, "user03") == {"everyone", "developers", "staff", "company"}
        assert self.groups(backend, slapd, "user30") == {"everyone", "loop-a", "loop-b"}
        assert self.groups(openldap_backend(group_nesting=0), slapd, "user03") == {"everyone", "developers"}
        assert self.groups(openldap_backend(group_nesting=1), slapd, "user03") == {"everyone", "developers", "staff"}

    @pytest.mark.parametrize("username", ["comma,user", "par(en)", "rdnuser"])
    def test_members_with_special_characters(self, slapd: OpenLDAP, openldap_backend: Make, username: str) -> None:
        for changes in ({}, {"group_mode": "memberof"}):
            assert self.groups(openldap_backend(**changes), slapd, username) == {"everyone", "ops, infra (EU)"}

    def test_posix_groups_by_name(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        posix = {
            "group_base": f"ou=posix,{slapd.base}",
            "group_filter": "(&(objectClass=posixGroup)(memberUid={username}))",
        }
        # unix-users is the primary group of everybody by gidNumber, and lists no members
        assert self.groups(openldap_backend(**posix), slapd, "par(en)") == {"unix-devs", "unix-users"}
        assert self.groups(openldap_backend(**posix), slapd, "user20") == {"unix-users"}

    def test_required_and_denied_groups(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        staff, admins, nothing = (f"CN={name}, ou=groups,{slapd.base}" for name in ("Staff", "admins", "nothing"))
        backend = openldap_backend(required_groups=f"\n{staff}\n{nothing}", denied_groups=admins)
        assert backend.authenticate("user03", slapd.people["user03"].password)
        for username in ("user01", "user20"):
            assert refusal(backend, username, slapd.people[username].password) == ("not_entitled", True)
            with pytest.raises(WrongPassword):
                backend.authenticate(username, "a wrong one")
            slapd.restore(username)

    def test_required_attribute(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        backend = openldap_backend(required_attributes=("mail",))
        assert backend.authenticate("user03", slapd.people["user03"].password)
        assert refusal(backend, "emptymail", slapd.people["emptymail"].password) == ("not_entitled", True)

    def test_too_many_groups_are_misconfigured(self, slapd: OpenLDAP, openldap_backend: Make) -> None:
        with pytest.raises(BackendMisconfigured, match="group_limit"):
            openldap_backend(group_limit=2).authenticate("user03", slapd.people["user03"].password)


def test_misconfiguration_differs_from_outage(openldap_backend: Make) -> None:
    bases = ({"user_base": f"{name},dc=example,dc=org"} for name in ("ou=nobody", "cn=sizelimit,ou=RetCodes"))
    for changes in (*bases, {"bind_password": "wrong"}, {"tls_ca_file": ""}):
        with pytest.raises(BackendMisconfigured):
            openldap_backend(**changes).authenticate("user03", "x")


def test_refused_service_account_is_not_retried_immediately(slapd: OpenLDAP, openldap_backend: Make) -> None:
    backend = openldap_backend(bind_password="wrong", retry_down_after=60)
    with pytest.raises(BackendMisconfigured):
        backend.authenticate("user03", "x")
    before = slapd.a.log.read_text("utf-8").count("err=49")
    for _ in range(5):
        with pytest.raises(BackendMisconfigured, match="bind_dn"):
            backend.authenticate("user03", "x")
    assert slapd.a.log.read_text("utf-8").count("err=49") == before


@pytest.mark.parametrize(
    "answer", ["busy", "unavailable", "timelimit", "adminlimit", "other", "opserror", "disconnect"]
)
def test_failing_server_is_unavailable(openldap_backend: Make, answer: str) -> None:
    base = f"cn={answer},ou=RetCodes,dc=example,dc=org"
    with pytest.raises(BackendUnavailable) as raised:
        openldap_backend(user_base=base).authenticate("user03", "x")
    assert type(raised.value) is BackendUnavailable


def test_user_scope_onelevel(slapd: OpenLDAP, openldap_backend: Make) -> None:
    assert openldap_backend(user_scope="onelevel").authenticate("user03", slapd.people["user03"].password)
    with pytest.raises(UnknownUser):
        openldap_backend(user_base=slapd.base, user_scope="onelevel").authenticate("user03", "x")


def test_too_long_or_invalid_names_are_unknown(slapd: OpenLDAP, openldap_backend: Make) -> None:
    person = slapd.people["user03"]
    with pytest.raises(UnknownUser):
        openldap_backend(username_max_length=5).authenticate("user03", person.password)
    with pytest.raises(UnknownUser):
        openldap_backend(username_pattern="^admin").authenticate("user03", person.password)
    with pytest.raises((UnknownUser, WrongPassword)):
        openldap_backend(password_max_bytes=3).authenticate("user03", person.password)
