"""Tests of people in several places of a directory: `user_base` with several lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from linkauth import identities
from linkauth.backends import (
    AccountRefused,
    AmbiguousName,
    BackendMisconfigured,
    Lockout,
    NameTaken,
    UnknownUser,
    WrongPassword,
)
from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from tests.servers import openldap
from tests.servers.openldap import OpenLDAP

from .conftest import settings_for

SECRET = "Copper-31-harbour"
NEW = {"registration": True, "password_recovery": True, "uris": ("ldaps://x",), "bind_dn": "cn=x", "bind_password": "x"}


@pytest.fixture(scope="module")
def directory() -> Iterator[OpenLDAP]:
    """A directory with the people `partner` and another `user04` in a second place."""
    with openldap.running() as server:
        with server.a.as_root() as connection:
            connection.add(f"ou=partners,{server.base}", ["organizationalUnit"])
            for name in ("partner", "user04"):
                values = {
                    "uid": name,
                    "cn": name,
                    "sn": name,
                    "mail": f"{name}@partners.example",
                    "userPassword": SECRET,
                }
                connection.add(f"uid={name},ou=partners,{server.base}", ["inetOrgPerson"], values)
        yield server


@pytest.fixture
def backend_of(directory: OpenLDAP) -> Iterator[Callable[..., LDAPBackend]]:
    made: list[LDAPBackend] = []

    def make(**changes: Any) -> LDAPBackend:
        bases = f"{directory.people_base}\n\nou=partners,{directory.base}\n"
        made.append(LDAPBackend(settings_for(directory, **{"user_base": bases, **changes})))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def test_people_of_all_bases_are_found(directory: OpenLDAP, backend_of: Callable[..., LDAPBackend]) -> None:
    backend = backend_of()
    for name, secret in (("user03", directory.people["user03"].password), ("partner", SECRET)):
        identity = backend.authenticate(name, secret)
        assert identity.username == name
        assert backend.find(name).identity == backend.look_up(identity.subject).identity == identity
        with pytest.raises(WrongPassword):
            backend.authenticate(name, "a wrong one")
    directory.unlock("user03")
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", SECRET)
    # an entry below two bases is one entry
    overlapping = backend_of(user_base=f"{directory.people_base}\n{directory.base}")
    assert overlapping.authenticate("user03", directory.people["user03"].password)


def test_name_in_two_bases_finds_nobody(directory: OpenLDAP, backend_of: Callable[..., LDAPBackend]) -> None:
    backend = backend_of()
    for secret in (directory.people["user04"].password, SECRET):
        with pytest.raises(WrongPassword):
            backend.authenticate("user04", secret)
    (check,) = [check for check in backend.check() if check.name == "user names"]
    assert (check.ok, check.warning) == (True, True)
    assert check.detail == "1 belong to several entries, so nobody can sign in with them: 'user04'"
    # health checks write it to the log
    identities.configure("none", "")
    (hidden,) = [check for check in backend_of().check() if check.name == "user names"]
    assert hidden.detail.endswith("sign in with them: '(not logged)'")
    identities.configure("full", "")
    one_base = backend_of(user_base=directory.people_base)
    assert not [check for check in one_base.check() if check.name == "user names"]
    with pytest.raises(AmbiguousName, match=r"more than one entry.*ou=people.* and .*ou=partners"):
        backend.find("user04")


def test_all_bases_are_searched_for_every_name(directory: OpenLDAP, backend_of: Callable[..., LDAPBackend]) -> None:
    backend = backend_of(group_mode="none")
    counts = set()
    for name, secret in (("user03", directory.people["user03"].password), ("partner", SECRET), ("nobody", SECRET)):
        before = len(directory.a.log.read_text("utf-8"))
        with suppress(UnknownUser):
            backend.authenticate(name, secret)
        counts.add(directory.a.log.read_text("utf-8")[before:].count("(uid="))
    assert counts == {2}


def test_base_that_cannot_be_read_is_misconfigured(directory: OpenLDAP, backend_of: Callable[..., LDAPBackend]) -> None:
    backend = backend_of(user_base=f"{directory.people_base}\nou=missing,{directory.base}")
    with pytest.raises(BackendMisconfigured, match="ou=missing"):
        backend.authenticate("user03", directory.people["user03"].password)
    assert [check.ok for check in backend.check() if check.name == "user_base"] == [True, False]


def test_doctor_names_each_base(directory: OpenLDAP, backend_of: Callable[..., LDAPBackend]) -> None:
    checks = [check for check in backend_of().check() if check.name == "user_base"]
    assert [check.detail.partition(",")[0] for check in checks] == ["ou=people", "ou=partners"]
    assert all(check.ok and not check.warning for check in checks)
    empty = backend_of(user_base=f"{directory.people_base}\nou=groups,{directory.base}", subject_attribute="uidNumber")
    assert any(check.warning and "it has no people" in check.detail for check in empty.check())


def test_recovery_and_registration_know_all_bases(directory: OpenLDAP, backend_of: Callable[..., LDAPBackend]) -> None:
    registrar = {"bind_dn": directory.registrar_dn, "bind_password": directory.registrar_password}
    place = f"uid={{username}},{directory.people_base}"
    backend = backend_of(password_recovery=True, registration=True, new_entry_dn=place, **registrar)
    (person,) = backend.people_at("partner@partners.example")
    assert person == backend.recipient("partner")
    backend.reset_password(person.subject, "Violet-52-meadow")
    assert backend.authenticate("partner", "Violet-52-meadow").subject == person.subject
    # a name of another base is taken
    assert backend.is_taken("partner")
    with pytest.raises(NameTaken):
        backend.register("partner", SECRET, {"email": "new@example.org"})
    created = backend.register("newcomer", SECRET, {"email": "newcomer@example.org", "name": "New Comer"})
    assert backend.find("newcomer").facts["entry"] == f"uid=newcomer,{directory.people_base}"
    assert backend.authenticate("newcomer", SECRET) == created


def test_people_groups_and_policies_of_two_trees() -> None:
    second = "dc=partners,dc=example"
    with openldap.running(second_base=second) as directory:
        partner, everyone = f"uid=partner,{second}", f"cn=everybody,{directory.group_base}"
        person = {"uid": "partner", "cn": "partner", "sn": "partner"}
        policy = {"pwdAttribute": "userPassword", "pwdLockout": "TRUE", "pwdMaxFailure": "2", "pwdMinLength": "6"}
        policy |= {"cn": "default", "pwdFailureCountInterval": "60", "pwdCheckQuality": "2"}
        with directory.a.as_root() as connection:
            for dn, classes, values in (
                (second, ["domain"], {"dc": "partners"}),
                (f"cn=default,{second}", ["device", "pwdPolicy"], policy),
                (partner, ["inetOrgPerson"], {**person, "userPassword": SECRET}),
                (everyone, ["groupOfNames"], {"cn": "everybody", "member": [partner, directory.people["user03"].dn]}),
            ):
                assert connection.add(dn, classes, values), (dn, connection.result)
        changes = {"bind_dn": directory.registrar_dn, "bind_password": directory.registrar_password}
        changes |= {"user_base": f"{directory.people_base}\n{second}"}
        with closing(LDAPBackend(settings_for(directory, **changes))) as backend:
            assert backend.authenticate("partner", SECRET).groups == ("everybody",)
            assert "everybody" in backend.authenticate("user03", directory.people["user03"].password).groups
            # the strictest lockout, and the smallest length
            assert (backend.lockout(), backend.minimum_length()) == (Lockout(2, 60), 6)
            assert all(check.ok for check in backend.check())
            for _ in range(2):
                with pytest.raises(WrongPassword):
                    backend.authenticate("partner", "a wrong one")
            with pytest.raises((WrongPassword, AccountRefused)):
                backend.authenticate("partner", SECRET)
        denied = settings_for(directory, **changes, denied_groups=everyone)
        with closing(LDAPBackend(denied)) as backend:
            assert (backend.find("partner").refused, backend.find("user03").refused) == ("not_entitled",) * 2
            with pytest.raises(AccountRefused, match="not_entitled"):
                backend.authenticate("user03", directory.people["user03"].password)


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"user_base": "ou=a,dc=x\nou=b,dc=x"}, set()),
        ({"user_base": "ou=a,dc=x\nstaff"}, {"user_base"}),
        ({"user_base": "ou=a,dc=x\nOU=A, DC=x"}, {"user_base"}),
        ({"user_base": "ou=a,dc=x\nou=a,dc=y"}, set()),
        ({"user_base": "ou=a,dc=x\nou=a,dc=y", "preset": "activedirectory"}, {"user_base"}),
        ({"user_base": "ou=a,dc=x\nou=b,dc=x", "login_mode": "template", "user_dn_template": "u={rdn}"}, {"user_base"}),
        ({"user_base": "ou=a,dc=x\nou=b,dc=x", "preset": "openldap", **NEW}, {"new_entry_dn"}),
        (
            {
                "user_base": "ou=a,dc=x\nou=b,dc=x",
                "preset": "openldap",
                **NEW,
                "new_entry_dn": "uid={username},ou=b,dc=x",
            },
            set(),
        ),
        (
            {
                "user_base": "ou=a,dc=x\nou=b,dc=x",
                "preset": "openldap",
                **NEW,
                "new_entry_dn": "uid={username},ou=c,dc=x",
            },
            {"new_entry_dn"},
        ),
    ],
)
def test_settings_of_several_bases(changes: dict[str, Any], keys: set[str]) -> None:
    settings = settings_of(LDAPSettings, **{"uris": ("ldaps://x",), **changes})
    assert {key for key, _ in settings.faults()} == keys
