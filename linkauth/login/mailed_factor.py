"""Codes by mail as a second factor, under the rules of other mailed codes: 15 minutes, five tries, limited mails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from linkauth.backends import PasswordRecovery
from linkauth.identities import address_bucket
from linkauth.login import powers
from linkauth.login.challenges import CODE_SECONDS, Challenge, ChallengeOver, Challenges, WrongCode
from linkauth.login.codes import challenge_key, code_digest, new_code
from linkauth.login.dispatch import NamedBackend
from linkauth.login.second_steps import derived_value
from linkauth.login.sign_in import Person
from linkauth.login.visit import Visit
from linkauth.mail.addresses import InvalidAddress, parse_address
from linkauth.mail.message import Mail


class MailedFactor:
    """Mails codes, and checks them. `wake` tells the sender of mails that there may be a new one.

    `clock` returns seconds since 1970. The methods raise the errors of an unavailable storage.
    """

    def __init__(
        self,
        backends: Sequence[NamedBackend],
        challenges: Challenges,
        wake: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recoverable = frozenset(each.name for each in backends if powers.offers(each, PasswordRecovery))
        self._challenges, self._wake, self._clock = challenges, wake, clock

    def is_offered(self, person: Person) -> bool:
        """Returns whether the person can get codes by mail.

        People whose password can be recovered by mail get none. Neither do those who have signed in at a provider: it
        may recover passwords by mail, or have the mailbox. Access to their mails would be enough for both steps.
        """
        if person.backend in self._recoverable or person.provider:
            return False
        try:
            parse_address(person.identity.email)
        except InvalidAddress:
            return False
        return True

    def send(self, visit: Visit, value: str, person: Person) -> None:
        """Mails a code for the pending sign-in `value`, unless that was done before."""
        challenge, code, now = derived_value(value, "mail"), new_code(), int(self._clock())
        new = Challenge(
            challenge_key(challenge, visit.query, "second_mail"),
            code_digest(challenge, code),
            now,
            now + CODE_SECONDS,
            person.backend,
            person.subject,
        )
        mail = Mail(
            "second_factor_code",
            person.identity.email,
            visit.client_id,
            visit.language,
            (person.username,),
            code,
            CODE_SECONDS // 60,
        )
        self._challenges.start(new, mail, address_bucket(visit.address))
        self._wake()

    def is_correct(self, visit: Visit, value: str, code: str) -> bool:
        """Returns whether `code` was mailed for the pending sign-in `value`. It counts a wrong try."""
        challenge = derived_value(value, "mail")
        key = challenge_key(challenge, visit.query, "second_mail")
        try:
            self._challenges.claim(key, code_digest(challenge, code), int(self._clock()))
        except (WrongCode, ChallengeOver):
            return False
        return True
