"""The people and groups of the Active Directory test domain: an account for every case.

samba_seed.py imports this module in the Python of the system, so it imports only the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from tests.servers.person import Person

REALM = "ad.example.org"
BASE = "DC=ad,DC=example,DC=org"
PEOPLE_BASE, GROUP_BASE, SERVICE_BASE = f"OU=People,{BASE}", f"OU=Groups,{BASE}", f"OU=Services,{BASE}"
ADMIN, ADMIN_PASSWORD = f"administrator@{REALM}", "Adm1n-Secret!"
RESET_SERVICE = "svc-reset"
"""A service account that can reset the passwords of people. svc-linkauth has only the default rights."""
VEILED = "veiled"

NORMAL, DISABLED, NEVER_EXPIRES, SMART_CARD = 0x200, 0x2, 0x10000, 0x40000
"""Flags of userAccountControl."""

Value = str | bytes | timedelta
"""An attribute value. A timedelta is relative to the time at which the value is written."""


@dataclass(frozen=True)
class Account:
    """A test account. `case` describes what is special about it.

    `set_afterwards` are attributes that are set after the entry was added, because adding would overwrite them.
    `set_bypassing` are attributes that are set without Samba's password module, which would overwrite them.
    """

    case: str
    person: Person
    name: str
    control: int = NORMAL
    attributes: dict[str, Value] = field(default_factory=dict)
    set_afterwards: dict[str, Value] = field(default_factory=dict)
    set_bypassing: dict[str, Value] = field(default_factory=dict)


def dn(name: str, base: str = PEOPLE_BASE) -> str:
    """Returns the DN of an entry under `base` in the format of Samba."""
    escaped = "".join(
        f"\\{character}" if character in ',\\"<>+#' else f"\\{ord(character):02X}" if character in ";=" else character
        for character in name
    )
    return f"CN={escaped},{base}"


def _account(
    case: str,
    username: str,
    name: str = "",
    *,
    upn: str | None = None,
    password: str = "",
    mail: str | None = None,
    flags: int = 0,
    base: str = PEOPLE_BASE,
    attributes: dict[str, Value] | None = None,
    set_afterwards: dict[str, Value] | None = None,
    set_bypassing: dict[str, Value] | None = None,
) -> Account:
    name = name or username
    upn = f"{username}@{REALM}" if upn is None else upn
    mail = f"{username}@example.org" if mail is None else mail
    all_attributes: dict[str, Value] = {"displayName": name}
    if mail:
        all_attributes["mail"] = mail
    all_attributes |= attributes or {}
    person = Person(username, dn(name, base), password or f"Pw-{username}-1!", upn)
    return Account(case, person, name, NORMAL | flags, all_attributes, set_afterwards or {}, set_bypassing or {})


def _normal(number: int) -> Account:
    names: dict[str, Value] = {"givenName": "Test", "sn": f"User{number:02d}"}
    return _account("normal", f"user{number:02d}", f"Test User{number:02d}", attributes=names)


def _service(username: str, password: str) -> Account:
    return _account("service", username, password=password, flags=NEVER_EXPIRES, base=SERVICE_BASE, mail="")


YESTERDAY: dict[str, Value] = {"accountExpires": timedelta(days=-1)}
MUST_CHANGE: dict[str, Value] = {"pwdLastSet": "0"}
# the values that Samba writes for a locked account
LOCKED: dict[str, Value] = {"lockoutTime": timedelta(), "badPwdCount": "3", "badPasswordTime": timedelta()}
# the maximum password age of the domain is 42 days; Samba treats a maximum age under one day as "never"
OLD: dict[str, Value] = {"pwdLastSet": timedelta(days=-100)}

ACCOUNTS = [
    *(_normal(number) for number in range(1, 21)),
    _service("svc-linkauth", "Svc-linkauth-1!"),
    _service(RESET_SERVICE, "Svc-reset-1!"),
    _account(
        "UPN of another domain", "jdoe", "John Doe", upn="john.doe@corp.example.com", mail="john.doe@corp.example.com"
    ),
    _account("no UPN", "noupn", "No Upn", upn=""),
    _account("disabled: 533", "disabled", flags=DISABLED),
    _account("account expired: 701", "accexpired", attributes=YESTERDAY),
    _account("must change: 773", "mustchange", set_afterwards=MUST_CHANGE),
    _account("must change: 773", "mustchange2", set_afterwards=MUST_CHANGE),
    _account("must change: 773", "mustchange3", set_afterwards=MUST_CHANGE),
    _account("password expired: 532", "pwdexpired", set_bypassing=OLD),
    _account("locks after one wrong password: 775", "strict"),
    _account("never locks", "lenient-ü", mail="lenient@example.org"),
    _account("password never expires", "neverexp", flags=NEVER_EXPIRES),
    _account("no logon hours: 530", "nohours", attributes={"logonHours": bytes(21)}),
    _account("another workstation only: 531", "workst", attributes={"userWorkstations": "SOMEPC"}),
    _account("smart card required", "smartcard", flags=SMART_CARD),
    _account("locked: 775", "lockedout", set_afterwards=LOCKED),
    _account("locks after three wrong passwords: 775", "lockme"),
    _account("disabled and expired: 533", "disexp", flags=DISABLED, attributes=YESTERDAY),
    _account("an administrator by name", "bossadmin"),
    _account("comma, parentheses and asterisk in its name", "jsmith", "Smith, John (Sales) *"),
    _account("backslash and quotes in its name", "bslash", 'Back\\slash "Q" <x>; #1 + ='),
    _account("apostrophe", "o'brien", "Pat O'Brien"),
    _account("blank in its name", "two words", "Two Words", upn=f"two.words@{REALM}"),
    _account("Latin letters", "müller", "Jörg Müller", mail="mueller@example.org"),
    _account("Arabic", "محمد", "محمد علي", mail="mohammed@example.org"),
    _account("password that SASLprep refuses", "bidipw", password="Aa1-كلمةالسر"),
    _account("password that SASLprep changes", "nfkcpw", password="Aa1-ﬁｘ²\u00ad"),
    _account("Japanese", "山田太郎", "山田 太郎", mail="yamada@example.org", password="Aa1-パスワード"),
    _account("another's mail", "dup1", mail="dup@example.org"),
    _account("another's mail", "dup2", mail="dup@example.org"),
    _account("no mail", "nomail", mail=""),
    _account("hides userAccountControl from linkauth", VEILED),
    _account("its display name is another's username", "twin", "Twin", attributes={"displayName": "user01"}),
]
PEOPLE = {account.person.username: account.person for account in ACCOUNTS}


def _members(*names: str) -> list[str]:
    return [PEOPLE[name].dn for name in names]


def group_dn(name: str) -> str:
    return dn(name, GROUP_BASE)


GROUPS: dict[str, list[str]] = {
    "developers": _members(*(f"user{number:02d}" for number in range(3, 11))),
    "admins": _members("user01", "user02"),
    # nested groups: two levels, three levels, and a cycle
    "staff": [group_dn("developers"), group_dn("admins")],
    "company": [group_dn("staff"), *_members("user15", "jsmith", "bslash")],
    "ops, infra (EU)": _members("user11", "jsmith"),
    "日本チーム": _members("山田太郎", "محمد", "müller"),
    "loop-a": [group_dn("loop-b"), *_members("user16")],
    "loop-b": [group_dn("loop-a")],
    "mail-list": _members("user17"),
}
DISTRIBUTION = {"mail-list"}
"""Distribution groups, which tokenGroups does not contain."""
