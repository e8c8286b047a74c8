"""The settings of the ldap backend: the keys below `linkauth.backend.<name>.` with `use = ldap`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from linkauth.net import TimeoutSettings
from linkauth_ldap import new_entries, uris
from linkauth_ldap.filters import NAMES, canonical_dn, domain_of, filter_problem, is_below, with_mail_filter
from linkauth_ldap.presets import PRESETS
from linkauth_ldap.values import ExpiryFormat

STATE_CHECKS = ("ad", "ppolicy", "shadow", "389ds", "freeipa")
TEMPLATE = re.compile(r"\{(rdn|upn)\}")


@dataclass(frozen=True)
class LDAPSettings(TimeoutSettings):
    """The servers of the directory, how people are found in it, and which attributes are read. Times are in seconds.

    `user_base`, `required_groups` and `denied_groups` contain one DN per line, `new_entry` one attribute per line.
    """

    uris: tuple[str, ...]
    user_base: str = ""
    preset: Literal["none", "openldap", "389ds", "freeipa", "activedirectory"] = "none"
    starttls: bool = False
    allow_cleartext: Literal["false", "true", "anywhere"] = "false"
    tls_ca_file: str = ""
    tls_server_names: tuple[str, ...] = ()
    tls_client_certificate: str = ""
    tls_client_key: str = ""
    failures_until_down: int = field(default=1, kw_only=True)
    bind_dn: str = ""
    bind_password: str = field(default="", repr=False)
    login_mode: Literal["search", "template"] = "search"
    user_dn_template: str = ""
    user_scope: Literal["subtree", "onelevel"] = "subtree"
    user_filter: str = "(&(objectClass=inetOrgPerson)(uid={username}))"
    mail_as_username: bool = False
    username_max_length: int = 254
    username_pattern: str = r"^[^\x00-\x1f\x7f\s](?:[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$"
    username_domains: tuple[str, ...] = ()
    password_max_bytes: int = 1024
    subject_attribute: str = "entryUUID"
    subject_format: Literal["text", "guid_le"] = "text"
    username_attribute: str = "uid"
    email_attribute: str = "mail"
    email_verified: bool = False
    name_attribute: str = ""
    given_name_attribute: str = "givenName"
    family_name_attribute: str = "sn"
    required_attributes: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    group_mode: Literal["none", "memberof", "search", "in_chain", "tokengroups"] = "search"
    group_base: str = ""
    group_filter: str = "(&(objectClass=groupOfNames)(member={dn}))"
    group_name_attribute: str = "cn"
    group_nesting: int = 5
    group_limit: int = 1000
    required_groups: str = ""
    denied_groups: str = ""
    ppolicy: bool = True
    must_change: Literal["refuse", "allow"] = "refuse"
    grace_login: Literal["allow", "refuse"] = "allow"
    expiry_warning_days: int = 14
    state_check: tuple[str, ...] = field(default=(), metadata={"empty": "none"})
    active_attribute: str = ""
    active_values: tuple[str, ...] = ()
    disabled_attribute: str = ""
    disabled_values: tuple[str, ...] = ()
    account_expiry_attribute: str = ""
    account_expiry_format: ExpiryFormat = "generalized_time"
    password_expiry_attribute: str = ""
    password_expiry_format: ExpiryFormat = "generalized_time"
    reveal_state: Literal["never", "proven", "always"] = "proven"
    password_change: Literal["off", "self", "service"] = "off"
    password_change_url: str = ""
    password_recovery: bool = False
    registration: bool = False
    new_entry_dn: str = ""
    new_entry: str = ""
    new_entry_password: Literal["add", "modify"] = "add"

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of the preset."""
        return PRESETS[given.get("preset", cls.preset)]

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each rule between the settings that is violated."""
        yield from uris.faults(self)
        yield from self._user_faults()
        yield from self._group_faults()
        yield from self._state_faults()
        yield from self._number_faults()
        yield from self.timeout_faults()
        if self.password_change == "service" and not self.has_service_account:
            yield "password_change", "cannot be service without a bind_dn that changes the passwords"
        if self.password_change != "off" and "{upn}" in self.user_dn_template:
            yield "password_change", "needs the DN of a person: login_mode = search, or a template with {rdn}"
        if self.password_change != "off" and not self.encrypted:
            yield "password_change", "needs ldaps:// or starttls: a new password is not sent in clear text"
        yield from new_entries.faults(self)

    def _number_faults(self) -> Iterator[tuple[str, str]]:
        for key, number in (
            ("group_nesting", self.group_nesting),
            ("expiry_warning_days", self.expiry_warning_days),
        ):
            if number < 0:
                yield key, "is below 0"
        for key, number in (
            ("username_max_length", self.username_max_length),
            ("password_max_bytes", self.password_max_bytes),
            ("group_limit", self.group_limit),
        ):
            if number < 1:
                yield key, "is not a positive number"

    def _user_faults(self) -> Iterator[tuple[str, str]]:
        try:
            re.compile(self.username_pattern)
        except re.error:
            yield "username_pattern", "is not a regular expression"
        if self.login_mode == "template":
            found = TEMPLATE.findall(self.user_dn_template)
            if len(found) != 1 or "{" in TEMPLATE.sub("", self.user_dn_template):
                yield "user_dn_template", "needs exactly one of {rdn} and {upn}, and nothing else in braces"
            if "{upn}" in self.user_dn_template and not self.user_base:
                yield "user_base", "is missing: with {upn} the entry is searched below it"
            if not self.bind_dn and self.reads_groups and self.group_mode != "memberof":
                yield "group_mode", "needs a bind_dn that searches groups; without one it can be memberof or none"
            preset_filter = PRESETS[self.preset].get("user_filter", LDAPSettings.user_filter)
            if "{rdn}" in self.user_dn_template and self.user_filter != preset_filter:
                yield "user_filter", "is not used with {rdn} in user_dn_template, so it would exclude nobody"
        elif self.user_dn_template:
            yield "user_dn_template", "is for login_mode = template"
        elif not self.user_base:
            yield "user_base", "is missing: set the DN below which the people are"
        yield from self._base_faults()
        if problem := filter_problem(self.user_filter, *NAMES):
            yield "user_filter", problem
        if self.mail_as_username and not self.email_attribute:
            yield "mail_as_username", "needs email_attribute"
        if self.mail_as_username and self.finds_by_rdn:
            yield "mail_as_username", "needs a search: a DN from the user name contains no email address"
        for pair in self.claims:
            if not re.fullmatch(r"[A-Za-z0-9_.-]+(:[A-Za-z0-9;-]+)?", pair):
                yield "claims", "contains something other than attribute or claim:attribute"

    def _base_faults(self) -> Iterator[tuple[str, str]]:
        bases = self.user_bases
        if any(canonical_dn(base) is None for base in bases):
            yield "user_base", "contains a line that is not a distinguished name"
        elif len({canonical_dn(base) for base in bases}) < len(bases):
            yield "user_base", "contains a line twice"
        elif self.is_ad and len({canonical_dn(domain_of(base)) for base in bases}) > 1:
            yield "user_base", "contains lines of several domains: use a backend for each domain"
        if len(bases) > 1 and self.login_mode == "template":
            yield "user_base", "must be one line: login_mode = template does not search in several places"

    def _group_faults(self) -> Iterator[tuple[str, str]]:
        if self.group_mode in ("search", "in_chain"):
            problem = filter_problem(self.group_filter, "dn", "username")
            if problem:
                yield "group_filter", problem
        if self.group_mode in ("in_chain", "tokengroups") and self.reads_groups and not self.is_ad:
            # other directories accept the search and find nothing, so that denied_groups would have no effect
            yield "group_mode", f"cannot be {self.group_mode}, which only Active Directory (state_check = ad) supports"
        if self.group_mode == "tokengroups" and not self.group_base and not self.user_base:
            yield "group_base", "is missing: without user_base, tokengroups needs it as the search base"
        if self.group_base and canonical_dn(self.group_base) is None:
            yield "group_base", "is not a distinguished name"
        for key, text in (("required_groups", self.required_groups), ("denied_groups", self.denied_groups)):
            lines = split_lines(text)
            if any(canonical_dn(line) is None for line in lines):
                yield key, "contains a line that is not a distinguished name"
            elif self.group_base and not all(is_below(line, self.group_base) for line in lines):
                yield key, "contains a group that is not below group_base, so it would never be found"
            if lines and not self.reads_groups:
                yield key, "needs groups: set group_mode, and group_base where groups are searched"

    def _state_faults(self) -> Iterator[tuple[str, str]]:
        if set(self.state_check) - set(STATE_CHECKS):
            yield "state_check", f"contains something other than none, or some of {', '.join(STATE_CHECKS)}"
        if (self.active_values or self.disabled_values) and not (self.active_attribute or self.disabled_attribute):
            yield "active_attribute", "is missing: active_values and disabled_values need it or disabled_attribute"
        if {each.casefold() for each in self.active_values} & {each.casefold() for each in self.disabled_values}:
            yield "active_values", "contains a value that disabled_values contains too"
        for key, name in self.named_attributes.items():
            if not re.fullmatch(r"[A-Za-z0-9.-]*", name):
                yield key, "is not the name of one attribute"

    @property
    def named_attributes(self) -> dict[str, str]:
        """The settings that name an attribute that decides, and that attribute, "" if there is none."""
        return {
            "active_attribute": self.active_attribute,
            "disabled_attribute": self.disabled_attribute,
            "account_expiry_attribute": self.account_expiry_attribute,
            "password_expiry_attribute": self.password_expiry_attribute,
        }

    @property
    def user_bases(self) -> tuple[str, ...]:
        """The DNs of `user_base`, one per line."""
        return split_lines(self.user_base)

    @property
    def first_base(self) -> str:
        """The first DN of `user_base`, or ""."""
        return next(iter(self.user_bases), "")

    @property
    def domains(self) -> tuple[str, ...]:
        """The DC components of each line of `user_base`, or the whole line if it has none; without repeats."""
        found = {canonical_dn(domain_of(base)): domain_of(base) for base in reversed(self.user_bases)}
        return tuple(reversed(found.values())) or ("",)

    @property
    def is_ad(self) -> bool:
        return "ad" in self.state_check

    @property
    def encrypted(self) -> bool:
        """Whether no password is sent in clear text over a network."""
        return self.starttls or all(uris.is_ldaps(uri) or uris.is_ldapi(uri) for uri in self.uris)

    @property
    def uses_tls(self) -> bool:
        """Whether any connection is encrypted by TLS."""
        starttls = self.starttls and not all(map(uris.is_ldapi, self.uris))
        return starttls or any(map(uris.is_ldaps, self.uris))

    @property
    def uses_external(self) -> bool:
        """Whether the service account is the client certificate, or over ldapi:// the user of the process."""
        has_identity = bool(self.tls_client_certificate) or all(map(uris.is_ldapi, self.uris))
        return has_identity and not self.bind_dn and self.login_mode == "search"

    @property
    def has_service_account(self) -> bool:
        """Whether linkauth binds before a search. Otherwise the search is anonymous."""
        return bool(self.bind_dn) or self.uses_external

    @property
    def can_search(self) -> bool:
        """Whether linkauth can search the directory as the service account or anonymously."""
        return self.login_mode == "search" or bool(self.bind_dn)

    @property
    def sign_in_filter(self) -> str:
        """The filter for the people with a name, with the placeholders NAMES."""
        return with_mail_filter(self.user_filter, self.email_attribute) if self.mail_as_username else self.user_filter

    @property
    def has_several_names(self) -> bool:
        """Whether a person may sign in with the values of several attributes."""
        return sum(self.sign_in_filter.count(f"{{{name}}}") for name in NAMES) > 1

    @property
    def finds_by_rdn(self) -> bool:
        """Whether an entry is found by a DN from the typed name, without `user_filter`."""
        return "{rdn}" in self.user_dn_template

    @property
    def reads_groups(self) -> bool:
        """Whether groups are read. A search for groups needs `group_base`."""
        if self.group_mode in ("search", "in_chain"):
            return bool(self.group_base)
        return self.group_mode != "none"

    @property
    def needs_primary_group(self) -> bool:
        """Whether the primary group of Active Directory needs a search of its own. tokenGroups includes it."""
        return self.is_ad and self.reads_groups and self.group_mode != "tokengroups"

    @property
    def has_posix_groups(self) -> bool:
        """Whether the filter finds posixGroups (RFC 2307). They do not list people whose primary group they are."""
        filter_text = self.group_filter.casefold()
        return self.group_mode == "search" and ("memberuid=" in filter_text or "posixgroup" in filter_text)

    @property
    def claim_attributes(self) -> dict[str, str]:
        """The names of the claims, and the attribute of each."""
        pairs = (pair.partition(":") for pair in self.claims)
        return {claim: attribute or claim for claim, _, attribute in pairs}


def split_lines(text: str) -> tuple[str, ...]:
    """Returns the lines of a value that are not empty."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
