"""Finds who gets the mail of a recovery: the account of a user name, or the accounts of an email address."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from linkauth.backends import (
    PEOPLE_LIMIT,
    AccountRefused,
    BackendError,
    BackendUnavailable,
    Identity,
    PasswordRecovery,
    UnknownUser,
    call_with_forms,
    is_same_address,
    name_forms,
)
from linkauth.login import powers
from linkauth.login.dispatch import NamedBackend, call_backend, call_power, is_usable, is_valid_text

log = logging.getLogger(__name__)

USERNAME_LIMIT, ADDRESS_LIMIT = 254, 254
_ADDRESS = re.compile(r"[^\s@\x00-\x1f\x7f<>,;]+@[^\s@\x00-\x1f\x7f<>,;]+")


@dataclass(frozen=True, slots=True)
class Addressee:
    """The recipient of a mail, and the account to recover.

    `address` is "" if there is none. `names` are the user names for the mail. With `several` accounts none is selected,
    and the mail has no code.
    """

    address: str = ""
    names: tuple[str, ...] = ()
    backend: str = ""
    subject: str = ""
    username: str = ""
    name: str = ""
    several: bool = False


NOBODY = Addressee()


def find_addressee(backends: Sequence[NamedBackend], typed: str) -> Addressee:
    """Returns who gets the mail for a typed user name or email address. Raises BackendUnavailable.

    All backends that may know the text are called, also if an earlier one knows it, so that the time is the same.
    """
    if not is_valid_text(typed, USERNAME_LIMIT):
        return NOBODY
    owner = _owner(backends, typed)
    people = _people_of_forms(backends, typed)
    if owner is None and len(people) > 1:
        return Addressee(people[0][1].email.strip(), tuple(each.username for _, each in people), several=True)
    if owner is None and people:
        owner = people[0]
    if owner is None:
        return NOBODY
    named, identity = owner
    if identity is None or not (address := _address_of(identity)):
        return NOBODY
    at_address = [each.username for _, each in people if is_same_address(_address_of(each), address)]
    return Addressee(
        address,
        tuple(dict.fromkeys([identity.username, *at_address])),
        named.name,
        identity.subject,
        identity.username,
        identity.name if isinstance(identity.name, str) else "",
    )


def _owner(backends: Sequence[NamedBackend], username: str) -> tuple[NamedBackend, Identity | None] | None:
    """Returns the account with this user name. Its identity is None if it may not be recovered."""
    found: list[tuple[NamedBackend, Identity | None]] = []
    for named in powers.candidates(backends, username, PasswordRecovery):
        try:
            found.append((named, call_backend(named, lambda each: _recipient(each, username), "recovery")))
        except UnknownUser:
            continue
        except AccountRefused:
            found.append((named, None))
        except BackendUnavailable:
            raise
        except BackendError as error:
            raise _violation(named, error) from None
    return found[0] if found else None


def _recipient(named: NamedBackend, username: str) -> Identity:
    return call_with_forms(named.backend, username, _power(named).recipient)


def _people_of_forms(backends: Sequence[NamedBackend], typed: str) -> list[tuple[NamedBackend, Identity]]:
    """Returns the accounts of the first form of a typed email address that has any. Looks for all forms."""
    found = [_people(backends, form) for form in name_forms(typed) if is_address(form)]
    return next(filter(None, found), [])


def _people(backends: Sequence[NamedBackend], address: str) -> list[tuple[NamedBackend, Identity]]:
    """Returns the accounts with this email address, in the order of the backends."""
    found: list[tuple[NamedBackend, Identity]] = []
    for named in powers.participants(backends, PasswordRecovery):
        try:
            people = call_power(named, lambda each: list(_power(each).people_at(address))[:PEOPLE_LIMIT], "recovery")
        except BackendUnavailable:
            raise
        except BackendError as error:
            raise _violation(named, error) from None
        # a collation of a user store may ignore accents, and another backend may own the name
        found += [
            (named, each)
            for each in people
            if is_usable(each)
            and is_same_address(_address_of(each), address)
            and named in powers.candidates(backends, each.username, PasswordRecovery)
        ]
    return found


def is_address(text: object) -> bool:
    """Returns whether a mail can be sent to the text."""
    return isinstance(text, str) and len(text) <= ADDRESS_LIMIT and _ADDRESS.fullmatch(text) is not None


def _address_of(identity: Identity) -> str:
    """Returns the email address of a person, or "" if it has none or an invalid one."""
    address = identity.email.strip() if isinstance(identity.email, str) else ""
    return address if is_address(address) else ""


def _power(named: NamedBackend) -> PasswordRecovery:
    assert isinstance(named.backend, PasswordRecovery)
    return named.backend


def _violation(named: NamedBackend, error: BackendError) -> BackendUnavailable:
    log.error("backend %s violated its contract: it raised %s", named.label, type(error).__name__)
    return BackendUnavailable(f"backend {named.name} failed")
