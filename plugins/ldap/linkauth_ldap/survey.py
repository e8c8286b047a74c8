"""Counts, for doctor, the people of the directory whose account state is not understood, so that they are refused."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ldap3 import BASE, LEVEL, SUBTREE

from linkauth.backends import Check
from linkauth.identities import shown_name
from linkauth_ldap import states
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.encoding import PAGED_RESULTS, page_control
from linkauth_ldap.entries import Entry
from linkauth_ldap.filters import any_name_filter
from linkauth_ldap.settings import LDAPSettings

PAGE_SIZE, MAX_PAGES = 100, 20
"""The entries per page, and the number of pages. OpenLDAP may refuse larger pages."""
CACHE_SECONDS = 600
"""How long the results are reused, because health checks are frequent."""
MAX_HIDDEN_SEARCHES = 200
"""The number of entries that are searched for attributes that the service account may not read."""
MAX_SHOWN = 5
"""The maximum number of values in a message."""


class Survey:
    """Reads a bounded number of entries, and caches the results. Thread-safe."""

    def __init__(self, settings: LDAPSettings) -> None:
        self._settings = settings
        self._state_checks: tuple[float, list[Check]] = (-math.inf, [])
        self._cached: dict[str, tuple[float, Check]] = {}

    def cached(self, name: str, run: Callable[[], Check]) -> Check:
        """Returns the result of `run`. A result that is ok is cached under `name`."""
        created_at, check = self._cached.get(name, (-math.inf, None))
        if check is None or time.monotonic() - created_at > CACHE_SECONDS:
            check = run()
            if check.ok:
                self._cached[name] = time.monotonic(), check
        return check

    def checks(self, connection: DirectoryConnection) -> list[Check]:
        """Returns the checks of names and account states, and a warning for each attribute that no entry shows."""
        settings = self._settings
        is_needed = states.state_attributes(settings) or len(settings.user_bases) > 1
        if not settings.user_base or not settings.can_search or not is_needed:
            return []
        created_at, checks = self._state_checks
        if time.monotonic() - created_at > CACHE_SECONDS:
            checks = list(self._check_states(connection))
            self._state_checks = time.monotonic(), checks
        return checks

    def _check_states(self, connection: DirectoryConnection) -> Iterator[Check]:
        settings, now = self._settings, datetime.now(UTC)
        unknown, readable, people, refused = Counter[str](), set[str](), 0, 0
        configured = {key: name for key, name in settings.named_attributes.items() if name}
        entries, is_complete = self._people(connection)
        searches = 0

        def matches(dn: str, filter_text: str) -> bool:
            nonlocal searches
            searches += 1
            try:
                return bool(connection.search(dn, filter_text, BASE, ["objectClass"])[1])
            except Exception:
                # ldap3 may raise any exception; do not search again
                searches = MAX_HIDDEN_SEARCHES
                return True

        for entry in entries:
            people += 1
            problems = states.account_problems(entry, settings, now, False)
            values = [problem.unknown for problem in problems if problem.unknown]
            if searches < MAX_HIDDEN_SEARCHES and (hidden := states.hidden_attributes(entry, settings, matches)):
                values.append(hidden)
            unknown.update(map(str, values))
            refused += bool(values)
            readable |= {key for key, attribute in configured.items() if entry.values_of_all_options(attribute)}
        first = "" if is_complete else "the first "
        yield from self._check_names(entries)
        if not states.state_attributes(settings):
            return
        if refused:
            listed = "; ".join(f"{text} ({count})" for text, count in unknown.most_common(MAX_SHOWN))
            more = f"; and {len(unknown) - MAX_SHOWN} others" if len(unknown) > MAX_SHOWN else ""
            detail = f"{refused} of {first}{people} people are refused, for values that are not understood: "
            yield Check("account state", refused < people, f"{detail}{listed}{more}", warning=True)
        else:
            yield Check("account state", True, f"all values of {first}{people} people are understood")
        for key in sorted(set(configured) - readable) if people else []:
            detail = f"bind_dn can read {configured[key]} in no entry: check the name of the attribute"
            yield Check(key, True, detail, warning=True)

    def _check_names(self, entries: list[Entry]) -> Iterator[Check]:
        """Yields a warning if several entries have one name of `username_attribute`, and people sign in with it."""
        attribute = self._settings.username_attribute
        if f"({attribute}={{username}})".casefold() not in self._settings.user_filter.casefold():
            return
        counts = Counter(name for entry in entries for name in {text.casefold() for text in entry.texts(attribute)})
        several = sorted(name for name, count in counts.items() if count > 1)
        if several:
            listed = ", ".join(f"{shown_name(name)!a}" for name in several[:MAX_SHOWN])
            detail = f"{len(several)} belong to several entries, so nobody can sign in with them: {listed}"
            yield Check("user names", True, detail + ", ..." * (len(several) > MAX_SHOWN), warning=True)

    def _people(self, connection: DirectoryConnection) -> tuple[list[Entry], bool]:
        """Returns (people that `user_filter` finds by any name, whether these are all).

        The page limit, a limit of the server or an error may make the list incomplete.
        """
        people, is_complete = dict[str, Entry](), True
        for base in self._settings.user_bases:
            found, is_all = self._people_below(connection, base)
            people.update((entry.dn, entry) for entry in found)
            is_complete = is_complete and is_all
        return list(people.values()), is_complete

    def _people_below(self, connection: DirectoryConnection, base: str) -> tuple[list[Entry], bool]:
        settings, cookie, people = self._settings, b"", list[Entry]()
        attributes = [*states.state_attributes(settings), settings.username_attribute]
        filter_text, scope = (
            any_name_filter(str(settings.user_filter)),
            SUBTREE if settings.user_scope == "subtree" else LEVEL,
        )
        for _ in range(-(-MAX_PAGES // len(settings.user_bases))):
            page = [page_control(PAGE_SIZE, cookie)]
            try:
                result, found = connection.search(base, filter_text, scope, attributes, controls=page)
            except Exception:
                # ldap3 may raise any exception if the server stops or is slow; use the pages received so far
                return people, False
            people += map(Entry, found)
            cookie = result.get("controls", {}).get(PAGED_RESULTS, {}).get("value", {}).get("cookie")
            if result["result"] != 0 or not cookie:
                return people, result["result"] == 0
        return people, False
