"""The change feeds of a directory: which part of it they follow, and the form of their cookies."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

from ldap3 import BASE, LEVEL, SUBTREE

from linkauth_ldap.filters import any_name_filter, domain_of

if TYPE_CHECKING:
    from linkauth_ldap.dirsync import DirSyncFeed
    from linkauth_ldap.servers import Servers
    from linkauth_ldap.settings import LDAPSettings
    from linkauth_ldap.syncrepl import SyncFeed

BEGINS = "it is not known who has changed before the watch began"
OTHER_SETTINGS = "the settings of the backend have changed since the last watch"
UNKNOWN_COOKIE = "the directory cannot say what has changed since the last watch"
GROUP_CHANGED = "a group has changed"
READ_SECONDS = 1
"""How long a feed waits for a change, and the time between two polls."""
AD_ATTRIBUTES = ("userAccountControl", "accountExpires", "isDeleted", "name")
"""What decides in Active Directory whether an account is disabled, has expired, was deleted or was moved."""


class Followed(NamedTuple):
    """A part of the directory that is followed. `is_group`: its entries are groups, and not people."""

    base: str
    filter_text: str
    scope: str
    attributes: tuple[str, ...]
    is_group: bool


def kind_of_feed(settings: LDAPSettings) -> Literal["off", "syncrepl", "dirsync"]:
    """Returns the kind of feed. "auto" is DirSync where it can work: Active Directory whose subjects are GUIDs."""
    if settings.change_feed == "auto":
        return "dirsync" if settings.is_ad and settings.subject_format == "guid_le" else "off"
    return settings.change_feed


def open_feed(settings: LDAPSettings, servers: Servers) -> SyncFeed | DirSyncFeed:
    """Returns the feed of `change_feed`. Servers that only sign people in do not load it."""
    if kind_of_feed(settings) == "dirsync":
        from linkauth_ldap.dirsync import DirSyncFeed

        return DirSyncFeed(servers, followed_by_dirsync(settings))
    from linkauth_ldap.syncrepl import SyncFeed

    return SyncFeed(settings, servers, followed_by_syncrepl(settings))


def faults(settings: LDAPSettings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) if the change feed cannot work."""
    if settings.change_feed == "dirsync" and not settings.is_ad:
        yield "change_feed", "cannot be dirsync, which only Active Directory (state_check = ad) supports"
    if settings.change_feed == "dirsync" and settings.subject_format != "guid_le":
        yield "change_feed", "can be dirsync only with subject_attribute = objectGUID and subject_format = guid_le"


def followed_by_syncrepl(settings: LDAPSettings) -> list[Followed]:
    """Returns what syncrepl follows: the people, and the groups that decide who may sign in."""
    filter_text = "(objectClass=*)" if settings.finds_by_rdn else any_name_filter(settings.user_filter)
    scope = SUBTREE if settings.user_scope == "subtree" else LEVEL
    parts = [
        Followed(base, filter_text, scope, (settings.subject_attribute,), is_group=False)
        for base in settings.user_bases
    ]
    groups = _deciding_groups(settings)
    if groups and settings.group_base and settings.group_mode == "search" and settings.group_nesting:
        # a group in one of them counts too
        return [*parts, Followed(settings.group_base, "(objectClass=*)", SUBTREE, ("1.1",), is_group=True)]
    return parts + [Followed(dn, "(objectClass=*)", BASE, ("1.1",), is_group=True) for dn in groups]


def followed_by_dirsync(settings: LDAPSettings) -> list[Followed]:
    """Returns what DirSync follows. Its base must be that of the domain (MS-ADTS 3.1.1.3.4.1.3)."""
    domain = domain_of(settings.first_base)
    configured = (*settings.required_attributes, *filter(None, settings.named_attributes.values()))
    attributes = tuple(dict.fromkeys((*AD_ATTRIBUTES, *configured)))
    parts = [Followed(domain, "(objectClass=user)", SUBTREE, attributes, is_group=False)]
    if _deciding_groups(settings):
        parts.append(Followed(domain, "(objectClass=group)", SUBTREE, ("member",), is_group=True))
    return parts


def _deciding_groups(settings: LDAPSettings) -> list[str]:
    lines = f"{settings.required_groups}\n{settings.denied_groups}".splitlines()
    return [line.strip() for line in lines if line.strip()]


def pack(parts: Sequence[Followed], cookies: Sequence[bytes]) -> bytes:
    """Returns the cookie of a feed, which contains those of its parts."""
    texts = [b64encode(cookie).decode("ascii") for cookie in cookies]
    return json.dumps({"of": _fingerprint(parts), "cookies": texts}).encode("ascii")


def unpack(parts: Sequence[Followed], cookie: bytes) -> tuple[list[bytes], str]:
    """Returns the cookies of the parts, and why everybody must be looked up. Without a cookie they are empty."""
    nothing = [b""] * len(parts)
    if not cookie:
        return nothing, BEGINS
    try:
        document = json.loads(cookie)
        if document["of"] != _fingerprint(parts):
            return nothing, OTHER_SETTINGS
        cookies = [b64decode(each, validate=True) for each in document["cookies"]]
    except (ValueError, KeyError, TypeError):
        return nothing, UNKNOWN_COOKIE
    return (cookies, "") if len(cookies) == len(parts) and all(cookies) else (nothing, UNKNOWN_COOKIE)


def _fingerprint(parts: Sequence[Followed]) -> str:
    """Returns a digest of what is followed, because a cookie does not fit other parts of a directory."""
    return sha256(repr(list(parts)).encode("utf-8")).hexdigest()[:16]
