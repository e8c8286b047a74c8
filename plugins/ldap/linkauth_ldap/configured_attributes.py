"""Checks the attributes that the ini file names: `active_attribute`, `disabled_attribute` and the expiry dates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from linkauth.backends import Reason
from linkauth_ldap import values
from linkauth_ldap.values import FALSE, TRUE, UnknownValue

if TYPE_CHECKING:
    from linkauth_ldap.entries import Entry
    from linkauth_ldap.settings import LDAPSettings

VALUES_ADVICE = "name it in active_values or disabled_values"


def check_configured_attributes(entry: Entry, settings: LDAPSettings, now: datetime) -> Iterator[Reason]:
    """Yields the reasons why the account may not sign in.

    Every account must have the attribute of `active_attribute`.
    """
    active, disabled = _flag_values(settings)
    if name := settings.active_attribute:
        with _with_advice(VALUES_ADVICE):
            is_active = values.keyword_flag(entry, name, *active)
        if is_active is None:
            raise UnknownValue(name, "is not shown: bind_dn must be able to read it, and every account needs it")
        if not is_active:
            yield "disabled"
    if name := settings.disabled_attribute:
        with _with_advice(VALUES_ADVICE):
            is_disabled = values.keyword_flag(entry, name, *disabled)
        if is_disabled:
            yield "disabled"
    if name := settings.account_expiry_attribute:
        with _with_advice("see account_expiry_format"):
            is_expired = values.has_passed(entry, name, settings.account_expiry_format, now)
        if is_expired:
            yield "account_expired"
    if name := settings.password_expiry_attribute:
        with _with_advice("see password_expiry_format"):
            is_expired = values.has_passed(entry, name, settings.password_expiry_format, now)
        if is_expired:
            yield "password_expired"


@contextmanager
def _with_advice(advice: str) -> Iterator[None]:
    """Adds `advice` to each UnknownValue that is raised inside."""
    try:
        yield
    except UnknownValue as unknown:
        unknown.advice = advice
        raise


def _flag_values(settings: LDAPSettings) -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """Returns (yes, no) values for `active_attribute`, and (yes, no) values for `disabled_attribute`.

    They come from `active_values` and `disabled_values`, or else from `TRUE` and `FALSE`. If both attributes are
    configured, a value in `active_values` may belong to `disabled_attribute` and the reverse, so that the values of
    `TRUE` and `FALSE` keep their meaning.
    """
    active, disabled = (
        frozenset(map(str.casefold, names)) for names in (settings.active_values, settings.disabled_values)
    )
    if settings.active_attribute and settings.disabled_attribute:
        yes, no = active or TRUE, disabled | FALSE
        return (yes, no - yes), (disabled or TRUE, (active - TRUE | FALSE) - disabled)
    yes = disabled or TRUE
    return (active or TRUE - disabled, (disabled or FALSE) - active), (yes, (active or FALSE) - yes)
