"""The template of a new account: the settings `new_entry_dn` and `new_entry`, filled with the fields of a registration.

Each line of `new_entry` is `attribute=value`. A placeholder is the name of a field in braces, or several names of which
the first one with a value counts: `{name|username}`. A line without any value is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from linkauth_ldap.filters import canonical_dn, domain_of, is_below, rdn_value, unescape

if TYPE_CHECKING:
    from linkauth_ldap.settings import LDAPSettings

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\|[a-z][a-z0-9_]*)*)\}")
OWN_FIELDS = frozenset({"username", "domain"})
"""Placeholders that are not fields of a profile. `domain` is the DNS name of the domain of `user_base`."""
PASSWORD_ATTRIBUTES = ("userpassword", "unicodepwd")
SAM_FORBIDDEN = frozenset('"/\\[]:;|=,+*?<>')
SAM_LIMIT, CN_LIMIT = 20, 64
"""The maximum length of sAMAccountName of a person and of cn in Active Directory (MS-ADA3 2.222, MS-ADA1 2.110)."""
_RDN_END = re.compile(r"(?<!\\),")
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*=(.*)", re.DOTALL)


class NewEntry:
    """The template of the settings."""

    def __init__(self, settings: LDAPSettings) -> None:
        self._is_ad = settings.is_ad
        self._dn = dn_template(settings)
        self._lines = _lines(settings.new_entry)
        self._domain = ".".join(rdn.partition("=")[2] for rdn in domain_of(base_of(settings)).split(","))
        self._named_by = {name.casefold() for name, value in self._lines if "{username}" in value}

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a profile that have a placeholder."""
        # `name` is composed from these two if it is missing
        found = frozenset(_fields(self._dn)).union(*(_fields(value) for _, value in self._lines))
        return (found | ({"given_name", "family_name"} if "name" in found else set())) - OWN_FIELDS

    @property
    def is_named_by_username(self) -> bool:
        """Whether the DN depends on nothing but the username."""
        return _fields(self._dn) <= OWN_FIELDS

    def allows(self, username: str) -> bool:
        """Returns whether the directory can store the username, as far as that is known."""
        if not self._is_ad:
            return True
        rdn_fits = len(username) <= CN_LIMIT or "{username}" not in self._dn
        is_sam_name = len(username) <= SAM_LIMIT and not set(username) & SAM_FORBIDDEN and not username.endswith(".")
        return rdn_fits and (is_sam_name or "samaccountname" not in self._named_by)

    def values(self, username: str, profile: Mapping[str, str]) -> dict[str, str]:
        """Returns the values of the placeholders. Without `name`, it is the given and the family name."""
        values = {field: text.strip() for field, text in profile.items()}
        whole_name = f"{values.get('given_name', '')} {values.get('family_name', '')}".strip()
        return {**values, "name": values.get("name") or whole_name, "username": username, "domain": self._domain}

    def dn(self, values: Mapping[str, str]) -> str:
        """Returns the DN of the entry, or "" if a placeholder in it has no value."""
        is_complete = all(any(map(values.get, names.split("|"))) for names in PLACEHOLDER.findall(self._dn))
        escaped = {field: rdn_value(text) for field, text in values.items() if text}
        return _fill(self._dn, escaped) if is_complete else ""

    def attributes(self, values: Mapping[str, str]) -> dict[str, list[bytes]]:
        """Returns the attributes of the entry without a password. The value in the RDN is added if it is missing."""
        attributes: dict[str, list[bytes]] = {}
        spellings: dict[str, str] = {}
        naming, _, value = _RDN_END.split(self._dn, maxsplit=1)[0].partition("=")
        for name, template in (*self._lines, (naming.strip(), unescape(value))):
            text = _fill(template, values).strip()
            known = attributes.setdefault(spellings.setdefault(name.casefold(), name), [])
            # bytes that are no text, such as a lone surrogate, cannot be stored
            if (encoded := text.encode("utf-8", "replace")) and encoded not in known:
                known.append(encoded)
        return {name: found for name, found in attributes.items() if found}


def dn_template(settings: LDAPSettings) -> str:
    """Returns `new_entry_dn`. By default the entry is directly below `user_base`, or where a sign-in expects it."""
    if settings.new_entry_dn:
        return settings.new_entry_dn
    if settings.finds_by_rdn:
        return settings.user_dn_template.replace("{rdn}", "{username}")
    return f"{'CN' if settings.is_ad else settings.username_attribute}={{username}},{settings.first_base}"


def base_of(settings: LDAPSettings) -> str:
    """Returns the line of `user_base` that is above new accounts, or else the first one."""
    sample = PLACEHOLDER.sub("a", dn_template(settings))
    return next((base for base in settings.user_bases if is_below(sample, base)), settings.first_base)


def parent_dn(settings: LDAPSettings) -> str:
    """Returns the DN of the entry above new accounts, or "" if it depends on a field."""
    parent = _RDN_END.split(dn_template(settings), maxsplit=1)[-1]
    return "" if PLACEHOLDER.search(parent) else parent


def faults(settings: LDAPSettings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for the settings of recovery and registration."""
    for key, is_on in (("password_recovery", settings.password_recovery), ("registration", settings.registration)):
        if is_on and not settings.has_service_account:
            yield key, "needs a bind_dn that may write"
        if is_on and not settings.user_base:
            yield key, "needs user_base, below which the people are"
        if is_on and not settings.encrypted:
            yield key, "needs ldaps:// or starttls: a new password is not sent in clear text"
        if is_on and not settings.email_attribute:
            yield key, "needs email_attribute: a code is mailed to it"
    if settings.registration and settings.user_base:
        yield from _dn_faults(settings)
        yield from _entry_faults(settings)


def _dn_faults(settings: LDAPSettings) -> Iterator[tuple[str, str]]:
    template = dn_template(settings)
    sample = PLACEHOLDER.sub("a", template)
    if canonical_dn(sample) is None or "{" in sample or "}" in sample:
        yield "new_entry_dn", "is not a distinguished name with {field} placeholders"
        return
    if re.search(r"(?<!\\)\+", _RDN_END.split(template, maxsplit=1)[0]):
        yield "new_entry_dn", "begins with two attributes joined by +, which is not supported"
    if len(settings.user_bases) > 1 and not settings.new_entry_dn:
        yield "new_entry_dn", "is missing: with several lines in user_base it says where new accounts are"
    elif not any(is_below(sample, base) for base in settings.user_bases):
        yield "new_entry_dn", "is not below user_base, so the new account would not be found"
    # concurrent registrations of one name must not both succeed
    unique = ("samaccountname", "userprincipalname") if settings.is_ad else ()
    is_unique = any(name.casefold() in unique and "{username}" in value for name, value in _lines(settings.new_entry))
    if "{username}" not in template and not is_unique:
        yield "new_entry_dn", "needs {username}, because only the DN of an entry is unique"


def _entry_faults(settings: LDAPSettings) -> Iterator[tuple[str, str]]:
    text = settings.new_entry
    lines = _lines(text)
    names = {name.casefold() for name, _ in lines}
    if not text.strip():
        yield "new_entry", "is missing: set the attributes of a new account, one attribute=value per line"
        return
    if len(lines) != len([line for line in text.splitlines() if line.strip()]):
        yield "new_entry", "contains a line that is not attribute=value"
    elif "objectclass" not in names:
        yield "new_entry", "needs a line objectClass=..."
    if names & set(PASSWORD_ATTRIBUTES) or "password" in set().union(*(_fields(value) for _, value in lines)):
        yield "new_entry", "must not contain the password, which is added by itself"
    if any(set("{}") & set(PLACEHOLDER.sub("", value)) for _, value in lines):
        yield "new_entry", "contains braces that are not a {field} or {field|field}"
    if settings.is_ad and settings.new_entry_password == "modify":
        yield "new_entry_password", "must be add: Active Directory refuses an enabled account without a password"


def _lines(text: str) -> list[tuple[str, str]]:
    """Returns the pairs of attribute and value. Lines in another form are ignored, and reported by `faults`."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return [(match[1], match[2].strip()) for match in found if match]


def _fields(template: str) -> set[str]:
    return {field for names in PLACEHOLDER.findall(template) for field in names.split("|")}


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Returns the template with its placeholders replaced. Without any value of a placeholder it is ""."""
    used: list[str] = []

    def value_of(match: re.Match[str]) -> str:
        used.append(next((values[field] for field in match[1].split("|") if values.get(field)), ""))
        return used[-1]

    filled = PLACEHOLDER.sub(value_of, template)
    return filled if any(used) or not used else ""
