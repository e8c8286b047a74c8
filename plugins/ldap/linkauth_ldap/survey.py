"""A look at the people of the directory, for operators: whose state is not understood, so that they are refused?"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ldap3 import BASE, LEVEL, SUBTREE
from ldap3.protocol.rfc2696 import paged_search_control

from linkauth.backends import Check
from linkauth_ldap import states
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.entries import Entry
from linkauth_ldap.filters import any_name_filter
from linkauth_ldap.settings import LDAPSettings

PAGED_RESULTS = "1.2.840.113556.1.4.319"
"""RFC 2696."""
PAGE, PAGES = 100, 20
"""Entries at once, and how often; OpenLDAP may refuse larger pages."""
AGAIN = 600
"""Seconds after which people are looked at again: health is asked far more often than their states change."""
ASKED = 200
"""Entries of which it is asked whether what is missing is hidden."""
NAMED = 5
"""Values that a line names."""


class Survey:
    """What the last look found. Safe for many threads."""

    def __init__(self, settings: LDAPSettings) -> None:
        self._settings = settings
        self._found: tuple[float, list[Check]] = (-math.inf, [])
        self._kept: dict[str, tuple[float, Check]] = {}

    def kept(self, name: str, look: Callable[[], Check]) -> Check:
        """What `look` finds, or what it found lately if that was well."""
        at, found = self._kept.get(name, (-math.inf, None))
        if found is None or time.monotonic() - at > AGAIN:
            found = look()
            if found.ok:
                self._kept[name] = time.monotonic(), found
        return found

    def lines(self, connection: DirectoryConnection) -> list[Check]:
        """A line about the states of people, and one for each attribute that the ini names and no entry shows."""
        settings = self._settings
        if not settings.user_base or not settings.can_search or not states.state_attributes(settings):
            return []
        at, found = self._found
        if time.monotonic() - at > AGAIN:
            found = list(self._look(connection))
            self._found = time.monotonic(), found
        return found

    def _look(self, connection: DirectoryConnection) -> Iterator[Check]:
        settings, now = self._settings, datetime.now(UTC)
        unknown, shown, people, refused = Counter[str](), set[str](), 0, 0
        named = {key: name for key, name in settings.named_attributes.items() if name}
        entries, whole = self._people(connection)
        asked = 0

        def matches(dn: str, filter_text: str) -> bool:
            nonlocal asked
            asked += 1
            try:
                return bool(connection.search(dn, filter_text, BASE, ["objectClass"])[1])
            except Exception:
                # as below; nothing more is asked
                asked = ASKED
                return True

        for entry in entries:
            people += 1
            found = [
                verdict.unknown for verdict in states.account_problems(entry, settings, now, False) if verdict.unknown
            ]
            if asked < ASKED and (hidden := states.hidden_attributes(entry, settings, matches)):
                found.append(hidden)
            unknown.update(map(str, found))
            refused += bool(found)
            shown |= {key for key, attribute in named.items() if entry.values_of_all_options(attribute)}
        first = "" if whole else "the first "
        if refused:
            values = "; ".join(f"{text} ({count})" for text, count in unknown.most_common(NAMED))
            more = f"; and {len(unknown) - NAMED} others" if len(unknown) > NAMED else ""
            detail = f"{refused} of {first}{people} people are refused, for values that are not understood: "
            yield Check("account state", refused < people, f"{detail}{values}{more}", warning=True)
        else:
            yield Check("account state", True, f"what {first}{people} entries say is understood")
        for key in sorted(set(named) - shown) if people else []:
            detail = f"{named[key]} stands in no entry that bind_dn may read: is that its name?"
            yield Check(key, True, detail, warning=True)

    def _people(self, connection: DirectoryConnection) -> tuple[list[Entry], bool]:
        """Those whom some name finds, and whether these are all; the server or the time may give fewer."""
        settings, cookie, people = self._settings, None, list[Entry]()
        whom, scope = any_name_filter(str(settings.user_filter)), SUBTREE if settings.user_scope == "subtree" else LEVEL
        for _ in range(PAGES):
            page = [paged_search_control(False, PAGE, cookie)]
            try:
                result, found = connection.search(
                    settings.user_base, whom, scope, states.state_attributes(settings), controls=page
                )
            except Exception:
                # ldap3 raises what it likes for a server that stops or is slow: what came until then is looked at
                return people, False
            people += map(Entry, found)
            cookie = result.get("controls", {}).get(PAGED_RESULTS, {}).get("value", {}).get("cookie")
            if result["result"] != 0 or not cookie:
                return people, result["result"] == 0
        return people, False
