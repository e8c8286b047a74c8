"""The groups of a person, in the four ways that directories know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ldap3 import BASE, SUBTREE
from ldap3.utils.conv import escape_bytes

from linkauth.backends import BackendMisconfigured
from linkauth_ldap.filters import canonical_dn, domain_of, filled, first_rdn
from linkauth_ldap.people import Entry
from linkauth_ldap.presets import IN_CHAIN
from linkauth_ldap.settings import LDAPSettings, lines_of

Search = Callable[[str, str, str, list[str]], list[Entry]]
"""(base, filter, scope, attributes) to entries, as the service account."""
BATCH = 50
"""Groups asked about in one filter."""


@dataclass(frozen=True, slots=True)
class Group:
    dn: str
    name: str


def groups_of(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> tuple[Group, ...]:
    """The groups of `entry`, by name; raises BackendMisconfigured when there are more than `group_limit`."""
    if not settings.reads_groups:
        return ()
    found = _MODES[settings.known("group_mode")](entry, username, settings, search)
    if len(found) > settings.group_limit:
        raise BackendMisconfigured(f"{entry.dn} is in more than {settings.group_limit} groups: raise group_limit")
    return tuple(sorted(found, key=lambda group: (group.name, group.dn)))


def is_entitled(groups: tuple[Group, ...], settings: LDAPSettings) -> bool:
    """In one of `required_groups`, if there are any, and in none of `denied_groups`.

    Raises BackendMisconfigured for a group whose DN cannot be compared: it might be a denied one.
    """
    own = {canonical_dn(group.dn) for group in groups}
    required = {canonical_dn(line) for line in lines_of(settings.required_groups)}
    denied = {canonical_dn(line) for line in lines_of(settings.denied_groups)}
    if denied and None in own:
        strange = next(group.dn for group in groups if canonical_dn(group.dn) is None)
        raise BackendMisconfigured(f"denied_groups cannot be compared with the group {strange}: rename that group")
    return (not required or bool(own & required)) and not own & denied


def _member_of(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> list[Group]:
    if entry.is_cut("memberOf"):
        raise BackendMisconfigured(f"{entry.dn} is in more groups than memberOf shows at once: use another group_mode")
    return [Group(dn, first_rdn(dn)) for dn in entry.texts("memberOf")]


def _searched(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> list[Group]:
    """Direct groups, then the groups of those, level by level; whatever was seen is not asked about again."""
    template, seen = settings.known("group_filter"), dict[Any, Group]()
    asked = [filled(template, dn=entry.dn, username=username)]
    for level in range(settings.group_nesting + 1):
        fresh: list[Group] = []
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            either = batch[0] if len(batch) == 1 else f"(|{''.join(batch)})"
            found = _named(search(settings.group_base, either, SUBTREE, _wanted(settings)), settings)
            fresh += [group for group in found if seen.setdefault(canonical_dn(group.dn), group) is group]
        # only {dn} can name a group as a member
        if not fresh or "{dn}" not in template or len(seen) > settings.group_limit or level == settings.group_nesting:
            break
        # {username} of a group is nobody's name
        asked = [filled(template, dn=group.dn, username="\0") for group in fresh]
    return list(seen.values())


def _in_chain(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> list[Group]:
    """One search that the directory itself follows through all levels (Active Directory only)."""
    template = settings.known("group_filter")
    if IN_CHAIN not in template:
        template = f"(&(objectClass=group)(member:{IN_CHAIN}:={{dn}}))"
    found = search(settings.group_base, filled(template, dn=entry.dn, username=username), SUBTREE, _wanted(settings))
    return _named(found, settings)


def _token_groups(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> list[Group]:
    """Active Directory's own list of SIDs: all levels and the primary group; their names take a second search."""
    found: list[Group] = []
    for own in search(entry.dn, "(objectClass=*)", BASE, ["tokenGroups"]):
        sids = own.raw("tokenGroups")
        for start in range(0, len(sids), BATCH):
            either = "".join(f"(objectSid={escape_bytes(sid)})" for sid in sids[start : start + BATCH])
            found += _named(search(_domain(settings), f"(|{either})", SUBTREE, _wanted(settings)), settings)
    return found


_MODES: Mapping[str, Callable[[Entry, str, LDAPSettings, Search], list[Group]]] = {
    "memberof": _member_of,
    "search": _searched,
    "in_chain": _in_chain,
    "tokengroups": _token_groups,
}


def _wanted(settings: LDAPSettings) -> list[str]:
    return [settings.known("group_name_attribute")]


def _named(entries: list[Entry], settings: LDAPSettings) -> list[Group]:
    return [Group(each.dn, each.text(settings.known("group_name_attribute")) or first_rdn(each.dn)) for each in entries]


def _domain(settings: LDAPSettings) -> str:
    """`group_base`, or else the domain that `user_base` is in: its DC parts."""
    return settings.group_base or domain_of(settings.user_base)
