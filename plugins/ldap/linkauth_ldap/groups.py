"""The groups of a person, read in one of four ways (`group_mode`), and Active Directory's primary group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ldap3 import BASE, SUBTREE
from ldap3.utils.conv import escape_bytes

from linkauth.backends import BackendMisconfigured
from linkauth.identities import shown_name
from linkauth_ldap import values
from linkauth_ldap.entries import Entry
from linkauth_ldap.filters import canonical_dn, domain_of, fill_filter, first_rdn, is_below
from linkauth_ldap.presets import IN_CHAIN
from linkauth_ldap.settings import LDAPSettings, split_lines
from linkauth_ldap.values import UnknownValue

Search = Callable[[str, str, str, list[str]], list[Entry]]
"""A search as the service account: (base, filter, scope, attributes) to entries."""
BATCH_SIZE = 50
"""The maximum number of groups in the filter of one search."""
NO_USERNAME = "\0"
"""The value of {username} in a filter for a group: no entry has this name."""


@dataclass(frozen=True, slots=True)
class Group:
    dn: str
    name: str


def groups_of(entry: Entry, username: str, settings: LDAPSettings, search: Search) -> tuple[Group, ...]:
    """Returns the groups of `entry`, sorted by name.

    Raises BackendMisconfigured if there are more than `group_limit` groups, or if `denied_groups` is set and not all
    groups can be read. Raises UnknownValue if the entry does not contain what identifies the primary group.
    """
    if not settings.reads_groups:
        return ()
    primary = primary_group(entry, settings, search)
    groups = _READERS[settings.group_mode](entry, primary, username, settings, search)
    if primary and canonical_dn(primary.dn) not in {canonical_dn(group.dn) for group in groups}:
        groups += [primary] * (not settings.group_base or is_below(primary.dn, settings.group_base))
    if len(groups) > settings.group_limit:
        raise BackendMisconfigured(
            f"{shown_name(entry.dn)} is in more than {settings.group_limit} groups: raise group_limit"
        )
    return tuple(sorted(groups, key=lambda group: (group.name, group.dn)))


def primary_group(entry: Entry, settings: LDAPSettings, search: Search) -> Group | None:
    """Returns the primary group in Active Directory (MS-ADTS 3.1.1.4.5.19).

    The member attribute of this group does not list the person, and the person's memberOf does not list the group.
    Returns None for other directories, and for tokenGroups, which includes the primary group.
    """
    primary = primary_filter(entry, settings)
    if primary is None:
        return None
    groups = _to_groups(search(domain_of(entry.dn), primary, SUBTREE, _group_attributes(settings)), settings)
    if len(groups) != 1 and settings.denied_groups:
        raise BackendMisconfigured(
            f"the primary group of {shown_name(entry.dn)} cannot be read, and it may be in denied_groups"
        )
    return groups[0] if len(groups) == 1 else None


def primary_filter(entry: Entry, settings: LDAPSettings) -> str | None:
    """Returns the filter for the primary group, or None if it is not needed or cannot be built.

    The SID of the group is the SID of the person's domain, followed by primaryGroupID. Raises UnknownValue if
    `denied_groups` is set and the entry lacks one of the two attributes.
    """
    if not settings.needs_primary_group:
        return None
    group_id, sids = values.integer(entry, "primaryGroupID", 1, 0xFFFFFFFF), entry.raw("objectSid")
    # the second byte is the number of 4-byte sub-authorities; the last one identifies the person (MS-DTYP 2.4.2.2)
    if group_id is not None and len(sids) == 1 and len(sids[0]) >= 12 and len(sids[0]) == 8 + 4 * sids[0][1]:
        return f"(objectSid={escape_bytes(sids[0][:-4] + group_id.to_bytes(4, 'little'))})"
    if settings.denied_groups:
        raise UnknownValue("primaryGroupID", "cannot be read, or objectSid cannot: allow bind_dn to read both")
    return None


def is_entitled(groups: tuple[Group, ...], settings: LDAPSettings) -> bool:
    """Returns whether a person in `groups` may sign in according to `required_groups` and `denied_groups`.

    One of `required_groups` is sufficient. Raises BackendMisconfigured if `denied_groups` is set and the DN of a group
    cannot be parsed, because this group could be one of them.
    """
    if not settings.required_groups and not settings.denied_groups:
        return True
    dns = {canonical_dn(group.dn) for group in groups}
    required = {canonical_dn(line) for line in split_lines(settings.required_groups)}
    denied = {canonical_dn(line) for line in split_lines(settings.denied_groups)}
    if denied and None in dns:
        unparsable = next(group.dn for group in groups if canonical_dn(group.dn) is None)
        raise BackendMisconfigured(f"denied_groups cannot be compared with the group {unparsable}: rename that group")
    return (not required or bool(dns & required)) and not dns & denied


def _read_member_of(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """Reads the attribute memberOf of the entry."""
    if entry.is_truncated("memberOf"):
        raise BackendMisconfigured(
            f"{shown_name(entry.dn)} is in more groups than memberOf shows at once: use another group_mode"
        )
    return [Group(dn, first_rdn(dn)) for dn in entry.texts("memberOf")]


def _search_by_level(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """Searches for the direct groups, then for the groups that contain those, one level of nesting at a time."""
    template, known = settings.group_filter, dict[Any, Group]()
    filters = [fill_filter(template, dn=entry.dn, username=username), *_posix_primary_filters(entry, settings)]
    if primary:
        filters.append(fill_filter(template, dn=primary.dn, username=NO_USERNAME))
    # only a filter with {dn} can find the groups of a group
    levels = settings.group_nesting if "{dn}" in template else 0
    # with denied_groups, one more level is searched to detect groups that are nested deeper than group_nesting
    extra_level = 1 if levels and settings.denied_groups else 0
    for level in range(levels + 1 + extra_level):
        new_groups: list[Group] = []
        for start in range(0, len(filters), BATCH_SIZE):
            batch = filters[start : start + BATCH_SIZE]
            combined = batch[0] if len(batch) == 1 else f"(|{''.join(batch)})"
            entries = search(settings.group_base, combined, SUBTREE, _group_attributes(settings))
            groups = _to_groups(entries, settings)
            new_groups += [group for group in groups if known.setdefault(canonical_dn(group.dn), group) is group]
        if new_groups and level > levels:
            raise BackendMisconfigured(
                f"{shown_name(entry.dn)} is in groups nested deeper than group_nesting: raise it"
            )
        if not new_groups or len(known) > settings.group_limit:
            break
        filters = [fill_filter(template, dn=group.dn, username=NO_USERNAME) for group in new_groups]
    return list(known.values())


def _posix_primary_filters(entry: Entry, settings: LDAPSettings) -> list[str]:
    """Returns the filter for the posixGroup with the gidNumber of the entry (RFC 2307).

    The memberUid attribute of this group does not list the person.
    """
    gid = values.integer(entry, "gidNumber", 0, 0xFFFFFFFF) if settings.has_posix_groups else None
    return [] if gid is None else [f"(&(objectClass=posixGroup)(gidNumber={gid}))"]


def _search_in_chain(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """Searches once with a matching rule that follows nested groups (Active Directory only)."""
    template = settings.group_filter
    if IN_CHAIN not in template:
        template = f"(&(objectClass=group)(member:{IN_CHAIN}:={{dn}}))"
    filter_text = fill_filter(template, dn=entry.dn, username=username)
    if primary:
        filter_text = f"(|{filter_text}{fill_filter(template, dn=primary.dn, username=NO_USERNAME)})"
    return _to_groups(search(settings.group_base, filter_text, SUBTREE, _group_attributes(settings)), settings)


def _read_token_groups(
    entry: Entry, primary: Group | None, username: str, settings: LDAPSettings, search: Search
) -> list[Group]:
    """Reads tokenGroups, the SIDs of all direct, nested and primary groups, then searches for their names."""
    entries = search(entry.dn, "(objectClass=*)", BASE, ["tokenGroups"])
    sids = [sid for found in entries for sid in found.raw("tokenGroups")]
    if not sids and settings.denied_groups:
        # every account has at least a primary group
        raise BackendMisconfigured(f"tokenGroups of {shown_name(entry.dn)} cannot be read: use another group_mode")
    groups: list[Group] = []
    for start in range(0, len(sids), BATCH_SIZE):
        filters = "".join(f"(objectSid={escape_bytes(sid)})" for sid in sids[start : start + BATCH_SIZE])
        entries = search(_group_search_base(settings), f"(|{filters})", SUBTREE, _group_attributes(settings))
        groups += _to_groups(entries, settings)
    return groups


_READERS: Mapping[str, Callable[[Entry, Group | None, str, LDAPSettings, Search], list[Group]]] = {
    "memberof": _read_member_of,
    "search": _search_by_level,
    "in_chain": _search_in_chain,
    "tokengroups": _read_token_groups,
}


def _group_attributes(settings: LDAPSettings) -> list[str]:
    return [settings.group_name_attribute]


def _to_groups(entries: list[Entry], settings: LDAPSettings) -> list[Group]:
    return [Group(entry.dn, entry.text(settings.group_name_attribute) or first_rdn(entry.dn)) for entry in entries]


def _group_search_base(settings: LDAPSettings) -> str:
    """Returns `group_base`, or else the domain of `user_base` (its DC components)."""
    return settings.group_base or domain_of(settings.first_base)
