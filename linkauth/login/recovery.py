"""Recovers an account: a code is mailed to its address, and the person who returns the code chooses a new password.

Nobody learns from a page whether an account exists: for every typed name, the same calls are made, one challenge and
one mail are stored, and the same page is shown. The mail of a name without an account has no recipient.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence

from linkauth import redaction
from linkauth.backends import (
    CHANGEABLE,
    AccountRefused,
    BackendError,
    BackendUnavailable,
    Identity,
    PasswordRecovery,
    UnknownUser,
    WrongPassword,
)
from linkauth.backends.names import trimmed_name
from linkauth.identities import address_bucket, normalize_username, shown_name
from linkauth.login import powers
from linkauth.login.addressees import Addressee, find_addressee
from linkauth.login.challenges import CODE_SECONDS, Challenge, ChallengeKey, ChallengeOver, Challenges, WrongCode
from linkauth.login.codes import PageValues, challenge_key, code_digest, new_code
from linkauth.login.dispatch import NamedBackend, call_backend, call_power, counted_names
from linkauth.login.double_posts import finish_once
from linkauth.login.password_policy import PasswordPolicy, require_usable
from linkauth.login.sign_in import PasswordChanged, PasswordChangeNeeded, Person, can_change_password
from linkauth.login.start_limit import StartLimit
from linkauth.login.throttle import Throttle
from linkauth.login.visit import Visit
from linkauth.logs import annotate, event
from linkauth.mail.message import Mail, MailKind

log = logging.getLogger(__name__)

Call = Callable[[ChallengeKey, bytes, int], Challenge]


class Recovery:
    """The steps of a recovery. `wake` tells the sender of mails that there may be a new one.

    `clock` returns seconds since 1970. All methods but `is_offered` and `minimum_length` raise the errors of an
    unavailable storage.
    """

    def __init__(
        self,
        backends: Sequence[NamedBackend],
        throttle: Throttle,
        challenges: Challenges,
        values: PageValues,
        password_policy: PasswordPolicy,
        wake: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._backends = tuple(backends)
        self._is_offered = powers.is_offered(self._backends, PasswordRecovery)
        self._throttle = throttle
        self._challenges = challenges
        self._values = values
        self._starts = StartLimit(throttle, values, clock)
        self._password_policy = password_policy
        self._wake = wake
        self._clock = clock

    def is_offered(self) -> bool:
        return self._is_offered

    def minimum_length(self) -> int:
        """Returns the minimum length of a new password, to be shown before it is typed; 0 if it is unknown."""
        return powers.minimum_length(self._backends, PasswordRecovery)

    def start(self, visit: Visit, page: str, wait: str, typed: str) -> str:
        """Mails a code for a user name or an email address, if it has an account. Returns the challenge for the page.

        `page` and `wait` are the values in the page. Raises StartThrottled or BackendUnavailable.
        """
        typed = trimmed_name(typed)
        name = normalize_username(typed)
        annotate(name=shown_name(typed))
        self._starts.admit(visit.address, page, wait, name)
        value = self._values.challenge(page, "recovery", name)
        addressee = find_addressee(self._backends, typed)
        code, now = new_code(), int(self._clock())
        kind: MailKind = "user_names" if addressee.several else "recovery_code"
        challenge = Challenge(
            challenge_key(value, visit.query, "recovery"),
            code_digest(value, code) if addressee.subject else b"",
            now,
            now + CODE_SECONDS,
            addressee.backend,
            addressee.subject,
            _data(addressee, typed),
        )
        mail = Mail(
            kind,
            addressee.address,
            visit.client_id,
            visit.language,
            addressee.names or (typed,),
            "" if addressee.several else code,
            CODE_SECONDS // 60,
        )
        self._challenges.start(challenge, mail, address_bucket(visit.address))
        self._wake()
        event(log, logging.INFO, "recovery started")
        return value

    def check(self, visit: Visit, challenge: str, code: str) -> str:
        """Returns the user name of the account if the code is correct.

        Raises WrongCode, ChallengeOver or Throttled.
        """
        return self._use(visit, challenge, code, self._challenges.check).data["username"]

    def finish(self, visit: Visit, challenge: str, code: str, new: str, repeated: str) -> Person:
        """Sets the password `new` and signs the person in. `repeated` is its second input.

        Raises WrongCode, ChallengeOver, Throttled, PasswordRefused, AccountRefused or BackendUnavailable; then the code
        can be used again. Raises PasswordChanged, PasswordChangeNeeded or AccountRefused after the password was set. If
        the form is posted twice at the same time, the second one waits, and then the challenge is "used".
        """
        require_usable(new, repeated)
        key = challenge_key(challenge, visit.query, "recovery")
        return finish_once(
            lambda: self._finish(visit, challenge, code, new),
            lambda: self._challenges.find(key, int(self._clock())) is not None,
        )

    def _finish(self, visit: Visit, challenge: str, code: str, new: str) -> Person:
        found = self._use(visit, challenge, code, self._challenges.check)
        self._password_policy.check(new, [found.data[key] for key in ("username", "name", "email", "typed")])
        named = next((each for each in self._backends if each.name == found.backend and not each.shadow), None)
        if named is None or not powers.offers(named, PasswordRecovery):
            event(log, logging.ERROR, "recovery failed", backend=found.backend, reason="it no longer offers recovery")
            raise BackendUnavailable("the backend of the account no longer offers password recovery")
        self._use(visit, challenge, code, self._challenges.claim)
        self._reset(named, found, new)
        event(log, logging.INFO, "password recovered", backend=named.name)
        names = (*self._typed(found), *counted_names(self._backends, found.data["username"]))
        self._throttle.clear_accounts(*names, *_account(found))
        self._end(found, visit)
        return Person(named.name, _sign_in(named, found, new), changed=True)

    def supersede(self, person: Person) -> None:
        """Ends the recoveries of a person whose password was changed in another way."""
        now = int(self._clock())
        key = ChallengeKey(secrets.token_bytes(32), secrets.token_bytes(32), "recovery")
        self._challenges.finish(Challenge(key, b"", now, now, person.backend, person.subject), None, now)

    def _use(self, visit: Visit, value: str, code: str, call: Call) -> Challenge:
        """Calls a method of the storage with a typed code, and counts failures."""
        key, now = challenge_key(value, visit.query, "recovery"), int(self._clock())
        with self._throttle.code_attempt(visit.address) as attempt:
            try:
                found = call(key, code_digest(value, code), now)
                annotate(name=shown_name(found.data["username"]))
                return found
            except WrongCode:
                attempt.failed()
                if started := self._challenges.find(key, now):
                    annotate(name=shown_name(started.data["typed"]))
                    # not the user name: a person who typed an address could then see whose it is
                    self._throttle.fail_accounts(*self._typed(started), *_account(started))
                raise
            except ChallengeOver as over:
                if over.reason in ("tries", "unknown"):
                    attempt.failed()
                raise

    def _typed(self, challenge: Challenge) -> tuple[str, ...]:
        return counted_names(self._backends, challenge.data["typed"])

    def _reset(self, named: NamedBackend, challenge: Challenge, new: str) -> None:
        """Sets the new password. If that fails, the challenge can be used again."""

        def reset(named: NamedBackend) -> None:
            assert isinstance(named.backend, PasswordRecovery)
            named.backend.reset_password(challenge.subject, new)

        try:
            call_power(named, reset, "recovery")
        except BackendError as error:
            self._challenges.release(challenge.key)
            if isinstance(error, UnknownUser):
                # the account was deleted since the code was mailed
                raise ChallengeOver("unknown") from None
            if isinstance(error, AccountRefused):
                raise _revealed(error) from None
            raise

    def _end(self, challenge: Challenge, visit: Visit) -> None:
        notice = Mail(
            "password_changed",
            challenge.data["email"],
            visit.client_id,
            visit.language,
            (challenge.data["username"],),
        )
        try:
            self._challenges.finish(challenge, notice, int(self._clock()))
        except Exception as error:
            # any error of a storage; the person must be told that the password is changed
            event(
                log, logging.ERROR, "password recovered, but no notice could be stored", reason=redaction.reason(error)
            )
            raise PasswordChanged("the new password is set, but the storage is unavailable") from None
        self._wake()


def _data(addressee: Addressee, typed: str) -> dict[str, str]:
    """Returns the texts of a recovery that later steps need. They are stored for a name without an account too."""
    username = addressee.username or typed
    return {"typed": typed, "username": username, "name": addressee.name, "email": addressee.address}


def _account(challenge: Challenge) -> list[str]:
    """Returns the name of the account for the throttle; none if there is no account."""
    return [f"\0{challenge.backend}\0{challenge.subject}"] if challenge.subject else []


def _sign_in(named: NamedBackend, challenge: Challenge, new: str) -> Identity:
    """Signs in with the new password. Raises PasswordChanged, PasswordChangeNeeded or AccountRefused."""
    username = challenge.data["username"]
    try:
        identity = call_backend(named, lambda each: each.backend.authenticate(username, new))
    except AccountRefused as refused:
        if refused.reason in CHANGEABLE and refused.changeable and can_change_password(named.backend):
            raise PasswordChangeNeeded(refused.reason, proven=True) from None
        raise _revealed(refused) from None
    except (UnknownUser, WrongPassword, BackendError) as error:
        raise PasswordChanged(f"the new password is set, but the sign-in failed: {type(error).__name__}") from None
    if identity.subject != challenge.subject:
        reason = "it signs another account in with the user name of this one"
        event(log, logging.ERROR, "recovery failed", backend=named.name, reason=reason)
        raise PasswordChanged("the new password is set, but its user name belongs to another account")
    return identity


def _revealed(refused: AccountRefused) -> AccountRefused:
    """Returns a refusal whose reason the person sees, unless the backend hides it: the code has proven who it is."""
    revealed = refused.revealed or not refused.proven
    return AccountRefused(refused.reason, refused.proven, revealed, refused.change_url, refused.changeable)
