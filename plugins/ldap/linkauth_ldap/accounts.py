"""Looks accounts up without a password, and says whether they may sign in (the power Lookup)."""

from __future__ import annotations

from dataclasses import replace

from linkauth.backends import Account, AmbiguousName, BackendMisconfigured, UnknownUser
from linkauth.identities import shown_name
from linkauth_ldap import states
from linkauth_ldap.directory import Directory
from linkauth_ldap.entries import Entry, identity_of, person_filter, subject_filter
from linkauth_ldap.finding import Finder
from linkauth_ldap.groups import Group
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.values import UnknownValue


class Accounts:
    """The accounts of a directory, for `Lookup`, whose exceptions its methods raise."""

    def __init__(self, settings: LDAPSettings, directory: Directory, finder: Finder) -> None:
        self._settings, self._directory, self._finder = settings, directory, finder

    def find(self, username: str) -> Account:
        deadline = self._directory.deadline()
        found = self._finder.by_name(username, deadline)
        if len(found) > 1:
            dns = " and ".join(shown_name(entry.dn) for entry in found)
            raise AmbiguousName(f"the name means more than one entry, so that it finds none: {dns}")
        account = self._account(found[0] if found else None)
        return replace(account, form=self._finder.form_of(found[0], username))

    def look_up(self, subject: str) -> Account:
        by_subject, settings = subject_filter(subject, self._settings), self._settings
        filter_text = by_subject and person_filter(by_subject, settings)
        entries = self._directory.find_people(filter_text, self._directory.deadline()) if filter_text else []
        if len(entries) > 1:
            dns = " and ".join(shown_name(entry.dn) for entry in entries)
            raise BackendMisconfigured(f"subject_attribute is the same in more than one entry: {dns}")
        return self._account(entries[0] if entries else None)

    def _account(self, entry: Entry | None) -> Account:
        if entry is None:
            raise UnknownUser
        settings, directory = self._settings, self._directory
        facts = {"entry": entry.dn, **states.facts_of(entry, settings)}
        deadline, groups = directory.deadline(), tuple[Group, ...]()
        problems = directory.account_problems(entry, False, deadline)
        refused, unknown = (problems[0].reason, problems[0].unknown) if problems else (None, None)
        reasons = [problem.reason for problem in problems if problem.unknown is None]
        try:
            groups = directory.groups(entry, "", deadline)
            if not directory.is_entitled(entry, groups, deadline):
                refused = refused or "not_entitled"
                reasons.append("not_entitled")
        except UnknownValue as error:
            refused, unknown = refused or "not_entitled", unknown or error
        facts |= {"not understood": str(unknown)} if unknown else {}
        identity = identity_of(entry, settings, tuple(group.name for group in groups))
        return Account(identity, refused, facts, states.is_complete(entry, settings), reasons=tuple(reasons))
