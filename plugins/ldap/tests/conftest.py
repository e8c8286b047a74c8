"""Fixtures: directories that are started once per session, and backends that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth import identities
from linkauth.testing import settings_of
from linkauth_ldap import LDAPBackend, LDAPSettings
from tests.isolation import isolate_logging, isolate_redaction
from tests.servers import openldap, samba
from tests.servers.openldap import OpenLDAP
from tests.servers.samba import SambaAD

__all__ = ["isolate_logging", "isolate_redaction"]


@pytest.fixture(autouse=True)
def full_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets messages show names in full. A test may configure another policy, which ends with it."""
    monkeypatch.setattr(identities, "_policy", ("full", ""))


@pytest.fixture(scope="session")
def slapd() -> Iterator[OpenLDAP]:
    """Starts two OpenLDAP servers that replicate. A test that stops or locks something must repair it."""
    with openldap.running(providers=2) as directory:
        yield directory


@pytest.fixture(scope="session")
def domain() -> Iterator[SambaAD]:
    with samba.running() as controller:
        yield controller


SHORT = {"connect_timeout": 3, "receive_timeout": 3, "total_timeout": 7}
"""Timeouts, in seconds, for servers that hang."""


def settings_for(directory: OpenLDAP, **changes: Any) -> LDAPSettings:
    """Returns settings for both providers, with timeouts that a busy machine keeps."""
    values: dict[str, Any] = {
        "preset": "openldap",
        "uris": tuple(each.ldap for each in directory.providers),
        "starttls": True,
        "tls_ca_file": directory.ca_file,
        "user_base": directory.people_base,
        "group_base": directory.group_base,
        "bind_dn": directory.bind_dn,
        "bind_password": directory.bind_password,
        "connect_timeout": 10,
        "receive_timeout": 10,
        "total_timeout": 30,
        "retry_down_after": 1,
    }
    settings = settings_of(LDAPSettings, **{**values, **changes})
    assert not list(settings.faults())
    return settings


def ad_settings(controller: SambaAD, **changes: Any) -> LDAPSettings:
    values: dict[str, Any] = {
        "preset": "activedirectory",
        "uris": (controller.ldaps,),
        "tls_ca_file": controller.ca_file,
        "user_base": controller.people_base,
        "bind_dn": controller.bind_dn,
        "bind_password": controller.bind_password,
        "connect_timeout": 10,
        "receive_timeout": 10,
        "total_timeout": 30,
        "retry_down_after": 1,
    }
    settings = settings_of(LDAPSettings, **{**values, **changes})
    assert not list(settings.faults())
    return settings


@pytest.fixture
def openldap_backend(slapd: OpenLDAP) -> Iterator[Callable[..., LDAPBackend]]:
    """Returns a function that creates a backend for the two providers: `openldap_backend(**settings)`."""
    made: list[LDAPBackend] = []

    def make(**changes: Any) -> LDAPBackend:
        made.append(LDAPBackend(settings_for(slapd, **changes)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def ad_backend(domain: SambaAD) -> Iterator[Callable[..., LDAPBackend]]:
    made: list[LDAPBackend] = []

    def make(**changes: Any) -> LDAPBackend:
        made.append(LDAPBackend(ad_settings(domain, **changes)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
