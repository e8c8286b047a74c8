"""Counts, for doctor, the people of the directory whose account state is not understood, so that they are refused."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ldap3 import BASE, LEVEL, SUBTREE

from linkauth.backends import Check
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
        """Returns a check of account states, and a warning for each configured attribute that no entry shows."""
        settings = self._settings
        if not settings.user_base or not settings.can_search or not states.state_attributes(settings):
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

    def _people(self, connection: DirectoryConnection) -> tuple[list[Entry], bool]:
        """Returns (people whom `user_filter` finds by any name, whether these are all).

        The page limit, a limit of the server or an error may make the list incomplete.
        """
        settings, cookie, people = self._settings, b"", list[Entry]()
        filter_text, scope = (
            any_name_filter(str(settings.user_filter)),
            SUBTREE if settings.user_scope == "subtree" else LEVEL,
        )
        for _ in range(MAX_PAGES):
            page = [page_control(PAGE_SIZE, cookie)]
            try:
                result, found = connection.search(
                    settings.user_base, filter_text, scope, states.state_attributes(settings), controls=page
                )
            except Exception:
                # ldap3 may raise any exception if the server stops or is slow; use the pages received so far
                return people, False
            people += map(Entry, found)
            cookie = result.get("controls", {}).get(PAGED_RESULTS, {}).get("value", {}).get("cookie")
            if result["result"] != 0 or not cookie:
                return people, result["result"] == 0
        return people, False
