"""A real OpenLDAP, one provider or two that replicate, on free ports of loopback in a temporary folder."""

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
from uuid import uuid4

import pytest
from ldap3.core.exceptions import LDAPException

from tests.servers import openldap_tree as tree
from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import free_port
from tests.servers.ldap_connections import bound_connection, replace_attributes
from tests.servers.openldap_config import ROOT_DN, ROOT_PASSWORD, Options, config
from tests.servers.person import Person as Person
from tests.servers.process import Process

SLAPD, SLAPADD = Path("/usr/sbin/slapd"), Path("/usr/sbin/slapadd")
INSTALL = "sudo make parts"
LOCKS = ("pwdAccountLockedTime", "pwdFailureTime", "pwdGraceUseTime")
STATES = (*LOCKS, "pwdReset", "pwdChangedTime", "pwdHistory")


class Provider:
    """One slapd, which runs as whoever runs the tests; `log` is what it says of every operation."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        folder.mkdir()
        self.folder = folder
        self.log = folder / "log"
        self.port, self._tls_port = free_port(), free_port()
        self.ldap = f"ldap://127.0.0.1:{self.port}"
        self.ldaps = f"ldaps://127.0.0.1:{self._tls_port}"
        self._certificates = certificates
        command = [str(SLAPD), "-d", "stats", "-f", str(folder / "slapd.conf"), "-h", f"{self.ldap} {self.ldaps}"]
        # the system's ldap.conf would have a say in replication
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
        """From its next start on."""
        for end in ("pem", "key"):
            shutil.copy(self._certificates.folder / f"{kind}.{end}", self.folder / f"server.{end}")

    def start(self) -> None:
        self._process.start(self._lets_root_in)

    def _lets_root_in(self) -> bool:
        with suppress(LDAPException), self.as_root():
            return True
        return False

    @contextmanager
    def as_root(self) -> Iterator[Any]:
        """An ldap3 connection that may do everything."""
        with bound_connection(self.ldaps, ROOT_DN, ROOT_PASSWORD) as connection:
            yield connection

    def stop(self) -> None:
        self._process.stop()

    def hang(self) -> None:
        self._process.hang()

    def resume(self) -> None:
        self._process.resume()


class OpenLDAP:
    """The directory of `tests.servers.openldap_tree` behind `providers` servers.

    `require_tls`: a password in clear text is refused. `careless`: a DN without password is taken for anybody, as some
    servers do. `lockout_told`: whoever asks learns that an account is locked, which is not slapd's default. `netscape`:
    the controls of before ppolicy are sent as well. Nothing listens at `referral_port`, where one of its entries leads.
    """

    base, people_base, group_base = tree.BASE, tree.PEOPLE_BASE, tree.GROUP_BASE
    bind_dn, bind_password = f"cn=linkauth,ou=services,{tree.BASE}", tree.SERVICES["linkauth"]
    helpdesk_dn, helpdesk_password = f"cn=helpdesk,ou=services,{tree.BASE}", tree.SERVICES["helpdesk"]
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
        certificate: Kind = "good",
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-openldap-"))
        self.referral_port = free_port()
        certificates = Certificates(self.folder / "certificates", "localhost", "127.0.0.1")
        self.ca_file = certificates.ca_file
        self.providers = [Provider(self.folder / "ab"[number], certificates) for number in range(providers)]
        for number, provider in enumerate(self.providers):
            other = self.providers[1 - number].port if providers == 2 else None
            options = Options(require_tls, allow_unauthenticated_bind, disclose_lockout, netscape_controls)
            (provider.folder / "slapd.conf").write_text(config(provider.folder, number + 1, other, options), "utf-8")
            provider.use_certificate(certificate)

    @property
    def a(self) -> Provider:
        return self.providers[0]

    @property
    def b(self) -> Provider:
        return self.providers[1]

    def start(self) -> None:
        """Return when all answer and, where they are two, what is written to one comes to the other."""
        if not (self.a.folder / "db").exists():
            self._fill()
        try:
            for provider in self.providers:
                provider.start()
            for provider in self.providers:
                self._write_a_mark(provider)
            self.settle()
        except BaseException:
            self.stop()
            raise

    def _fill(self) -> None:
        """The second provider gets a copy of the first one's database: the same entries of the same age."""
        database = self.a.folder / "db"
        database.mkdir()
        ldif = self.folder / "tree.ldif"
        ldif.write_text("".join(tree.entries(self.referral_port)), "utf-8")
        command = [str(SLAPADD), "-q", "-w", "-S", "1", "-f", str(self.a.folder / "slapd.conf"), "-l", str(ldif)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"slapadd did not take the tree:\n{done.stderr}")
        for provider in self.providers[1:]:
            shutil.copytree(database, provider.folder / "db")

    def _write_a_mark(self, provider: Provider) -> None:
        with provider.as_root() as connection:
            replace_attributes(connection, f"ou=hidden,{self.base}", {"description": [str(uuid4())]})

    def settle(self, seconds: float = 20) -> None:
        """Wait until every provider that answers has heard of every change to any of them."""
        deadline = time.monotonic() + seconds
        while len({self._age(provider) for provider in self.providers if provider.is_available}) > 1:
            if time.monotonic() > deadline:
                said = [line for each in self.providers for line in each.log.read_text("utf-8").splitlines()]
                why = "\n".join([line for line in said if "syncrepl" in line][-5:])
                raise RuntimeError(f"the providers do not replicate:\n{why}")
            # that they are alike is the condition that is waited for
            time.sleep(0.02)

    def _age(self, provider: Provider) -> frozenset[str]:
        with provider.as_root() as connection:
            connection.search(self.base, "(objectClass=*)", "BASE", attributes=["contextCSN"])
            return frozenset(connection.response[0]["attributes"]["contextCSN"])

    def stop(self) -> None:
        for provider in self.providers:
            # one that waits for a hung one would be long in stopping
            if provider.is_hung:
                provider.resume()
        for provider in self.providers:
            provider.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def subject_of(self, username: str) -> str:
        """Its entryUUID."""
        return tree.subject_of(self.people[username].dn)

    def unlock(self, username: str) -> None:
        """Forget its failures, its lock and the grace logins it had."""
        self.modify(self.people[username].dn, {name: [] for name in LOCKS})

    def set_password(self, username: str, password: str, *, must_change: bool = False) -> None:
        """As an administrator would; the server itself then has it changed at the next login, here it is asked."""
        dn = self.people[username].dn
        self.modify(dn, {"userPassword": [tree.hashed(password)]})
        self.modify(dn, {"pwdReset": ["TRUE"] if must_change else []})

    def restore(self, username: str) -> None:
        """Make its password and the state of its account what they were at first."""
        account = next(each for each in tree.ACCOUNTS if each.person.username == username)
        state = dict(account.state)
        if account.person.password:
            self.modify(account.person.dn, {"userPassword": [tree.hashed(account.person.password)]})
        at_first = {name: [tree.written(state[name])] if name in state else [] for name in STATES}
        self.modify(account.person.dn, at_first)

    def modify(self, dn: str, changes: Mapping[str, Sequence[str | bytes]]) -> None:
        """Replace values as root, those that the server keeps as well, and wait until every provider has them."""
        provider = next(provider for provider in self.providers if provider.is_available)
        with provider.as_root() as connection:
            replace_attributes(connection, dn, changes, relax=True)
        self.settle()


def require() -> None:
    """Skip the test by name, with the command that mends it, where there is no OpenLDAP; in CI it fails instead."""
    if not (SLAPD.exists() and SLAPADD.exists()):
        message = f"there is no OpenLDAP server here; install it with: {INSTALL}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running(**options: Any) -> Iterator[OpenLDAP]:
    """Servers of its own, gone afterwards; the options are those of OpenLDAP."""
    require()
    server = OpenLDAP(**options)
    try:
        server.start()
        yield server
    finally:
        server.remove()
