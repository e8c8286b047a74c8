"""The LDAP backend keeps the contract, on a real OpenLDAP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from linkauth.testing import BackendContract, Known
from linkauth_ldap import LDAPBackend
from linkauth_ldap.connections import DirectoryConnection
from tests.servers.openldap import OpenLDAP

from .conftest import settings_for


class LDAPContract(BackendContract):
    """Its time goes into binds and searches."""

    @contextmanager
    def work(self) -> Iterator[list[str]]:
        done: list[str] = []
        bind, search = DirectoryConnection.bind, DirectoryConnection.search

        def binding(connection, *arguments):  # type: ignore[no-untyped-def]
            done.append("bind")
            return bind(connection, *arguments)

        def searching(connection, *arguments):  # type: ignore[no-untyped-def]
            done.append("search")
            return search(connection, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DirectoryConnection, "bind", binding)
            patch.setattr(DirectoryConnection, "search", searching)
            yield done


class OpenLDAPStore:
    """Both providers; they break by hanging."""

    def __init__(self, directory: OpenLDAP) -> None:
        self._directory = directory

    def backend(self) -> LDAPBackend:
        return LDAPBackend(settings_for(self._directory))

    def breaks(self) -> None:
        self._directory.a.hang()
        self._directory.b.hang()

    def returns(self) -> None:
        self._directory.a.resume()
        self._directory.b.resume()


class TestOnOpenLDAP(LDAPContract):
    @pytest.fixture
    def known(self, slapd: OpenLDAP) -> Known:
        # under the policy of services, which locks nobody: the kit types many wrong passwords
        slapd.modify(slapd.people["müller"].dn, {"pwdPolicySubentry": [f"cn=service,ou=policies,{slapd.base}"]})
        return Known("müller", slapd.people["müller"].password, slapd.subject_of("müller"))

    @pytest.fixture
    def store(self, slapd: OpenLDAP) -> OpenLDAPStore:
        return OpenLDAPStore(slapd)
