"""The backend: find the entry, prove the password by a bind as that entry, read who it is."""

from __future__ import annotations

import logging
import re
import secrets
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from ldap3 import BASE, LEVEL, SUBTREE

from linkauth.backends import (
    Account,
    AccountRefused,
    BackendMisconfigured,
    Check,
    CredentialBackend,
    Identity,
    Lockout,
    Lookup,
    PasswordChange,
    Reason,
    UnknownUser,
    WrongPassword,
)
from linkauth_ldap import checks, outcomes, passwords, states
from linkauth_ldap.connections import Deadline
from linkauth_ldap.controls import ASK_PPOLICY
from linkauth_ldap.filters import filled, rdn_value
from linkauth_ldap.groups import Group, groups_of, is_entitled
from linkauth_ldap.people import Entry, attributes_of, entries_of, identity_of, subject_filter
from linkauth_ldap.servers import Servers
from linkauth_ldap.settings import TEMPLATE, LDAPSettings

log = logging.getLogger(__name__)

CHANGEABLE = ("password_expired", "must_change_password")
DAY = 86_400


class LDAPBackend(CredentialBackend, Lookup, PasswordChange):
    """People in an LDAP directory."""

    Settings: ClassVar[type] = LDAPSettings

    def __init__(self, settings: LDAPSettings) -> None:
        self._settings = settings
        self._servers = Servers(settings)
        self._attributes = attributes_of(settings)
        self._username_pattern = re.compile(settings.username_pattern)
        self._controls = [ASK_PPOLICY] if settings.ppolicy else None

    @property
    def offers(self) -> frozenset[type]:
        """Look-ups need an account that may search; a change of passwords is for the ini to allow."""
        look_up = {Lookup} if self._settings.user_base and self._settings.login_mode == "search" else set()
        change = {PasswordChange} if self._settings.password_change != "off" else set()
        return frozenset(look_up | change)

    def authenticate(self, username: str, password: str) -> Identity:
        deadline = self._servers.deadline()
        username = self._plain_name(username)
        if self._settings.login_mode == "template":
            return self._by_template(username, password, deadline)
        found = self._find(username, deadline)
        if len(found) != 1 or not self._is_password(password):
            # as much work as for anybody else; the DN is nobody's, so that no account is locked by it
            self._bind(f"cn={secrets.token_hex(8)},{self._settings.user_base}", "x", deadline, counted=False)
            # a name of two people is known here: no later backend may answer for it
            raise WrongPassword if found else UnknownUser
        (entry,) = found
        outcome = self._bind(entry.dn, password, deadline)
        assert outcome
        return self._admit(entry, username, outcome, deadline)

    def _plain_name(self, username: str) -> str:
        """The name without a domain that belongs to us, composed (keyboards send é as one letter or as two)."""
        name = unicodedata.normalize("NFC", username)
        for domain in self._settings.username_domains:
            if name.casefold().startswith(f"{domain.casefold()}\\"):
                return name[len(domain) + 1 :]
            if name.casefold().endswith(f"@{domain.casefold()}"):
                return name[: -len(domain) - 1]
        return name

    def _is_password(self, password: str) -> bool:
        try:
            return 0 < len(password.encode("utf-8")) <= self._settings.password_max_bytes and "\0" not in password
        except UnicodeEncodeError:
            return False

    def _is_username(self, username: str) -> bool:
        try:
            username.encode("utf-8")
        except UnicodeEncodeError:
            return False
        fits = len(username) <= self._settings.username_max_length and "\0" not in username
        return fits and self._username_pattern.match(username) is not None

    def _find(self, username: str, deadline: Deadline) -> list[Entry]:
        """The entries of that name: none, one, or two, of which the operator is told."""
        # a name that cannot be one is asked about all the same, as one that nobody has: the directory may be down
        wanted = username if self._is_username(username) else secrets.token_hex(16)
        found = self._people(filled(self._settings.known("user_filter"), username=wanted), deadline)
        if len(found) > 1:
            dns = ", ".join(entry.dn for entry in found[:2])
            log.error("user_filter finds more than one entry for one name, which is refused: %s", dns)
        return found

    def _people(self, filter_text: str, deadline: Deadline) -> list[Entry]:
        scope = SUBTREE if self._settings.user_scope == "subtree" else LEVEL
        return self._search(self._settings.user_base, filter_text, scope, self._attributes, deadline, size_limit=2)

    def _search(
        self, base: str, filter_text: str, scope: str, attributes: list[str], deadline: Deadline, size_limit: int = 0
    ) -> list[Entry]:
        result, found = self._servers.ask(
            lambda connection: connection.search(base, filter_text, scope, attributes, size_limit), deadline, True
        )
        if result["result"] == 4 and not size_limit:
            raise BackendMisconfigured(f"a search below {base} has more answers than the server gives at once")
        return entries_of(result, found, base)

    def _bind(self, dn: str, password: str, deadline: Deadline, counted: bool = True) -> outcomes.Outcome | None:
        """The outcome of a bind as `dn`. Raises what `outcomes.of_bind` does, with what may be told; a bind that is
        not `counted` only takes its time."""
        secret = password.encode("utf-8")
        result = self._servers.ask(lambda connection: connection.bind(dn, secret, self._controls), deadline, False)
        if not counted:
            return None
        try:
            return outcomes.of_bind(result)
        except AccountRefused as refused:
            raise self._refusal(refused.reason, refused.proven) from None

    def _refusal(self, reason: Reason, proven: bool) -> AccountRefused:
        revealed = {"never": False, "proven": proven, "always": True}[self._settings.reveal_state]
        url = self._settings.password_change_url if reason in CHANGEABLE else ""
        return AccountRefused(reason, proven, revealed, url)

    def _admit(self, entry: Entry, username: str, outcome: outcomes.Outcome, deadline: Deadline) -> Identity:
        """The identity of somebody whose password is right; raises AccountRefused if that is not enough."""
        settings = self._settings
        if outcome.must_change and settings.must_change == "refuse":
            raise self._refusal("must_change_password", proven=True)
        if outcome.grace is not None and settings.grace_login == "refuse":
            raise self._refusal("password_expired", proven=True)
        reason = states.of_entry(entry, settings.known("state_check"), datetime.now(UTC))
        if reason and not (reason == "must_change_password" and settings.must_change == "allow"):
            raise self._refusal(reason, proven=True)
        groups = self._groups(entry, username, deadline)
        if not self._is_entitled(entry, groups):
            raise self._refusal("not_entitled", proven=True)
        if outcome.grace is not None:
            log.warning("%s signed in with an expired password; %d more time(s)", entry.dn, outcome.grace)
        elif outcome.expires_in is not None and outcome.expires_in <= settings.expiry_warning_days * DAY:
            log.info("the password of %s expires in %.1f days", entry.dn, outcome.expires_in / DAY)
        return identity_of(entry, settings, tuple(group.name for group in groups))

    def _groups(self, entry: Entry, username: str, deadline: Deadline) -> tuple[Group, ...]:
        def search(base: str, filter_text: str, scope: str, attributes: list[str]) -> list[Entry]:
            return self._search(base, filter_text, scope, attributes, deadline)

        # the name as the directory spells it, where it says one
        name = entry.text(self._settings.known("username_attribute")) or username
        return groups_of(entry, name, self._settings, search)

    def _is_entitled(self, entry: Entry, groups: tuple[Group, ...]) -> bool:
        required = self._settings.required_attributes
        return all(entry.text(name) for name in required) and is_entitled(groups, self._settings)

    def _by_template(self, username: str, password: str, deadline: Deadline) -> Identity:
        """Bind first, with a name made from what was typed; whom it names is read from the entry afterwards."""
        dn = self._template_dn(username)
        if dn is None or not self._is_password(password):
            self._bind(f"cn={secrets.token_hex(8)}", "x", deadline, counted=False)
            raise WrongPassword
        outcome = self._bind(dn, password, deadline)
        assert outcome
        if outcome.must_change and self._settings.must_change == "refuse":
            raise self._refusal("must_change_password", proven=True)
        if "{rdn}" in self._settings.user_dn_template:
            base, scope, filter_text = dn, BASE, "(objectClass=*)"
        else:
            base, scope = self._settings.user_base, SUBTREE
            filter_text = filled(self._settings.known("user_filter"), username=username)
        found = self._read_as(dn, password, (base, filter_text, scope), deadline)
        if len(found) != 1:
            raise BackendMisconfigured(f"{len(found)} entries are found for a name that could bind, not one")
        return self._admit(found[0], username, outcome, deadline)

    def _read_as(self, dn: str, password: str, where: tuple[str, str, str], deadline: Deadline) -> list[Entry]:
        """The person's own entry: by the service account if there is one, else by the person."""
        if self._settings.bind_dn:
            return self._search(*where, self._attributes, deadline, size_limit=2)
        secret, (base, filter_text, scope) = password.encode("utf-8"), where

        def ask(connection: Any) -> Any:
            connection.bind(dn, secret, self._controls)
            return connection.search(base, filter_text, scope, self._attributes, 2)

        result, found = self._servers.ask(ask, deadline, False)
        return entries_of(result, found, base)

    def _template_dn(self, username: str) -> str | None:
        if not self._is_username(username):
            return None
        return TEMPLATE.sub(
            lambda found: rdn_value(username) if found[1] == "rdn" else username, self._settings.user_dn_template
        )

    def find(self, username: str) -> Account:
        found = self._find(self._plain_name(username), self._servers.deadline())
        if len(found) > 1:
            raise BackendMisconfigured("user_filter finds more than one entry for that name")
        return self._account(found[0] if found else None)

    def look_up(self, subject: str) -> Account:
        filter_text = subject_filter(subject, self._settings)
        found = self._people(filter_text, self._servers.deadline()) if filter_text else []
        return self._account(found[0] if len(found) == 1 else None)

    def _account(self, entry: Entry | None) -> Account:
        if entry is None:
            raise UnknownUser
        settings, deadline = self._settings, self._servers.deadline()
        groups = self._groups(entry, "", deadline)
        refused = states.of_entry(entry, settings.known("state_check"), datetime.now(UTC))
        if refused is None and not self._is_entitled(entry, groups):
            refused = "not_entitled"
        facts = {"entry": entry.dn, **states.facts_of(entry, settings.known("state_check"))}
        return Account(identity_of(entry, settings, tuple(group.name for group in groups)), refused, facts)

    def change_password(self, username: str, current: str, new: str) -> None:
        deadline, settings = self._servers.deadline(), self._settings
        name = self._plain_name(username)
        if settings.login_mode == "template":
            dn = self._template_dn(name)
        else:
            found = self._find(name, deadline)
            dn = found[0].dn if len(found) == 1 else None
        if dn is None or not self._is_password(current):
            raise UnknownUser if dn is None else WrongPassword
        try:
            # whoever asks must hold the password, also where the service account could set it without
            self._bind(dn, current, deadline)
        except AccountRefused as refused:
            if not (refused.proven and refused.reason in CHANGEABLE):
                raise
        if problem := passwords.refusal(self._change(dn, current, new, deadline)):
            raise problem

    def _change(self, dn: str, current: str, new: str, deadline: Deadline) -> dict[str, Any]:
        by_service = self._settings.password_change == "service"
        if self._settings.state_check == "ad":
            if by_service:
                return self._servers.ask(lambda each: passwords.reset_in_ad(each, dn, new), deadline, True)
            # an expired person cannot bind; the right to change is everybody's who knows the current password
            return self._servers.ask(lambda each: passwords.change_in_ad(each, dn, current, new), deadline, True)
        if by_service:
            return self._servers.ask(lambda each: passwords.modify(each, dn, "", new), deadline, True)
        secret = current.encode("utf-8")

        def as_person(connection: Any) -> dict[str, Any]:
            bound: dict[str, Any] = connection.bind(dn, secret, self._controls)
            return bound if bound["result"] else passwords.modify(connection, dn, current, new)

        return self._servers.ask(as_person, deadline, False)

    def lockout(self) -> Lockout | None:
        return checks.lockout(self._settings, self._servers)

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._servers)

    def close(self) -> None:
        self._servers.close()
