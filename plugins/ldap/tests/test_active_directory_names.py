"""Tests of the names by which people are found in Active Directory: sAMAccountName, UPN and mail address."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from linkauth.backends import BackendMisconfigured, UnknownUser, WrongPassword
from linkauth_ldap import LDAPBackend
from tests.servers.samba import SambaAD

Make = Callable[..., LDAPBackend]


def test_user_principal_name(domain: SambaAD, ad_backend: Make) -> None:
    """jdoe has the UPN and the mail address john.doe@corp.example.com, in another domain than the directory's."""
    person, upn = domain.people["jdoe"], "John.Doe@corp.example.com"
    plain, own = ad_backend(), ad_backend(username_domains=("CORP", "corp.example.com"))
    for backend in (plain, own):
        for name in ("jdoe", upn):
            assert backend.authenticate(name, person.password).username == "jdoe"
            assert backend.find(name).identity.username == "jdoe"
        with pytest.raises(WrongPassword):
            backend.authenticate(upn, "a wrong one")
        # a part of a UPN is no name
        with pytest.raises(UnknownUser):
            backend.authenticate("john.doe", person.password)
    # an account without a UPN has a name with a domain only by username_domains
    other = domain.people["noupn"]
    assert own.authenticate("noupn@corp.example.com", other.password).username == "noupn"
    with pytest.raises(UnknownUser):
        plain.authenticate("noupn@corp.example.com", other.password)


def test_upn_that_is_the_name_and_domain_of_another_account(domain: SambaAD, ad_backend: Make) -> None:
    """With username_domains, john.doe@corp.example.com means both the UPN of jdoe and the account john.doe."""
    person, other = domain.people["jdoe"], domain.people["user10"]
    upn = "john.doe@corp.example.com"
    domain.modify(other.dn, {"sAMAccountName": ["john.doe"]})
    try:
        plain, own = ad_backend(), ad_backend(username_domains=("CORP", "corp.example.com"))
        for each in (person, other):
            with pytest.raises(WrongPassword):
                own.authenticate(upn, each.password)
        with pytest.raises(BackendMisconfigured, match=r"more than one entry.*John Doe.* and .*User10|User10.* and"):
            own.find(upn)
        # names of one account only
        for name in ("john.doe", "CORP\\john.doe"):
            assert own.authenticate(name, other.password).subject == domain.subject_of("user10")
        assert own.authenticate("jdoe", person.password).subject == domain.subject_of("jdoe")
        # without username_domains it is the UPN, as in the directory itself
        assert plain.authenticate(upn, person.password).subject == domain.subject_of("jdoe")
        with pytest.raises(WrongPassword):
            plain.authenticate(upn, other.password)
    finally:
        domain.modify(other.dn, {"sAMAccountName": [other.username]})


def test_mail_as_a_username(domain: SambaAD, ad_backend: Make) -> None:
    person, address = domain.people["müller"], "mueller@example.org"
    with pytest.raises(UnknownUser):
        ad_backend().authenticate(address, person.password)
    backend = ad_backend(mail_as_username=True, username_domains=("CORP", "example.org"))
    subject = domain.subject_of("müller")
    for name in ("müller", "müller@ad.example.org", address, address.upper()):
        assert backend.authenticate(name, person.password).subject == subject
    # two people share this address
    for name in ("dup1", "dup2"):
        assert backend.authenticate(name, domain.people[name].password)
        with pytest.raises(WrongPassword):
            backend.authenticate("dup@example.org", domain.people[name].password)
    # the entry of a mail address must be one that user_filter finds by any name
    staff = ad_backend(mail_as_username=True, user_filter="(&(sAMAccountName={username})(!(cn=Jörg Müller)))")
    with pytest.raises(UnknownUser):
        staff.authenticate(address, person.password)
