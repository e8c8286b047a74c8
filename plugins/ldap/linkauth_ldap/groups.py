"""The groups of a person, in the four ways that directories know, and the primary one, which stands in no group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ldap3 import BASE, SUBTREE
from ldap3.utils.conv import escape_bytes

from linkauth.backends import BackendMisconfigured
from linkauth_ldap import values
from linkauth_ldap.filters import canonical_dn, domain_of, filled, first_rdn, is_below
from linkauth_ldap.people import Entry
from linkauth_ldap.presets import IN_CHAIN
from linkauth_ldap.settings import LDAPSettings, lines_of
from linkauth_ldap.values import NotUnderstood

Search = Callable[[str, str, str, list[str]], list[Entry]]
"""(base, filter, scope, attributes) to entries, as the service account."""
BATCH = 50
"""Groups asked about in one filter."""


@dataclass(frozen=True, slots=True)
class Group:
    dn: str
    name: str


def groups_of(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> tuple[Group, ...]:
    """The groups of `entry`, by name.

    Raises BackendMisconfigured when there are more than `group_limit`, and, where there are denied groups, when not all
    can be known; NotUnderstood for a primary group that cannot be read from the entry.
    """
    if not settings.reads_groups:
        return ()
    primary = primary_group(entry, settings, search)
    found = _MODES[settings.group_mode](entry, primary, username, settings, search)
    if primary and canonical_dn(primary.dn) not in {canonical_dn(group.dn) for group in found}:
        found += [primary] * (not settings.group_base or is_below(primary.dn, settings.group_base))
    if len(found) > settings.group_limit:
        raise BackendMisconfigured(f"{entry.dn} is in more than {settings.group_limit} groups: raise group_limit")
    return tuple(sorted(found, key=lambda group: (group.name, group.dn)))


def primary_group(entry: Entry, settings: LDAPSettings, search: Search) -> Group | None:
    """Active Directory's primary group (MS-ADTS 3.1.1.4.5.19), which neither lists the person nor stands in their
    memberOf. None for another directory, and for tokenGroups, which has it already."""
    wanted = primary_filter(entry, settings)
    if wanted is None:
        return None
    found = _named(search(domain_of(entry.dn), wanted, SUBTREE, _wanted(settings)), settings)
    if len(found) != 1 and settings.denied_groups:
        raise BackendMisconfigured(f"the primary group of {entry.dn} cannot be read, and it may be a denied one")
    return found[0] if len(found) == 1 else None


def primary_filter(entry: Entry, settings: LDAPSettings) -> str | None:
    """The filter that finds the primary group: the SID of the person's domain with the group's number."""
    if not settings.needs_primary_group:
        return None
    number, sids = values.number(entry, "primaryGroupID", 1, 0xFFFFFFFF), entry.raw("objectSid")
    # the second byte counts the numbers of 4 bytes, of which the last is the person's own (MS-DTYP 2.4.2.2)
    if number is not None and len(sids) == 1 and len(sids[0]) >= 12 and len(sids[0]) == 8 + 4 * sids[0][1]:
        return f"(objectSid={escape_bytes(sids[0][:-4] + number.to_bytes(4, 'little'))})"
    if settings.denied_groups:
        raise NotUnderstood("primaryGroupID", "or objectSid is not shown: bind_dn must be able to read them")
    return None


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


def _member_of(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    if entry.is_cut("memberOf"):
        raise BackendMisconfigured(f"{entry.dn} is in more groups than memberOf shows at once: use another group_mode")
    return [Group(dn, first_rdn(dn)) for dn in entry.texts("memberOf")]


def _searched(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """Direct groups, then the groups of those, level by level; whatever was seen is not asked about again."""
    template, seen = settings.group_filter, dict[Any, Group]()
    # {username} of a group is nobody's name
    of_groups = [filled(template, dn=primary.dn, username="\0")] if primary else []
    asked = [filled(template, dn=entry.dn, username=username), *of_groups, *_posix_primary(entry, settings)]
    # only {dn} can name a group as a member
    levels = settings.group_nesting if "{dn}" in template else 0
    # one more, to learn whether there are more
    looks_further = bool(levels and settings.denied_groups)
    for level in range(levels + 1 + looks_further):
        fresh: list[Group] = []
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            either = batch[0] if len(batch) == 1 else f"(|{''.join(batch)})"
            found = _named(search(settings.group_base, either, SUBTREE, _wanted(settings)), settings)
            fresh += [group for group in found if seen.setdefault(canonical_dn(group.dn), group) is group]
        if fresh and level > levels:
            raise BackendMisconfigured(f"{entry.dn} is in groups nested deeper than group_nesting: raise it")
        if not fresh or len(seen) > settings.group_limit:
            break
        asked = [filled(template, dn=group.dn, username="\0") for group in fresh]
    return list(seen.values())


def _posix_primary(entry: Entry, settings: LDAPSettings) -> list[str]:
    """The filter of the posixGroup (RFC 2307) whose number the entry has: it does not list the person."""
    number = values.number(entry, "gidNumber", 0, 0xFFFFFFFF) if settings.has_posix_groups else None
    return [] if number is None else [f"(&(objectClass=posixGroup)(gidNumber={number}))"]


def _in_chain(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """One search that the directory itself follows through all levels (Active Directory only)."""
    template = settings.group_filter
    if IN_CHAIN not in template:
        template = f"(&(objectClass=group)(member:{IN_CHAIN}:={{dn}}))"
    either = filled(template, dn=entry.dn, username=username)
    if primary:
        either = f"(|{either}{filled(template, dn=primary.dn, username=chr(0))})"
    return _named(search(settings.group_base, either, SUBTREE, _wanted(settings)), settings)


def _token_groups(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """Active Directory's own list of SIDs: all levels and the primary group; their names take a second search."""
    sids = [sid for own in search(entry.dn, "(objectClass=*)", BASE, ["tokenGroups"]) for sid in own.raw("tokenGroups")]
    if not sids and settings.denied_groups:
        # everybody has a primary group at least
        raise BackendMisconfigured(f"tokenGroups of {entry.dn} cannot be read: use another group_mode")
    found: list[Group] = []
    for start in range(0, len(sids), BATCH):
        either = "".join(f"(objectSid={escape_bytes(sid)})" for sid in sids[start : start + BATCH])
        found += _named(search(_domain(settings), f"(|{either})", SUBTREE, _wanted(settings)), settings)
    return found


_MODES: Mapping[str, Callable[[Entry, Group | None, str, LDAPSettings, Search], list[Group]]] = {
    "memberof": _member_of,
    "search": _searched,
    "in_chain": _in_chain,
    "tokengroups": _token_groups,
}


def _wanted(settings: LDAPSettings) -> list[str]:
    return [settings.group_name_attribute]


def _named(entries: list[Entry], settings: LDAPSettings) -> list[Group]:
    return [Group(each.dn, each.text(settings.group_name_attribute) or first_rdn(each.dn)) for each in entries]


def _domain(settings: LDAPSettings) -> str:
    """`group_base`, or else the domain that `user_base` is in: its DC parts."""
    return settings.group_base or domain_of(settings.user_base)
