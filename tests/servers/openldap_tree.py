"""The entries of the OpenLDAP test directory as LDIF: an account for every case, groups and password policies."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.servers.person import Person

BASE = "dc=example,dc=org"
PEOPLE_BASE = f"ou=people,{BASE}"
GROUP_BASE = f"ou=groups,{BASE}"
SERVICES = {name: f"svc-{name}" for name in ("linkauth", "replicator", "helpdesk", "registrar")}
"""The passwords of the service accounts. The helpdesk may break the password policy, the registrar adds people."""
HIDDEN_PERSON = Person("ghost", f"uid=ghost,ou=hidden,{BASE}", "pw-ghost")
"""A person with a password whose entry the service account cannot read."""
LONG_AGO = "20200101000000Z"

Value = str | timedelta
"""An attribute value. A timedelta is relative to the time at which the LDIF is generated."""
Attributes = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Account:
    """A test account. `case` describes what is special about it; `state` has operational attributes of ppolicy."""

    case: str
    person: Person
    full_name: str
    family_name: str
    mails: tuple[str, ...]
    extra_attributes: Attributes
    state: Attributes


def escape(value: str) -> str:
    """Returns an attribute value escaped for a DN in the format of slapd (RFC 4514 section 2.4, as hex pairs)."""
    last = len(value) - 1
    return "".join(
        f"\\{ord(character):02X}"
        if character in ',+"\\<>;=' or (character in "# " and index == 0) or (character == " " and index == last)
        else character
        for index, character in enumerate(value)
    )


def group_dn(name: str) -> str:
    return f"cn={escape(name)},{GROUP_BASE}"


def subject_of(dn: str) -> str:
    """Returns the entryUUID of an entry, which is derived from its DN and therefore the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, dn))


def _policy(name: str) -> tuple[str, Value]:
    return ("pwdPolicySubentry", f"cn={name},ou=policies,{BASE}")


def _account(
    case: str,
    uid: str,
    full_name: str = "",
    family_name: str = "",
    *,
    password: str | None = None,
    mails: tuple[str, ...] | None = None,
    named_by: str = "uid",
    extra_attributes: Attributes = (),
    state: Attributes = (),
) -> Account:
    full_name = full_name or uid
    dn = f"{named_by}={escape(uid if named_by == 'uid' else full_name)},{PEOPLE_BASE}"
    person = Person(uid, dn, f"pw-{uid}" if password is None else password)
    mails = (f"{uid}@example.org",) if mails is None else mails
    return Account(case, person, full_name, family_name or full_name.split()[-1], mails, extra_attributes, state)


def _days(days: float) -> timedelta:
    return timedelta(days=days)


EXPIRED: Attributes = (_policy("expire"), ("pwdChangedTime", LONG_AGO))
MUST_CHANGE: Attributes = (_policy("default"), ("pwdReset", "TRUE"))
IDLE: Attributes = (_policy("idle"), ("pwdLastSuccess", _days(-400)), ("pwdChangedTime", _days(-400)))
# the access rules in openldap_config hide shadowLastChange, shadowExpire and carLicense of this account
VEILED: Attributes = (("shadowMax", "90"), ("shadowLastChange", "15000"), ("carLicense", "disabled"))

ACCOUNTS = [
    *(_account("normal", f"user{number:02d}", f"Test User{number:02d}") for number in range(1, 51)),
    _account("locked by the administrator", "locked", state=(("pwdAccountLockedTime", "000001010000Z"),)),
    _account("locks after three wrong passwords", "lockme"),
    _account("never locks", "lenient-ü", mails=("lenient@example.org",), state=(_policy("lenient"),)),
    _account("locks for five seconds", "shortlock", state=(_policy("shortlock"),)),
    _account("password expired", "expired", state=EXPIRED),
    _account("password expired", "expired2", state=EXPIRED),
    _account("expired, three grace logins", "grace", state=(_policy("grace"), ("pwdChangedTime", LONG_AGO))),
    _account("password expires soon", "expiring", state=(_policy("warn"), ("pwdChangedTime", _days(-89 - 1 / 24)))),
    _account("must change", "mustchange", state=MUST_CHANGE),
    _account("must change", "mustchange2", state=MUST_CHANGE),
    _account("must change", "mustchange3", state=MUST_CHANGE),
    _account("account ended", "ended", state=(("pwdEndTime", _days(-1)),)),
    _account("account not begun", "notyet", state=(("pwdStartTime", _days(1)),)),
    _account("idle too long", "idle", state=IDLE),
    _account("no password set", "nopassword", password=""),
    _account("disabled by an attribute only: it binds", "inactive", extra_attributes=(("employeeType", "disabled"),)),
    _account("shadow expired only: it binds", "shadowexp", extra_attributes=(("shadowExpire", "1"),)),
    _account("no mail", "nomail", mails=()),
    _account("empty mail", "emptymail", mails=("",)),
    _account("two mails", "twomails", mails=("first@example.org", "second@example.org")),
    _account("another's mail", "dup1", mails=("dup@example.org",)),
    _account("another's mail", "dup2", mails=("dup@example.org",)),
    _account("its uid is another's mail", "user01@example.org", mails=("impostor@example.org",)),
    _account("two uids", "alias-a", extra_attributes=(("uid", "alias-b"),)),
    _account("comma", "comma,user", "Smith, John", "Smith"),
    _account("parentheses", "par(en)", "Jane (Sales)", "Sales"),
    _account("asterisk", "star*user", "Star * User"),
    _account("backslash", "back\\slash", "Back\\Slash"),
    _account("plus and equals", "a+b=c", "A+B=C"),
    _account("quote, angles, semicolon", 'q"<x>;y', 'Q"<X>;y'),
    _account("hash first", "#hash", "#Hash"),
    _account("apostrophe", "o'brien", "Pat O'Brien", "O'Brien"),
    _account("blank inside", "two words", "Two Words"),
    _account("slash", "dom/user", "Dom/User"),
    _account("Latin letters", "müller", "Jörg Müller", mails=("mueller@example.org",), password="pässwörd-ü"),
    _account("Arabic", "محمد", "محمد علي", mails=("mohammed@example.org",), password="كلمةالسر"),
    _account("Japanese", "山田太郎", "山田 太郎", "山田", mails=("yamada@example.org",), password="パスワード"),
    _account("named by cn, with escapes", "rdnuser", 'Doe, John "JD" \\ + <x>; #1', "Doe", named_by="cn"),
    _account("blanks round the password", "spacepw", password=" pw with spaces "),
    _account("hides some attributes from linkauth", "veiled", extra_attributes=VEILED),
    _account("long password", "longpw", password="x" * 1024),
]
PEOPLE = {account.person.username: account.person for account in ACCOUNTS}


def _members(*names: str) -> list[str]:
    return [PEOPLE[name].dn for name in names]


DEVELOPERS = tuple(f"user{number:02d}" for number in range(3, 13))
GROUPS: dict[str, list[str]] = {
    "everyone": _members(*PEOPLE),
    "admins": _members("user01", "user02"),
    "developers": _members(*DEVELOPERS),
    "ops, infra (EU)": _members("user13", "comma,user", "par(en)", "rdnuser"),
    "日本チーム": _members("山田太郎", "محمد", "müller", "back\\slash"),
    # nested groups: two levels, three levels, and a cycle
    "staff": [group_dn("developers"), group_dn("admins")],
    "company": [group_dn("staff"), *_members("user20")],
    "loop-a": [group_dn("loop-b"), *_members("user30")],
    "loop-b": [group_dn("loop-a")],
    # linkauth's service account cannot read the members
    "veiled": _members("veiled"),
}
POSIX_GROUPS: dict[str, tuple[str, ...]] = {"unix-users": (), "unix-devs": (*DEVELOPERS, "comma,user", "par(en)")}

_POLICY = {
    "pwdAttribute": "userPassword",
    "pwdLockout": "TRUE",
    "pwdMaxFailure": "3",
    "pwdLockoutDuration": "0",
    "pwdFailureCountInterval": "0",
    "pwdMustChange": "TRUE",
    "pwdAllowUserChange": "TRUE",
    "pwdMinLength": "8",
    "pwdCheckQuality": "1",
    "pwdInHistory": "3",
}
POLICIES: dict[str, Mapping[str, str]] = {
    "default": {},
    # otherwise failed binds with the DN of the service account could lock it
    "service": {"pwdLockout": "FALSE"},
    # for an account whose tests enter many wrong passwords and change the right one repeatedly
    "lenient": {"pwdLockout": "FALSE", "pwdInHistory": "0"},
    "shortlock": {"pwdLockoutDuration": "5"},
    "expire": {"pwdMaxAge": str(24 * 3600)},
    "grace": {"pwdMaxAge": str(24 * 3600), "pwdGraceAuthNLimit": "3"},
    "warn": {"pwdMaxAge": str(90 * 24 * 3600), "pwdExpireWarning": str(14 * 24 * 3600)},
    "idle": {"pwdMaxIdle": str(90 * 24 * 3600)},
}


def hash_password(password: str) -> str:
    salt = os.urandom(8)
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def attribute_value(value: Value) -> str:
    return f"{datetime.now(UTC) + value:%Y%m%d%H%M%SZ}" if isinstance(value, timedelta) else value


def _entry(dn: str, classes: str, *attributes: tuple[str, Value]) -> str:
    """Returns an entry in LDIF. It includes memberOf, because slapadd does not run the memberof overlay.

    The values of an attribute are adjacent, because slapadd drops values that are separated from the others.
    """
    lines = [("dn", dn), *(("objectClass", name) for name in classes.split()), *attributes]
    lines += [("memberOf", group_dn(name)) for name, members in GROUPS.items() if dn in members]
    lines += [("entryUUID", subject_of(dn))]
    names = [name for name, _ in lines]
    lines.sort(key=lambda line: names.index(line[0]))
    encoded = ((name, base64.b64encode(attribute_value(value).encode()).decode()) for name, value in lines)
    # slapadd does not accept an empty value in base64
    return "".join(f"{name}:: {value}\n" if value else f"{name}: \n" for name, value in encoded) + "\n"


def _person(number: int, account: Account) -> str:
    person = account.person
    return _entry(
        person.dn,
        "inetOrgPerson posixAccount shadowAccount",
        *(("uid", person.username), ("cn", account.full_name), ("sn", account.family_name)),
        *(("givenName", account.full_name.split()[0]), ("displayName", account.full_name)),
        *(("description", account.case), ("homeDirectory", f"/home/u{number}")),
        *(("uidNumber", str(number)), ("gidNumber", "20000")),
        *(("mail", mail) for mail in account.mails),
        *([("userPassword", hash_password(person.password))] if person.password else []),
        *account.extra_attributes,
        *account.state,
    )


def entries(referral_port: int) -> Iterable[str]:
    """Yields the entries as LDIF. The referral has the loopback port `referral_port`."""
    yield _entry(BASE, "top dcObject organization", ("o", "Example"), ("dc", "example"))
    for unit in ("people", "groups", "posix", "services", "policies", "hidden"):
        yield _entry(f"ou={unit},{BASE}", "organizationalUnit", ("ou", unit))
    for name, password in SERVICES.items():
        classes = "applicationProcess simpleSecurityObject"
        dn = f"cn={name},ou=services,{BASE}"
        yield _entry(dn, classes, ("cn", name), ("userPassword", hash_password(password)), _policy("service"))
    hidden_person = (
        ("uid", "ghost"),
        ("cn", "Ghost"),
        ("sn", "Ghost"),
        ("userPassword", hash_password(HIDDEN_PERSON.password)),
    )
    yield _entry(HIDDEN_PERSON.dn, "inetOrgPerson", *hidden_person)
    for name, own_rules in POLICIES.items():
        yield _entry(
            f"cn={name},ou=policies,{BASE}", "device pwdPolicy", ("cn", name), *{**_POLICY, **own_rules}.items()
        )
    for number, account in enumerate(ACCOUNTS, 10001):
        yield _person(number, account)
    referral = f"ldap://127.0.0.1:{referral_port}/ou=people,dc=other,dc=org"
    classes = "referral extensibleObject"
    yield _entry(f"ou=elsewhere,{PEOPLE_BASE}", classes, ("ou", "elsewhere"), ("ref", referral))
    for name, members in GROUPS.items():
        yield _entry(group_dn(name), "groupOfNames", ("cn", name), *(("member", member) for member in members))
    for gid, (name, uids) in enumerate(POSIX_GROUPS.items(), 20000):
        dn = f"cn={name},ou=posix,{BASE}"
        members_by_uid = (("memberUid", uid) for uid in uids)
        yield _entry(dn, "posixGroup", ("cn", name), ("gidNumber", str(gid)), *members_by_uid)
