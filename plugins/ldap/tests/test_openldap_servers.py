"""Tests of OpenLDAP servers with unusual configurations."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
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


def test_lock_without_policy_control_is_a_wrong_password() -> None:
    with openldap.running(disclose_lockout=False, netscape_controls=True) as quiet:
        backend = LDAPBackend(settings_for(quiet))
        with pytest.raises(WrongPassword):
            backend.authenticate("locked", quiet.people["locked"].password)
        # the older Netscape controls do not change the result of ppolicy
        with pytest.raises(AccountRefused, match="password_expired"):
            backend.authenticate("expired", quiet.people["expired"].password)
        assert backend.authenticate("user03", quiet.people["user03"].password)
        backend.close()


def test_referral_is_never_followed(slapd: OpenLDAP, openldap_backend: Make) -> None:
    """One entry is a referral to another port, on which a server listens."""
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


def test_operations_of_a_sign_in() -> None:
    """Nothing else is read, such as a schema, and the connections stay open for the next sign-in."""
    with openldap.running() as directory:
        person = directory.people["user03"]
        # user03 is in three levels of groups: one search for each, and one that finds no more
        ppolicy, shadow = ("ppolicy",), ("ppolicy", "shadow")
        # the first sign-in of a shadowAccount without shadowExpire: one search shows that it is absent, and not hidden
        for group_mode, checks, searches, more in (
            *(("none", ppolicy, 1, 0), ("memberof", ppolicy, 1, 0), ("search", ppolicy, 5, 0)),
            ("none", shadow, 1, 1),
        ):
            backend = LDAPBackend(settings_for(directory, group_mode=group_mode, state_check=checks))
            before = len(directory.a.log.read_text("utf-8"))
            for _ in range(3):
                assert backend.authenticate(person.username, person.password)
            log = directory.a.log.read_text("utf-8")[before:]
            operations = Counter(re.findall(r" (ACCEPT|EXT|SRCH|BIND)(?= from | oid=| base=| dn=\S+ method=)", log))
            # one connection for searches and one for binds, each with StartTLS, and a bind of the service account
            assert operations == {"ACCEPT": 2, "EXT": 2, "SRCH": 3 * searches + more, "BIND": 1 + 3}, group_mode
            backend.close()


def test_certificate_for_a_name_of_tls_server_names() -> None:
    with openldap.running(certificate="wrong_name") as other:
        person = other.people["user03"]
        with pytest.raises(BackendMisconfigured, match="write a name in uris or tls_server_names that is in the cert"):
            LDAPBackend(settings_for(other)).authenticate("user03", person.password)
        backend = LDAPBackend(settings_for(other, tls_server_names=("nowhere.example.org", WRONG_NAME)))
        assert backend.authenticate("user03", person.password)
        backend.close()


def test_server_that_refuses_clear_text_is_misconfigured() -> None:
    with openldap.running(require_tls=True) as strict:
        backend = LDAPBackend(settings_for(strict, starttls=False, allow_cleartext="true"))
        with pytest.raises(BackendMisconfigured, match=r"starttls = true.*confidentiality"):
            backend.authenticate("user03", strict.people["user03"].password)
        backend.close()


def test_empty_password_is_refused_even_if_the_server_accepts_it() -> None:
    with openldap.running(allow_unauthenticated_bind=True) as server:
        for changes in ({}, {"login_mode": "template", "user_dn_template": f"uid={{rdn}},{server.people_base}"}):
            backend = LDAPBackend(settings_for(server, **changes))
            for password in ("", "\0"):
                for username in ("user03", "nobody"):
                    with pytest.raises((UnknownUser, WrongPassword)):
                        backend.authenticate(username, password)
            assert backend.authenticate("user03", server.people["user03"].password)
            backend.close()


def test_all_names_of_an_entry_share_one_throttle_key(slapd: OpenLDAP, openldap_backend: Make) -> None:
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


def test_throttled_account_sends_no_bind(slapd: OpenLDAP, openldap_backend: Make) -> None:
    def full(account: str) -> None:
        raise Throttled(60)

    for backend in (openldap_backend(), openldap_backend(login_mode="template", user_dn_template=TEMPLATE)):
        for _ in range(4):
            with guarded(full), pytest.raises(Throttled):
                backend.authenticate("user05", "a wrong one")
        # another bind would have locked the account
        assert backend.authenticate("user05", slapd.people["user05"].password)


def test_unknown_name_takes_as_long_as_a_wrong_password(openldap_backend: Make) -> None:
    backend = openldap_backend()
    with pytest.raises(WrongPassword):
        backend.authenticate("user06", "a wrong one")
    (taken,) = backend._directory._wrong_password_times
    backend._directory._wrong_password_times[0] = taken + 0.2
    began = time.monotonic()
    with pytest.raises(UnknownUser):
        backend.authenticate("nobody", "a wrong one")
    assert time.monotonic() - began >= taken + 0.2
