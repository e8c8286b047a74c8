"""Entries of the directory, and who they are: everything of an Identity is read from the entry, nothing was typed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Identity
from linkauth_ldap import states
from linkauth_ldap.filters import first_rdn
from linkauth_ldap.outcomes import UNAVAILABLE, told
from linkauth_ldap.settings import LDAPSettings


class Entry:
    """A DN and its attributes, whatever the case of their names."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.dn: str = found["dn"]
        self._raw = {name.casefold(): list(values) for name, values in found["raw_attributes"].items()}

    def raw(self, attribute: str) -> list[bytes]:
        return self._raw.get(attribute.casefold(), [])

    def values_of_all_options(self, attribute: str) -> list[bytes]:
        """The values with whatever option (RFC 4512 section 2.5), as in `description;lang-de`: a state has none."""
        name = attribute.casefold()
        return [value for own, found in self._raw.items() if own.partition(";")[0] == name for value in found]

    def is_truncated(self, attribute: str) -> bool:
        """Did the server give only the first of many values (MS-ADTS 3.1.1.3.1.3.3)?"""
        return any(name.startswith(f"{attribute.casefold()};range=") for name in self._raw)

    def texts(self, attribute: str) -> list[str]:
        """The values that are not empty; what is no UTF-8 is replaced."""
        return [value.decode("utf-8", "replace") for value in self.raw(attribute) if value]

    def text(self, attribute: str) -> str:
        """The first value, or ""."""
        return next(iter(self.texts(attribute)), "") if attribute else ""


def requested_attributes(settings: LDAPSettings) -> list[str]:
    """What to ask for of a person's entry; operational attributes come only if they are named."""
    wanted = [
        *(settings.subject_attribute, settings.username_attribute, settings.email_attribute),
        *(settings.name_attribute, settings.given_name_attribute, settings.family_name_attribute),
        *settings.required_attributes,
        *settings.claim_attributes.values(),
        *states.state_attributes(settings),
    ]
    if settings.group_mode == "memberof":
        wanted.append("memberOf")
    if settings.needs_primary_group:
        wanted += ["primaryGroupID", "objectSid"]
    if settings.has_posix_groups:
        wanted.append("gidNumber")
    return list(dict.fromkeys(name for name in wanted if name))


def entries_from_result(
    result: Mapping[str, Any], found: Sequence[Mapping[str, Any]], where: str, size_limit: int = 0
) -> list[Entry]:
    """The entries of a search `where`, for which `size_limit` was asked (0: all).

    Raises BackendUnavailable or BackendMisconfigured if it failed or the server gave fewer than there are.
    """
    code = result["result"]
    # sizeLimitExceeded
    if code == 4 and not 0 < size_limit <= len(found):
        raise BackendMisconfigured(f"a search below {where} has more answers than the server gives at once")
    if code not in (0, 4):
        said = f"a search below {where} was answered with {told(result)}"
        raise BackendUnavailable(said) if code in UNAVAILABLE else BackendMisconfigured(said)
    return [Entry(each) for each in found]


def subject_of(entry: Entry, settings: LDAPSettings) -> str:
    """The stable name of an entry. Raises BackendMisconfigured if it has none that we may read."""
    values = entry.raw(settings.subject_attribute)
    if len(values) != 1 or not values[0]:
        problem = f"{settings.subject_attribute} has {len(values)} values at {entry.dn}, and the subject needs one"
        raise BackendMisconfigured(problem)
    return decode_subject(values[0], settings, entry.dn)


def decode_subject(value: bytes, settings: LDAPSettings, dn: str) -> str:
    """A subject in the form that `subject_format` says. Raises BackendMisconfigured if it has another one."""
    if settings.subject_format == "guid_le":
        if len(value) != 16:
            raise BackendMisconfigured(f"{settings.subject_attribute} is no GUID of 16 bytes at {dn}")
        # the first three fields are little-endian (MS-DTYP 2.3.4.2)
        return str(uuid.UUID(bytes_le=value))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        # with its bytes replaced it could be another person's too
        hint = f"{settings.subject_attribute} is no text at {dn}: a GUID of Active Directory needs "
        raise BackendMisconfigured(f"{hint}subject_format = guid_le") from None


def identity_of(entry: Entry, settings: LDAPSettings, groups: tuple[str, ...]) -> Identity:
    """Who an entry is. Raises BackendMisconfigured."""
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
        username=_username(entry, settings) or subject,
        name=entry.text(settings.name_attribute),
        email=email,
        groups=groups,
        claims={claim: value for claim, value in claims.items() if value not in ("", [])},
    )


def _username(entry: Entry, settings: LDAPSettings) -> str:
    """Of several values the one in the DN, else the first by name: a directory gives them in any order."""
    values = sorted(entry.texts(settings.username_attribute))
    own = first_rdn(entry.dn)
    return own if own in values else next(iter(values), "")


def subject_filter(subject: str, settings: LDAPSettings) -> str | None:
    """The filter that finds a subject, or None if it cannot be one."""
    attribute = settings.subject_attribute
    if any("\ud800" <= letter <= "\udfff" for letter in subject):
        # a lone surrogate is in no text
        return None
    if settings.subject_format != "guid_le":
        return f"({attribute}={escape_filter_chars(subject)})"
    try:
        return f"({attribute}={escape_bytes(uuid.UUID(subject).bytes_le)})"
    except ValueError:
        return None
