"""Creates accounts by the service account: one add operation with the password in it, then a check of the new entry."""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ldap3 import BASE, SUBTREE
from ldap3.utils.conv import escape_filter_chars

from linkauth.backends import (
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    Identity,
    NameTaken,
    PasswordRefused,
)
from linkauth.identities import shown_name
from linkauth.net import Deadline
from linkauth_ldap import passwords
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.controls import PPOLICY_REQUEST, parse_ppolicy
from linkauth_ldap.directory import Directory
from linkauth_ldap.entries import Entry, entries_from_result, identity_of
from linkauth_ldap.filters import any_of, domain_of
from linkauth_ldap.finding import Finder
from linkauth_ldap.minimum_length import MinimumLength
from linkauth_ldap.new_entries import NewEntry
from linkauth_ldap.outcomes import UNAVAILABLE, describe_result
from linkauth_ldap.recovery import with_minimum
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.values import UnknownValue

log = logging.getLogger(__name__)

CLEAR_TEXT_SECONDS = 60
"""How long nobody is registered after the directory stored a password in clear text. Then it may be corrected."""
CLEAR_TEXT = (
    "the directory stores the password of a new entry in clear text: set ppolicy_hash_cleartext in OpenLDAP, or "
    "new_entry_password = modify"
)
NOT_A_SAM_NAME = (
    "registration refused, the user name does not fit into sAMAccountName: add username to registration_fields, or for "
    "email addresses as user names set new_entry and user_filter"
)
_NOT_UNIQUE = re.compile(r"already in use|non-unique|already exists|^0*(?:524|21c8|21c7)\b", re.IGNORECASE)
"""Messages of a constraintViolation for a name that exists: of Samba, the overlay `unique` of OpenLDAP, 389 Directory
Server and Windows (ERROR_USER_EXISTS and the errors for a userPrincipalName that is not unique)."""
_PASSWORD = re.compile(r"password|pwd|^0*52d\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is added. `secret` is the password as the attribute of the entry contains it."""

    dn: str
    attributes: Mapping[str, list[bytes]]
    password: str = field(repr=False)
    secret: bytes = field(repr=False)
    where: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Added:
    """The result of the add operation; then whether the password is in clear text, the values of `subject_attribute` in
    the new entry, and the search for its name."""

    result: Mapping[str, Any]
    in_clear_text: bool = False
    subjects: list[list[bytes]] = field(default_factory=list)
    search: tuple[Mapping[str, Any], list[Mapping[str, Any]]] = field(default=({}, []), repr=False)


class Registrar:
    """The operations of Registration. Its methods raise the exceptions of that contract."""

    def __init__(
        self, settings: LDAPSettings, directory: Directory, finder: Finder, minimum_length: MinimumLength
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._finder = finder
        self._minimum_length = minimum_length
        self._template = NewEntry(settings)
        self._refused_until = -math.inf

    @property
    def fields(self) -> frozenset[str]:
        return self._template.fields

    def is_taken(self, username: str) -> bool:
        """Returns whether an account or another entry has a form of this name.

        A name that cannot be stored is taken, too.
        """
        return not self._is_name(self._name(username)) or self._has_entry(username, self._directory.deadline())

    def _name(self, username: str) -> str:
        """Returns the name of a new account as the directory will contain it."""
        return self._directory.without_domain(unicodedata.normalize("NFC", username))

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        settings, directory, template = self._settings, self._directory, self._template
        name, deadline = self._name(username), directory.deadline()
        if not self._is_name(name):
            raise NameTaken("this name is not allowed")
        if not directory.is_password(password):
            raise PasswordRefused("policy" if password else "too_short", self._minimum_length.get())
        if time.monotonic() < self._refused_until:
            raise BackendMisconfigured(CLEAR_TEXT)
        # an e-mail address that is already a name of another account would become ambiguous
        email = profile.get("email", "").strip()
        names = {name, email} if settings.has_several_names and email else {name}
        if any(self._has_entry(each, deadline) for each in names):
            raise NameTaken("the directory has an entry of that name")
        values = template.values(name, profile)
        dn, where = template.dn(values), self._finder.where(name)
        if not dn or where is None:
            raise BackendMisconfigured("a placeholder of new_entry_dn has no value: make its field required")
        secret = passwords.quoted(password) if settings.is_ad else password.encode("utf-8")
        request = _Request(dn, template.attributes(values), password, secret, where)
        added = directory.servers.run(lambda each: self._add(each, request), deadline, True, once=True)
        if problem := creation_error(added.result):
            raise with_minimum(problem, self._minimum_length) if isinstance(problem, PasswordRefused) else problem
        if added.in_clear_text:
            self._refused_until = time.monotonic() + CLEAR_TEXT_SECONDS
            raise BackendMisconfigured(CLEAR_TEXT)
        return self._verified(added, request, deadline)

    def _is_name(self, name: str) -> bool:
        if not name.strip() or not self._directory.is_username(name):
            return False
        if not self._template.allows(name):
            log.warning(NOT_A_SAM_NAME)
            return False
        return True

    def _has_entry(self, username: str, deadline: Deadline) -> bool:
        settings, directory, name = self._settings, self._directory, self._name(username)
        templates = [settings.sign_in_filter, f"({settings.username_attribute}={{username}})"]
        bases: tuple[str, ...] = settings.user_bases
        if settings.is_ad:
            # unique in the whole domain, also among groups and computers
            bases = (domain_of(settings.first_base),)
            domain = escape_filter_chars(self._template.values(name, {})["domain"])
            templates += ["(sAMAccountName={username})", f"(userPrincipalName={{username}}@{domain})"]
        filters = self._finder.taken_filters(username, templates)
        found: list[Entry] = []
        for base in bases:
            # all of them, so that the time does not show where a name is
            found += directory.search(base, any_of(filters), SUBTREE, ["1.1"], deadline, size_limit=1)
        if self._template.is_named_by_username:
            # also if there is an account: the time must not show it
            found += directory.entry_at(self._template.dn(self._template.values(name, {})), deadline)
        return bool(found)

    def _add(self, connection: DirectoryConnection, request: _Request) -> _Added:
        """Adds the entry. Afterwards it reads on the same connection, because another server may not have it yet."""
        settings, dn = self._settings, request.dn
        controls = None if settings.is_ad else [PPOLICY_REQUEST]
        name = "unicodePwd" if settings.is_ad else "userPassword"
        by_modify = settings.new_entry_password == "modify"
        # in this case the directory may store it in clear text, so it is a value without use
        secret = f"{secrets.token_urlsafe(32)}-aA1".encode() if by_modify else request.secret
        result = connection.add(dn, {**request.attributes, name: [secret]}, controls)
        if result["result"] == 0 and by_modify:
            try:
                result = passwords.reset(connection, dn, request.password)
            except BaseException:
                log.error("the password of a new entry could not be set, and the entry remains: dn=%a", shown_name(dn))
                raise
            if result["result"]:
                _remove(connection, dn)
        if result["result"]:
            return _Added(result)
        _, found = connection.search(dn, "(objectClass=*)", BASE, [name, settings.subject_attribute])
        subjects = [Entry(each).raw(settings.subject_attribute) for each in found]
        if any(request.secret in Entry(each).raw(name) for each in found):
            _remove(connection, dn)
            return _Added(result, in_clear_text=True)
        base, filter_text, scope = request.where
        by_name = connection.search(base, filter_text, scope, self._directory.attributes, 2)
        return _Added(result, False, subjects, by_name)

    def _verified(self, added: _Added, request: _Request, deadline: Deadline) -> Identity:
        """Returns the identity of the new account. Removes an entry that cannot sign in, or whose name is ambiguous."""
        directory = self._directory
        try:
            found = entries_from_result(added.search[0], added.search[1], request.where[0], 2)
            if len(found) > 1:
                raise NameTaken("another entry has got that name at the same time")
            if not found or [found[0].raw(self._settings.subject_attribute)] != added.subjects:
                raise BackendMisconfigured("a sign-in does not find the new entry: compare new_entry and user_filter")
            (entry,) = found
            if problems := directory.account_problems(entry, False, deadline):
                why = problems[0].unknown or problems[0].reason
                raise BackendMisconfigured(f"the new account could not sign in, correct new_entry: {why}")
            groups = directory.groups(entry, "", deadline)
            if not directory.is_entitled(entry, groups, deadline):
                rules = "required_attributes, required_groups or denied_groups"
                raise BackendMisconfigured(f"the new account could not sign in, because of {rules}")
        except (NameTaken, BackendMisconfigured, UnknownValue) as problem:
            self._take_back(request.dn, deadline)
            if isinstance(problem, UnknownValue):
                raise BackendMisconfigured(f"the groups of the new account cannot be read: {problem}") from None
            raise
        return identity_of(entry, self._settings, tuple(group.name for group in groups))

    def _take_back(self, dn: str, deadline: Deadline) -> None:
        try:
            self._directory.servers.run(lambda each: _remove(each, dn), deadline, True, once=True)
        except BackendUnavailable as error:
            log.error("a new entry that cannot sign in could not be deleted: dn=%a error=%s", shown_name(dn), error)


def _remove(connection: DirectoryConnection, dn: str) -> None:
    result = connection.delete(dn)
    # noSuchObject
    if result["result"] not in (0, 32):
        reason = describe_result(result)
        log.error("a new entry that cannot sign in could not be deleted: dn=%a error=%s", shown_name(dn), reason)


def creation_error(result: Mapping[str, Any]) -> BackendError | None:
    """Returns the exception for the result of adding an account with its password, or None for success."""
    code, text = result["result"], str(result.get("message") or "")
    if code == 0:
        return None
    policy = parse_ppolicy(result.get("controls"))
    # entryAlreadyExists
    if code == 68 or (code == 19 and _NOT_UNIQUE.search(text)):
        return NameTaken("the directory has an entry of that name")
    if (policy and policy.error) or (code in (19, 53) and _PASSWORD.search(text)):
        return passwords.change_error(result, by_service=True)
    description = describe_result(result)
    if code in UNAVAILABLE:
        return BackendUnavailable(f"a new entry failed with {description}")
    if code in (8, 13, 50):
        return BackendMisconfigured(f"bind_dn may not add entries: {description}")
    if code == 32:
        return BackendMisconfigured(f"the entry above new_entry_dn does not exist: {description}")
    if code == 10:
        return BackendMisconfigured("the server is a replica that does not accept new entries: name another in uris")
    return BackendMisconfigured(f"the directory refuses the new entry, correct new_entry: {description}")
