"""The directories of the tests: each starts, lets people in over TLS, hangs and goes on, and leaves nothing behind."""

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


def answer(uri: str, ca_file: str, user: str, password: str) -> tuple[int, str]:
    """Code and text with which a server answers a bind, its certificate being verified."""
    with ldap_connection(uri, user, password, ca_file) as connection:
        connection.bind()
        return connection.result["result"], connection.result["message"]


def of_person(uri: str, ca_file: str, person: Person) -> int:
    return answer(uri, ca_file, person.dn, person.password)[0]


@pytest.mark.parametrize("name", ["user01", "comma,user", "rdnuser", "müller", "محمد", "山田太郎", "longpw", "spacepw"])
def test_openldap_lets_a_person_in(pair: OpenLDAP, name: str) -> None:
    for uri in (pair.a.ldap, pair.a.ldaps, pair.b.ldap, pair.b.ldaps):
        assert of_person(uri, pair.ca_file, pair.people[name]) == 0


def test_openldap_has_the_subjects_that_it_says(pair: OpenLDAP) -> None:
    with pair.b.as_root() as connection:
        connection.search(pair.people_base, "(objectClass=inetOrgPerson)", attributes=["entryUUID"])
        found = {each["dn"]: each["attributes"]["entryUUID"][0] for each in connection.response if "attributes" in each}
    assert found == {person.dn: pair.subject_of(name) for name, person in pair.people.items()}


def test_openldap_replicates_a_lock_and_takes_it_off(pair: OpenLDAP) -> None:
    person = pair.people["lockme"]
    for provider in (pair.a, pair.a, pair.b):
        assert answer(provider.ldaps, pair.ca_file, person.dn, "wrong")[0] == 49
        pair.settle()
    assert of_person(pair.a.ldaps, pair.ca_file, person) == 49
    pair.unlock("lockme")
    assert of_person(pair.a.ldaps, pair.ca_file, person) == of_person(pair.b.ldaps, pair.ca_file, person) == 0


def test_openldap_gives_a_person_the_first_state_back(pair: OpenLDAP) -> None:
    pair.set_password("mustchange3", "another-password")
    assert answer(pair.b.ldaps, pair.ca_file, pair.people["mustchange3"].dn, "another-password")[0] == 0
    pair.restore("mustchange3")
    assert of_person(pair.b.ldaps, pair.ca_file, pair.people["mustchange3"]) == 0
    with pair.b.as_root() as connection:
        connection.search(pair.people["mustchange3"].dn, "(pwdReset=TRUE)", "BASE")
        assert len(connection.response) == 1


def test_one_openldap_hangs_stops_and_starts_alone(pair: OpenLDAP) -> None:
    person = pair.people["user01"]
    pair.a.hang()
    with pytest.raises(LDAPException):
        of_person(pair.a.ldaps, pair.ca_file, person)
    assert of_person(pair.b.ldaps, pair.ca_file, person) == 0
    pair.a.resume()
    assert of_person(pair.a.ldaps, pair.ca_file, person) == 0
    pair.a.stop()
    with pytest.raises(LDAPSocketOpenError, match="refused"):
        of_person(pair.a.ldaps, pair.ca_file, person)
    pair.a.start()
    assert of_person(pair.a.ldap, pair.ca_file, person) == 0


def complaint(uri: str, ca_file: str) -> str:
    """What a client says of the certificate; by ssl alone, as ldap3 leaves sockets open that it complains about."""
    context = ssl.create_default_context(cafile=ca_file)
    port = int(uri.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        try:
            context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return ""


def test_a_client_can_tell_bad_certificates() -> None:
    with openldap.running() as server:
        said = {}
        for kind in KINDS:
            server.a.stop()
            server.a.use_certificate(kind)
            server.a.start()
            said[kind] = complaint(server.a.ldaps, server.ca_file)
    assert said.pop("good") == ""
    assert "expired" in said["expired"]
    assert "unable to get local issuer" in said["foreign"]
    assert "Hostname mismatch" in said["wrong_name"]


def test_openldap_leaves_nothing() -> None:
    with openldap.running(providers=2) as server:
        pids = [server.a.pid, server.b.pid]
        server.b.hang()
    assert_gone(pids, server.folder)


@pytest.mark.parametrize("name", ["user01", "jsmith", "bslash", "müller", "محمد", "山田太郎", "bidipw", "nfkcpw"])
def test_samba_lets_a_person_in(domain: SambaAD, name: str) -> None:
    for uri in (domain.ldap, domain.ldaps, domain.gc):
        assert of_person(uri, domain.ca_file, domain.people[name]) == 0


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
def test_samba_says_why_not(domain: SambaAD, name: str, code: str) -> None:
    person = domain.people[name]
    result, text = answer(domain.ldaps, domain.ca_file, person.dn, person.password)
    assert result == 49
    assert f"data {code}," in text


def test_samba_has_the_people_that_it_says(domain: SambaAD) -> None:
    with domain.as_admin() as connection:
        connection.search(domain.base, "(sAMAccountType=805306368)", attributes=["sAMAccountName"])
        found = {
            str(each["attributes"]["sAMAccountName"][0]): each["dn"] for each in connection.response if "dn" in each
        }
    assert found.items() >= {name: person.dn for name, person in domain.people.items()}.items()


def test_samba_unlocks_and_has_a_password_changed(domain: SambaAD) -> None:
    person = domain.people["lockme"]
    for _ in range(3):
        answer(domain.ldaps, domain.ca_file, person.dn, "wrong")
    assert "data 775," in answer(domain.ldaps, domain.ca_file, person.dn, person.password)[1]
    domain.unlock("lockme")
    assert of_person(domain.ldaps, domain.ca_file, person) == 0
    domain.must_change("lockme", "Another-1!")
    assert "data 773," in answer(domain.ldaps, domain.ca_file, person.dn, "Another-1!")[1]


@pytest.mark.parametrize("may", [False, True])
def test_only_one_of_sambas_service_accounts_may_set_passwords(domain: SambaAD, may: bool) -> None:
    user, password = (domain.reset_dn, domain.reset_password) if may else (domain.bind_dn, domain.bind_password)
    new = '"Another-12!"'.encode("utf-16-le")
    with ldap_connection(domain.ldaps, user, password, domain.ca_file) as connection:
        assert connection.bind()
        for changes in ({"unicodePwd": new}, {"pwdLastSet": b"0"}, {"lockoutTime": b"0"}):
            replaced = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in changes.items()}
            connection.modify(domain.people["user20"].dn, replaced)
            assert connection.result["result"] == (0 if may else 50)


def test_samba_hangs_stops_and_starts(domain: SambaAD) -> None:
    person = domain.people["user02"]
    domain.hang()
    with pytest.raises(LDAPException):
        of_person(domain.ldaps, domain.ca_file, person)
    domain.resume()
    assert of_person(domain.ldaps, domain.ca_file, person) == 0
    domain.stop()
    with pytest.raises(LDAPSocketOpenError, match="refused"):
        of_person(domain.ldaps, domain.ca_file, person)
    domain.start()
    assert of_person(domain.ldap, domain.ca_file, person) == 0


def test_a_second_samba_runs_beside_the_first_and_leaves_nothing(domain: SambaAD) -> None:
    with samba.running() as server:
        pids = [server.pid, server.network_pid]
        assert of_person(server.ldaps, server.ca_file, server.people["user01"]) == 0
        assert of_person(domain.ldaps, domain.ca_file, domain.people["user01"]) == 0
        server.hang()
    assert_gone(pids, server.folder)


def test_a_program_that_does_not_start_says_why_and_is_gone(tmp_path: Path) -> None:
    process = Process("it", lambda: ["sh", "-c", "echo no port left; exit 1"], tmp_path / "log")
    with pytest.raises(RuntimeError, match="it did not start:\nno port left"):
        process.start(lambda: False)
    process = Process("it", lambda: ["sleep", "60"], tmp_path / "log")
    with pytest.raises(RuntimeError, match="did not start"):
        process.start(lambda: False, seconds=0.1)
    assert_gone([process.pid], tmp_path / "nothing")


def test_openldap_on_a_taken_port_says_so() -> None:
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
        assert of_person(server.a.ldaps, server.ca_file, server.people["user01"]) == 0
    finally:
        server.remove()


def assert_gone(pids: list[int], folder: Path | None) -> None:
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert folder is None or not folder.exists()
