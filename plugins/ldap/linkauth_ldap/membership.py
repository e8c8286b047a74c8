"""Checks that `group_mode` finds the members of a group that the ini file names.

If it did not find the members of a group in `denied_groups`, all of them could sign in. The check reads the groups of
some members of the group in the same way as a sign-in does, and expects to find the group among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ldap3 import BASE, LEVEL, SUBTREE
from ldap3.utils.conv import escape_filter_chars

from linkauth.backends import BackendMisconfigured
from linkauth.identities import shown_name
from linkauth_ldap.entries import Entry, requested_attributes
from linkauth_ldap.filters import canonical_dn
from linkauth_ldap.groups import groups_of
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.values import UnknownValue

Search = Callable[[str, str, str, list[str], int], list[Entry]]
"""A search as the service account: (base, filter, scope, attributes, size limit or 0 for none) to entries."""
ANY_ENTRY = "(objectClass=*)"
MEMBER_ATTRIBUTES = ("member", "uniqueMember")
GROUP_ATTRIBUTES = [*MEMBER_ATTRIBUTES, "memberUid", "gidNumber", "objectSid", "groupType", "objectClass"]
ANY_GROUP = (
    "(|(objectClass=group)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers))"
)
SECURITY_GROUP = 0x80000000
"""The bit of groupType that a distribution group lacks (MS-ADTS 2.2.12)."""
MAX_SAMPLES, MAX_ATTEMPTS = 5, 50
"""The number of members that are read, and the number of attempts: the entries of some members may not exist."""
MAX_LEVELS = 5
NO_READABLE_MEMBER = "no member of it can be read, so it is unknown whether group_mode finds its members"


def membership_problem(dn: str, settings: LDAPSettings, search: Search, nested: bool = True) -> str | None:
    """Returns why `group_mode` does not find the members of a group, or None if it finds them.

    Returns NO_READABLE_MEMBER if no member can be read. With `nested`, a member of a nested group is tried too if
    `group_mode` supports nested groups. Raises BackendUnavailable if the directory does not answer, and
    BackendMisconfigured if the group cannot be read.
    """
    entries = search(dn, ANY_ENTRY, BASE, GROUP_ATTRIBUTES, 0)
    if len(entries) != 1:
        raise BackendMisconfigured(f"{dn} cannot be read")
    (group,) = entries
    if settings.group_mode == "tokengroups" and _is_distribution_group(group):
        return f"{dn} is a distribution group, which group_mode = tokengroups does not find"
    is_member_found = False

    def search_all(base: str, filter_text: str, scope: str, attributes: list[str]) -> list[Entry]:
        return search(base, filter_text, scope, attributes, 0)

    for relation, person in _samples(group, settings, search, nested):
        name = person.text(settings.username_attribute)
        try:
            groups = groups_of(person, name, settings, search_all)
        except (BackendMisconfigured, UnknownValue):
            # a sign-in of this person would be refused
            continue
        if canonical_dn(dn) not in {canonical_dn(each.dn) for each in groups}:
            who = shown_name(person.dn)
            return f"group_mode = {settings.group_mode} does not detect that {who} is in {dn}, {relation}"
        is_member_found = True
    return None if is_member_found else _unreadable_attribute(group, settings, search) or NO_READABLE_MEMBER


def _samples(group: Entry, settings: LDAPSettings, search: Search, nested: bool) -> Iterator[tuple[str, Entry]]:
    """Yields (relation, entry) of one person for each way to be a member. The entry is read as for a sign-in."""
    members, groups = _members(group, settings, search)
    for person in members[:1]:
        yield "as a member", person
    tries_nested = nested and (settings.group_nesting or settings.group_mode != "search")
    if tries_nested and (nested_person := _nested_person(groups, settings, search)):
        yield f"through {groups[0].dn}", nested_person
    attribute, base = settings.username_attribute, settings.user_base
    for uid in group.texts("memberUid")[:1]:
        for person in _people(f"({attribute}={escape_filter_chars(uid)})", settings, search) if base else []:
            yield "as a memberUid", person
    if base and (primary_filter := _primary_members_filter(group, settings)):
        for person in _people(primary_filter, settings, search):
            yield "as their primary group", person


def _members(group: Entry, settings: LDAPSettings, search: Search) -> tuple[list[Entry], list[Entry]]:
    """Returns some members whose entries can be read: (people, groups)."""
    people, groups = list[Entry](), list[Entry]()
    attributes = [*requested_attributes(settings), *GROUP_ATTRIBUTES]
    values = [value for name in MEMBER_ATTRIBUTES for value in group.values_of_all_options(name)]
    for value in values[:MAX_ATTEMPTS]:
        if len(people) + len(groups) == MAX_SAMPLES:
            break
        try:
            entries = search(value.decode("utf-8"), ANY_ENTRY, BASE, attributes, 0)
        except (BackendMisconfigured, UnicodeDecodeError):
            # the entry was deleted, or is in another directory
            continue
        for entry in entries:
            (groups if _is_group(entry) else people).append(entry)
    if not groups and settings.group_mode == "memberof" and settings.user_base:
        # the first members may all be people
        nested_groups = f"(&(memberOf={escape_filter_chars(group.dn)}){ANY_GROUP})"
        for domain in settings.domains:
            groups += search(domain, nested_groups, SUBTREE, GROUP_ATTRIBUTES, 1)[:1]
    return people, groups


def _is_distribution_group(group: Entry) -> bool:
    """Returns whether groupType, a signed number, lacks the security bit. An invalid groupType counts as lacking it."""
    text = group.text("groupType")
    return bool(text) and not (re.fullmatch(r"-?[0-9]{1,10}", text) and int(text) & SECURITY_GROUP)


def _is_group(entry: Entry) -> bool:
    classes = {name.casefold() for name in entry.texts("objectClass")}
    return any(name == "group" or name.startswith("groupof") or name == "posixgroup" for name in classes)


def _nested_person(groups: list[Entry], settings: LDAPSettings, search: Search) -> Entry | None:
    """Returns a person in the first of these groups, or in a group nested in it."""
    for _ in range(MAX_LEVELS):
        if not groups:
            return None
        people, groups = _members(groups[0], settings, search)
        if people:
            return people[0]
    return None


def _primary_members_filter(group: Entry, settings: LDAPSettings) -> str:
    """Returns a filter for the people whose primary group this is, or "" if it cannot be a primary group."""
    sid, gid = b"".join(group.raw("objectSid")), group.text("gidNumber")
    if settings.is_ad:
        return f"(primaryGroupID={int.from_bytes(sid[-4:], 'little')})" if len(sid) > 8 else ""
    return f"(gidNumber={escape_filter_chars(gid)})" if gid else ""


def _people(filter_text: str, settings: LDAPSettings, search: Search) -> list[Entry]:
    scope = SUBTREE if settings.user_scope == "subtree" else LEVEL
    attributes = requested_attributes(settings)
    found = (search(base, filter_text, scope, attributes, 1)[:1] for base in settings.user_bases)
    return next(filter(None, found), [])


def _unreadable_attribute(group: Entry, settings: LDAPSettings, search: Search) -> str | None:
    """Returns an error message if the service account may not read the attribute that `group_mode` uses, else None.

    A filter on an unreadable attribute is undefined and matches nothing, even inside "not" (RFC 4511 section 4.5.1.7).
    """
    if settings.group_mode == "memberof":
        if settings.user_base and not _people("(memberOf=*)", settings, search):
            return "no entry below user_base shows memberOf: use group_mode = search, or let bind_dn read it"
        return None
    match = re.search(r"\(([A-Za-z0-9-]+)(?::[^()=]*:)?=\{(?:dn|username)\}", str(settings.group_filter))
    if (
        settings.group_mode == "search"
        and match
        and not search(group.dn, f"(|({match[1]}=*)(!({match[1]}=*)))", BASE, ["objectClass"], 0)
    ):
        return f"{match[1]} of {group.dn} is not shown: let bind_dn read it"
    return None
