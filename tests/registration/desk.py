"""Sign-ups without pages: the service, a storage on SQLite, and the mails in its outbox."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from linkauth.config.registration import RegistrationField
from linkauth.config.settings import ThrottleSettings
from linkauth.login.challenges import InvalidFields
from linkauth.login.codes import PageValues
from linkauth.login.dispatch import NamedBackend
from linkauth.login.password_policy import PasswordPolicy
from linkauth.login.registration import SignUp
from linkauth.login.sign_in import Person
from linkauth.login.throttle import Throttle
from linkauth.login.visit import Visit
from linkauth.mail.message import Mail
from linkauth.storage import ChallengeStore, OutboxStore

SECRET = "c4n4ry-secret-of-the-tests-of-sign-up"
NEW = "Quartz-52-meadow-Lantern"
FIELDS = (
    RegistrationField("username", "username"),
    RegistrationField("name"),
    RegistrationField("email", "email"),
    RegistrationField("accept_terms", "checkbox"),
)
_numbers = itertools.count(1)


class Desk:
    """One process that offers sign-up. `now` is its time; `mails` returns and removes the mails that are due."""

    def __init__(
        self, store: ChallengeStore, outbox: OutboxStore, backends: Sequence[NamedBackend], starts: int = 1_000
    ) -> None:
        self.now = 1_800_000_000
        self.wakes: list[None] = []
        self.store = store
        self._outbox = outbox
        self.throttle = Throttle(ThrottleSettings(start_limit=starts))
        self.sign_up = SignUp(
            backends,
            self.throttle,
            self.store,
            PageValues(SECRET),
            PasswordPolicy(["Example Rides"]),
            lambda: self.wakes.append(None),
            lambda: self.now,
        )

    def mails(self) -> list[Mail]:
        found = []
        while stored := self._outbox.claim(self.now, 60):
            self._outbox.done(stored, "sent", self.now)
            found.append(stored.mail)
        return found

    def newcomer(self, **typed: str) -> Newcomer:
        return Newcomer(self, **typed)


class Newcomer:
    """A person with a browser. Everybody has a name, an address and a source address of their own."""

    def __init__(self, desk: Desk, **typed: str) -> None:
        number = next(_numbers)
        self.desk = desk
        self.visit = Visit(
            f"client_id=alexa&state={number}", "alexa", "de", f"192.0.{number // 250 % 250}.{number % 250}"
        )
        self.page = PageValues.new_page()
        self.typed: Mapping[str, str] = {
            "username": f"fred-{number}x",
            "name": "Fred Example",
            "email": f"fred{number}@example.com",
            "accept_terms": "true",
            **typed,
        }
        self.challenge = ""
        self.code = ""

    def start(self, wait: str = "") -> Mail:
        """Posts the form, and returns the mail."""
        self.challenge = self.desk.sign_up.start(self.visit, self.page, wait, self.typed)
        (mail,) = self.desk.mails()
        self.code = mail.code
        return mail

    def errors(self) -> dict[str, str]:
        """Posts a form that is refused, and returns the errors by field."""
        try:
            self.desk.sign_up.start(self.visit, self.page, "", self.typed)
        except InvalidFields as invalid:
            return {each.name: each.error for each in invalid.fields if each.error}
        raise AssertionError("the form was accepted")

    def check(self, code: str | None = None) -> str:
        return self.desk.sign_up.check(self.visit, self.challenge, self.code if code is None else code)

    def finish(self, new: str = NEW, repeated: str | None = None, **changes: Any) -> Person:
        visit, code = changes.get("visit", self.visit), changes.get("code", self.code)
        return self.desk.sign_up.finish(visit, self.challenge, code, new, new if repeated is None else repeated)

    def sign_up(self) -> Person:
        self.start()
        self.check()
        return self.finish()
