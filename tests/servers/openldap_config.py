"""Generates the slapd.conf of one provider of tests.servers.openldap."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.servers.openldap_tree import BASE, SERVICES

ROOT_DN, ROOT_PASSWORD = f"cn=manager,{BASE}", "root-secret"
CLIENT_NAME = "linkauth.client.example"
"""The CN of the client certificate that stands for linkauth's service account."""
PEER = rf"gidNumber={os.getegid()}\\+uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth"
"""The user of this process on a Unix socket, as a pattern in slapd.conf."""
STATE = (
    *("pwdAccountLockedTime", "pwdFailureTime", "pwdReset", "pwdChangedTime", "pwdPolicySubentry", "pwdGraceUseTime"),
    *("pwdHistory", "pwdLastSuccess"),
)
"""The operational attributes of ppolicy. Only the helpdesk and the replicator can read them."""
_SERVICE_DN = {name: f"cn={name},ou=services,{BASE}" for name in SERVICES}


@dataclass(frozen=True)
class Options:
    """Options of the servers, described in the class OpenLDAP."""

    require_tls: bool = False
    allow_unauthenticated_bind: bool = False
    disclose_lockout: bool = True
    netscape_controls: bool = False
    hash_new_passwords: bool = True
    ca_file: str = ""
    """The CA of the certificates that clients need, or "" if they need none."""
    second_base: str = ""
    """The base of a second tree, which everybody can read, or "" without one."""


def _replication(number: int, other_port: int) -> str:
    """Returns the directives for replication in both directions.

    The certificate of the other provider is not verified, because tests give it invalid ones. There is no `timeout`,
    because slapd would wait for it when it stops.
    """
    return f"""
syncrepl rid={number:03d} provider=ldap://127.0.0.1:{other_port} type=refreshAndPersist retry="1 +" searchbase="{BASE}"
  bindmethod=simple binddn="{_SERVICE_DN["replicator"]}" credentials={SERVICES["replicator"]}
  starttls=critical tls_reqcert=never network-timeout=2 keepalive=0:0:0
multiprovider on
"""


def _second_tree(folder: Path, base: str) -> str:
    """Returns the directives of a second tree. The root DN of the first one may write to it."""
    return f"""
database mdb
suffix "{base}"
rootdn "{ROOT_DN}"
directory {folder}/second
maxsize 16777216
dbnosync
overlay ppolicy
ppolicy_default "cn=default,{base}"
"""


def _faults() -> str:
    """Returns directives that make every operation on cn=NAME,ou=RetCodes fail with a result code."""
    codes = {
        "busy": "0x33",
        "unavailable": "0x34",
        "unwilling": "0x35",
        "timelimit": "0x03",
        "sizelimit": "0x04",
        "adminlimit": "0x0b",
        "other": "0x50",
        "opserror": "0x01",
    }
    items = [f'"cn={name}" {code} op=all text="test: {name}"' for name, code in codes.items()]
    items += ['"cn=disconnect" 0x34 op=all unsolicited=0 flags=disconnect', '"cn=slow" 0x00 op=all sleeptime=5']
    return "\n".join(f"retcode-item {item}" for item in items)


def config(folder: Path, number: int, other_port: int | None, options: Options) -> str:
    """Returns the slapd.conf. `folder` contains the database `db`, the certificate `server.pem` and `server.key`."""
    return f"""\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload memberof
moduleload syncprov
moduleload retcode
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
threads 4
serverID {number}
sizelimit size.soft=500 size.hard=500 size.pr=100
timelimit 10
{"allow bind_anon_cred bind_anon_dn" if options.allow_unauthenticated_bind else "disallow bind_anon"}
{"security simple_bind=128" if options.require_tls else ""}
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
{f"TLSCACertificateFile {options.ca_file}" if options.ca_file else ""}
TLSVerifyClient {"demand" if options.ca_file else "never"}
authz-regexp ^cn={CLIENT_NAME}$ {_SERVICE_DN["linkauth"]}
authz-regexp ^{PEER}$ {_SERVICE_DN["linkauth"]}

database mdb
suffix "{BASE}"
rootdn "{ROOT_DN}"
rootpw {ROOT_PASSWORD}
directory {folder}/db
maxsize 67108864
dbnosync
lastbind on
index objectClass,entryCSN,entryUUID eq
index uid,mail,member,memberUid,memberOf eq
index cn eq,sub
limits dn.exact="{_SERVICE_DN["replicator"]}" size=unlimited time=unlimited

# the first matching rule decides
access to attrs=userPassword
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by dn.exact="{_SERVICE_DN["helpdesk"]}" manage
  by dn.exact="{_SERVICE_DN["registrar"]}" write
  by self =xw
  by anonymous auth
  by * none
access to attrs={",".join(STATE)}
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by dn.exact="{_SERVICE_DN["helpdesk"]}" manage
  by dn.exact="{_SERVICE_DN["registrar"]}" manage
  by * none
access to dn.base="uid=veiled,ou=people,{BASE}" attrs=shadowLastChange,shadowExpire,carLicense
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by * none
access to dn.base="cn=veiled,ou=groups,{BASE}" attrs=member
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by * none
access to dn.base="{BASE}"
  by users read
  by * none
access to dn.regex="^(.+,)?ou=(people|partners),{BASE}$"
  by dn.exact="{_SERVICE_DN["linkauth"]}" read
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by dn.exact="{_SERVICE_DN["helpdesk"]}" read
  by dn.exact="{_SERVICE_DN["registrar"]}" write
  by self read
  by * none
access to dn.subtree="ou=policies,{BASE}"
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by dn.exact="{_SERVICE_DN["registrar"]}" read
  by * none
access to dn.regex="^(.+,)?ou=(groups|posix),{BASE}$"
  by dn.exact="{_SERVICE_DN["linkauth"]}" read
  by dn.exact="{_SERVICE_DN["registrar"]}" read
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by dn.exact="{_SERVICE_DN["helpdesk"]}" read
  by * none
access to *
  by dn.exact="{_SERVICE_DN["replicator"]}" read
  by self read
  by * none
{_replication(number, other_port) if other_port else ""}
overlay syncprov
syncprov-checkpoint 100 10
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
memberof-refint TRUE
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{BASE}"
{"ppolicy_hash_cleartext" if options.hash_new_passwords else ""}
{"ppolicy_use_lockout" if options.disclose_lockout else ""}
{"ppolicy_send_netscape_controls" if options.netscape_controls else ""}
overlay retcode
retcode-parent "ou=RetCodes,{BASE}"
{_faults()}
{_second_tree(folder, options.second_base) if options.second_base else ""}
"""
