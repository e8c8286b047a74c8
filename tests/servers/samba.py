"""A real Active Directory domain controller, which is Samba's, on free ports of loopback in a temporary folder.

Its LDAP ports are fixed, so it runs in a network of its own that tests.servers.netns leads into. That takes root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from ldap3.core.exceptions import LDAPException

from tests.servers import samba_people as tree
from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import ROOT, free_port
from tests.servers.ldap_connections import bound_connection, replace_attributes
from tests.servers.person import Person as Person
from tests.servers.process import Process, tail

SAMBA, SAMBA_TOOL = "/usr/sbin/samba", "/usr/bin/samba-tool"
# its packages are several: the server, what a domain is made from, the modules of its database and of its files
PARTS = (
    SAMBA,
    SAMBA_TOOL,
    "/usr/share/samba/setup",
    "/usr/lib/*/samba/ldb/samba_dsdb.so",
    "/usr/lib/*/samba/vfs/acl_xattr.so",
)
SYSTEM_PYTHON = "/usr/bin/python3"
INSTALL = "sudo make parts"


class SambaAD:
    """The directory of `tests.servers.samba_people`. `gc` is its global catalogue; `log` is what it says."""

    base, people_base, group_base = tree.BASE, tree.PEOPLE_BASE, tree.GROUP_BASE
    bind_dn, bind_password = tree.PEOPLE["svc-linkauth"].upn, tree.PEOPLE["svc-linkauth"].password
    reset_dn, reset_password = tree.PEOPLE[tree.RESET_SERVICE].upn, tree.PEOPLE[tree.RESET_SERVICE].password
    admin_dn, admin_password = tree.ADMIN, tree.ADMIN_PASSWORD
    people: Mapping[str, Person] = tree.PEOPLE

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-samba-"))
        self.log = self.folder / "log"
        ways = {free_port(): target for target in (389, 636, 3268)}
        ldap, ldaps, gc = ways
        self.ldap, self.ldaps, self.gc = (
            f"ldap://127.0.0.1:{ldap}",
            f"ldaps://127.0.0.1:{ldaps}",
            f"ldap://127.0.0.1:{gc}",
        )
        self._last_port = gc
        self._certificates = Certificates(self.folder / "certificates", "dc1.ad.example.org", "localhost", "127.0.0.1")
        self.ca_file = self._certificates.ca_file
        self.use_certificate("good")
        forward = [SYSTEM_PYTHON, "-m", "tests.servers.netns", *(f"{port}:{target}" for port, target in ways.items())]
        self._network = Process("the way to Samba", lambda: forward, self.folder / "netns.log")
        self._samba = Process("Samba", self._command, self.log)

    @property
    def pid(self) -> int:
        return self._samba.pid

    @property
    def network_pid(self) -> int:
        return self._network.pid

    def use_certificate(self, kind: Kind) -> None:
        """From its next start on."""
        for end in ("pem", "key"):
            shutil.copy(self._certificates.folder / f"{kind}.{end}", self.folder / f"server.{end}")

    def _command(self) -> Sequence[str]:
        """In one process, so that it can be hung."""
        inside = ["nsenter", f"--net=/proc/{self._network.pid}/ns/net"]
        alone = ["--foreground", "--model=single", "--no-process-group", "--debug-stdout"]
        return [*inside, SAMBA, *alone, f"--configfile={self._conf}"]

    @property
    def _conf(self) -> Path:
        return self.folder / "smb.conf"

    def start(self) -> None:
        if not self._conf.exists():
            self._provision()
        try:
            self._network.start(self._lets_in)
            self._samba.start(self._lets_the_administrator_in)
        except BaseException:
            self.stop()
            raise

    def _provision(self) -> None:
        # what a start that failed has left
        shutil.rmtree(self.folder / "domain", ignore_errors=True)
        # without a configuration of its own it would take the system's
        empty = self.folder / "empty.conf"
        empty.write_text("[global]\n", "utf-8")
        options = {
            "configfile": empty,
            "targetdir": self.folder / "domain",
            "realm": tree.REALM.upper(),
            "domain": "EXAMPLE",
            "server-role": "dc",
            "dns-backend": "NONE",
            "adminpass": self.admin_password,
            "host-name": "dc1",
            "host-ip": "127.0.0.1",
        }
        provision = [SAMBA_TOOL, "domain", "provision", *(f"--{name}={value}" for name, value in options.items())]
        self._make("provision", provision)
        conf = self.folder / "new.conf"
        conf.write_text(self._settings(), "utf-8")
        (self.folder / "run").mkdir(exist_ok=True)
        self._make("seed", [SYSTEM_PYTHON, "-m", "tests.servers.samba_seed", str(conf)])
        # only a whole one has this name
        conf.rename(self._conf)

    def _make(self, what: str, command: Sequence[str]) -> None:
        log = self.folder / f"{what}.log"
        with log.open("wb") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT)
        if done.returncode:
            raise RuntimeError(f"Samba's {what} failed:\n{tail(log)}")

    def _settings(self) -> str:
        """LDAP only: no files, no DNS, no Kerberos. A password in clear text is refused by default."""
        domain, run = self.folder / "domain", self.folder / "run"
        return f"""\
[global]
netbios name = DC1
realm = {tree.REALM.upper()}
workgroup = EXAMPLE
server role = active directory domain controller
server services = ldap
interfaces = lo
bind interfaces only = yes
private dir = {domain}/private
state directory = {domain}/state
lock directory = {domain}
cache directory = {domain}/cache
binddns dir = {domain}/bind-dns
pid directory = {run}
ncalrpc dir = {run}/ncalrpc
winbindd socket directory = {run}/winbindd
ntp signd socket directory = {run}/ntp_signd
log file = {self.folder}/log.%m
logging = file
tls enabled = yes
tls certfile = {self.folder}/server.pem
tls keyfile = {self.folder}/server.key
tls cafile = {self.ca_file}
"""

    def _lets_in(self) -> bool:
        """Of the ports the last one is opened last; who connects is turned away again while Samba is not there."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._last_port), 2):
            return True
        return False

    def _lets_the_administrator_in(self) -> bool:
        with suppress(LDAPException), self.as_admin():
            return True
        return False

    @contextmanager
    def as_admin(self) -> Iterator[Any]:
        """An ldap3 connection of the domain's administrator."""
        with bound_connection(self.ldaps, self.admin_dn, self.admin_password) as connection:
            yield connection

    def hang(self) -> None:
        self._samba.hang()

    def resume(self) -> None:
        self._samba.resume()

    def stop(self) -> None:
        """Both: with nobody behind it, the way in could not say that a connection is refused."""
        self._samba.stop()
        self._network.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def subject_of(self, username: str) -> str:
        """Its objectGUID, as Microsoft writes it."""
        with self.as_admin() as connection:
            connection.search(self.people[username].dn, "(objectClass=*)", "BASE", attributes=["objectGUID"])
            return str(UUID(bytes_le=connection.response[0]["raw_attributes"]["objectGUID"][0]))

    def unlock(self, username: str) -> None:
        self.modify(self.people[username].dn, {"lockoutTime": ["0"]})

    def set_password(self, username: str, password: str) -> None:
        self.modify(self.people[username].dn, {"unicodePwd": [f'"{password}"'.encode("utf-16-le")]})

    def must_change(self, username: str, password: str) -> None:
        """Set its password, to be changed at the next login."""
        self.set_password(username, password)
        self.modify(self.people[username].dn, {"pwdLastSet": ["0"]})

    def modify(self, dn: str, changes: Mapping[str, Sequence[str | bytes]]) -> None:
        """Replace values as the administrator."""
        with self.as_admin() as connection:
            replace_attributes(connection, dn, changes)


def _missing() -> str:
    if not all(list(Path("/").glob(part.lstrip("/"))) for part in PARTS):
        return f"there is no Samba here; install it with: {INSTALL}"
    if os.geteuid() or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        return "Samba needs root and a network namespace; run the tests with: sudo make test"
    return ""


def require() -> None:
    """Skip the test by name, with the command that mends it, where Samba cannot run; in CI it fails instead."""
    if message := _missing():
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running() -> Iterator[SambaAD]:
    """A server of its own, gone afterwards."""
    require()
    server = SambaAD()
    try:
        server.start()
        yield server
    finally:
        server.remove()
