"""Sets a second factor up: the secret of the authenticator app and the recovery codes.

Both are made before the page with the secret is shown, and kept in the pending sign-in. So a form that is sent again,
because the storage failed in between, or twice, enrols once and shows the recovery codes that are valid.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping

from linkauth.login import totp
from linkauth.login.codes import new_code
from linkauth.login.factors import RECOVERY_CODES, SecondFactor, SecondFactors
from linkauth.login.owner_notices import OwnerNotices
from linkauth.login.passkey_factor import PasskeyFactor
from linkauth.login.pending import PendingSignIns
from linkauth.login.second_steps import derived_value, recovery_digest
from linkauth.login.sign_in import Person
from linkauth.login.visit import Visit
from linkauth.logs import event

log = logging.getLogger(__name__)


class Enrolment:
    """Enrols people in `factors`. `notices` is None if no mails are sent.

    The methods raise the errors of an unavailable storage.
    """

    def __init__(
        self,
        factors: SecondFactors,
        pending: PendingSignIns,
        passkeys: PasskeyFactor | None,
        notices: OwnerNotices | None,
    ) -> None:
        self._factors, self._pending, self._passkeys, self._notices = factors, pending, passkeys, notices

    def new(self) -> dict[str, str]:
        """Returns what the pending sign-in of a person without a second factor contains."""
        codes = " ".join(new_code() for _ in range(RECOVERY_CODES))
        names = {"new_enrolment": secrets.token_urlsafe(16), "new_codes": codes}
        return {"stage": "setup", "secret": totp.new_secret(), **names}

    def complete(
        self,
        visit: Visit,
        value: str,
        data: Mapping[str, str],
        person: Person,
        step: int,
        form: Mapping[str, str],
        now: int,
    ) -> tuple[str, Mapping[str, str]] | None:
        """Stores the second factor of a pending sign-in, whose code was that of the time step `step`.

        Returns the value and the data of the pending sign-in that shows the recovery codes; None if the person has
        another second factor by now.
        """
        enrolment, secret = data["new_enrolment"], data["secret"]
        account = (person.backend, person.subject, person.username)
        factor = SecondFactor(*account, enrolment, secret, secrets.token_bytes(32), step, now)
        codes = data["new_codes"].split()
        if self._factors.enrol(factor, [recovery_digest(factor, each) for each in codes]):
            event(log, logging.INFO, "second factor enrolled", backend=person.backend)
            if self._passkeys is not None:
                self._passkeys.add(value, factor, form)
            if self._notices is not None:
                to = (person.identity.email, person.username, visit.client_id, visit.language)
                self._notices.send("second_factor_added", *to, now)
        elif not is_enrolled(data, self._factors.find(person.backend, person.subject)):
            return None
        shown, passed = derived_value(value, "passed"), {**data, "stage": "passed", "secret": ""}
        self._pending.put(shown, "second_factor", passed, now)
        self._pending.take(value, "second_factor", now)
        return shown, passed


def is_enrolled(data: Mapping[str, str], factor: SecondFactor | None) -> bool:
    """Returns whether `factor` is the one that the pending sign-in has enrolled; `data` are those of its row."""
    return factor is not None and factor.enrolment == data["new_enrolment"]
