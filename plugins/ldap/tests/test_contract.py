"""Runs the backend contract on a real OpenLDAP and on a real Samba AD."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from linkauth.testing import BackendContract, Known
from linkauth_ldap import LDAPBackend, directory
from linkauth_ldap.connections import DirectoryConnection
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

from .conftest import ad_settings, settings_for


class LDAPContract(BackendContract):
    """Counts binds and searches as work, and for an unknown name a wait as one bind."""

    @contextmanager
    def work(self) -> Iterator[list[str]]:
        done: list[str] = []
        bind, search, wait = DirectoryConnection.bind, DirectoryConnection.search, directory._wait_until

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
            patch.setattr(directory, "_wait_until", waiting)
            patch.setattr(DirectoryConnection, "bind", binding)
            patch.setattr(DirectoryConnection, "search", searching)
            yield done


class OpenLDAPStore:
    """Both OpenLDAP providers. `breaks` makes them unresponsive."""

    def __init__(self, directory: OpenLDAP) -> None:
        self._directory = directory

    def backend(self) -> LDAPBackend:
        names = "(|(uid={username})(mail={username}))"
        return LDAPBackend(settings_for(self._directory, password_change="self", user_filter=names))

    def breaks(self) -> None:
        self._directory.a.hang()
        self._directory.b.hang()

    def returns(self) -> None:
        self._directory.a.resume()
        self._directory.b.resume()


class TestOnOpenLDAP(LDAPContract):
    @pytest.fixture
    def known(self, slapd: OpenLDAP) -> Known:
        person = slapd.people["lenient-ü"]
        subject = slapd.subject_of(person.username)
        return Known(person.username, person.password, subject, other_names=("lenient@example.org",))

    @pytest.fixture
    def store(self, slapd: OpenLDAP) -> OpenLDAPStore:
        return OpenLDAPStore(slapd)


class SambaStore:
    """The domain controller. `breaks` makes it unresponsive."""

    def __init__(self, domain: SambaAD) -> None:
        self._domain = domain

    def backend(self) -> LDAPBackend:
        short = {"connect_timeout": 2, "receive_timeout": 2, "total_timeout": 5}
        domains = ("STAFF", "staff.example.org")
        return LDAPBackend(ad_settings(self._domain, password_change="self", username_domains=domains, **short))

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
    def store(self, domain: SambaAD) -> SambaStore:
        return SambaStore(domain)
