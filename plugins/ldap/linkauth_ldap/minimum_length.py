"""The minimum length of a new password, read from the password policies that the service account can see."""

from __future__ import annotations

import logging
import math
import threading
import time

from ldap3 import BASE, SUBTREE

from linkauth.backends import BackendError
from linkauth.net import Deadline
from linkauth.redaction import reason
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.entries import Entry
from linkauth_ldap.servers import Servers
from linkauth_ldap.settings import LDAPSettings

log = logging.getLogger(__name__)

VALID_SECONDS, RETRY_SECONDS, TIMEOUT_SECONDS = 600, 30, 2
"""How long a length is reused, when a failed read is repeated, and the time limit of a read. A page waits for it."""
MAX_LENGTH = 1_024


class MinimumLength:
    """Reads the length when it is needed, and keeps it. Thread-safe."""

    def __init__(self, settings: LDAPSettings, servers: Servers) -> None:
        self._settings = settings
        self._servers = servers
        self._length = 0
        self._due = -math.inf
        self._lock = threading.Lock()

    def get(self) -> int:
        """Returns the length in characters, or 0 if it is unknown. Raises nothing."""
        with self._lock:
            if time.monotonic() < self._due:
                return self._length
            # the other threads use the previous value while this one reads
            self._due = time.monotonic() + RETRY_SECONDS
        if not self._settings.has_service_account or not self._settings.user_base:
            return 0
        try:
            length = self._servers.run(lambda each: read(self._settings, each), Deadline(TIMEOUT_SECONDS), True)
        except (BackendError, ValueError) as error:
            log.warning("the minimum length of a password cannot be read: %s", reason(error))
            return self._length
        with self._lock:
            self._length, self._due = length, time.monotonic() + VALID_SECONDS
        return length


def read(settings: LDAPSettings, connection: DirectoryConnection) -> int:
    """Returns the smallest minimum of all policies that can be read, or 0.

    Which policy applies to an account is not known before the directory refuses its password.
    """
    scope, filter_text, name, switch = SUBTREE, "(&(objectClass=pwdPolicy)(pwdMinLength=*))", "pwdMinLength", ""
    if settings.is_ad:
        scope, filter_text, name = BASE, "(objectClass=*)", "minPwdLength"
    elif "freeipa" in settings.state_check:
        filter_text, name = "(krbPwdMinLength=*)", "krbPwdMinLength"
    elif "389ds" in settings.state_check:
        filter_text, name, switch = "(passwordMinLength=*)", "passwordMinLength", "passwordCheckSyntax"
    else:
        switch = "pwdCheckQuality"
    entries = list[Entry]()
    for base in settings.domains:
        result, found = connection.search(base, filter_text, scope, [name, *filter(None, [switch])])
        entries += map(Entry, found if result["result"] == 0 else ())
    entries = [entry for entry in entries if not switch or entry.text(switch).casefold() not in ("", "0", "off")]
    lengths = [int(text) for entry in entries if (text := entry.text(name)).isdecimal() and len(text) < 5]
    return min((length for length in lengths if 0 < length <= MAX_LENGTH), default=0)
