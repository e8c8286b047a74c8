"""Entries of the directory, and the identities of people. An identity contains only values of the entry."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Identity
from linkauth.identities import shown_name
from linkauth_ldap import states
from linkauth_ldap.filters import any_name_filter, first_rdn
from linkauth_ldap.outcomes import UNAVAILABLE, describe_result
from linkauth_ldap.settings import LDAPSettings

DISPLAY_NAME, COMMON_NAME = "displayName", "cn"


class Entry:
    """A DN and its attributes. The names of attributes are case-insensitive."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.dn: str = result["dn"]
        self._raw = {name.casefold(): list(values) for name, values in result["raw_attributes"].items()}

    def raw(self, attribute: str) -> list[bytes]:
        return self._raw.get(attribute.casefold(), [])

    def values_of_all_options(self, attribute: str) -> list[bytes]:
        """Returns the values with and without options (RFC 4512 section 2.5), as in `description;lang-de`."""
        base_name = attribute.casefold()
        return [value for name, values in self._raw.items() if name.partition(";")[0] == base_name for value in values]

    def is_truncated(self, attribute: str) -> bool:
        """Returns whether the server returned only the first of many values (MS-ADTS 3.1.1.3.1.3.3)."""
        return any(name.startswith(f"{attribute.casefold()};range=") for name in self._raw)

    def texts(self, attribute: str) -> list[str]:
        """Returns the values that are not empty. Invalid UTF-8 is replaced."""
        return [value.decode("utf-8", "replace") for value in self.raw(attribute) if value]

    def text(self, attribute: str) -> str:
        """Returns the first value, or ""."""
        return next(iter(self.texts(attribute)), "") if attribute else ""


def requested_attributes(settings: LDAPSettings) -> list[str]:
    """Returns the attributes to request for the entry of a person.

    A server returns operational attributes only if they are listed.
    """
    names = [
        *(settings.subject_attribute, settings.username_attribute, settings.email_attribute),
        *_name_attributes(settings),
        *(settings.given_name_attribute, settings.family_name_attribute),
        *settings.required_attributes,
        *settings.claim_attributes.values(),
        *states.state_attributes(settings),
    ]
    if settings.group_mode == "memberof":
        names.append("memberOf")
    if settings.needs_primary_group:
        names += ["primaryGroupID", "objectSid"]
    if settings.has_posix_groups:
        names.append("gidNumber")
    return list(dict.fromkeys(name for name in names if name))


def entries_from_result(
    result: Mapping[str, Any], found: Sequence[Mapping[str, Any]], where: str, size_limit: int = 0
) -> list[Entry]:
    """Returns the entries of a search below the DN `where`, with the requested `size_limit` (0 for none).

    Raises BackendUnavailable or BackendMisconfigured if the search failed, or if the server returned only some entries.
    """
    code = result["result"]
    # sizeLimitExceeded
    if code == 4 and not 0 < size_limit <= len(found):
        raise BackendMisconfigured(f"a search below {where} finds more entries than the server returns at once")
    if code not in (0, 4):
        problem = f"a search below {where} failed with {describe_result(result)}"
        raise BackendUnavailable(problem) if code in UNAVAILABLE else BackendMisconfigured(problem)
    return [Entry(each) for each in found]


def subject_of(entry: Entry, settings: LDAPSettings) -> str:
    """Returns the subject of an entry. Raises BackendMisconfigured if the service account cannot read exactly one."""
    values = entry.raw(settings.subject_attribute)
    if len(values) != 1 or not values[0]:
        problem = f"{settings.subject_attribute} has {len(values)} values, and the subject needs one"
        raise BackendMisconfigured(f"{problem}: {shown_name(entry.dn)}")
    return decode_subject(values[0], settings, entry.dn)


def decode_subject(value: bytes, settings: LDAPSettings, dn: str) -> str:
    """Decodes a subject according to `subject_format`. Raises BackendMisconfigured if it has another format."""
    if settings.subject_format == "guid_le":
        if len(value) != 16:
            raise BackendMisconfigured(f"{settings.subject_attribute} is not a GUID of 16 bytes at {shown_name(dn)}")
        # the first three fields are little-endian (MS-DTYP 2.3.4.2)
        return str(uuid.UUID(bytes_le=value))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        # with replacement characters, two different subjects could become equal
        hint = f"{settings.subject_attribute} is not text at {shown_name(dn)}: a GUID of Active Directory needs "
        raise BackendMisconfigured(f"{hint}subject_format = guid_le") from None


def identity_of(entry: Entry, settings: LDAPSettings, groups: tuple[str, ...]) -> Identity:
    """Returns the identity of an entry. Raises BackendMisconfigured."""
    email = entry.text(settings.email_attribute)
    claims: dict[str, Any] = {
        "given_name": entry.text(settings.given_name_attribute),
        "family_name": entry.text(settings.family_name_attribute),
    }
    if email:
        claims["email_verified"] = settings.email_verified
    for claim, attribute in settings.claim_attributes.items():
        values = entry.texts(attribute)
        claims[claim] = values if len(values) > 1 else "".join(values)
    subject = subject_of(entry, settings)
    return Identity(
        subject=subject,
        username=_stable_text(entry, settings.username_attribute) or subject,
        name=_full_name(entry, settings),
        email=email,
        groups=groups,
        claims={claim: value for claim, value in claims.items() if value not in ("", [])},
    )


def _name_attributes(settings: LDAPSettings) -> tuple[str, ...]:
    """Returns the attributes that contain a full name, the best one first."""
    return (settings.name_attribute,) if settings.name_attribute else (DISPLAY_NAME, COMMON_NAME)


def _full_name(entry: Entry, settings: LDAPSettings) -> str:
    """Returns the name of `name_attribute`.

    Without this setting it is displayName, else the given name and the family name if there are both, else cn, which
    is required in inetOrgPerson but may be an identifier.
    """
    if settings.name_attribute:
        return entry.text(settings.name_attribute)
    parts = [entry.text(name).strip() for name in (settings.given_name_attribute, settings.family_name_attribute)]
    joined = " ".join(parts) if all(parts) else ""
    return entry.text(DISPLAY_NAME).strip() or joined or _stable_text(entry, COMMON_NAME)


def _stable_text(entry: Entry, attribute: str) -> str:
    """Returns the value of an attribute. Of several values it is the one in the RDN, else the first alphabetically.

    The result does not depend on the order of the values, which a directory may change.
    """
    values = sorted(entry.texts(attribute))
    rdn = first_rdn(entry.dn) if len(values) > 1 else ""
    return rdn if rdn in values else next(iter(values), "")


def person_filter(condition: str, settings: LDAPSettings) -> str:
    """Returns the filter for the people who match the filter `condition` and are found by `user_filter` with any name.

    Other people cannot sign in.
    """
    return condition if settings.finds_by_rdn else f"(&{condition}{any_name_filter(settings.user_filter)})"


def subject_filter(subject: str, settings: LDAPSettings) -> str | None:
    """Returns the filter for a subject, or None if the text cannot be a subject."""
    attribute = settings.subject_attribute
    if any("\ud800" <= character <= "\udfff" for character in subject):
        # a lone surrogate cannot be encoded
        return None
    if settings.subject_format != "guid_le":
        return f"({attribute}={escape_filter_chars(subject)})"
    try:
        return f"({attribute}={escape_bytes(uuid.UUID(subject).bytes_le)})"
    except ValueError:
        return None
