"""Tests that a sign-in provider finds the people of a real LDAP directory, and respects what it says about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from linkauth.backends import AccountRefused, BackendUnavailable, Identity
from linkauth.config.sign_ins import SignInSettings, parse_match
from linkauth.login.dispatch import NamedBackend
from linkauth.login.matching import Unmatched, find_person
from linkauth.login.providers import NamedProvider
from linkauth.login.sign_in import Person
from linkauth.sign_ins import ProvidedIdentity
from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from tests.servers import openldap
from tests.servers.openldap import OpenLDAP
from tests.servers.openldap_tree import BASE, PEOPLE, SERVICES, subject_of
from tests.sign_ins.stand_in import StandIn, StandInSettings

SETTINGS = SignInSettings("google", "stand-in", parse_match("email:corp"), accept_hidden_locks=True)


@pytest.fixture(scope="module")
def slapd() -> Iterator[OpenLDAP]:
    with openldap.running() as directory:
        yield directory


def opened(slapd: OpenLDAP, service: str) -> LDAPBackend:
    """Returns a backend with a service account of the directory."""
    settings = settings_of(
        LDAPSettings,
        preset="openldap",
        uris=(slapd.a.ldap,),
        starttls=True,
        tls_ca_file=slapd.ca_file,
        user_base=slapd.people_base,
        bind_dn=f"cn={service},ou=services,{BASE}",
        bind_password=SERVICES[service],
        connect_timeout=10,
        receive_timeout=10,
        total_timeout=30,
    )
    return LDAPBackend(settings)


@pytest.fixture(scope="module")
def corp(slapd: OpenLDAP) -> Iterator[NamedBackend]:
    """The directory with a service account that cannot read the attributes of the password policy."""
    with closing(opened(slapd, "linkauth")) as backend:
        yield NamedBackend("corp", backend)


@pytest.fixture(scope="module")
def seeing(slapd: OpenLDAP) -> Iterator[NamedBackend]:
    """The directory with a service account that can read them."""
    with closing(opened(slapd, "helpdesk")) as backend:
        yield NamedBackend("corp", backend)


def find(corp: NamedBackend, email: str, match: str = "", accept_hidden_locks: bool = True, **claims: str) -> Person:
    """Returns the person whom the provider says to have the verified address and claims."""
    settings = replace(SETTINGS, accept_hidden_locks=accept_hidden_locks)
    if match:
        settings = replace(settings, match=parse_match(match))
    provided = ProvidedIdentity(Identity("g-1", "x", email=email, claims=claims), frozenset({"email", *claims}))
    return find_person(NamedProvider("google", StandIn(StandInSettings()), settings), provided, [corp])


def test_people_are_found_by_address_user_name_and_subject(corp: NamedBackend) -> None:
    subject = subject_of(PEOPLE["user02"].dn)
    for person in (
        find(corp, "User02@Example.org"),
        find(corp, "", "upn:username:corp", upn="USER02"),
        find(corp, "", "oid:subject:corp", oid=subject),
    ):
        assert (person.backend, person.subject, person.username) == ("corp", subject, "user02")
    # each address of a person counts
    assert find(corp, "second@example.org").username == "twomails"


def test_a_name_that_is_the_address_of_somebody_else_finds_nobody_else(corp: NamedBackend) -> None:
    assert find(corp, "user01@example.org").username == "user01"


@pytest.mark.parametrize("email", ["dup@example.org", "nobody@example.org", "*@example.org", "us%r02@example.org"])
def test_an_address_of_several_people_or_of_nobody_is_not_matched(corp: NamedBackend, email: str) -> None:
    with pytest.raises(Unmatched):
        find(corp, email)


@pytest.mark.parametrize("username", ["locked", "shadowexp", "mustchange", "ended", "notyet"])
def test_an_account_that_may_not_sign_in_is_refused(seeing: NamedBackend, username: str) -> None:
    with pytest.raises(AccountRefused) as refused:
        find(seeing, f"{username}@example.org")
    assert not refused.value.changeable


def test_a_lock_that_the_service_account_cannot_read_is_not_seen(corp: NamedBackend) -> None:
    """The comment of `accept_hidden_locks` in production.ini says so. Without this setting nobody is let in."""
    assert find(corp, "locked@example.org").username == "locked"
    with pytest.raises(BackendUnavailable):
        find(corp, "locked@example.org", accept_hidden_locks=False)
    # what it can read counts
    with pytest.raises(AccountRefused):
        find(corp, "shadowexp@example.org")


def test_the_directory_hides_some_locks_so_that_nobody_is_let_in_by_default(corp: NamedBackend) -> None:
    with pytest.raises(BackendUnavailable):
        find(corp, "user02@example.org", accept_hidden_locks=False)


def test_a_directory_that_is_down_lets_nobody_in(corp: NamedBackend, slapd: OpenLDAP) -> None:
    slapd.a.stop()
    try:
        with pytest.raises(BackendUnavailable):
            find(corp, "user02@example.org")
    finally:
        slapd.a.start()
