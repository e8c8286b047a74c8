"""The backend: it finds the entry, checks the password by a bind as that entry, and reads the identity."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any, ClassVar

from ldap3 import BASE, SUBTREE

from linkauth.backends import (
    CHANGEABLE,
    Account,
    AccountRefused,
    AddressSearch,
    BackendMisconfigured,
    Check,
    CredentialBackend,
    Identity,
    Lockout,
    Lookup,
    PasswordChange,
    PasswordRecovery,
    PasswordRefused,
    Registration,
    UnknownUser,
    WrongPassword,
    report,
)
from linkauth.identities import shown_name
from linkauth.net import Deadline
from linkauth_ldap import checks, outcomes, passwords
from linkauth_ldap.accounts import Accounts
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.directory import Directory
from linkauth_ldap.entries import Entry, entries_from_result, identity_of
from linkauth_ldap.filters import fill_filter
from linkauth_ldap.finding import Finder
from linkauth_ldap.minimum_length import MinimumLength
from linkauth_ldap.recovery import Recovery
from linkauth_ldap.registration import Registrar
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.survey import Survey
from linkauth_ldap.values import UnknownValue

log = logging.getLogger(__name__)
SECONDS_PER_DAY = 86_400


class LDAPBackend(CredentialBackend, Lookup, PasswordChange, PasswordRecovery, Registration):
    """People in an LDAP directory."""

    Settings: ClassVar[type] = LDAPSettings
    finds_name_forms = True

    def __init__(self, settings: LDAPSettings) -> None:
        self._settings = settings
        self._directory = Directory(settings)
        self._survey = Survey(settings)
        self._minimum_length = MinimumLength(settings, self._directory.servers)
        # the forms are read at each call, because linkauth may replace them
        self._finder = Finder(settings, self._directory, lambda name: self.name_forms(name))
        self._accounts = Accounts(settings, self._directory, self._finder)
        self._recovery = Recovery(settings, self._directory, self._finder.by_name, self._minimum_length)
        self._registrar = Registrar(settings, self._directory, self._finder, self._minimum_length)

    @property
    def offers(self) -> frozenset[type]:
        """The powers that the settings enable. Lookup needs an account that can search."""
        settings = self._settings
        enabled = {
            Lookup: settings.user_base and settings.can_search,
            AddressSearch: settings.user_base and settings.can_search and settings.email_attribute,
            PasswordChange: settings.password_change != "off",
            PasswordRecovery: settings.password_recovery,
            Registration: settings.registration,
        }
        return frozenset(power for power, is_enabled in enabled.items() if is_enabled)

    @property
    def shows_whole_state(self) -> bool:
        """Only Active Directory shows it (see `states.is_complete`)."""
        return "ad" in self._settings.state_check

    def authenticate(self, username: str, password: str) -> Identity:
        deadline = self._directory.deadline()
        if self._settings.login_mode == "template":
            return self._by_templates(username, password, deadline)
        found = self._finder.find(username, deadline)
        if len(found) != 1 or not self._directory.is_password(password):
            self._directory.spend_time(deadline)
            # a name of two people is known here, so the next backend must not be queried
            raise WrongPassword if found else UnknownUser
        (entry,) = found
        self.guard(entry.dn, lambda: self._directory.spend_time(deadline))
        outcome = self._directory.bind(entry.dn, password, deadline)
        return self._admit(entry, username, outcome, deadline)

    def _admit(
        self,
        entry: Entry,
        username: str,
        outcome: outcomes.Outcome,
        deadline: Deadline,
        primary: list[Entry] | None = None,
    ) -> Identity:
        """Returns the identity after a successful bind. Raises AccountRefused if the account may not sign in."""
        settings, directory = self._settings, self._directory
        self._refuse_after_bind(outcome)
        if problem := directory.account_problem(entry, True, deadline):
            raise directory.account_refused(problem.reason, True, True, problem.changeable)
        try:
            groups = directory.groups(entry, username, deadline, primary)
        except UnknownValue as unknown:
            raise directory.refuse_unknown_group(unknown, entry) from None
        if not directory.is_entitled(entry, groups, deadline):
            raise directory.account_refused("not_entitled", proven=True)
        if outcome.grace is not None:
            name = shown_name(entry.dn)
            log.warning("%s signed in with an expired password; %d more time(s)", name, outcome.grace)
        elif outcome.expires_in is not None and outcome.expires_in <= settings.expiry_warning_days * SECONDS_PER_DAY:
            days = outcome.expires_in / SECONDS_PER_DAY
            log.info("the password of %s expires in %.1f days", shown_name(entry.dn), days)
        return identity_of(entry, settings, tuple(group.name for group in groups))

    def _refuse_after_bind(self, outcome: outcomes.Outcome) -> None:
        if outcome.must_change and self._settings.must_change == "refuse":
            raise self._directory.account_refused("must_change_password", proven=True, bound=True)
        if outcome.grace is not None and self._settings.grace_login == "refuse":
            raise self._directory.account_refused("password_expired", proven=True, bound=True)

    def _by_templates(self, username: str, password: str, deadline: Deadline) -> Identity:
        """Signs in with `login_mode = template`: tries the forms of the typed name until one can bind."""
        names = self._finder.template_names(username)
        if not names or not self._directory.is_password(password):
            self._directory.spend_time(deadline)
            raise WrongPassword
        for name in names[:-1]:
            # the directory does not tell an unknown name from a wrong password
            with suppress(WrongPassword):
                return self._by_template(name, password, deadline)
        return self._by_template(names[-1], password, deadline)

    def _by_template(self, username: str, password: str, deadline: Deadline) -> Identity:
        """Binds with a DN or UPN from one form of the typed name, then reads the entry."""
        directory, dn = self._directory, self._finder.template_dn(username)
        report("bind as", dn)
        # the name in the DN has no domain, so that a name with and without a domain shares one limit
        self.guard(" ".join(dn.casefold().split()), lambda: directory.spend_time(deadline))
        by_dn = "{rdn}" in self._settings.user_dn_template
        base, scope, filter_text = dn, BASE, "(objectClass=*)"
        if not by_dn:
            base, scope = self._settings.user_base, SUBTREE
            filter_text = fill_filter(self._settings.sign_in_filter, username=username, login=dn)
        if self._settings.bind_dn:
            outcome = directory.bind(dn, password, deadline)
            self._refuse_after_bind(outcome)
            found, primary = directory.search(base, filter_text, scope, directory.attributes, deadline, 2), None
        else:
            outcome, found, primary = self._bind_and_read(dn, password, (base, filter_text, scope), deadline)
        if len(found) != 1:
            raise BackendMisconfigured(f"{len(found)} entries are found for a name that could bind, not one")
        if not by_dn:
            # user_filter may find another entry than the one that the directory accepted for the UPN
            outcome = directory.bind(found[0].dn, password, deadline)
        return self._admit(found[0], username, outcome, deadline, primary)

    def _bind_and_read(
        self, dn: str, password: str, where: tuple[str, str, str], deadline: Deadline
    ) -> tuple[outcomes.Outcome, list[Entry], list[Entry]]:
        """Binds as the person and reads on the same connection, so that there is only one bind.

        Returns (outcome of the bind, entries found, entries of the primary group if it is needed).
        """
        directory, secret, (base, filter_text, scope) = self._directory, password.encode("utf-8"), where

        def bind_and_search(connection: DirectoryConnection) -> tuple[dict[str, Any], Any, Any]:
            bind_result = connection.bind(dn, secret, directory.controls)
            if bind_result["result"]:
                return bind_result, None, None
            people = connection.search(base, filter_text, scope, directory.attributes, 2)
            group_search = directory.primary_group_search(people[1])
            return bind_result, people, connection.search(*group_search) if group_search else None

        bind_result, people, group = directory.servers.run(bind_and_search, deadline, False)
        try:
            outcome = outcomes.bind_outcome(bind_result)
        except AccountRefused as refused:
            raise directory.account_refused(refused.reason, refused.proven) from None
        self._refuse_after_bind(outcome)
        result, found = people
        primary = entries_from_result(group[0], group[1], base) if group else []
        return outcome, entries_from_result(result, found, base, 2), primary

    def find(self, username: str) -> Account:
        return self._accounts.find(username)

    def look_up(self, subject: str) -> Account:
        return self._accounts.look_up(subject)

    def change_password(self, username: str, current: str, new: str) -> None:
        directory = self._directory
        deadline = directory.deadline()
        if self._settings.login_mode == "template":
            dns = [self._finder.template_dn(name) for name in self._finder.template_names(username)]
        else:
            found = self._finder.find(username, deadline)
            dns = [found[0].dn] if len(found) == 1 else []
        if not dns or not directory.is_password(current):
            raise WrongPassword if dns else UnknownUser
        dn = dns[0]
        try:
            # check the current password, even if the service account can set a new one without it
            for dn in dns:
                with suppress(WrongPassword) if dn != dns[-1] else nullcontext():
                    directory.bind(dn, current, deadline)
                    break
        except AccountRefused as refused:
            if not (refused.proven and refused.reason in CHANGEABLE):
                raise
            if not refused.changeable:
                raise PasswordRefused("not_allowed") from None
        if not directory.is_password(new):
            raise PasswordRefused("policy")
        by_service = self._settings.password_change == "service"
        if problem := passwords.change_error(self._change(dn, current, new, deadline, by_service), by_service):
            raise problem

    def _change(self, dn: str, current: str, new: str, deadline: Deadline, by_service: bool) -> dict[str, Any]:
        """Changes the password and returns the result. Never retries: after a success `current` would be wrong."""
        servers, controls = self._directory.servers, self._directory.controls
        if self._settings.is_ad:
            if by_service:
                return servers.run(lambda each: passwords.reset_in_ad(each, dn, new), deadline, True, once=True)
            # a person with an expired password cannot bind; any account may change it with the current password
            return servers.run(lambda each: passwords.change_in_ad(each, dn, current, new), deadline, True, once=True)
        if by_service:
            return servers.run(lambda each: passwords.reset(each, dn, new), deadline, True, once=True)
        secret = current.encode("utf-8")

        def as_person(connection: DirectoryConnection) -> dict[str, Any]:
            bind_result = connection.bind(dn, secret, controls)
            return bind_result if bind_result["result"] else passwords.modify(connection, dn, current, new)

        return servers.run(as_person, deadline, False, once=True)

    def people_at(self, email: str) -> Sequence[Identity]:
        return self._recovery.people_at(email)

    def recipient(self, username: str) -> Identity:
        return self._recovery.recipient(username)

    def reset_password(self, subject: str, new: str) -> None:
        self._recovery.reset_password(subject, new)

    @property
    def profile_fields(self) -> frozenset[str]:
        return self._registrar.fields

    def is_taken(self, username: str) -> bool:
        return self._registrar.is_taken(username)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        return self._registrar.register(username, password, profile)

    def minimum_length(self) -> int:
        return self._minimum_length.get()

    def lockout(self) -> Lockout | None:
        return checks.lockout(self._settings, self._directory.servers)

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._directory.servers, self._survey)

    def close(self) -> None:
        self._directory.servers.close()
