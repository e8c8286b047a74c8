"""The operations on a directory: finding entries, reading groups, and checking passwords."""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
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
    report,
)
from linkauth.net import Deadline
from linkauth_ldap import membership, outcomes, reports, states
from linkauth_ldap.controls import PPOLICY_REQUEST
from linkauth_ldap.entries import Entry, entries_from_result, requested_attributes
from linkauth_ldap.filters import domain_of
from linkauth_ldap.groups import Group, groups_of, is_entitled, primary_filter
from linkauth_ldap.readable import ReadableEntries
from linkauth_ldap.servers import Servers
from linkauth_ldap.settings import LDAPSettings, split_lines
from linkauth_ldap.value_log import UnknownValueLog
from linkauth_ldap.values import UnknownValue

log = logging.getLogger(__name__)

MAX_TIMES = 16
"""The number of times of wrong passwords that are stored."""
MAX_DELAY_SECONDS = 2
"""The maximum seconds that an unknown name waits to take as long as a wrong password. Each wait occupies a thread."""
GROUP_CHECK_SECONDS, GROUP_CHECK_RETRY_SECONDS, GROUP_CHECK_VALID_SECONDS = 300, 30, 3600
"""Seconds between checks of a group in `denied_groups`; until a retry if the directory does not answer; and for which a
successful check remains valid if the retries fail."""
SLEEP_OVERRUN = 0.0002
"""The seconds by which a sleep may exceed its duration."""


class Directory:
    """A directory with one or more servers. Its methods raise the exceptions of the backend contract."""

    def __init__(self, settings: LDAPSettings) -> None:
        self.servers = Servers(settings)
        self.controls = [PPOLICY_REQUEST] if settings.ppolicy else None
        self.attributes = requested_attributes(settings)
        self._settings = settings
        self._username_pattern = re.compile(settings.username_pattern)
        self._may_bind_as_service = bool(settings.bind_dn)
        self._value_log, self._readable = UnknownValueLog(), ReadableEntries()
        # by group in denied_groups: the times of the last successful check and of the next check
        self._group_checks: dict[str, tuple[float, float]] = {}
        # seconds that the latest sign-ins with a wrong password took
        self._wrong_password_times: deque[float] = deque(maxlen=MAX_TIMES)

    def deadline(self) -> Deadline:
        return self.servers.deadline()

    def without_domain(self, name: str) -> str:
        """Returns a name without a domain of `username_domains`."""
        domains = {domain.casefold() for domain in self._settings.username_domains}
        domain, _, rest = name.partition("\\")
        if rest and domain.casefold() in domains:
            return rest
        rest, _, domain = name.rpartition("@")
        return rest if rest and domain.casefold() in domains else name

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

    def find_people(self, filter_text: str, deadline: Deadline) -> list[Entry]:
        """Returns the entries below `user_base` that match the filter, at most two."""
        return self.search_bases(filter_text, deadline, size_limit=2)[:2]

    def search_bases(self, filter_text: str, deadline: Deadline, size_limit: int) -> list[Entry]:
        """Returns the entries below each line of `user_base`, at most `size_limit` of each, and each entry once.

        All lines are searched, also after an entry was found: another one makes the name ambiguous, and the time does
        not depend on where a name is.
        """
        scope, attributes = SUBTREE if self._settings.user_scope == "subtree" else LEVEL, self.attributes
        entries: dict[str, Entry] = {}
        for base in self._settings.user_bases:
            found = self.search(base, filter_text, scope, attributes, deadline, size_limit)
            entries.update((entry.dn, entry) for entry in found)
        return list(entries.values())

    def entry_at(self, dn: str, deadline: Deadline) -> list[Entry]:
        """Returns a list of the entry with this DN, or an empty list."""
        result, found = self.servers.run(
            lambda connection: connection.search(dn, "(objectClass=*)", BASE, self.attributes), deadline, True
        )
        # noSuchObject, invalidDNSyntax
        return [] if result["result"] in (32, 34) else entries_from_result(result, found, dn)

    def search(
        self, base: str, filter_text: str, scope: str, attributes: list[str], deadline: Deadline, size_limit: int = 0
    ) -> list[Entry]:
        """Searches as the service account."""
        result, found = self.servers.run(
            lambda connection: connection.search(base, filter_text, scope, attributes, size_limit), deadline, True
        )
        return entries_from_result(result, found, base, size_limit)

    def groups(
        self, entry: Entry, username: str, deadline: Deadline, primary: list[Entry] | None = None
    ) -> tuple[Group, ...]:
        """Returns the groups of an entry. Raises the exceptions of `groups_of`.

        `primary` is the result of a previous search for the primary group, if there was one.
        """

        def search(base: str, filter_text: str, scope: str, attributes: list[str]) -> list[Entry]:
            return self.search(base, filter_text, scope, attributes, deadline) if primary is None else primary

        # prefer the name as spelled in the directory
        name = entry.text(self._settings.username_attribute) or username
        found = groups_of(entry, name, self._settings, search)
        reports.groups(found, self._settings)
        return found

    def primary_group_search(self, found: list[Mapping[str, Any]]) -> tuple[str, str, str, list[str]] | None:
        """Returns the arguments of a search for the primary group of the only entry, or None if none is needed."""
        try:
            filter_text = primary_filter(Entry(found[0]), self._settings) if len(found) == 1 else None
        except UnknownValue:
            # groups() raises it again
            return None
        name = self._settings.group_name_attribute
        return (domain_of(found[0]["dn"]), filter_text, SUBTREE, [name]) if filter_text else None

    def refuse_unknown_group(self, unknown: UnknownValue, entry: Entry, proven: bool = True) -> AccountRefused:
        self._value_log.log(unknown, entry.dn)
        return self.account_refused("not_entitled", proven)

    def is_entitled(self, entry: Entry, groups: tuple[Group, ...], deadline: Deadline) -> bool:
        """Returns whether required attributes, `required_groups` and `denied_groups` allow the sign-in.

        Raises BackendMisconfigured if `group_mode` does not find the members of a group in `denied_groups`.
        """
        required = self._settings.required_attributes
        if missing := [name for name in required if not entry.text(name).strip()]:
            report("required_attributes", f"the entry has no {' and no '.join(missing)}")
            return False
        self._check_denied_groups(deadline)
        return reports.entitlement(is_entitled(groups, self._settings), self._settings)

    def _check_denied_groups(self, deadline: Deadline) -> None:
        """Checks at intervals that `group_mode` finds the members of each group in `denied_groups`.

        Without a service account there is no check, because nothing can be searched.
        """
        denied = split_lines(self._settings.denied_groups) if self._settings.can_search else ()

        def search(base: str, filter_text: str, scope: str, attributes: list[str], size_limit: int) -> list[Entry]:
            return self.search(base, filter_text, scope, attributes, deadline, size_limit)

        for line in denied:
            checked_at, due = self._group_checks.get(line, (-math.inf, -math.inf))
            now = time.monotonic()
            if now < due:
                continue
            is_valid = now - checked_at < GROUP_CHECK_VALID_SECONDS
            if is_valid:
                # only this sign-in waits for the check; concurrent ones use the previous result
                self._group_checks[line] = checked_at, now + GROUP_CHECK_RETRY_SECONDS
            try:
                problem = membership.membership_problem(line, self._settings, search)
            except BackendMisconfigured as error:
                problem = str(error)
            except BackendUnavailable as error:
                if not is_valid:
                    raise
                log.warning("denied group not checked, the last check is still valid: group=%a error=%s", line, error)
                continue
            if problem == membership.NO_READABLE_MEMBER:
                log.warning("denied_groups, %s: group=%a", problem, line)
            elif problem:
                self._group_checks.pop(line, None)
                raise BackendMisconfigured(f"denied_groups would have no effect: {problem}")
            self._group_checks[line] = time.monotonic(), time.monotonic() + GROUP_CHECK_SECONDS

    def bind(self, dn: str, password: str, deadline: Deadline) -> outcomes.Outcome:
        """Binds as `dn` and returns the outcome. Raises the exceptions of `outcomes.bind_outcome`.

        An AccountRefused also contains what the person may see of it.
        """
        secret = password.encode("utf-8")
        report("bind as", dn)
        result = self.servers.run(lambda connection: connection.bind(dn, secret, self.controls), deadline, False)
        try:
            return outcomes.bind_outcome(result)
        except AccountRefused as refused:
            raise self.account_refused(refused.reason, refused.proven) from None
        except WrongPassword:
            self._wrong_password_times.append(min(deadline.elapsed, MAX_DELAY_SECONDS))
            raise

    def spend_time(self, deadline: Deadline) -> None:
        """Takes the time of a wrong password, so that the response time does not show which names exist.

        This is the time of a recent wrong password. Until there is one, it is the time of a bind as the service
        account, because a bind as a person would count as a failed try.
        """
        if times := list(self._wrong_password_times):
            wait_until(deadline, secrets.choice(times))
            return
        settings = self._settings
        if self._may_bind_as_service:
            dn, secret = settings.bind_dn, settings.bind_password.encode("utf-8")
        else:
            dn, secret = f"cn={secrets.token_hex(8)},{settings.first_base}".rstrip(","), b"x"
        result = self.servers.run(lambda connection: connection.bind(dn, secret, self.controls), deadline, False)
        if self._may_bind_as_service and result["result"] != 0:
            # the password of the service account was changed; more binds could lock it
            log.error("the service account bind_dn is refused: %s", result["description"])
            self._may_bind_as_service = False

    def account_problem(self, entry: Entry, bound: bool, deadline: Deadline) -> states.AccountProblem | None:
        """Returns the most important reason why the account may not sign in, or None, as `account_problems` does."""
        return next(iter(self.account_problems(entry, bound, deadline)), None)

    def account_problems(self, entry: Entry, bound: bool, deadline: Deadline) -> list[states.AccountProblem]:
        """Returns all reasons why the account may not sign in, the most important first. Logs values not understood.

        `bound` is true if a bind with the password of the account has just succeeded.
        """
        # Active Directory refuses the bind if the password must be changed
        may_keep_password = self._settings.must_change == "allow" and not self._settings.is_ad
        problems = states.account_problems(entry, self._settings, datetime.now(UTC), bound)
        reports.state(entry, self._settings, problems)

        def matches(dn: str, filter_text: str) -> bool:
            return self._readable.matches(
                dn, filter_text, lambda: bool(self.search(dn, filter_text, BASE, ["1.1"], deadline))
            )

        if hidden := states.hidden_attributes(entry, self._settings, matches):
            problems.insert(0, states.AccountProblem("disabled", unknown=hidden))
        if may_keep_password:
            problems = [problem for problem in problems if problem.reason != "must_change_password"]
        if problems and problems[0].unknown:
            self._value_log.log(problems[0].unknown, entry.dn)
        return problems

    def account_refused(
        self, reason: Reason, proven: bool, bound: bool = False, changeable: bool = True
    ) -> AccountRefused:
        """Returns the exception for a refused account, with what the person may see and do according to the settings.

        `bound` is true if the directory accepted the password in a bind.
        """
        revealed = {"never": False, "proven": proven, "always": True}[self._settings.reveal_state]
        url = self._settings.password_change_url if reason in CHANGEABLE else ""
        # a person who cannot bind cannot change the password; Active Directory needs no bind for it
        needs_bind = reason == "password_expired" and self._settings.password_change == "self" and not bound
        return AccountRefused(reason, proven, revealed, url, changeable and (not needs_bind or self._settings.is_ad))


def wait_until(deadline: Deadline, seconds: float) -> None:
    """Sleeps until the sign-in has taken `seconds`."""
    while (remaining := seconds - deadline.elapsed) > 0:
        # without the subtraction the total time would be measurably longer than `seconds`
        time.sleep(max(0, remaining - SLEEP_OVERRUN))
