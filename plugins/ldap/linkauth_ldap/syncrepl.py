"""Follows a directory by the content synchronization of LDAP (RFC 4533), which OpenLDAP offers with syncprov.

Each part of the directory has a search in the mode refreshAndPersist. All searches run on one connection. First the
server sends what has changed since the cookie, then each change.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Mapping, Sequence

from ldap3 import BASE
from ldap3.core.results import RESULT_CODES

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Changes
from linkauth.net import Deadline
from linkauth.redaction import reason, redact
from linkauth_ldap import encoding
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.feeds import GROUP_CHANGED, READ_SECONDS, UNKNOWN_COOKIE, Followed, pack, unpack
from linkauth_ldap.messages import DONE, ENTRY, INTERMEDIATE, REFERENCE, Decoder, InvalidMessage, Message, elements
from linkauth_ldap.outcomes import UNAVAILABLE
from linkauth_ldap.servers import Servers
from linkauth_ldap.settings import LDAPSettings

SYNC_STATE, SYNC_INFO = "1.3.6.1.4.1.4203.1.9.1.2", "1.3.6.1.4.1.4203.1.9.1.4"
PRESENT, DELETED = 0, 3
"""States of an entry. The others are: added, modified."""
NEW_COOKIE, REFRESH_DELETE, REFRESH_PRESENT, ID_SET = 0x80, 0xA1, 0xA2, 0xA3
"""The choices of a Sync Info Message."""
REFRESH_REQUIRED = 4096
"""The result e-syncRefreshRequired: the server does not know the cookie."""
UNKNOWN_DELETED = "an entry was deleted whose subject is not known"
UNKNOWN_DELETIONS = "the directory cannot say who was deleted meanwhile"
PING_SECONDS = 30
"""After so many seconds without a message the connection is tried: a firewall may have dropped it."""
PROBLEMS: Mapping[int, str] = {
    12: "the directory does not offer it: load the overlay syncprov, or set change_feed = off",
    4: "bind_dn may not read so many entries at once: raise its size limit (limits dn.exact=... size=unlimited)",
    32: "its base does not exist, or bind_dn may not read it",
    50: "bind_dn may not read it",
}


class _Search:
    """The search of one part, and where it is."""

    def __init__(self, part: Followed, cookie: bytes) -> None:
        self.part, self.cookie = part, cookie
        self.is_refreshing = True
        # the cookie with which it began; with one, its refresh contains only what has changed
        self.began_with = cookie
        # whether the refresh names what is still there, and not what was deleted
        self.hides_deletions = False


class SyncFeed:
    """The changes of a directory with syncrepl."""

    def __init__(self, settings: LDAPSettings, servers: Servers, parts: Sequence[Followed]) -> None:
        self._servers, self._parts = servers, parts
        self._subject = settings.subject_attribute.casefold()
        self._reply_seconds = settings.receive_timeout

    def follow(self, cookie: bytes) -> Generator[Changes, None, None]:
        cookies, why = unpack(self._parts, cookie)
        connection = self._servers.open(self._servers.deadline())
        try:
            yield from _Session(self._parts, cookies, why, self._subject, connection, self._reply_seconds).run()
        except (OSError, InvalidMessage) as error:
            raise BackendUnavailable(f"the connection of the change feed was lost: {reason(error)}") from None
        finally:
            connection.close()


class _Session:
    """The searches on one connection. `subject_attribute` is in lower case."""

    def __init__(
        self,
        parts: Sequence[Followed],
        cookies: Sequence[bytes],
        everybody: str,
        subject_attribute: str,
        connection: DirectoryConnection,
        reply_seconds: float,
    ) -> None:
        self._all = [_Search(part, cookie) for part, cookie in zip(parts, cookies, strict=True)]
        self._parts, self._everybody, self._subject = parts, everybody, subject_attribute
        self._connection, self._reply_seconds = connection, reply_seconds
        self._searches: dict[int, _Search] = {}
        self._subjects: dict[str, None] = {}
        self._has_new_cookie = False

    def run(self) -> Generator[Changes, None, None]:
        for search in self._all:
            self._begin(search)
        decoder, heard_at, asked_at, told_at = Decoder(), time.monotonic(), 0.0, time.monotonic()
        while True:
            has_data = self._connection.has_data(READ_SECONDS)
            now = time.monotonic()
            if has_data:
                self._connection.within(Deadline(self._reply_seconds))
                data = self._connection.receive(65_536)
                if not data:
                    raise BackendUnavailable("the directory closed the connection of the change feed")
                for message in decoder.feed(data):
                    self._take(message)
                heard_at = now
            elif asked_at > heard_at and now - asked_at > self._reply_seconds:
                raise BackendUnavailable("the directory does not answer on the connection of the change feed")
            elif now - heard_at > PING_SECONDS and asked_at <= heard_at:
                self._ask()
                asked_at = now
            is_more = has_data and self._connection.has_data(0)
            if not is_more or now - told_at > READ_SECONDS:
                yield self._report(is_more)
                told_at = time.monotonic()

    def _begin(self, search: _Search) -> None:
        part = search.part
        request = encoding.search_request(part.base, part.filter_text, part.scope, part.attributes, 0, False)
        self._connection.within(Deadline(self._reply_seconds))
        number = self._connection.send(request, [encoding.sync_control(True, search.cookie)])
        search.is_refreshing, search.hides_deletions, search.began_with = True, False, search.cookie
        self._searches[number] = search

    def _ask(self) -> None:
        """Sends a request whose answer shows that the connection is alive."""
        self._connection.within(Deadline(self._reply_seconds))
        self._connection.send(encoding.search_request("", "(objectClass=*)", BASE, ("1.1",), 0))

    def _report(self, is_more: bool) -> Changes:
        is_refreshed = not any(search.is_refreshing for search in self._all)
        # a cookie before the end of a refresh would leave out the rest of it
        cookie = (
            pack(self._parts, [each.cookie for each in self._all]) if is_refreshed and self._has_new_cookie else b""
        )
        changes = Changes(tuple(self._subjects), cookie, self._everybody, is_refreshed and not is_more)
        self._subjects, self._everybody = {}, ""
        self._has_new_cookie = self._has_new_cookie and not is_refreshed
        return changes

    def _take(self, message: Message) -> None:
        search = self._searches.get(message.number)
        if search is None:
            return
        if message.kind == DONE:
            self._end(search, message)
        elif message.kind == INTERMEDIATE and message.name == SYNC_INFO:
            self._take_info(search, message.value)
        elif message.kind in (ENTRY, REFERENCE) and SYNC_STATE in message.controls:
            self._take_entry(search, message)

    def _end(self, search: _Search, message: Message) -> None:
        """Handles the end of a search, which should not end."""
        code = message.code
        if code == REFRESH_REQUIRED and search.cookie:
            self._searches = {number: each for number, each in self._searches.items() if each is not search}
            search.cookie, self._everybody = b"", UNKNOWN_COOKIE
            self._begin(search)
            return
        name = RESULT_CODES.get(code, str(code))
        detail = " ".join(redact(message.text).split())
        text = f"the change feed of {search.part.base} ended with {name} {detail}".strip()
        if code == 0 or code in UNAVAILABLE:
            raise BackendUnavailable(text)
        raise BackendMisconfigured(f"{text}: {PROBLEMS[code]}" if code in PROBLEMS else text)

    def _take_entry(self, search: _Search, message: Message) -> None:
        values = elements(_content(message.controls[SYNC_STATE]))
        state, identifier = values[0][1], values[1][1]
        if state != bytes((PRESENT,)) and message.kind == ENTRY:
            stored = message.attributes.get(self._subject, [])
            is_deleted = state == bytes((DELETED,))
            self._changed(search, identifier, stored[0] if len(stored) == 1 else None, is_deleted)
        if len(values) > 2:
            self._set_cookie(search, values[2][1])

    def _changed(self, search: _Search, identifier: bytes, stored: bytes | None, is_deleted: bool) -> None:
        """Notes a change of an entry with this entryUUID and value of the subject attribute."""
        if search.is_refreshing and not search.began_with:
            # the content of the directory, and no changes
            return
        if search.part.is_group:
            self._everybody = self._everybody or GROUP_CHANGED
        elif self._subject == "entryuuid" and len(identifier) == 16:
            self._subjects[str(uuid.UUID(bytes=identifier))] = None
        elif stored is not None:
            self._subjects[stored.decode("utf-8", "replace")] = None
        elif is_deleted:
            self._everybody = self._everybody or UNKNOWN_DELETED

    def _take_info(self, search: _Search, value: bytes) -> None:
        ((kind, content),) = elements(value)
        if kind == NEW_COOKIE:
            self._set_cookie(search, content)
            return
        fields = elements(content)
        # without refreshDeletes, the entries of a set are still there
        if kind == ID_SET and any(tag == 0x01 and flag != b"\0" for tag, flag in fields):
            for identifiers in (inner for tag, inner in fields if tag == 0x31):
                for _, identifier in elements(identifiers):
                    self._changed(search, identifier, None, is_deleted=True)
        for tag, cookie in fields:
            if tag == 0x04:
                self._set_cookie(search, cookie)
        if kind in (REFRESH_DELETE, REFRESH_PRESENT) and search.is_refreshing:
            search.hides_deletions = search.hides_deletions or kind == REFRESH_PRESENT
            if not any(tag == 0x01 and flag == b"\0" for tag, flag in fields):
                self._end_refresh(search)

    def _end_refresh(self, search: _Search) -> None:
        search.is_refreshing, self._has_new_cookie = False, True
        # an equal cookie shows that nothing at all has changed
        if search.hides_deletions and search.began_with and search.cookie != search.began_with:
            self._everybody = self._everybody or UNKNOWN_DELETIONS

    def _set_cookie(self, search: _Search, cookie: bytes) -> None:
        cookie = merged_cookie(search.cookie, cookie)
        if cookie and cookie != search.cookie:
            search.cookie, self._has_new_cookie = cookie, True


def merged_cookie(before: bytes, after: bytes) -> bytes:
    """Returns the cookie to store after `after` was received.

    The cookie of a change in OpenLDAP has the change number (CSN) of one server only, and the others have not changed.
    Its other fields are those of a replica, which linkauth is not.
    """
    numbers = _change_numbers(before) | _change_numbers(after)
    if not _change_numbers(after):
        return after
    return b"rid=000,csn=" + b";".join(numbers[server] for server in sorted(numbers))


def _change_numbers(cookie: bytes) -> dict[bytes, bytes]:
    """Returns the change numbers in a cookie of OpenLDAP by server. Other cookies have none."""
    fields = [each for each in cookie.split(b",") if each.startswith(b"csn=")] if cookie.startswith(b"rid=") else []
    numbers = fields[0].removeprefix(b"csn=").split(b";") if fields else []
    return {number.split(b"#")[2]: number for number in numbers if number.count(b"#") == 3}


def _content(value: bytes) -> bytes:
    """Returns the content of a SEQUENCE. Raises InvalidMessage."""
    found = elements(value)
    if len(found) != 1 or found[0][0] != encoding.SEQUENCE:
        raise InvalidMessage("a control is not a sequence")
    return found[0][1]
