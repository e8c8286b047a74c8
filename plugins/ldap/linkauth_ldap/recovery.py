"""Resets a forgotten password by the service account, and finds the people of an email address."""

from __future__ import annotations

import logging
import secrets
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from ldap3 import BASE
from ldap3.utils.conv import escape_filter_chars

from linkauth.backends import (
    CHANGEABLE,
    PEOPLE_LIMIT,
    BackendMisconfigured,
    Identity,
    PasswordRefused,
    UnknownUser,
    WrongPassword,
)
from linkauth.net import Deadline
from linkauth_ldap import directory as timing
from linkauth_ldap import passwords
from linkauth_ldap.controls import PPOLICY
from linkauth_ldap.directory import MAX_DELAY_SECONDS, MAX_TIMES, Directory
from linkauth_ldap.entries import Entry, identity_of, person_filter, subject_filter
from linkauth_ldap.minimum_length import MinimumLength
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.values import UnknownValue

log = logging.getLogger(__name__)

FindByName = Callable[[str, Deadline], list[Entry]]
"""Returns the entries with a typed user name, at most two."""
ABSENT_LOCK = "(!(pwdAccountLockedTime=*))"
"""Matches an entry only if the attribute may be read (RFC 4511 section 4.5.1.7) and has no value."""
HIDDEN_LOCK = (
    "bind_dn must be able to read pwdAccountLockedTime: a reset also unlocks an account, and must not lift the lock of "
    "an administrator"
)


class Recovery:
    """The operations of PasswordRecovery. Its methods raise the exceptions of that contract."""

    def __init__(
        self, settings: LDAPSettings, directory: Directory, find: FindByName, minimum_length: MinimumLength
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._find = find
        self._minimum_length = minimum_length
        # seconds that the latest calls of `recipient` took for known names
        self._times: deque[float] = deque(maxlen=MAX_TIMES)

    def people_at(self, email: str) -> Sequence[Identity]:
        """Returns the people with this address, by one search. `Identity.email` is the address that matches."""
        settings, directory = self._settings, self._directory
        if any("\ud800" <= character <= "\udfff" for character in email):
            return ()
        filter_text = person_filter(f"({settings.email_attribute}={escape_filter_chars(email)})", settings)
        entries = directory.search_bases(filter_text, directory.deadline(), PEOPLE_LIMIT)
        people = []
        for entry in entries:
            # a directory may ignore accents; the mail must go to nobody else's address
            address = next((each for each in entry.texts(settings.email_attribute) if _same(each, email)), None)
            if address is not None:
                people.append(replace(identity_of(entry, settings, ()), email=address))
        return sorted(people, key=lambda person: person.username)[:PEOPLE_LIMIT]

    def recipient(self, username: str) -> Identity:
        directory, deadline = self._directory, self._directory.deadline()
        found = self._find(username, deadline)
        if not found:
            if times := list(self._times):
                timing.wait_until(deadline, secrets.choice(times))
            raise UnknownUser
        try:
            if len(found) > 1:
                # nobody can sign in with a name of two people
                raise directory.account_refused("not_entitled", proven=False)
            return self._recoverable(found[0], deadline)
        finally:
            self._times.append(min(deadline.elapsed, MAX_DELAY_SECONDS))

    def reset_password(self, subject: str, new: str) -> None:
        settings, directory, deadline = self._settings, self._directory, self._directory.deadline()
        by_subject = subject_filter(subject, settings)
        found = directory.find_people(person_filter(by_subject, settings), deadline) if by_subject and subject else []
        if len(found) != 1:
            raise UnknownUser
        (entry,) = found
        self._recoverable(entry, deadline)
        if not directory.is_password(new):
            raise PasswordRefused("policy" if new else "too_short", self._minimum_length.get())
        if settings.is_ad:
            unlock = entry.text("lockoutTime") not in ("", "0")
            result = directory.servers.run(
                lambda each: passwords.recover_in_ad(each, entry.dn, new, unlock), deadline, True, once=True
            )
        else:
            result = directory.servers.run(lambda each: passwords.reset(each, entry.dn, new), deadline, True, once=True)
        problem = passwords.change_error(result, by_service=True)
        if isinstance(problem, WrongPassword):
            raise BackendMisconfigured(f"a reset failed: {problem}")
        if isinstance(problem, PasswordRefused):
            raise with_minimum(problem, self._minimum_length)
        if problem:
            raise problem

    def _recoverable(self, entry: Entry, deadline: Deadline) -> Identity:
        """Returns the identity of an account that can sign in after a reset. Raises AccountRefused otherwise."""
        directory = self._directory
        problems = directory.account_problems(entry, False, deadline)
        self._require_visible_lock(entry, deadline)
        try:
            groups = directory.groups(entry, "", deadline)
        except UnknownValue as unknown:
            raise directory.refuse_unknown_group(unknown, entry, proven=False) from None
        is_entitled = directory.is_entitled(entry, groups, deadline)
        for problem in problems:
            # a lock of Active Directory comes from wrong passwords, and the reset ends it
            is_resolved = problem.reason in CHANGEABLE or (self._settings.is_ad and problem.reason == "locked")
            if not (is_resolved and problem.changeable):
                raise directory.account_refused(problem.reason, proven=False)
        if not is_entitled:
            raise directory.account_refused("not_entitled", proven=False)
        return identity_of(entry, self._settings, tuple(group.name for group in groups))

    def _require_visible_lock(self, entry: Entry, deadline: Deadline) -> None:
        """Raises BackendMisconfigured if the account may have a lock of an administrator that cannot be read."""
        if "ppolicy" not in self._settings.state_check or entry.text("pwdAccountLockedTime"):
            return
        directory = self._directory
        if directory.search(entry.dn, ABSENT_LOCK, BASE, ["1.1"], deadline):
            return
        # without a password policy in the directory, the attribute is unknown and matches nothing
        roots = directory.search("", "(objectClass=*)", BASE, ["supportedControl"], deadline)
        if not roots or PPOLICY in roots[0].texts("supportedControl"):
            raise BackendMisconfigured(HIDDEN_LOCK)


def with_minimum(refused: PasswordRefused, minimum_length: MinimumLength) -> PasswordRefused:
    """Returns the refusal with the length that the policy requires, if the directory did not say it."""
    if refused.rule != "too_short" or refused.minimum:
        return refused
    return PasswordRefused("too_short", minimum_length.get(), str(refused))


def _same(one: str, other: str) -> bool:
    return _folded(one) == _folded(other)


def _folded(address: str) -> str:
    return unicodedata.normalize("NFC", address.strip().casefold())
