"""Starts a real Active Directory domain controller (Samba) on free loopback ports.

The LDAP ports of Samba are fixed. It therefore runs in its own network namespace, to which tests.servers.netns forwards
connections. This requires root.
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
# files of the different Debian packages of Samba: server, provisioning data, database modules, file system modules
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
    """The directory of `tests.servers.samba_people`. `gc` is the URI of its global catalogue; `log` is its log file."""

    base, people_base, group_base = tree.BASE, tree.PEOPLE_BASE, tree.GROUP_BASE
    bind_dn, bind_password = tree.PEOPLE["svc-linkauth"].upn, tree.PEOPLE["svc-linkauth"].password
    reset_dn, reset_password = tree.PEOPLE[tree.RESET_SERVICE].upn, tree.PEOPLE[tree.RESET_SERVICE].password
    admin_dn, admin_password = tree.ADMIN, tree.ADMIN_PASSWORD
    people: Mapping[str, Person] = tree.PEOPLE

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="linkauth-samba-"))
        self.log = self.folder / "log"
        forwards = {free_port(): target for target in (389, 636, 3268)}
        ldap, ldaps, gc = forwards
        self.ldap, self.ldaps, self.gc = (
            f"ldap://127.0.0.1:{ldap}",
            f"ldaps://127.0.0.1:{ldaps}",
            f"ldap://127.0.0.1:{gc}",
        )
        self._last_port = gc
        self._certificates = Certificates(self.folder / "certificates", "dc1.ad.example.org", "localhost", "127.0.0.1")
        self.ca_file = self._certificates.ca_file
        self.use_certificate("good")
        forward = [
            SYSTEM_PYTHON,
            "-m",
            "tests.servers.netns",
            *(f"{port}:{target}" for port, target in forwards.items()),
        ]
        self._network = Process("the port forwarding to Samba", lambda: forward, self.folder / "netns.log")
        self._samba = Process("Samba", self._command, self.log)

    @property
    def pid(self) -> int:
        return self._samba.pid

    @property
    def network_pid(self) -> int:
        return self._network.pid

    def use_certificate(self, kind: Kind) -> None:
        """Installs a certificate of this kind. It is used after the next start."""
        for suffix in ("pem", "key"):
            shutil.copy(self._certificates.folder / f"{kind}.{suffix}", self.folder / f"server.{suffix}")

    def _command(self) -> Sequence[str]:
        """Returns the command for Samba as a single process, which can be suspended."""
        enter_namespace = ["nsenter", f"--net=/proc/{self._network.pid}/ns/net"]
        options = ["--foreground", "--model=single", "--no-process-group", "--debug-stdout"]
        return [*enter_namespace, SAMBA, *options, f"--configfile={self._conf}"]

    @property
    def _conf(self) -> Path:
        return self.folder / "smb.conf"

    def start(self) -> None:
        if not self._conf.exists():
            self._provision()
        try:
            self._network.start(self._forwards_connections)
            self._samba.start(self._accepts_administrator)
        except BaseException:
            self.stop()
            raise

    def _provision(self) -> None:
        # remove the files of a failed start
        shutil.rmtree(self.folder / "domain", ignore_errors=True)
        # without this file samba-tool would use the configuration of the system
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
        self._run("provision", provision)
        conf = self.folder / "new.conf"
        conf.write_text(self._settings(), "utf-8")
        (self.folder / "run").mkdir(exist_ok=True)
        self._run("seed", [SYSTEM_PYTHON, "-m", "tests.servers.samba_seed", str(conf)])
        # the file has its final name only if provisioning has succeeded
        conf.rename(self._conf)

    def _run(self, step: str, command: Sequence[str]) -> None:
        log = self.folder / f"{step}.log"
        with log.open("wb") as output:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT)
        if result.returncode:
            raise RuntimeError(f"the step {step} of Samba failed:\n{tail(log)}")

    def _settings(self) -> str:
        """Returns a smb.conf with LDAP only. By default Samba refuses a simple bind without TLS."""
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

    def _forwards_connections(self) -> bool:
        """Returns whether the last port accepts connections: the ports are opened in order."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._last_port), 2):
            return True
        return False

    def _accepts_administrator(self) -> bool:
        with suppress(LDAPException), self.as_admin():
            return True
        return False

    @contextmanager
    def as_admin(self) -> Iterator[Any]:
        """Yields an ldap3 connection of the domain administrator."""
        with bound_connection(self.ldaps, self.admin_dn, self.admin_password) as connection:
            yield connection

    def hang(self) -> None:
        self._samba.hang()

    def resume(self) -> None:
        self._samba.resume()

    def stop(self) -> None:
        """Stops Samba and the port forwarding, so that further connections are refused."""
        self._samba.stop()
        self._network.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def subject_of(self, username: str) -> str:
        """Returns the objectGUID of a person in the text format of Microsoft."""
        with self.as_admin() as connection:
            connection.search(self.people[username].dn, "(objectClass=*)", "BASE", attributes=["objectGUID"])
            return str(UUID(bytes_le=connection.response[0]["raw_attributes"]["objectGUID"][0]))

    def unlock(self, username: str) -> None:
        self.modify(self.people[username].dn, {"lockoutTime": ["0"]})

    def set_password(self, username: str, password: str) -> None:
        self.modify(self.people[username].dn, {"unicodePwd": [f'"{password}"'.encode("utf-16-le")]})

    def must_change(self, username: str, password: str) -> None:
        """Sets a password that must be changed at the next sign-in."""
        self.set_password(username, password)
        self.modify(self.people[username].dn, {"pwdLastSet": ["0"]})

    def modify(self, dn: str, changes: Mapping[str, Sequence[str | bytes]]) -> None:
        """Replaces attribute values as the administrator."""
        with self.as_admin() as connection:
            replace_attributes(connection, dn, changes)


def _unmet_requirement() -> str:
    if not all(list(Path("/").glob(part.lstrip("/"))) for part in PARTS):
        return f"Samba is not installed. To install it, run: {INSTALL}"
    if os.geteuid() or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        return "Samba requires root and a network namespace. Run the tests with: sudo make test"
    return ""


def require() -> None:
    """Skips the test if Samba cannot run. In CI the test fails instead."""
    if message := _unmet_requirement():
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@contextmanager
def running() -> Iterator[SambaAD]:
    """Starts a new server, and removes it with its data at the end of the `with` block."""
    require()
    server = SambaAD()
    try:
        server.start()
        yield server
    finally:
        server.remove()
