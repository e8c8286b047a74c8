"""Runs the backend contract on a real OpenLDAP and on a real Samba AD."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest

from linkauth.testing import BackendContract, Known, Newcomer
from linkauth_ldap import LDAPBackend, directory
from linkauth_ldap.connections import DirectoryConnection
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

from .conftest import SHORT, ad_settings, settings_for


class LDAPContract(BackendContract):
    """Counts binds and searches as work, and for an unknown name a wait as one bind."""

    @contextmanager
    def work(self) -> Iterator[list[str]]:
        done: list[str] = []
        bind, search, wait = DirectoryConnection.bind, DirectoryConnection.search, directory.wait_until

        def binding(connection, *arguments):  # type: ignore[no-untyped-def]
            done.append("bind")
            return bind(connection, *arguments)

        def searching(connection, *arguments):  # type: ignore[no-untyped-def]
            done.append("search")
            return search(connection, *arguments)

        def waiting(*arguments):  # type: ignore[no-untyped-def]
            done.append("bind")
            wait(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(directory, "wait_until", waiting)
            patch.setattr(DirectoryConnection, "bind", binding)
            patch.setattr(DirectoryConnection, "search", searching)
            yield done


class OpenLDAPStore:
    """Both OpenLDAP providers. `breaks` makes them unresponsive."""

    def __init__(self, directory: OpenLDAP) -> None:
        self._directory = directory

    def backend(self) -> LDAPBackend:
        names = "(|(uid={username})(mail={username}))"
        registrar = {"bind_dn": self._directory.registrar_dn, "bind_password": self._directory.registrar_password}
        powers = {"password_change": "self", "password_recovery": True, "registration": True}
        return LDAPBackend(settings_for(self._directory, user_filter=names, **registrar, **powers))

    def breaks(self) -> None:
        self._directory.a.stop()
        self._directory.b.stop()

    def returns(self) -> None:
        self._directory.a.start()
        self._directory.b.start()


class TestOnOpenLDAP(LDAPContract):
    @pytest.fixture
    def known(self, slapd: OpenLDAP) -> Known:
        person = slapd.people["lenient-ü"]
        subject = slapd.subject_of(person.username)
        return Known(person.username, person.password, subject, other_names=("lenient@example.org",))

    @pytest.fixture
    def refused(self, slapd: OpenLDAP) -> Known:
        # locked by the administrator
        person = slapd.people["locked"]
        return Known(person.username, person.password, slapd.subject_of(person.username))

    @pytest.fixture
    def store(self, slapd: OpenLDAP) -> OpenLDAPStore:
        return OpenLDAPStore(slapd)


class SambaStore:
    """The domain controller. `breaks` makes it unresponsive."""

    def __init__(self, domain: SambaAD) -> None:
        self._domain = domain

    def backend(self) -> LDAPBackend:
        domains = ("STAFF", "staff.example.org")
        registrar = {"bind_dn": self._domain.reset_dn, "bind_password": self._domain.reset_password}
        powers = {"password_change": "self", "password_recovery": True, "registration": True}
        return LDAPBackend(ad_settings(self._domain, username_domains=domains, **registrar, **powers, **SHORT))

    def breaks(self) -> None:
        self._domain.hang()

    def returns(self) -> None:
        self._domain.resume()


class TestOnSambaAD(LDAPContract):
    @pytest.fixture
    def known(self, domain: SambaAD) -> Known:
        person = domain.people["lenient-ü"]
        others = (f"STAFF\\{person.username}", f"{person.username}@staff.example.org")
        return Known(person.username, person.password, domain.subject_of(person.username), others)

    @pytest.fixture
    def refused(self, domain: SambaAD) -> Known:
        person = domain.people["disabled"]
        return Known(person.username, person.password, domain.subject_of(person.username))

    @pytest.fixture
    def newcomer(self) -> Newcomer:
        # sAMAccountName has at most 20 characters
        name = f"new-{token_hex(6)}"
        profile = {"given_name": "New", "family_name": "Comer", "email": f"{name}@example.com"}
        return Newcomer(name, "Copper-31-harbour-Violet", profile)

    @pytest.fixture
    def store(self, domain: SambaAD) -> SambaStore:
        return SambaStore(domain)
