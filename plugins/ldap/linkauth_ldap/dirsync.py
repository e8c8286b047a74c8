"""Follows Active Directory by polls with the control DirSync (MS-ADTS 3.1.1.3.4.1.3).

The directory returns only entries of which a requested attribute has changed. Without the right "Replicating Directory
Changes" it returns only what the account may read, and that excludes deleted entries.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Changes
from linkauth_ldap.encoding import DIRSYNC, dirsync_control
from linkauth_ldap.feeds import GROUP_CHANGED, READ_SECONDS, UNKNOWN_COOKIE, Followed, pack, unpack
from linkauth_ldap.outcomes import UNAVAILABLE, describe_result
from linkauth_ldap.servers import Servers

OBJECT_SECURITY = 0x1
"""Returns what the account may read, so that it needs no right to replicate."""
INCREMENTAL_VALUES = 0x80000000
"""Returns the members that were added or removed, and not all members of a group."""
NO_RIGHT = 50
REFUSED_COOKIE = (2, 12, 53)
"""protocolError, unavailableCriticalExtension, unwillingToPerform: what a cookie that is not understood causes."""
ANSWER_BYTES = 1_048_576
"""About the largest answer."""


class DirSyncFeed:
    """The changes of Active Directory."""

    def __init__(self, servers: Servers, parts: Sequence[Followed]) -> None:
        self._servers, self._parts = servers, parts

    def follow(self, cookie: bytes) -> Generator[Changes, None, None]:
        cookies, everybody = unpack(self._parts, cookie)
        # the directory may refuse the first poll only because the account may not replicate
        flags = [0]
        while True:
            started = time.monotonic()
            found: dict[str, None] = {}
            before, are_read = list(cookies), True
            for number, part in enumerate(self._parts):
                entries, cookies[number], has_more, is_refused = self._poll(part, cookies[number], flags)
                everybody = everybody or (UNKNOWN_COOKIE if is_refused else "")
                if is_refused or not before[number]:
                    # the content of the directory, and no changes
                    if has_more:
                        yield Changes()
                        cookies[number] = yield from self._to_the_end(part, cookies[number], flags)
                    continue
                are_read = are_read and not has_more
                if entries and part.is_group:
                    everybody = everybody or GROUP_CHANGED
                elif entries:
                    found.update(dict.fromkeys(_subjects(entries)))
            is_new = cookies != before
            yield Changes(tuple(found), pack(self._parts, cookies) if is_new else b"", everybody, are_read)
            everybody = ""
            if are_read:
                time.sleep(max(0.0, READ_SECONDS - (time.monotonic() - started)))

    def _to_the_end(self, part: Followed, cookie: bytes, flags: list[int]) -> Generator[Changes, None, bytes]:
        """Reads further answers until there are no more. Returns the last cookie."""
        has_more = True
        while has_more:
            _, cookie, has_more, _ = self._poll(part, cookie, flags)
            yield Changes()
        return cookie

    def _poll(
        self, part: Followed, cookie: bytes, flags: list[int]
    ) -> tuple[list[Mapping[str, Any]], bytes, bool, bool]:
        """Returns (entries, cookie, whether there are more, whether the old cookie was refused)."""
        result, entries = self._search(part, cookie, flags[0])
        if result["result"] == NO_RIGHT and not flags[0]:
            flags[0] = OBJECT_SECURITY
            result, entries = self._search(part, cookie, flags[0])
        is_refused = bool(cookie) and result["result"] in REFUSED_COOKIE
        if is_refused:
            result, entries = self._search(part, b"", flags[0])
        if result["result"]:
            text = f"the change feed of {part.base} failed with {describe_result(result)}"
            raise BackendUnavailable(text) if result["result"] in UNAVAILABLE else BackendMisconfigured(text)
        value = (result.get("controls") or {}).get(DIRSYNC, {}).get("value")
        if not isinstance(value, Mapping) or not isinstance(value.get("cookie"), bytes):
            raise BackendMisconfigured("the directory does not offer the control DirSync: set change_feed = off")
        return entries, value["cookie"], bool(value.get("more_results")), is_refused

    def _search(self, part: Followed, cookie: bytes, flags: int) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
        control = dirsync_control(flags | (INCREMENTAL_VALUES if part.is_group else 0), ANSWER_BYTES, cookie)
        return self._servers.run(
            lambda connection: connection.search(
                part.base, part.filter_text, part.scope, list(part.attributes), 0, [control]
            ),
            self._servers.deadline(),
            True,
        )


def _subjects(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for entry in entries:
        values = {name.casefold(): each for name, each in entry["raw_attributes"].items()}.get("objectguid", [])
        if len(values) == 1 and len(values[0]) == 16:
            # the first three fields are little-endian (MS-DTYP 2.3.4.2)
            yield str(uuid.UUID(bytes_le=values[0]))
