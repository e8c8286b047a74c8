"""Tests of what the backend reports to an operator who watches a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from linkauth.backends import AccountRefused, BackendError, WrongPassword, watched
from linkauth_ldap import LDAPBackend, outcomes
from tests.servers.openldap import OpenLDAP

Make = Callable[..., LDAPBackend]
Reports = list[tuple[str, str]]


def reports(backend: LDAPBackend, username: str, password: str) -> Reports:
    """Signs in and returns the reports as (what, seen) pairs."""
    found: Reports = []
    with watched(lambda what, seen: found.append((what, seen))), suppress(BackendError):
        backend.authenticate(username, password)
    return found


def test_the_search_the_bind_the_states_and_the_groups_are_reported(slapd: OpenLDAP, openldap_backend: Make) -> None:
    admins = f"cn=admins,{slapd.group_base}"
    backend = openldap_backend(required_groups=admins, required_attributes=("mail",), state_check=("ppolicy",))
    found = reports(backend, "USER01", slapd.people["user01"].password)
    dn = slapd.people["user01"].dn
    assert {seen for what, seen in found if what == "server"} == {slapd.a.ldap}
    groups = next(seen for what, seen in found if what == "groups")
    assert groups.startswith(admins)
    assert [pair for pair in found if pair[0] not in ("server", "groups")] == [
        ("searched", f"(&(objectClass=inetOrgPerson)(uid=USER01)) below {slapd.people_base} (subtree)"),
        ("entry", dn),
        ("bind as", dn),
        ("bind", "success"),
        ("password policy", "no error"),
        ("state", "no attribute refuses the account"),
        ("required_groups", "allow the sign-in"),
    ]
    assert ("required_groups", "refuse the sign-in") in reports(backend, "user50", slapd.people["user50"].password)
    lacking = openldap_backend(required_attributes=("mail", "carLicense"))
    missing = ("required_attributes", "the entry has no carLicense")
    assert missing in reports(lacking, "user01", slapd.people["user01"].password)


def test_a_refused_bind_is_reported_with_the_words_of_the_server(slapd: OpenLDAP, openldap_backend: Make) -> None:
    backend = openldap_backend()
    locked = reports(backend, "locked", slapd.people["locked"].password)
    assert locked[-2:] == [("bind", "invalidCredentials"), ("password policy", "account_locked")]
    assert ("entry", "none") in reports(backend, "nobody", "wrong")
    template = openldap_backend(login_mode="template", user_dn_template=f"uid={{rdn}},{slapd.people_base}")
    assert ("bind as", slapd.people["user03"].dn) in reports(template, "user03", slapd.people["user03"].password)


def test_codes_of_active_directory_are_reported_with_their_meaning() -> None:
    cases = {"52e": "the password is wrong", "533": "the account is disabled", "999": "unknown to linkauth"}
    for code, meaning in cases.items():
        text = f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code}, v1db1"
        found: Reports = []
        result = {"result": 49, "description": "invalidCredentials", "message": text, "controls": {}}
        with (
            watched(lambda what, seen, found=found: found.append((what, seen))),
            pytest.raises((WrongPassword, AccountRefused)),
        ):
            outcomes.bind_outcome(result)
        assert found == [("bind", f"invalidCredentials {text}"), ("Active Directory code", f"{code}: {meaning}")]
