"""Do `denied_groups` deny? A group of which `group_mode` sees no member would let all of them in.

That is shown by the directory itself: some of the group's own members are asked about like anybody who signs in, and
must be found to be in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ldap3 import BASE, LEVEL, SUBTREE
from ldap3.utils.conv import escape_filter_chars

from linkauth.backends import BackendMisconfigured
from linkauth_ldap.filters import canonical_dn, domain_of
from linkauth_ldap.groups import groups_of
from linkauth_ldap.people import Entry, attributes_of
from linkauth_ldap.settings import LDAPSettings
from linkauth_ldap.values import NotUnderstood

Search = Callable[[str, str, str, list[str], int], list[Entry]]
"""(base, filter, scope, attributes, how many are wanted or 0 for all) to entries, as the service account."""
ANYBODY = "(objectClass=*)"
DNS = ("member", "uniqueMember")
GROUP_ATTRIBUTES = [*DNS, "memberUid", "gidNumber", "objectSid", "groupType", "objectClass"]
GROUPS = "(|(objectClass=group)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers))"
SECURITY_GROUP = 0x80000000
"""The bit of groupType without which a group is for mail only (MS-ADTS 2.2.12)."""
SAMPLES, TRIED = 5, 50
"""Members of a group that are looked at, and how many are tried until so many can be read: some may be gone."""
LEVELS = 5
UNSHOWN = "no member of it can be read, so that nothing shows whether group_mode sees them"


def problem_of(dn: str, settings: LDAPSettings, search: Search, nested: bool = True) -> str | None:
    """Why members of the group would not be found to be in it; UNSHOWN if there is none to try; None if all is well.

    With `nested`, somebody in a group in it is tried too, where group_mode follows those.
    Raises BackendUnavailable, and BackendMisconfigured for a group that cannot be read.
    """
    found = search(dn, ANYBODY, BASE, GROUP_ATTRIBUTES, 0)
    if len(found) != 1:
        raise BackendMisconfigured(f"{dn} cannot be read")
    (group,) = found
    if settings.group_mode == "tokengroups" and _is_distribution_group(group):
        return f"{dn} is a distribution group, which group_mode = tokengroups leaves out"
    shown = False

    def search_all(base: str, filter_text: str, scope: str, attributes: list[str]) -> list[Entry]:
        return search(base, filter_text, scope, attributes, 0)

    for how, person in _samples(group, settings, search, nested):
        name = person.text(settings.username_attribute)
        try:
            own = groups_of(person, name, settings, search_all)
        except (BackendMisconfigured, NotUnderstood):
            # this one's groups cannot be known, and so they would not be let in
            continue
        if canonical_dn(dn) not in {canonical_dn(each.dn) for each in own}:
            return f"group_mode = {settings.group_mode} does not see that {person.dn} is in {dn}, {how}"
        shown = True
    return None if shown else _hidden(group, settings, search) or UNSHOWN


def _samples(group: Entry, settings: LDAPSettings, search: Search, nested: bool) -> Iterator[tuple[str, Entry]]:
    """A member of each kind: how they are one, and their entry as a sign-in reads it."""
    members, groups = _members(group, settings, search)
    for person in members[:1]:
        yield "as a member", person
    follows = nested and (settings.group_nesting or settings.group_mode != "search")
    if follows and (below := _below(groups, settings, search)):
        yield f"through {groups[0].dn}", below
    attribute, base = settings.username_attribute, settings.user_base
    for uid in group.texts("memberUid")[:1]:
        for person in _people(f"({attribute}={escape_filter_chars(uid)})", settings, search) if base else []:
            yield "as a memberUid", person
    if base and (primary := _primary(group, settings)):
        for person in _people(primary, settings, search):
            yield "as their primary group", person


def _members(group: Entry, settings: LDAPSettings, search: Search) -> tuple[list[Entry], list[Entry]]:
    """Some people and some groups among the members: entries that can be read."""
    people, groups = list[Entry](), list[Entry]()
    values = [value for name in DNS for value in group.of_any_option(name)]
    for value in values[:TRIED]:
        if len(people) + len(groups) == SAMPLES:
            break
        try:
            found = search(value.decode("utf-8"), ANYBODY, BASE, [*attributes_of(settings), *GROUP_ATTRIBUTES], 0)
        except (BackendMisconfigured, UnicodeDecodeError):
            # it is gone, or in another directory
            continue
        for each in found:
            (groups if _is_group(each) else people).append(each)
    if not groups and settings.group_mode == "memberof" and settings.user_base:
        # there may be one behind many people
        within = f"(&(memberOf={escape_filter_chars(group.dn)}){GROUPS})"
        groups += search(domain_of(settings.user_base), within, SUBTREE, GROUP_ATTRIBUTES, 1)[:1]
    return people, groups


def _is_distribution_group(group: Entry) -> bool:
    """groupType is a signed number; what cannot be read as one counts as such a group."""
    text = group.text("groupType")
    return bool(text) and not (re.fullmatch(r"-?[0-9]{1,10}", text) and int(text) & SECURITY_GROUP)


def _is_group(entry: Entry) -> bool:
    classes = {name.casefold() for name in entry.texts("objectClass")}
    return any(name == "group" or name.startswith("groupof") or name == "posixgroup" for name in classes)


def _below(groups: list[Entry], settings: LDAPSettings, search: Search) -> Entry | None:
    """Somebody in the first of these groups, or in a group in it."""
    for _ in range(LEVELS):
        if not groups:
            return None
        people, groups = _members(groups[0], settings, search)
        if people:
            return people[0]
    return None


def _primary(group: Entry, settings: LDAPSettings) -> str:
    """The filter of those whose primary group it is; "" for a group of nobody's."""
    sid, gid = b"".join(group.raw("objectSid")), group.text("gidNumber")
    if settings.is_ad:
        return f"(primaryGroupID={int.from_bytes(sid[-4:], 'little')})" if len(sid) > 8 else ""
    return f"(gidNumber={escape_filter_chars(gid)})" if gid else ""


def _people(filter_text: str, settings: LDAPSettings, search: Search) -> list[Entry]:
    scope = SUBTREE if settings.user_scope == "subtree" else LEVEL
    return search(settings.user_base, filter_text, scope, attributes_of(settings), 1)[:1]


def _hidden(group: Entry, settings: LDAPSettings, search: Search) -> str | None:
    """Is what `group_mode` asks about hidden from our account? A filter about such an attribute finds nothing, whether
    with "not" or without (RFC 4511 section 4.5.1.7)."""
    if settings.group_mode == "memberof":
        if settings.user_base and not _people("(memberOf=*)", settings, search):
            return "no entry below user_base shows memberOf: use group_mode = search, or let bind_dn read it"
        return None
    named = re.search(r"\(([A-Za-z0-9-]+)(?::[^()=]*:)?=\{(?:dn|username)\}", str(settings.group_filter))
    if (
        settings.group_mode == "search"
        and named
        and not search(group.dn, f"(|({named[1]}=*)(!({named[1]}=*)))", BASE, ["objectClass"], 0)
    ):
        return f"{named[1]} of {group.dn} is not shown: let bind_dn read it"
    return None
