"""Passkeys as a second factor: they are added together with a code, and then used instead of one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from linkauth.login.passkeys import MAX_PASSKEYS, PasskeyOwner, PasskeyRefused, Passkeys
from linkauth.login.sign_in import Person
from linkauth.login.web_authentication import WebAuthentication
from linkauth.logs import event

log = logging.getLogger(__name__)

FIELD = "passkey"
"""The field of a form in which the script of the page sends the answer of the browser."""


class PasskeyFactor:
    """Adds and checks passkeys. `clock` returns seconds since 1970.

    The methods raise the errors of an unavailable storage. `value` is that of the pending sign-in.
    """

    def __init__(self, api: WebAuthentication, store: Passkeys, clock: Callable[[], float] = time.time) -> None:
        self._api, self._store, self._clock = api, store, clock

    def is_offered(self, owner: PasskeyOwner) -> bool:
        """Returns whether the person has a passkey."""
        return bool(self._store.of(owner))

    def creation_options(self, value: str, person: Person, service: str, owner: PasskeyOwner | None) -> str:
        """Returns the options for a new passkey as JSON; "" if the person cannot have more.

        `owner` is None if the person has no second factor yet. `service` is the name that the device shows.
        """
        existing = self._store.of(owner) if owner else ()
        return "" if len(existing) >= MAX_PASSKEYS else self._api.creation_options(value, person, service, existing)

    def request_options(self, value: str, owner: PasskeyOwner) -> str:
        """Returns the options for the use of a passkey as JSON."""
        return self._api.request_options(value, self._store.of(owner))

    def add(self, value: str, owner: PasskeyOwner, form: Mapping[str, str]) -> None:
        """Adds the passkey in a form, if there is one.

        If it is refused, the log tells why, and the person goes on: the code in the same form was correct.
        """
        if not form.get(FIELD):
            return
        try:
            passkey = self._api.created(value, form[FIELD])
            if len(self._store.of(owner)) >= MAX_PASSKEYS or not self._store.add(owner, passkey, self._now()):
                raise PasskeyRefused("the passkey is known already, or there are too many")
        except PasskeyRefused as error:
            event(log, logging.WARNING, "passkey not added", backend=owner.backend, reason=str(error))
        else:
            event(log, logging.INFO, "passkey added", backend=owner.backend)

    def is_correct(self, value: str, owner: PasskeyOwner, form: Mapping[str, str]) -> bool:
        """Returns whether the form proves that the person has used a passkey, and stores its new counter."""
        try:
            used = self._api.used(value, form.get(FIELD, ""), self._store.of(owner))
            if not self._store.use(owner, used, self._now()):
                raise PasskeyRefused(
                    "the counter has not increased: the passkey was copied, or the answer was replayed"
                )
        except PasskeyRefused as error:
            event(log, logging.WARNING, "passkey refused", backend=owner.backend, reason=str(error))
            return False
        return True

    def _now(self) -> int:
        return int(self._clock())
