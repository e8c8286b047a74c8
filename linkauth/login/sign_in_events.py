"""The events of failed sign-ins."""

from __future__ import annotations

from collections.abc import Sequence

from linkauth.backends import (
    PASSWORD_RULES,
    REASONS,
    AccountRefused,
    BackendError,
    BackendUnavailable,
    PasswordRefused,
    Throttled,
    UnknownUser,
)
from linkauth.events.types import SignInRefused, SignInThrottled


def failure(
    error: BackendError, typed: str, backend: str, over_limit: Sequence[Throttled] = (), method: str = "password"
) -> SignInRefused | SignInThrottled:
    """Return the event of a sign-in of the `typed` name that a backend has refused, or could not answer.

    `over_limit` is not empty if the backend did not check the password, because the account had too many failures.
    """
    if over_limit:
        return throttled(over_limit[0], typed, backend)
    return SignInRefused(refusal_reason(error), backend, typed, method)


def throttled(error: Throttled, typed: str, backend: str = "") -> SignInThrottled:
    """Return the event of a sign-in that was refused because of earlier failures."""
    return SignInThrottled(error.of, error.retry_after, backend, typed)


def refusal_reason(error: BackendError) -> str:
    """Return a word for why a sign-in was refused."""
    # plugins raise them, and may have their own reasons
    if isinstance(error, AccountRefused):
        return next((word for word in REASONS if word == error.reason), "refused")
    if isinstance(error, PasswordRefused):
        return next((word for word in PASSWORD_RULES if word == error.rule), "new_password")
    if isinstance(error, BackendUnavailable):
        return "unavailable"
    return "unknown_user" if isinstance(error, UnknownUser) else "wrong_password"
