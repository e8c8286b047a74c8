"""The backend: it sends the request of a sign-in, or one about an account, and interprets the response."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    NameTaken,
    PasswordRecovery,
    Registration,
    UnknownUser,
    WrongPassword,
    report,
)
from linkauth.net import Deadline, ServerFailed
from linkauth_http import account_checks, checks
from linkauth_http.accounts import Accounts
from linkauth_http.name_search import composed_forms, first_known, likely_forms
from linkauth_http.outcomes import Outcomes
from linkauth_http.requests import LoginRequests
from linkauth_http.responses import LoginResponse
from linkauth_http.server import LoginServer
from linkauth_http.servers import Servers
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import UnencodableText


class HTTPBackend(CredentialBackend, PasswordRecovery, Registration):
    """People behind a login API. It offers recovery and registration if the ini file declares their requests."""

    Settings: ClassVar[type] = HTTPSettings
    finds_name_forms = True

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._outcomes = Outcomes(settings)
        self._requests = LoginRequests(settings)
        self._servers = Servers(settings, settings.url)
        self._accounts = Accounts(settings)
        self._tells_unknown: bool | None = None

    def authenticate(self, username: str, password: str) -> Identity:
        deadline = self._servers.deadline()
        names = [name for name in self._names(username) if self._is_encodable(name, "x")]
        if not names:
            self._try_random_credentials(deadline)
            raise UnknownUser
        likely = [name for name in self._likely_names(username) if name in names]
        if not self._is_encodable("x", password):
            for _ in names if self._settings.has_unknown_rule and self._tells_unknown is not False else likely:
                self._try_random_credentials(deadline)
            raise WrongPassword
        return first_known(
            names,
            lambda name: self._sign_in(name, password, deadline),
            lambda: self._try_random_credentials(deadline),
            lambda: self._probe_unknown(deadline),
            likely,
        )

    def _names(self, username: str) -> list[str]:
        return composed_forms(self.name_forms, username)

    def _likely_names(self, username: str) -> list[str]:
        return likely_forms(self.name_forms, username, self._settings.name_limit)

    def _sign_in(self, name: str, password: str, deadline: Deadline) -> Identity:
        response = self._servers.run(
            lambda server, deadline: self._exchange(server, name, password, deadline), deadline
        )
        return self._outcomes.interpret(response, name, password)

    def _exchange(self, server: LoginServer, name: str, password: str, deadline: Deadline) -> LoginResponse:
        # without the query, which may contain a key
        report("request", f"{self._settings.method} {server.name}")
        response = self._requests.send(server, name, password, deadline)
        if self._settings.body == "basic" and not server.protects and self._outcomes.is_success(response):
            self._check_protection(server, name, deadline)
        return response

    def _check_protection(self, server: LoginServer, name: str, deadline: Deadline) -> None:
        """Checks before the first success that the server refuses a request without credentials.

        Raises BackendUnavailable or BackendMisconfigured.
        """
        try:
            response = self._requests.send(server, name, None, deadline)
        except ServerFailed as failed:
            # do not try another server, because this one has already responded to the password
            raise BackendUnavailable(f"{server.name}: {failed}") from None
        if self._outcomes.is_success(response):
            raise BackendMisconfigured(f"{server.name}: {checks.UNPROTECTED}")
        server.protects = True

    def _probe_unknown(self, deadline: Deadline) -> tuple[bool, int]:
        """Returns whether the API tells an unknown name from a wrong password, and the number of requests sent.

        A random name shows it once, because a preset may have a rule for unknown names that the API does not follow.
        """
        if self._tells_unknown is not None or not self._settings.has_unknown_rule:
            return bool(self._tells_unknown), 0
        self._tells_unknown = self._try_random_credentials(deadline)
        return self._tells_unknown, 1

    def _try_random_credentials(self, deadline: Deadline) -> bool:
        """Sends random credentials instead of a name or password that the request cannot contain.

        It takes the same time as any other sign-in, and shows whether the API is available. Returns whether the API
        says that the name is unknown. Raises BackendUnavailable or BackendMisconfigured.
        """
        try:
            self._sign_in(secrets.token_hex(16), secrets.token_hex(16), deadline)
        except UnknownUser:
            return True
        except (WrongPassword, AccountRefused):
            return False
        raise BackendMisconfigured("the API accepts a random name with a random password")

    def _is_encodable(self, username: str, password: str) -> bool:
        if not username or not password or "\0" in username + password:
            return False
        try:
            self._requests.check_encodable(username, password)
        except UnencodableText:
            return False
        return True

    @property
    def offers(self) -> frozenset[type]:
        switches = {
            PasswordRecovery: self._settings.password_recovery,
            Registration: self._settings.registration,
        }
        return frozenset(power for power, is_on in switches.items() if is_on)

    @property
    def profile_fields(self) -> frozenset[str]:
        return self._settings.kept_fields

    def minimum_length(self) -> int:
        return self._settings.password_min_length

    def recipient(self, username: str) -> Identity:
        accounts = self._accounts
        return first_known(self._names(username), accounts.find, accounts.find_nobody)

    def people_at(self, email: str) -> Sequence[Identity]:
        return self._accounts.search(email)

    def reset_password(self, subject: str, new: str) -> None:
        self._accounts.reset(subject, new)

    def is_taken(self, username: str) -> bool:
        answers = [self._accounts.is_taken(name) for name in self._names(username)]
        return any(answers)

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> Identity:
        name, *others = self._names(username)
        if any(map(self._accounts.is_taken, others)):
            raise NameTaken
        self._accounts.register(name, password, profile)
        # the identity is that of the sign-ins of the account, and only a sign-in proves that the account works
        try:
            return self.authenticate(name, password)
        except BackendUnavailable as error:
            problem = f"the new account exists, but its first sign-in failed: {error}"
            raise type(error)(problem, error.retry_after) from None
        except (UnknownUser, WrongPassword, AccountRefused) as error:
            problem = f"the API reports a new account, but refuses its first sign-in: {type(error).__name__}"
            raise BackendMisconfigured(problem) from None

    def check(self) -> Iterator[Check]:
        yield from checks.run(self._settings, self._servers, self._requests, self._outcomes)
        yield from account_checks.run(self._settings, self._accounts)

    def close(self) -> None:
        self._servers.close()
        self._accounts.close()
