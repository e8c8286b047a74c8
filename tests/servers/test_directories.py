"""Tests of the directory servers for tests: they start, accept binds over TLS, can be suspended, and clean up."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest
from ldap3.core.exceptions import LDAPException, LDAPSocketOpenError

from tests.servers import openldap, samba
from tests.servers.certificates import KINDS
from tests.servers.ldap_connections import ldap_connection
from tests.servers.openldap import OpenLDAP, Person
from tests.servers.process import Process
from tests.servers.samba import SambaAD


@pytest.fixture(scope="module")
def pair() -> Iterator[OpenLDAP]:
    with openldap.running(providers=2) as server:
        yield server


@pytest.fixture(scope="module")
def domain() -> Iterator[SambaAD]:
    with samba.running() as server:
        yield server


def bind(uri: str, ca_file: str, user: str, password: str) -> tuple[int, str]:
    """Returns the result code and diagnostic message of a bind with a verified certificate."""
    with ldap_connection(uri, user, password, ca_file) as connection:
        connection.bind()
        return connection.result["result"], connection.result["message"]


def bind_as(uri: str, ca_file: str, person: Person) -> int:
    """Returns the result code of a bind with the DN and the password of a person."""
    return bind(uri, ca_file, person.dn, person.password)[0]


@pytest.mark.parametrize("name", ["user01", "comma,user", "rdnuser", "müller", "محمد", "山田太郎", "longpw", "spacepw"])
def test_openldap_accepts_the_password_of_a_person(pair: OpenLDAP, name: str) -> None:
    for uri in (pair.a.ldap, pair.a.ldaps, pair.b.ldap, pair.b.ldaps):
        assert bind_as(uri, pair.ca_file, pair.people[name]) == 0


def test_openldap_has_the_expected_entry_uuids(pair: OpenLDAP) -> None:
    with pair.b.as_root() as connection:
        connection.search(pair.people_base, "(objectClass=inetOrgPerson)", attributes=["entryUUID"])
        entries = [entry for entry in connection.response if "attributes" in entry]
        subjects = {entry["dn"]: entry["attributes"]["entryUUID"][0] for entry in entries}
    assert subjects == {person.dn: pair.subject_of(name) for name, person in pair.people.items()}


def test_openldap_replicates_a_lock_and_an_unlock(pair: OpenLDAP) -> None:
    person = pair.people["lockme"]
    for provider in (pair.a, pair.a, pair.b):
        assert bind(provider.ldaps, pair.ca_file, person.dn, "wrong")[0] == 49
        pair.settle()
    assert bind_as(pair.a.ldaps, pair.ca_file, person) == 49
    pair.unlock("lockme")
    assert bind_as(pair.a.ldaps, pair.ca_file, person) == bind_as(pair.b.ldaps, pair.ca_file, person) == 0


def test_openldap_restores_the_original_state_of_a_person(pair: OpenLDAP) -> None:
    pair.set_password("mustchange3", "another-password")
    assert bind(pair.b.ldaps, pair.ca_file, pair.people["mustchange3"].dn, "another-password")[0] == 0
    pair.restore("mustchange3")
    assert bind_as(pair.b.ldaps, pair.ca_file, pair.people["mustchange3"]) == 0
    with pair.b.as_root() as connection:
        connection.search(pair.people["mustchange3"].dn, "(pwdReset=TRUE)", "BASE")
        assert len(connection.response) == 1


def test_one_openldap_provider_can_be_suspended_stopped_and_started(pair: OpenLDAP) -> None:
    person = pair.people["user01"]
    pair.a.hang()
    with pytest.raises(LDAPException):
        bind_as(pair.a.ldaps, pair.ca_file, person)
    assert bind_as(pair.b.ldaps, pair.ca_file, person) == 0
    pair.a.resume()
    assert bind_as(pair.a.ldaps, pair.ca_file, person) == 0
    pair.a.stop()
    with pytest.raises(LDAPSocketOpenError, match="refused"):
        bind_as(pair.a.ldaps, pair.ca_file, person)
    pair.a.start()
    assert bind_as(pair.a.ldap, pair.ca_file, person) == 0


def certificate_error(uri: str, ca_file: str) -> str:
    """Returns the verification error of the server certificate, or "".

    Uses the module ssl directly, because ldap3 does not close the socket after a failed verification.
    """
    context = ssl.create_default_context(cafile=ca_file)
    port = int(uri.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        try:
            context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return ""


def test_a_client_detects_invalid_certificates() -> None:
    with openldap.running() as server:
        errors = {}
        for kind in KINDS:
            server.a.stop()
            server.a.use_certificate(kind)
            server.a.start()
            errors[kind] = certificate_error(server.a.ldaps, server.ca_file)
    assert errors.pop("good") == ""
    assert "expired" in errors["expired"]
    assert "unable to get local issuer" in errors["foreign"]
    assert "Hostname mismatch" in errors["wrong_name"]


def test_openldap_leaves_no_process_and_no_folder() -> None:
    with openldap.running(providers=2) as server:
        pids = [server.a.pid, server.b.pid]
        server.b.hang()
    assert_gone(pids, server.folder)


@pytest.mark.parametrize("name", ["user01", "jsmith", "bslash", "müller", "محمد", "山田太郎", "bidipw", "nfkcpw"])
def test_samba_accepts_the_password_of_a_person(domain: SambaAD, name: str) -> None:
    for uri in (domain.ldap, domain.ldaps, domain.gc):
        assert bind_as(uri, domain.ca_file, domain.people[name]) == 0


@pytest.mark.parametrize(
    ("name", "code"),
    {
        "disabled": "533",
        "accexpired": "701",
        "pwdexpired": "532",
        "mustchange": "773",
        "mustchange2": "773",
        "mustchange3": "773",
        "nohours": "530",
        "workst": "531",
        "lockedout": "775",
        "disexp": "533",
    }.items(),
)
def test_samba_reports_the_reason_of_a_refusal(domain: SambaAD, name: str, code: str) -> None:
    person = domain.people[name]
    result, text = bind(domain.ldaps, domain.ca_file, person.dn, person.password)
    assert result == 49
    assert f"data {code}," in text


def test_samba_has_the_expected_people(domain: SambaAD) -> None:
    with domain.as_admin() as connection:
        connection.search(domain.base, "(sAMAccountType=805306368)", attributes=["sAMAccountName"])
        entries = [entry for entry in connection.response if "dn" in entry]
        subjects = {str(entry["attributes"]["sAMAccountName"][0]): entry["dn"] for entry in entries}
    assert subjects.items() >= {name: person.dn for name, person in domain.people.items()}.items()


def test_samba_unlocks_an_account_and_requires_a_password_change(domain: SambaAD) -> None:
    person = domain.people["lockme"]
    for _ in range(3):
        bind(domain.ldaps, domain.ca_file, person.dn, "wrong")
    assert "data 775," in bind(domain.ldaps, domain.ca_file, person.dn, person.password)[1]
    domain.unlock("lockme")
    assert bind_as(domain.ldaps, domain.ca_file, person) == 0
    domain.must_change("lockme", "Another-1!")
    assert "data 773," in bind(domain.ldaps, domain.ca_file, person.dn, "Another-1!")[1]


@pytest.mark.parametrize("may_reset", [False, True])
def test_only_the_reset_account_of_samba_can_set_passwords(domain: SambaAD, may_reset: bool) -> None:
    reset_account, bind_account = (domain.reset_dn, domain.reset_password), (domain.bind_dn, domain.bind_password)
    user, password = reset_account if may_reset else bind_account
    new = '"Another-12!"'.encode("utf-16-le")
    with ldap_connection(domain.ldaps, user, password, domain.ca_file) as connection:
        assert connection.bind()
        for changes in ({"unicodePwd": new}, {"pwdLastSet": b"0"}, {"lockoutTime": b"0"}):
            replaced = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in changes.items()}
            connection.modify(domain.people["user20"].dn, replaced)
            assert connection.result["result"] == (0 if may_reset else 50)


def test_samba_can_be_suspended_stopped_and_started(domain: SambaAD) -> None:
    person = domain.people["user02"]
    domain.hang()
    with pytest.raises(LDAPException):
        bind_as(domain.ldaps, domain.ca_file, person)
    domain.resume()
    assert bind_as(domain.ldaps, domain.ca_file, person) == 0
    domain.stop()
    with pytest.raises(LDAPSocketOpenError, match="refused"):
        bind_as(domain.ldaps, domain.ca_file, person)
    domain.start()
    assert bind_as(domain.ldap, domain.ca_file, person) == 0


def test_two_samba_servers_run_at_the_same_time_and_clean_up(domain: SambaAD) -> None:
    with samba.running() as server:
        pids = [server.pid, server.network_pid]
        assert bind_as(server.ldaps, server.ca_file, server.people["user01"]) == 0
        assert bind_as(domain.ldaps, domain.ca_file, domain.people["user01"]) == 0
        server.hang()
    assert_gone(pids, server.folder)


def test_a_failed_start_reports_the_output_and_leaves_no_process(tmp_path: Path) -> None:
    process = Process("it", lambda: ["sh", "-c", "echo no port left; exit 1"], tmp_path / "log")
    with pytest.raises(RuntimeError, match="it did not start:\nno port left"):
        process.start(lambda: False)
    process = Process("it", lambda: ["sleep", "60"], tmp_path / "log")
    with pytest.raises(RuntimeError, match="did not start"):
        process.start(lambda: False, seconds=0.1)
    assert_gone([process.pid], tmp_path / "nothing")


def test_openldap_reports_that_its_port_is_in_use() -> None:
    openldap.require()
    server = OpenLDAP()
    try:
        with (
            socket.create_server(("127.0.0.1", server.a.port)),
            pytest.raises(RuntimeError, match="Address already in use"),
        ):
            server.start()
        assert_gone([server.a.pid], None)
        server.start()
        assert bind_as(server.a.ldaps, server.ca_file, server.people["user01"]) == 0
    finally:
        server.remove()


def assert_gone(pids: list[int], folder: Path | None) -> None:
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert folder is None or not folder.exists()
