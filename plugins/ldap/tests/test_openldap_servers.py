"""OpenLDAP servers that are set up in other ways than the usual one."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendError,
    BackendMisconfigured,
    Throttled,
    UnknownUser,
    WrongPassword,
    guarded,
)
from linkauth_ldap import LDAPBackend
from tests.servers import openldap
from tests.servers.certificates import WRONG_NAME
from tests.servers.openldap import OpenLDAP

from .conftest import settings_for

Make = Callable[..., LDAPBackend]
TEMPLATE = "uid={rdn},ou=people,dc=example,dc=org"


def test_one_that_tells_nothing_of_locks_calls_them_wrong_passwords() -> None:
    with openldap.running(disclose_lockout=False, netscape_controls=True) as quiet:
        backend = LDAPBackend(settings_for(quiet))
        with pytest.raises(WrongPassword):
            backend.authenticate("locked", quiet.people["locked"].password)
        # and the older controls take nothing away from ppolicy's
        with pytest.raises(AccountRefused, match="password_expired"):
            backend.authenticate("expired", quiet.people["expired"].password)
        assert backend.authenticate("user03", quiet.people["user03"].password)
        backend.close()


def test_a_referral_is_never_followed(slapd: OpenLDAP, openldap_backend: Make) -> None:
    """One of its entries leads to another port, where somebody listens."""
    with socket.create_server(("127.0.0.1", slapd.referral_port)) as elsewhere:
        for mode in ("subtree", "onelevel"):
            backend = openldap_backend(user_base=slapd.base, user_scope=mode)
            with pytest.raises(UnknownUser):
                backend.authenticate("nobody", "x")
        with pytest.raises(BackendError):
            openldap_backend(user_base=f"ou=elsewhere,{slapd.people_base}").authenticate("user03", "x")
        elsewhere.settimeout(0)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_a_certificate_may_be_for_another_name_that_the_ini_gives() -> None:
    with openldap.running(certificate="wrong_name") as other:
        person = other.people["user03"]
        with pytest.raises(BackendMisconfigured, match="certificate"):
            LDAPBackend(settings_for(other)).authenticate("user03", person.password)
        backend = LDAPBackend(settings_for(other, tls_server_names=("nowhere.example.org", WRONG_NAME)))
        assert backend.authenticate("user03", person.password)
        backend.close()


def test_a_server_that_refuses_clear_text_is_the_operators_problem() -> None:
    with openldap.running(require_tls=True) as strict:
        backend = LDAPBackend(settings_for(strict, starttls=False, allow_cleartext="true"))
        with pytest.raises(BackendMisconfigured, match=r"starttls = true.*confidentiality"):
            backend.authenticate("user03", strict.people["user03"].password)
        backend.close()


def test_a_server_that_takes_empty_passwords_lets_nobody_in() -> None:
    with openldap.running(allow_unauthenticated_bind=True) as server:
        for changes in ({}, {"login_mode": "template", "user_dn_template": f"uid={{rdn}},{server.people_base}"}):
            backend = LDAPBackend(settings_for(server, **changes))
            for password in ("", "\0"):
                for username in ("user03", "nobody"):
                    with pytest.raises((UnknownUser, WrongPassword)):
                        backend.authenticate(username, password)
            assert backend.authenticate("user03", server.people["user03"].password)
            backend.close()


def test_many_names_of_one_entry_are_guarded_as_one_account(slapd: OpenLDAP, openldap_backend: Make) -> None:
    guards: list[str] = []
    backend = openldap_backend(user_filter="(|(uid={username})(mail={username}))")
    with guarded(guards.append):
        for name in ("two words", "two  words", "TWO   WORDS", "two words@example.org"):
            with pytest.raises(WrongPassword):
                backend.authenticate(name, "a wrong one")
            assert backend.authenticate("two words", slapd.people["two words"].password)
        with pytest.raises(UnknownUser):
            backend.authenticate("nobody", "a wrong one")
    assert len(guards) == 8
    assert len(set(guards)) == 1


def test_a_throttled_account_is_asked_for_no_bind(slapd: OpenLDAP, openldap_backend: Make) -> None:
    def full(account: str) -> None:
        raise Throttled(60)

    for backend in (openldap_backend(), openldap_backend(login_mode="template", user_dn_template=TEMPLATE)):
        for _ in range(4):
            with guarded(full), pytest.raises(Throttled):
                backend.authenticate("user05", "a wrong one")
        # that would have locked it
        assert backend.authenticate("user05", slapd.people["user05"].password)


def test_an_unknown_name_takes_the_time_of_a_wrong_password(openldap_backend: Make) -> None:
    backend = openldap_backend()
    with pytest.raises(WrongPassword):
        backend.authenticate("user06", "a wrong one")
    (taken,) = backend._directory._wrong_password_times
    backend._directory._wrong_password_times[0] = taken + 0.2
    began = time.monotonic()
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", "a wrong one")
    assert time.monotonic() - began >= taken + 0.2
