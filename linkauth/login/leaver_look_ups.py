"""Asks a backend about people with links, one after the other, and judges its answers (see `leavers.decide`).

Whether the backend itself is well shows a witness: somebody whom it has found before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from linkauth.backends import Account, BackendError, BackendUnavailable, Lookup, Reason, UnknownUser
from linkauth.login.dispatch import NamedBackend, call_power
from linkauth.login.leavers import ENDING, GONE, Verdict, decide
from linkauth.logs import event
from linkauth.redaction import redact

log = logging.getLogger(__name__)

FIRST_FAILURES = 5
"""How many look-ups may fail at the beginning, before one succeeds, until the backend counts as down."""


class BackendDown(Exception):
    """The backend does not answer. The message is for operators."""


class WitnessLost(Exception):
    """The backend answers, but does not find the witness any more."""


class LookUps:
    """The look-ups at one backend, which offers Lookup.

    `ending` are the reasons that end links. `pace` is called before each look-up. `witness` is the subject of somebody
    who may sign in, or "". `failures` is the number of failed look-ups since the last account was found, and `failure`
    the last of them.
    """

    def __init__(
        self,
        named: NamedBackend,
        ending: frozenset[Reason] = ENDING,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self._named, self._ending, self._pace = named, ending, pace
        self.witness, self.failures, self.failure = "", 0, ""

    def ask(self, subject: str) -> Verdict:
        """Looks a person up. Raises BackendDown if the backend does not answer for others either."""
        verdict, failure = self._look_up(subject)
        if verdict is None:
            self.failures, self.failure = self.failures + 1, failure
            if self.witness:
                # if somebody else is found, it is about this person only
                if self._look_up(self.witness)[0] is None:
                    raise BackendDown(failure)
            elif self.failures >= FIRST_FAILURES:
                raise BackendDown(failure)
            verdict = Verdict("doubtful", failure)
        elif verdict.reason != GONE:
            self.failures = 0
            self.witness = subject if verdict.kind == "present" else self.witness
        if verdict.kind == "doubtful":
            event(log, logging.WARNING, "link kept, its person is in doubt", backend=self._named.name, reason=failure)
        return verdict

    def ask_for_witness(self) -> None:
        """Raises BackendDown or WitnessLost if the backend does not find somebody whom it has found before.

        It may have lost its people since they were looked up, for example when a directory is filled anew.
        """
        if not self.witness:
            return
        verdict, failure = self._look_up(self.witness)
        if verdict is None:
            raise BackendDown(failure)
        if verdict.kind not in ("present", "kept"):
            raise WitnessLost

    def _look_up(self, subject: str) -> tuple[Verdict | None, str]:
        """Returns (verdict or None if the look-up has failed, a text for operators)."""
        self._pace()
        backend = self._named.backend
        assert isinstance(backend, Lookup)

        def look_up(_: NamedBackend) -> Account:
            account = backend.look_up(subject)
            if not isinstance(account, Account):
                raise TypeError
            return account

        try:
            account = call_power(self._named, look_up, "look-up")
        except UnknownUser:
            account = None
        except BackendUnavailable as error:
            return None, f"{type(error).__name__}: {redact(error)}"
        except BackendError as error:
            return None, f"violated its contract: it raised {type(error).__name__}"
        verdict = decide(subject, account, self._ending)
        return verdict, verdict.reason
