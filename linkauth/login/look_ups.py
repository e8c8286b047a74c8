"""Looks accounts up without a password, and asks again whether a person may sign in.

Between the first step of a sign-in and the link, a person may take minutes to enter a second factor or to confirm. An
account that was disabled or deleted meanwhile must not be linked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from linkauth.backends import (
    Account,
    AccountRefused,
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    Lookup,
    UnknownUser,
)
from linkauth.login.dispatch import NamedBackend, call_power, is_usable
from linkauth.login.sign_in import Person
from linkauth.logs import event

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def call_look_up(backend: NamedBackend, call: Callable[[], Result]) -> Result:
    """Returns what `call`, a look-up at the backend, returns. Raises UnknownUser or BackendUnavailable."""
    try:
        return call_power(backend, lambda _: call(), "look-up")
    except (UnknownUser, BackendUnavailable):
        raise
    except BackendError as error:
        log.error("backend %s violated its contract: it raised %s", backend.label, type(error).__name__)
        raise BackendUnavailable(f"backend {backend.name} failed") from None


def require_admitted(backends: Sequence[NamedBackend], person: Person) -> None:
    """Raises AccountRefused if the backend says now that `person`, who has signed in before, may not sign in.

    Raises BackendUnavailable if it cannot be asked. Nobody can be asked about a person of a provider itself, and about
    people of a backend without Lookup.
    """
    if person.provider == person.backend:
        return
    backend = next((each for each in backends if each.name == person.backend and not each.shadow), None)
    if backend is None:
        raise BackendMisconfigured(f"the backend {person.backend}, where a sign-in has begun, is not open any more")
    power = backend.backend
    if not isinstance(power, Lookup) or Lookup not in power.offers:
        return
    try:
        account = call_look_up(backend, lambda: power.look_up(person.subject))
    except UnknownUser:
        raise _refused(backend, "disabled", "the account does not exist any more") from None
    if (
        not isinstance(account, Account)
        or not is_usable(account.identity)
        or account.identity.subject != person.subject
    ):
        log.error("backend %s violated its contract: it returned another account", backend.label)
        raise BackendUnavailable(f"backend {backend.name} failed")
    if account.refused is not None:
        raise _refused(backend, account.refused, "the account is refused since the first step")


def _refused(backend: NamedBackend, reason: str, problem: str) -> AccountRefused:
    event(log, logging.INFO, "sign-in refused", backend=backend.name, reason=f"{problem}: {reason}")
    # the person has proven in the first step who it is
    return AccountRefused(reason, proven=True, changeable=False)  # type: ignore[arg-type]
