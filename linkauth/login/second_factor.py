"""The second step of a sign-in: a code from an authenticator app, from a mail, a recovery code, or a passkey.

Between the first and the second step, the person who has signed in is kept in a pending sign-in, which is bound to the
query of the authorization request. The stored stage decides what a posted form can do, not the fields of the form:

* "ask": the person has a second factor, and must type a code or use a passkey.
* "setup": the person has none, and must prove with one code that the authenticator app has the new secret.
* "passed": the second factor was enrolled just now; the page shows the recovery codes, and the link follows.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from linkauth.config.settings import Settings
from linkauth.identities import shown_name
from linkauth.login import totp
from linkauth.login.codes import new_code
from linkauth.login.factors import RECOVERY_CODES, Attempt, Proof, SecondFactor, SecondFactors, SecondFactorUnreadable
from linkauth.login.kept_person import dump_person, load_person
from linkauth.login.mailed_factor import MailedFactor
from linkauth.login.passkey_factor import PasskeyFactor
from linkauth.login.passkeys import ADDED_WITH
from linkauth.login.pending import PendingSignIns, new_value
from linkauth.login.remembered_devices import RememberedDevices
from linkauth.login.second_pages import SecondPages
from linkauth.login.second_steps import (
    Step,
    derived_value,
    missing,
    plain_page,
    recovery_digest,
    typed,
)
from linkauth.login.sign_in import Person
from linkauth.login.throttle import Throttle
from linkauth.login.visit import Visit
from linkauth.logs import annotate, event

log = logging.getLogger(__name__)


class SecondStep:
    """The second step of sign-ins. `clock` returns seconds since 1970.

    All methods raise the errors of an unavailable storage, and SecondFactorUnreadable.
    """

    def __init__(
        self,
        settings: Settings,
        throttle: Throttle,
        factors: SecondFactors,
        pending: PendingSignIns,
        mailed: MailedFactor | None,
        passkeys: PasskeyFactor | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._throttle, self._factors, self._pending, self._mailed = throttle, factors, pending, mailed
        self._passkeys, self._pages = passkeys, SecondPages(settings, mailed, passkeys)
        days = settings.second_factor.remember_days
        self._devices = RememberedDevices(settings.secret, settings.previous_secrets, days)
        self.clock = clock

    def begin(self, visit: Visit, person: Person, cookie: str) -> Step:
        """Returns the step after the first factor. `cookie` is the value of the cookie of this device, or ""."""
        if self._pages.policy(visit, person) == "off":
            return Step(person)
        factor, now = self._find(person), self._now()
        if factor and self._devices.is_remembered(cookie, factor, now):
            event(log, logging.INFO, "second factor not needed", reason="the device is remembered")
            return Step(person)
        value = new_value()
        data = {"query": visit.query, "client": visit.client_id, "person": dump_person(person)}
        if factor:
            data |= {"stage": "ask", "enrolment": factor.enrolment}
        else:
            data |= {"stage": "setup", "secret": totp.new_secret()}
        self._pending.put(value, "second_factor", data, now)
        return self._pages.shown(visit, value, data)

    def answer(self, visit: Visit, form: Mapping[str, str]) -> Step:
        """Processes a posted form, whose origin and token the caller has checked. Raises Throttled."""
        value, now = form.get("challenge", ""), self._now()
        data = self._pending.find(value, "second_factor", now)
        if data is None or data["query"] != visit.query or data["client"] != visit.client_id:
            return self._not_found(visit, value)
        person = load_person(data["person"])
        annotate(name=shown_name(person.username))
        if self._pages.policy(visit, person) == "off":
            # the settings were changed since
            return self._passed(visit, value)
        if data["stage"] == "setup":
            return self._set_up(visit, value, data, person, form)
        if data["stage"] == "passed":
            if "saved" not in form:
                return self._pages.shown(visit, value, data)
            # an operator may have removed the new second factor, because somebody else had set it up
            return self._passed(visit, value) if self._find(person) else self._begin_again(visit, value, person)
        return self._check(visit, value, data, person, form)

    def shown_again(self, visit: Visit, form: Mapping[str, str], error: str, retry_after: int = 0) -> Step:
        """Returns the page of a posted form again, with an error that is not of the form.

        It does not use the storage for the error "unavailable".
        """
        value = form.get("challenge", "")
        data = None if error == "unavailable" else self._pending.find(value, "second_factor", self._now())
        if data is None or data["query"] != visit.query:
            return replace(plain_page(value, error), retry_after=retry_after)
        return self._pages.shown(visit, value, data, error, retry_after, form.get("method", ""))

    def _check(
        self, visit: Visit, value: str, data: Mapping[str, str], person: Person, form: Mapping[str, str]
    ) -> Step:
        """Processes a code of a person who has a second factor."""
        factor = self._find(person)
        if factor is None:
            # an operator has removed it since
            return self._begin_again(visit, value, person)
        method, code = typed(form)
        if method not in self._pages.methods(visit, data):
            method = "totp"
        if method == "mail":
            return self._check_mail(visit, value, data, person, form, factor)
        if method == "passkey":
            return self._check_passkey(visit, value, data, form, factor)
        if not code:
            return self._pages.shown(visit, value, data, missing(form), method=method)
        with self._throttle.code_attempt(visit.address) as counted:
            attempt = self._attempt(factor, method, code)
            if attempt.result in ("wrong", "used"):
                counted.failed()
        if attempt.result == "gone":
            return self._begin_again(visit, value, person)
        if attempt.result == "accepted":
            if method == "recovery_code":
                event(log, logging.WARNING, "recovery code used", left=attempt.codes_left)
            return self._passed(visit, value, method, factor, form)
        event(
            log,
            logging.WARNING if attempt.retry_after else logging.INFO,
            "second factor refused",
            method=method,
            reason=attempt.result,
            failures=attempt.failures or None,
            retry_after=attempt.retry_after or None,
        )
        error = {"wrong": "wrong_code", "used": "code_used", "throttled": "throttled"}[attempt.result]
        return self._failed(visit, value, data, error, method, attempt.retry_after)

    def _attempt(self, factor: SecondFactor, method: str, code: str) -> Attempt:
        now = self._now()
        if method == "recovery_code":
            proof = Proof(digest=recovery_digest(factor, code))
        else:
            proof = Proof(totp.matching_step(factor.secret, code, now))
        return self._factors.attempt(factor, proof, now)

    def _check_mail(
        self,
        visit: Visit,
        value: str,
        data: Mapping[str, str],
        person: Person,
        form: Mapping[str, str],
        factor: SecondFactor | None = None,
    ) -> Step:
        """Mails a code, or checks a mailed code."""
        assert self._mailed is not None
        _, code = typed(form)
        if not code:
            # a mail is sent once for each pending sign-in, also if the form is sent again
            self._mailed.send(visit, value, person)
            return self._pages.shown(visit, value, data, missing(form), method="mail")
        with self._throttle.code_attempt(visit.address) as counted:
            is_correct = self._mailed.is_correct(visit, value, code)
            if not is_correct:
                counted.failed()
        if is_correct:
            return self._passed(visit, value, "mail", factor, form)
        event(log, logging.INFO, "second factor refused", method="mail", reason="wrong")
        return self._failed(visit, value, data, "wrong_code", "mail")

    def _check_passkey(
        self, visit: Visit, value: str, data: Mapping[str, str], form: Mapping[str, str], factor: SecondFactor
    ) -> Step:
        """Checks a used passkey. Wrong codes before it do not delay it: nobody can guess a signature."""
        assert self._passkeys is not None
        if "switch" in form or not form.get("passkey"):
            return self._pages.shown(visit, value, data, method="passkey")
        with self._throttle.code_attempt(visit.address) as counted:
            is_correct = self._passkeys.is_correct(value, factor, form)
            if not is_correct:
                counted.failed()
        if is_correct:
            return self._passed(visit, value, "passkey", factor, form)
        return self._failed(visit, value, data, "passkey_refused", "passkey")

    def _set_up(
        self, visit: Visit, value: str, data: Mapping[str, str], person: Person, form: Mapping[str, str]
    ) -> Step:
        """Processes the first code of a new authenticator app."""
        if "skip" in form and self._pages.policy(visit, person) == "optional":
            if self._find(person) is not None:
                # enrolled since this page was shown: who knows only the password must not avoid it
                return self._begin_again(visit, value, person)
            event(log, logging.INFO, "second factor skipped", backend=person.backend)
            return self._passed(visit, value)
        method, code = typed(form)
        if method == "mail" and "mail" in self._pages.methods(visit, data):
            return self._check_mail(visit, value, data, person, form)
        if "skip" in form or not code:
            return self._pages.shown(visit, value, data, missing(form))
        now = self._now()
        step = totp.matching_step(data["secret"], code, now)
        if step is None:
            return self._failed(visit, value, data, "wrong_code")
        enrolment = secrets.token_urlsafe(16)
        account = (person.backend, person.subject, person.username)
        factor = SecondFactor(*account, enrolment, data["secret"], secrets.token_bytes(32), step, now)
        codes = [new_code() for _ in range(RECOVERY_CODES)]
        if not self._factors.enrol(factor, [recovery_digest(factor, each) for each in codes]):
            # enrolled meanwhile, perhaps by the same form
            return self._not_found(visit, value, lambda: self._begin_again(visit, value, person))
        event(log, logging.INFO, "second factor enrolled", backend=person.backend)
        if self._passkeys is not None:
            self._passkeys.add(value, factor, form)
        shown = derived_value(value, "passed")
        passed = {**data, "stage": "passed", "codes": " ".join(codes), "secret": ""}
        self._pending.put(shown, "second_factor", passed, now)
        self._pending.take(value, "second_factor", now)
        return self._pages.shown(visit, shown, passed)

    def _begin_again(self, visit: Visit, value: str, person: Person) -> Step:
        """Starts the second step again, if this pending sign-in was not used meanwhile."""
        if self._pending.take(value, "second_factor", self._now()) is None:
            return plain_page(value, "expired")
        return self.begin(visit, person, "")

    def _not_found(self, visit: Visit, value: str, otherwise: Callable[[], Step] | None = None) -> Step:
        """Returns the page for a pending sign-in that is over: the recovery codes if it has just enrolled."""
        shown = derived_value(value, "passed")
        data = self._pending.find(shown, "second_factor", self._now())
        if data is not None and data["query"] == visit.query and data["client"] == visit.client_id:
            return self._pages.shown(visit, shown, data)
        if otherwise:
            return otherwise()
        with self._throttle.code_attempt(visit.address) as counted:
            if self._pending.ended(value, "second_factor") is None:
                counted.failed()
        event(log, logging.INFO, "second factor refused", reason="the sign-in has expired or was completed")
        return plain_page(value, "expired")

    def _passed(
        self,
        visit: Visit,
        value: str,
        method: str = "",
        factor: SecondFactor | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Step:
        """Uses the pending sign-in up, and returns the person; of several requests, exactly one gets it."""
        now = self._now()
        data = self._pending.take(value, "second_factor", now)
        if data is None:
            return plain_page(value, "expired")
        person = load_person(data["person"])
        if method:
            event(log, logging.INFO, "second factor passed", backend=person.backend, method=method)
        if self._passkeys is not None and method in ADDED_WITH and factor and form:
            self._passkeys.add(value, factor, form)
        is_remembered = self._devices.seconds > 0 and factor is not None and "remember" in (form or {})
        if not is_remembered or factor is None:
            return Step(person)
        return Step(person, self._devices.value(factor, now), self._devices.seconds)

    def _failed(
        self, visit: Visit, value: str, data: Mapping[str, str], error: str, method: str = "", retry_after: int = 0
    ) -> Step:
        """Counts a failure of the pending sign-in, and returns its page again unless it was the last one."""
        if error != "throttled" and not self._pending.fail(value, "second_factor"):
            event(log, logging.WARNING, "second factor refused", reason="too many wrong codes in one sign-in")
            return plain_page(value, "expired")
        return self._pages.shown(visit, value, data, error, retry_after, method)

    def _find(self, person: Person) -> SecondFactor | None:
        try:
            return self._factors.find(person.backend, person.subject)
        except SecondFactorUnreadable as error:
            event(log, logging.ERROR, "second factor not readable", backend=person.backend, reason=str(error))
            raise

    def _now(self) -> int:
        return int(self.clock())
