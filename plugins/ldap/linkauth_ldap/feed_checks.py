"""Checks whether the directory reports changes to the service account, for doctor. `linkauth watch` needs them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from ldap3 import SUBTREE

from linkauth.backends import Check
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.encoding import SYNC_REQUEST, dirsync_control
from linkauth_ldap.entries import Entry
from linkauth_ldap.feeds import kind_of_feed
from linkauth_ldap.filters import domain_of
from linkauth_ldap.outcomes import describe_result
from linkauth_ldap.settings import LDAPSettings

NAME = "change_feed"
NOBODY = f"(objectGUID={uuid.UUID(int=0)})"
NO_RIGHT = 50


def run(settings: LDAPSettings, connection: DirectoryConnection, root: Entry) -> Iterator[Check]:
    """Yields a check of `change_feed`. It is never an error, because only `linkauth watch` needs it."""
    kind = kind_of_feed(settings)
    if kind == "syncrepl":
        if SYNC_REQUEST in root.texts("supportedControl"):
            yield Check(NAME, True, "syncrepl is offered; bind_dn must be able to read all people at once")
        else:
            detail = "the directory does not offer syncrepl (overlay syncprov), so `linkauth watch` does not work"
            yield Check(NAME, True, detail)
    elif kind == "dirsync" and settings.has_service_account:
        # reads no entries
        control = dirsync_control(0, 65_536, b"")
        base = domain_of(settings.first_base)
        result, _ = connection.search(base, NOBODY, SUBTREE, ["isDeleted"], 0, [control])
        if result["result"] == 0:
            yield Check(NAME, True, "dirsync is allowed, and reports deleted accounts too")
        elif result["result"] == NO_RIGHT:
            detail = 'without the right "Replicating Directory Changes" for bind_dn, `linkauth watch` sees no deletions'
            yield Check(NAME, True, detail)
        else:
            yield Check(NAME, True, f"dirsync failed with {describe_result(result)}", warning=True)
