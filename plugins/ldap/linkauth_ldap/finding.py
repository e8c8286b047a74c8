"""Finds the entry of a typed name. The forms of the name are looked up by one search."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from secrets import token_hex

from ldap3 import BASE, LEVEL, SUBTREE

from linkauth.backends.names import NameForms, folded_width
from linkauth.identities import shown_name
from linkauth.net import Deadline
from linkauth_ldap import new_entries, reports
from linkauth_ldap.directory import Directory
from linkauth_ldap.entries import Entry
from linkauth_ldap.filters import any_of, fill_filter, rdn_value
from linkauth_ldap.settings import TEMPLATE, LDAPSettings

log = logging.getLogger(__name__)


class Finder:
    """Finds entries by typed names. `forms` returns the forms of a name, the best one first."""

    def __init__(self, settings: LDAPSettings, directory: Directory, forms: NameForms) -> None:
        self._settings = settings
        self._directory = directory
        self._forms = forms

    def names(self, username: str) -> list[str]:
        """Returns the forms of a typed name that the directory may contain, without a domain of `username_domains`."""
        return list(dict.fromkeys(map(self._directory.without_domain, self._logins(username))))

    def _logins(self, username: str) -> list[str]:
        """Returns the forms of a typed name that the directory may contain, with the domain if one was typed."""
        directory = self._directory
        return [form for form in self._forms(username) if directory.is_username(directory.without_domain(form))]

    def _fill(self, template: str, login: str) -> str:
        return fill_filter(template, username=self._directory.without_domain(login), login=login)

    def find(self, username: str, deadline: Deadline) -> list[Entry]:
        """Returns the entries of the first form that has any, at most two. Logs an error if there are two."""
        # for an invalid name search for a random one all the same, because the directory may be down
        logins = self._logins(username) or [token_hex(16)]
        filters = list(dict.fromkeys(self._fill(self._settings.sign_in_filter, login) for login in logins))
        entries = self._directory.find_people(any_of(filters), deadline)
        if len(entries) > 1 and len(filters) > 1:
            # names of several people: the best form decides alone
            searches = (self._directory.find_people(each, deadline) for each in filters)
            entries = next(filter(None, searches), [])
        reports.search(filters, self._settings, entries)
        if len(entries) > 1:
            dns = ", ".join(shown_name(entry.dn) for entry in entries[:2])
            log.error("user_filter finds more than one entry for one name, which is refused: %s", dns)
        return entries

    def by_name(self, username: str, deadline: Deadline) -> list[Entry]:
        """Like `find`, also with `login_mode = template`."""
        if not self._settings.finds_by_rdn:
            return self.find(username, deadline)
        # for an invalid name read a random DN all the same, because the directory may be down. All of them are read, so
        # that the time does not show which one exists
        names = self.template_names(username) or [token_hex(16)]
        found = [self._directory.entry_at(self.template_dn(name), deadline) for name in names]
        return next(filter(None, found), [])

    def form_of(self, entry: Entry, username: str) -> str:
        """Returns the form of a typed name that the entry contains, or "" if no attribute that was read contains it."""
        values = {value.casefold() for name in self._directory.attributes for value in entry.texts(name)}
        return next((name for name in self.names(username) if name.casefold() in values), "")

    def template_names(self, username: str) -> list[str]:
        """Returns the forms of a typed name for `user_dn_template`, the best one first.

        A directory ignores composition and width in names (RFC 4518 section 2.3). If such forms were tried one after
        another, one wrong password would count several times.
        """
        names = [unicodedata.normalize("NFC", folded_width(name)) for name in self.names(username)]
        return list(dict.fromkeys(names))

    def template_dn(self, name: str) -> str:
        return TEMPLATE.sub(
            lambda found: rdn_value(name) if found[1] == "rdn" else name, self._settings.user_dn_template
        )

    def where(self, name: str) -> tuple[str, str, str] | None:
        """Returns base, filter and scope of the search for one normalized name."""
        settings = self._settings
        if settings.finds_by_rdn:
            return (self.template_dn(name), "(objectClass=*)", BASE) if self._directory.is_username(name) else None
        scope = SUBTREE if settings.user_scope == "subtree" else LEVEL
        return new_entries.base_of(settings), fill_filter(settings.sign_in_filter, username=name, login=name), scope

    def taken_filters(self, username: str, templates: Sequence[str]) -> list[str]:
        """Returns `templates` filled with each form of a name."""
        return [self._fill(template, login) for login in self._logins(username) for template in templates]
