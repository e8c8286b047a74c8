"""What can be asked of the directory: entries, groups, and whether a password is right."""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
import unicodedata
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ldap3 import BASE, LEVEL, SUBTREE

from linkauth.backends import (
    CHANGEABLE,
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Reason,
    WrongPassword,
)
from linkauth.net import Deadline
from linkauth_ldap import membership, outcomes, states
from linkauth_ldap.controls import PPOLICY_REQUEST
from linkauth_ldap.entries import Entry, entries_from_result, requested_attributes
from linkauth_ldap.filters import domain_of, fill_filter
from linkauth_ldap.groups import Group, groups_of, is_entitled, primary_filter
from linkauth_ldap.servers import Servers
from linkauth_ldap.settings import LDAPSettings, split_lines
from linkauth_ldap.values import UnrecognizedValue

log = logging.getLogger(__name__)

REFUSALS = 16
"""Wrong passwords whose time is remembered."""
SPENT_MOST = 2
"""Seconds that an unknown name takes at most on account of refusals that were slow: each wait holds a thread."""
DENIAL_SHOWN, DENIAL_AGAIN, DENIAL_HOLDS = 300, 30, 3600
"""Seconds for which it holds that a denied group denies; until it is asked again where the directory gave no answer;
and for which it holds without one."""
OVERSLEPT = 0.0002
"""Seconds that a sleep may take too long."""


class Directory:
    """One directory behind its servers. What it raises is the contract's; every question has a `deadline`."""

    def __init__(self, settings: LDAPSettings) -> None:
        self.servers = Servers(settings)
        self.controls = [PPOLICY_REQUEST] if settings.ppolicy else None
        self.attributes = requested_attributes(settings)
        self._settings = settings
        self._username_pattern = re.compile(settings.username_pattern)
        self._spends_as_ourselves = bool(settings.bind_dn)
        self._unknown = UnrecognizedValueLog()
        # when each of the denied groups was last seen to deny, and when that is asked about next
        self._denial: dict[str, tuple[float, float]] = {}
        # seconds that the last sign-ins with a wrong password took
        self._refusals: deque[float] = deque(maxlen=REFUSALS)

    def deadline(self) -> Deadline:
        return self.servers.deadline()

    def normalized_name(self, username: str) -> str:
        """The name without a domain that belongs to us, composed (keyboards send é as one letter or as two)."""
        name = unicodedata.normalize("NFC", username)
        ours = {domain.casefold() for domain in self._settings.username_domains}
        # whole parts are compared: casefold() makes two letters of some, so that lengths do not agree
        domain, _, rest = name.partition("\\")
        if rest and domain.casefold() in ours:
            return rest
        rest, _, domain = name.rpartition("@")
        return rest if rest and domain.casefold() in ours else name

    def is_username(self, username: str) -> bool:
        try:
            username.encode("utf-8")
        except UnicodeEncodeError:
            return False
        fits = len(username) <= self._settings.username_max_length and "\0" not in username
        return fits and self._username_pattern.match(username) is not None

    def is_password(self, password: str) -> bool:
        try:
            return 0 < len(password.encode("utf-8")) <= self._settings.password_max_bytes and "\0" not in password
        except UnicodeEncodeError:
            return False

    def find(self, username: str, deadline: Deadline) -> list[Entry]:
        """The entries of that name: none, one, or two, of which the operator is told."""
        # a name that cannot be one is asked about all the same, as one that nobody has: the directory may be down
        wanted = username if self.is_username(username) else secrets.token_hex(16)
        found = self.people(fill_filter(self._settings.user_filter, username=wanted), deadline)
        if len(found) > 1:
            dns = ", ".join(entry.dn for entry in found[:2])
            log.error("user_filter finds more than one entry for one name, which is refused: %s", dns)
        return found

    def people(self, filter_text: str, deadline: Deadline) -> list[Entry]:
        """Two at most."""
        scope = SUBTREE if self._settings.user_scope == "subtree" else LEVEL
        return self.search(self._settings.user_base, filter_text, scope, self.attributes, deadline, size_limit=2)

    def at(self, dn: str, deadline: Deadline) -> list[Entry]:
        """The entry of that DN, if there is one."""
        result, found = self.servers.run(
            lambda connection: connection.search(dn, "(objectClass=*)", BASE, self.attributes), deadline, True
        )
        # noSuchObject, invalidDNSyntax
        return [] if result["result"] in (32, 34) else entries_from_result(result, found, dn)

    def search(
        self, base: str, filter_text: str, scope: str, attributes: list[str], deadline: Deadline, size_limit: int = 0
    ) -> list[Entry]:
        """As the service account."""
        result, found = self.servers.run(
            lambda connection: connection.search(base, filter_text, scope, attributes, size_limit), deadline, True
        )
        return entries_from_result(result, found, base, size_limit)

    def groups(
        self, entry: Entry, username: str, deadline: Deadline, primary: list[Entry] | None = None
    ) -> tuple[Group, ...]:
        """Those of an entry; `primary` is what a search for the primary group has found already. Raises what
        `groups_of` does."""

        def search(base: str, filter_text: str, scope: str, attributes: list[str]) -> list[Entry]:
            return self.search(base, filter_text, scope, attributes, deadline) if primary is None else primary

        # the name as the directory spells it, where it says one
        name = entry.text(self._settings.username_attribute) or username
        return groups_of(entry, name, self._settings, search)

    def primary_group_search(self, found: list[Mapping[str, Any]]) -> tuple[str, str, str, list[str]] | None:
        """The question that finds the primary group of the one entry that was found; None where there is none."""
        try:
            wanted = primary_filter(Entry(found[0]), self._settings) if len(found) == 1 else None
        except UnrecognizedValue:
            # it is told when the groups are asked for
            return None
        name = self._settings.group_name_attribute
        return (domain_of(found[0]["dn"]), wanted, SUBTREE, [name]) if wanted else None

    def unknown_group(self, unknown: UnrecognizedValue, entry: Entry) -> AccountRefused:
        self._unknown.tell(unknown, entry.dn)
        return self.refusal("not_entitled", proven=True)

    def is_entitled(self, entry: Entry, groups: tuple[Group, ...], deadline: Deadline) -> bool:
        """Raises BackendMisconfigured for denied groups that would deny nobody, and what searches raise."""
        required = self._settings.required_attributes
        if not all(entry.text(name).strip() for name in required):
            return False
        self._show_denial(deadline)
        return is_entitled(groups, self._settings)

    def _show_denial(self, deadline: Deadline) -> None:
        """That `group_mode` sees the members of each denied group, now and then; without a service account nobody can
        ask about them."""
        denied = split_lines(self._settings.denied_groups) if self._settings.can_search else ()

        def search(base: str, filter_text: str, scope: str, attributes: list[str], size_limit: int) -> list[Entry]:
            return self.search(base, filter_text, scope, attributes, deadline, size_limit)

        for line in denied:
            shown_at, due = self._denial.get(line, (-math.inf, -math.inf))
            now = time.monotonic()
            if now < due:
                continue
            holds = now - shown_at < DENIAL_HOLDS
            if holds:
                # one sign-in asks, and the others go on meanwhile
                self._denial[line] = shown_at, now + DENIAL_AGAIN
            try:
                problem = membership.membership_problem(line, self._settings, search)
            except BackendMisconfigured as error:
                problem = str(error)
            except BackendUnavailable as error:
                if not holds:
                    raise
                log.warning("denied group not asked about, it was seen to deny before: group=%a error=%s", line, error)
                continue
            if problem == membership.NO_READABLE_MEMBER:
                log.warning("denied_groups, %s: group=%a", problem, line)
            elif problem:
                self._denial.pop(line, None)
                raise BackendMisconfigured(f"denied_groups would deny nobody: {problem}")
            self._denial[line] = time.monotonic(), time.monotonic() + DENIAL_SHOWN

    def bind(self, dn: str, password: str, deadline: Deadline) -> outcomes.Outcome:
        """What a bind as `dn` says of the password. Raises what `outcomes.bind_outcome` does, with what may be told."""
        secret = password.encode("utf-8")
        result = self.servers.run(lambda connection: connection.bind(dn, secret, self.controls), deadline, False)
        try:
            return outcomes.bind_outcome(result)
        except AccountRefused as refused:
            raise self.refusal(refused.reason, refused.proven) from None
        except WrongPassword:
            self._refusals.append(min(deadline.elapsed, SPENT_MOST))
            raise

    def spend(self, deadline: Deadline) -> None:
        """The time of a wrong password, for somebody who is not there: a faster answer would tell the names that are.

        That of a sign-in that was refused lately; until there is one we bind as ourselves, for no bind of ours may
        count as a failure of anybody.
        """
        if seen := list(self._refusals):
            _wait(deadline, secrets.choice(seen))
            return
        settings = self._settings
        if self._spends_as_ourselves:
            dn, secret = settings.bind_dn, settings.bind_password.encode("utf-8")
        else:
            dn, secret = f"cn={secrets.token_hex(8)},{settings.user_base}".rstrip(","), b"x"
        result = self.servers.run(lambda connection: connection.bind(dn, secret, self.controls), deadline, False)
        if self._spends_as_ourselves and result["result"] != 0:
            # its password has been changed: more tries would lock it
            log.error("the service account bind_dn is refused: %s", result["description"])
            self._spends_as_ourselves = False

    def account_problem(self, entry: Entry, bound: bool, deadline: Deadline) -> states.AccountProblem | None:
        """What speaks most against the entry's account; None if nothing does. Logs a value that is not understood.

        `bound` if the directory took the password just now.
        """
        # Active Directory itself refuses them
        may_stay = self._settings.must_change == "allow" and not self._settings.is_ad
        found = states.account_problems(entry, self._settings, datetime.now(UTC), bound)

        def matches(dn: str, filter_text: str) -> bool:
            return bool(self.search(dn, filter_text, BASE, ["objectClass"], deadline))

        if hidden := states.hidden_attributes(entry, self._settings, matches):
            found.insert(0, states.AccountProblem("disabled", unknown=hidden))
        verdict = next((each for each in found if not may_stay or each.reason != "must_change_password"), None)
        if verdict and verdict.unknown:
            self._unknown.tell(verdict.unknown, entry.dn)
        return verdict

    def refusal(self, reason: Reason, proven: bool, bound: bool = False, changeable: bool = True) -> AccountRefused:
        """A refusal, and who may be told of it; `bound` if the directory itself took the password."""
        revealed = {"never": False, "proven": proven, "always": True}[self._settings.reveal_state]
        url = self._settings.password_change_url if reason in CHANGEABLE else ""
        # whoever cannot bind any more cannot change it themselves; Active Directory takes the old one instead
        stuck = reason == "password_expired" and self._settings.password_change == "self" and not bound
        return AccountRefused(reason, proven, revealed, url, changeable and (not stuck or self._settings.is_ad))


class UnrecognizedValueLog:
    """Values that were not understood, each told once, and no more than LIMIT of them."""

    LIMIT = 100

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def tell(self, unknown: UnrecognizedValue, dn: str) -> None:
        told = unknown.attribute, unknown.value
        if told in self._told or len(self._told) >= self.LIMIT:
            return
        self._told.add(told)
        more = "" if len(self._told) < self.LIMIT else "; further ones are not logged"
        log.error("account refused, a value is not understood: %s: attribute=%s dn=%a%s", unknown, told[0], dn, more)


def _wait(deadline: Deadline, seconds: float) -> None:
    """Until so many seconds of a sign-in are over."""
    while (left := seconds - deadline.elapsed) > 0:
        # a sleep takes longer than it is asked for, which could be told
        time.sleep(max(0, left - OVERSLEPT))
