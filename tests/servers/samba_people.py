"""Who is in the Active Directory of the tests: an account for every case, and groups.

The seed runs in the system's Python, which has Samba's modules; it reads this too.
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
"""A service account that may set people's passwords; svc-linkauth has no rights but everybody's."""
VEILED = "veiled"

NORMAL, DISABLED, NEVER_EXPIRES, SMART_CARD = 0x200, 0x2, 0x10000, 0x40000
"""Of userAccountControl."""

Value = str | bytes | timedelta
"""A timedelta is a time from now, reckoned when it is written."""


@dataclass(frozen=True)
class Account:
    """`late`: attributes that adding the entry would overwrite; `forced`: those that the password module would."""

    case: str
    person: Person
    name: str
    control: int = NORMAL
    attributes: dict[str, Value] = field(default_factory=dict)
    late: dict[str, Value] = field(default_factory=dict)
    forced: dict[str, Value] = field(default_factory=dict)


def dn(name: str, base: str = PEOPLE_BASE) -> str:
    """The DN under `base`, as Samba writes it."""
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
    late: dict[str, Value] | None = None,
    forced: dict[str, Value] | None = None,
) -> Account:
    name = name or username
    upn = f"{username}@{REALM}" if upn is None else upn
    mail = f"{username}@example.org" if mail is None else mail
    more: dict[str, Value] = {"displayName": name}
    if mail:
        more["mail"] = mail
    more |= attributes or {}
    person = Person(username, dn(name, base), password or f"Pw-{username}-1!", upn)
    return Account(case, person, name, NORMAL | flags, more, late or {}, forced or {})


def _normal(number: int) -> Account:
    names: dict[str, Value] = {"givenName": "Test", "sn": f"User{number:02d}"}
    return _account("normal", f"user{number:02d}", f"Test User{number:02d}", attributes=names)


def _service(username: str, password: str) -> Account:
    return _account("service", username, password=password, flags=NEVER_EXPIRES, base=SERVICE_BASE, mail="")


YESTERDAY: dict[str, Value] = {"accountExpires": timedelta(days=-1)}
MUST_CHANGE: dict[str, Value] = {"pwdLastSet": "0"}
# as the server itself writes it
LOCKED: dict[str, Value] = {"lockoutTime": timedelta(), "badPwdCount": "3", "badPasswordTime": timedelta()}
# the domain's maximum age is 42 days; one under a day would count as "never" in Samba
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
    _account("must change: 773", "mustchange", late=MUST_CHANGE),
    _account("must change: 773", "mustchange2", late=MUST_CHANGE),
    _account("must change: 773", "mustchange3", late=MUST_CHANGE),
    _account("password expired: 532", "pwdexpired", forced=OLD),
    _account("locks after one wrong password: 775", "strict"),
    _account("never locks", "lenient-ü", mail="lenient@example.org"),
    _account("password never expires", "neverexp", flags=NEVER_EXPIRES),
    _account("no logon hours: 530", "nohours", attributes={"logonHours": bytes(21)}),
    _account("another workstation only: 531", "workst", attributes={"userWorkstations": "SOMEPC"}),
    _account("smart card required", "smartcard", flags=SMART_CARD),
    _account("locked: 775", "lockedout", late=LOCKED),
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
    # two levels, three levels, and a circle
    "staff": [group_dn("developers"), group_dn("admins")],
    "company": [group_dn("staff"), *_members("user15", "jsmith", "bslash")],
    "ops, infra (EU)": _members("user11", "jsmith"),
    "日本チーム": _members("山田太郎", "محمد", "müller"),
    "loop-a": [group_dn("loop-b"), *_members("user16")],
    "loop-b": [group_dn("loop-a")],
    "mail-list": _members("user17"),
}
DISTRIBUTION = {"mail-list"}
"""Groups that are none of security's: tokenGroups leaves them out."""
