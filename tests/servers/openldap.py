"""Starts one real OpenLDAP server, or two that replicate each other, on free loopback ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from ldap3.core.exceptions import LDAPException

from tests.servers import openldap_tree as tree
from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import free_port
from tests.servers.ldap_connections import Client, bound_connection, replace_attributes
from tests.servers.openldap_config import CLIENT_NAME, ROOT_DN, ROOT_PASSWORD, Options, config
from tests.servers.person import Person as Person
from tests.servers.process import Process

SLAPD, SLAPADD = Path("/usr/sbin/slapd"), Path("/usr/sbin/slapadd")
INSTALL = "sudo make parts"
LOCK_ATTRIBUTES = ("pwdAccountLockedTime", "pwdFailureTime", "pwdGraceUseTime")
STATE_ATTRIBUTES = (*LOCK_ATTRIBUTES, "pwdReset", "pwdChangedTime", "pwdHistory")


class Provider:
    """One slapd process, which runs as the current user. The file `log` contains a line for every operation.

    It listens on two ports and on a Unix socket. `client` is the certificate and the key that it asks for, if any.
    """

    def __init__(self, folder: Path, certificates: Certificates, client: Client = ()) -> None:
        folder.mkdir()
        self.folder = folder
        self.log = folder / "log"
        self.port, self._tls_port = free_port(), free_port()
        self.ldap = f"ldap://127.0.0.1:{self.port}"
        self.ldaps = f"ldaps://127.0.0.1:{self._tls_port}"
        self.ldapi = f"ldapi://{quote(str(folder / 'ldapi'), safe='')}"
        self._certificates, self._client = certificates, client
        uris = f"{self.ldap} {self.ldaps} {self.ldapi}"
        command = [str(SLAPD), "-d", "stats", "-f", str(folder / "slapd.conf"), "-h", uris]
        # otherwise the ldap.conf of the system would affect the replication
        self._process = Process("slapd", lambda: command, self.log, {"LDAPNOINIT": "1"})

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_hung(self) -> bool:
        return self._process.is_hung

    @property
    def is_available(self) -> bool:
        return self._process.is_running() and not self._process.is_hung

    def use_certificate(self, kind: Kind) -> None:
        """Installs a certificate of this kind. It is used after the next start."""
        for suffix in ("pem", "key"):
            shutil.copy(self._certificates.folder / f"{kind}.{suffix}", self.folder / f"server.{suffix}")

    def start(self) -> None:
        self._process.start(self._accepts_root)

    def _accepts_root(self) -> bool:
        with suppress(LDAPException), self.as_root():
            return True
        return False

    @contextmanager
    def as_root(self) -> Iterator[Any]:
        """Yields an ldap3 connection of the root DN, which has all rights."""
        with bound_connection(self.ldaps, ROOT_DN, ROOT_PASSWORD, client=self._client) as connection:
            yield connection

    def stop(self) -> None:
        self._process.stop()

    def hang(self) -> None:
        self._process.hang()

    def resume(self) -> None:
        self._process.resume()


class OpenLDAP:
    """The directory of `tests.servers.openldap_tree` on one server or on two (`providers`).

    `require_tls` refuses a password without TLS. `allow_unauthenticated_bind` accepts a bind with a DN and an empty
    password (RFC 4513 section 5.1.2), as some servers do. `disclose_lockout` reports that an account is locked, which
    is not the default of slapd. `netscape_controls` also sends the password controls that preceded ppolicy. Without
    `hash_new_passwords` it stores the password of a new entry in clear text, as slapd does by default. With
    `client_certificates` TLS needs a certificate of `ca_file`, and `client` is one. SASL EXTERNAL with it, or over the
    Unix socket as the user of this process, is a bind as linkauth's service account. `second_base` is the base of a
    second tree, which is empty. One entry is a referral to
    `referral_port`, on which no server listens.
    """

    base, people_base, group_base = tree.BASE, tree.PEOPLE_BASE, tree.GROUP_BASE
    bind_dn, bind_password = f"cn=linkauth,ou=services,{tree.BASE}", tree.SERVICES["linkauth"]
    helpdesk_dn, helpdesk_password = f"cn=helpdesk,ou=services,{tree.BASE}", tree.SERVICES["helpdesk"]
    registrar_dn, registrar_password = f"cn=registrar,ou=services,{tree.BASE}", tree.SERVICES["registrar"]
    root_dn, root_password = ROOT_DN, ROOT_PASSWORD
    people: Mapping[str, Person] = tree.PEOPLE
    hidden_person = tree.HIDDEN_PERSON

    def __init__(
        self,
        providers: int = 1,
        *,
        require_tls: bool = False,
        allow_unauthenticated_bind: bool = False,
        disclose_lockout: bool = True,
        netscape_controls: bool = False,
        hash_new_passwords: bool = True,
        client_certificates: bool = False,
        certificate: Kind = "good",
        second_base: str = "",
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-openldap-"))
        self.referral_port = free_port()
        self.certificates = certificates = Certificates(self.folder / "certificates", "localhost", "127.0.0.1")
        self.ca_file = certificates.ca_file
        self.client: Client = certificates.issue_client(CLIENT_NAME) if client_certificates else ()
        self.providers = [
            Provider(self.folder / "ab"[number], certificates, self.client) for number in range(providers)
        ]
        for number, provider in enumerate(self.providers):
            other = self.providers[1 - number].port if providers == 2 else None
            options = Options(
                *(require_tls, allow_unauthenticated_bind, disclose_lockout, netscape_controls, hash_new_passwords),
                ca_file=self.ca_file if client_certificates else "",
                second_base=second_base,
            )
            if second_base:
                (provider.folder / "second").mkdir()
            (provider.folder / "slapd.conf").write_text(config(provider.folder, number + 1, other, options), "utf-8")
            provider.use_certificate(certificate)

    @property
    def a(self) -> Provider:
        return self.providers[0]

    @property
    def b(self) -> Provider:
        return self.providers[1]

    def start(self) -> None:
        """Starts the servers. Returns when all of them respond and, with two, a change to either is replicated."""
        if not (self.a.folder / "db").exists():
            self._fill()
        try:
            for provider in self.providers:
                provider.start()
            for provider in self.providers:
                self._write_test_value(provider)
            self.settle()
        except BaseException:
            self.stop()
            raise

    def _fill(self) -> None:
        """Creates the database of the first provider and copies it to the second, so that both are in sync."""
        database = self.a.folder / "db"
        database.mkdir()
        ldif = self.folder / "tree.ldif"
        ldif.write_text("".join(tree.entries(self.referral_port)), "utf-8")
        command = [str(SLAPADD), "-q", "-w", "-S", "1", "-f", str(self.a.folder / "slapd.conf"), "-l", str(ldif)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"slapadd failed:\n{result.stderr}")
        for provider in self.providers[1:]:
            shutil.copytree(database, provider.folder / "db")

    def _write_test_value(self, provider: Provider) -> None:
        with provider.as_root() as connection:
            replace_attributes(connection, f"ou=hidden,{self.base}", {"description": [str(uuid4())]})

    def settle(self, seconds: float = 20) -> None:
        """Waits until all running providers are in sync. Raises RuntimeError after `seconds`."""
        deadline = time.monotonic() + seconds
        while len({self._change_numbers(provider) for provider in self.providers if provider.is_available}) > 1:
            if time.monotonic() > deadline:
                lines = [line for provider in self.providers for line in provider.log.read_text("utf-8").splitlines()]
                reason = "\n".join([line for line in lines if "syncrepl" in line][-5:])
                raise RuntimeError(f"the providers do not replicate:\n{reason}")
            # polls the condition of the loop
            time.sleep(0.02)

    def _change_numbers(self, provider: Provider) -> frozenset[str]:
        """Returns the contextCSN values, which are equal on providers that are in sync."""
        with provider.as_root() as connection:
            connection.search(self.base, "(objectClass=*)", "BASE", attributes=["contextCSN"])
            return frozenset(connection.response[0]["attributes"]["contextCSN"])

    def stop(self) -> None:
        for provider in self.providers:
            # a provider stops slowly while it waits for a suspended one
            if provider.is_hung:
                provider.resume()
        for provider in self.providers:
            provider.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def subject_of(self, username: str) -> str:
        """Returns the entryUUID of a person."""
        return tree.subject_of(self.people[username].dn)

    def unlock(self, username: str) -> None:
        """Deletes the recorded failures, the lock and the used grace logins of a person."""
        self.modify(self.people[username].dn, {name: [] for name in LOCK_ATTRIBUTES})

    def set_password(self, username: str, password: str, *, must_change: bool = False) -> None:
        """Sets a password as an administrator does, but sets pwdReset only with `must_change`."""
        dn = self.people[username].dn
        self.modify(dn, {"userPassword": [tree.hash_password(password)]})
        self.modify(dn, {"pwdReset": ["TRUE"] if must_change else []})

    def restore(self, username: str) -> None:
        """Restores the original password and account state of a person."""
        account = next(account for account in tree.ACCOUNTS if account.person.username == username)
        state = dict(account.state)
        if account.person.password:
            self.modify(account.person.dn, {"userPassword": [tree.hash_password(account.person.password)]})
        original = {name: [tree.attribute_value(state[name])] if name in state else [] for name in STATE_ATTRIBUTES}
        self.modify(account.person.dn, original)

    def modify(self, dn: str, changes: Mapping[str, Sequence[str | bytes]]) -> None:
        """Replaces attribute values as root, including operational attributes, and waits for the replication."""
        provider = next(provider for provider in self.providers if provider.is_available)
        with provider.as_root() as connection:
            replace_attributes(connection, dn, changes, relax=True)
        self.settle()


def require() -> None:
    """Skips the test if OpenLDAP is not installed. In CI the test fails instead."""
    if not (SLAPD.exists() and SLAPADD.exists()):
        message = f"OpenLDAP is not installed. To install it, run: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running(**options: Any) -> Iterator[OpenLDAP]:
    """Starts new servers with the options of OpenLDAP, and removes them at the end of the `with` block."""
    require()
    server = OpenLDAP(**options)
    try:
        server.start()
        yield server
    finally:
        server.remove()
