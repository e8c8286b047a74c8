"""Creates accounts: a code proves the email address, and only then the account is made, in one operation of a backend.

Nobody learns from a page whether a user name or an address has an account: for every form, the same calls are made, one
challenge and one mail are stored, and the same page is shown. The mail says what is taken.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from linkauth import redaction
from linkauth.backends import (
    BackendError,
    BackendUnavailable,
    Identity,
    NameTaken,
    PasswordRefused,
    Registration,
)
from linkauth.identities import address_bucket, normalize_username, shown_name
from linkauth.login import powers
from linkauth.login.challenges import (
    CODE_SECONDS,
    Challenge,
    ChallengeKey,
    ChallengeOver,
    Challenges,
    InvalidFields,
    WrongCode,
)
from linkauth.login.codes import PageValues, challenge_key, code_digest, new_code
from linkauth.login.dispatch import NamedBackend, call_backend
from linkauth.login.double_posts import finish_once
from linkauth.login.existing_accounts import is_taken, people_at
from linkauth.login.names import look_alikes
from linkauth.login.password_policy import PasswordPolicy, require_usable
from linkauth.login.registration_fields import FormField, form_fields
from linkauth.login.sign_in import Person
from linkauth.login.start_limit import StartLimit
from linkauth.login.throttle import Throttle
from linkauth.login.visit import Visit
from linkauth.logs import annotate, event
from linkauth.mail.message import Mail, MailKind

log = logging.getLogger(__name__)

_UNLIKE_URLS = re.compile(r"[\w-]+")
Call = Callable[[ChallengeKey, bytes, int], Challenge]


class AccountCreated(BackendUnavailable):
    """The account exists, but the sign-in with the new password failed. The person can sign in as usual."""


class SignUp:
    """The steps of a registration. `wake` tells the sender of mails that there may be a new one.

    The page has the fields of the first backend that creates accounts. `clock` returns seconds since 1970. The methods
    with a `visit` raise the errors of an unavailable storage.
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
        creating = (named for named in powers.participants(self._backends, Registration) if named.registration_fields)
        self._home = next(creating, None)
        self._throttle = throttle
        self._challenges = challenges
        self._values = values
        self._starts = StartLimit(throttle, values, clock)
        self._password_policy = password_policy
        self._wake = wake
        self._clock = clock

    def is_offered(self) -> bool:
        return self._home is not None

    def minimum_length(self) -> int:
        """Returns the minimum length of a new password, to be shown before it is typed; 0 if it is unknown."""
        return self._home.backend.minimum_length() if self._home else 0

    def fields(self, language: str, typed: Mapping[str, str] | None = None) -> tuple[FormField, ...]:
        """Returns the fields of the page in `language`; with `typed`, also their values and errors."""
        return form_fields(self._home.registration_fields if self._home else (), language, typed)

    def start(self, visit: Visit, page: str, wait: str, typed: Mapping[str, str]) -> str:
        """Mails a code to the address in `typed`, the fields by name. Returns the challenge for the page.

        `page` and `wait` are the values in the page. Raises InvalidFields, StartThrottled or BackendUnavailable.
        """
        fields = self._checked(self.fields(visit.language, typed))
        if any(each.error for each in fields):
            raise InvalidFields(fields)
        data = {each.name: each.value for each in fields if each.value}
        email = data["email"]
        data.setdefault("username", email)
        annotate(name=shown_name(data["username"]))
        self._starts.admit(visit.address, page, wait, email.lower())
        value = self._values.challenge(page, "registration", json.dumps(data, sort_keys=True))
        code, now = new_code(), int(self._clock())
        kind, recipient, names = self._answer(data["username"], email)
        is_free = kind == "registration_code"
        challenge = Challenge(
            challenge_key(value, visit.query, "registration"),
            code_digest(value, code) if is_free else b"",
            now,
            now + CODE_SECONDS,
            self._home.name if self._home else "",
            # a later form with the same address replaces this one; the row does not show the address
            self._values.challenge("address", "registration", email.lower()),
            data,
        )
        minutes = CODE_SECONDS // 60
        mail = Mail(kind, recipient, visit.client_id, visit.language, names, code if is_free else "", minutes)
        self._challenges.start(challenge, mail, address_bucket(visit.address))
        self._wake()
        event(log, logging.INFO, "registration started")
        return value

    def _checked(self, fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
        """Returns the fields; a user name that no new account may have has an error."""
        by_name = {each.name: each for each in fields}
        email = by_name["email"]
        name = by_name.get("username", email)
        if name.error or email.error:
            return fields
        owners = powers.candidates(self._backends, name.value, Registration)
        # somebody's address must not become the user name of another person, who could then be taken for the first
        if owners[:1] != (self._home,) or ("@" in name.value and name.value.lower() != email.value.lower()):
            refused = replace(name, error="name_not_allowed")
            return tuple(refused if each is name else each for each in fields)
        return fields

    def _answer(self, username: str, email: str) -> tuple[MailKind, str, tuple[str, ...]]:
        """Returns the kind, recipient and names of the mail. Makes the same calls if there is no account."""
        people = people_at(self._backends, email)
        # an address is proven by its code, so it cannot imitate another one
        others = () if "@" in username else look_alikes(username)
        taken = [is_taken(self._backends, name) for name in (username, *others)]
        if people:
            return "account_exists", people[0].email.strip(), tuple(dict.fromkeys(each.username for each in people))
        # mail programs make links of names such as www.example.com, and anybody may have entered this address
        names = (username,) if username == email or _UNLIKE_URLS.fullmatch(username) else ()
        return "name_taken" if any(taken) else "registration_code", email, names

    def check(self, visit: Visit, challenge: str, code: str) -> str:
        """Returns the user name of the future account if the code is correct.

        Raises WrongCode, ChallengeOver or Throttled.
        """
        return self._use(visit, challenge, code, self._challenges.check).data["username"]

    def typed(self, visit: Visit, challenge: str) -> Mapping[str, str]:
        """Returns the fields of a started registration by name, to fill the page again; empty if it is over."""
        found = self._challenges.find(challenge_key(challenge, visit.query, "registration"), int(self._clock()))
        return dict(found.data) if found else {}

    def finish(self, visit: Visit, challenge: str, code: str, new: str, repeated: str) -> Person:
        """Creates the account with the password `new` and signs the person in. `repeated` is its second input.

        Raises WrongCode, ChallengeOver, Throttled, PasswordRefused, NameTaken or BackendUnavailable; then the code can
        be used again. Raises AccountCreated if the account exists, but the sign-in failed. A form that is posted twice
        at the same time waits for the first one, and then the challenge is "used".
        """
        require_usable(new, repeated)
        key = challenge_key(challenge, visit.query, "registration")
        return finish_once(
            lambda: self._finish(visit, challenge, code, new),
            lambda: self._challenges.find(key, int(self._clock())) is not None,
        )

    def _finish(self, visit: Visit, challenge: str, code: str, new: str) -> Person:
        found = self._use(visit, challenge, code, self._challenges.check)
        self._password_policy.check(new, found.data.values())
        home = self._home
        if home is None or home.name != found.backend:
            event(log, logging.ERROR, "registration failed", backend=found.backend, reason="it creates no accounts now")
            raise BackendUnavailable("the backend no longer creates accounts")
        found = self._use(visit, challenge, code, self._challenges.claim)
        try:
            subject = self._register(home, found.data, new)
        except BaseException:
            self._challenges.release(found.key)
            raise
        event(log, logging.INFO, "account created", backend=home.name)
        try:
            self._challenges.finish(found, None, int(self._clock()))
        except Exception as error:
            # any error of a storage; the person must be told that the account exists
            event(
                log, logging.ERROR, "account created, but its challenge has not ended", reason=redaction.reason(error)
            )
            raise AccountCreated("the account exists, but the storage is unavailable") from None
        return Person(home.name, _sign_in(home, found.data["username"], new, subject))

    def _register(self, home: NamedBackend, data: Mapping[str, str], new: str) -> str:
        """Creates the account and returns its subject. Raises NameTaken, PasswordRefused or BackendUnavailable."""
        username, email = data["username"], data["email"]
        kind, _, names = self._answer(username, email)
        if kind == "account_exists" and normalize_username(username) in map(normalize_username, names):
            # the account of this address was made, although an earlier attempt had no answer from the backend
            raise AccountCreated("the account exists since an earlier attempt")
        if kind != "registration_code":
            reason = "the name or the address has got an account since the code was mailed"
            event(log, logging.INFO, "registration refused", backend=home.name, reason=reason)
            raise NameTaken("taken since the code was mailed")

        def register(named: NamedBackend) -> Identity:
            assert isinstance(named.backend, Registration)
            return named.backend.register(username, new, profile_of(named, data))

        try:
            return call_backend(home, register, "registration").subject
        except (NameTaken, PasswordRefused, BackendUnavailable):
            raise
        except BackendError as error:
            log.error("backend %s violated its contract: it raised %s", home.label, type(error).__name__)
            raise BackendUnavailable(f"backend {home.name} failed") from None

    def _use(self, visit: Visit, value: str, code: str, call: Call) -> Challenge:
        """Calls a method of the storage with a typed code, and counts failures of the address."""
        key, now = challenge_key(value, visit.query, "registration"), int(self._clock())
        with self._throttle.code_attempt(visit.address) as attempt:
            try:
                found = call(key, code_digest(value, code), now)
            except WrongCode:
                attempt.failed()
                raise
            except ChallengeOver as over:
                if over.reason in ("tries", "unknown"):
                    attempt.failed()
                raise
        if "username" not in found.data:
            # the data of a completed registration are deleted
            raise ChallengeOver("used")
        annotate(name=shown_name(found.data["username"]))
        return found


def profile_of(named: NamedBackend, data: Mapping[str, str]) -> dict[str, str]:
    """Returns the fields of `data` that the user store keeps. `name` is made of the other names if it is no field."""
    assert isinstance(named.backend, Registration)
    kept = named.backend.profile_fields
    profile = {each.name: data[each.name] for each in named.registration_fields if data.get(each.name)}
    profile.pop("username", None)
    full_name = " ".join(filter(None, (profile.get("given_name"), profile.get("family_name"))))
    if full_name:
        profile.setdefault("name", full_name)
    return {name: text for name, text in profile.items() if name in kept}


def _sign_in(home: NamedBackend, username: str, new: str, subject: str) -> Identity:
    """Signs in with the new password. Raises AccountCreated."""
    try:
        identity = call_backend(home, lambda named: named.backend.authenticate(username, new))
    except BackendError as error:
        raise AccountCreated(f"the account exists, but the sign-in failed: {type(error).__name__}") from None
    if identity.subject != subject:
        reason = "it signs another account in with the new user name"
        event(log, logging.ERROR, "registration failed", backend=home.name, reason=reason)
        raise AccountCreated("the account exists, but its user name belongs to another account")
    return identity
