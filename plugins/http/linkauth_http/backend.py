"""The backend: it sends a request with the name and password, and interprets the response."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterator
from typing import ClassVar

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Check,
    CredentialBackend,
    Identity,
    UnknownUser,
    WrongPassword,
)
from linkauth.net import Deadline, ServerFailed
from linkauth_http import checks
from linkauth_http.outcomes import Outcomes
from linkauth_http.requests import LoginRequests
from linkauth_http.responses import LoginResponse
from linkauth_http.server import LoginServer
from linkauth_http.servers import Servers
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import UnencodableText


class HTTPBackend(CredentialBackend):
    """People behind a login API."""

    Settings: ClassVar[type] = HTTPSettings

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self._outcomes = Outcomes(settings)
        self._requests = LoginRequests(settings)
        self._servers = Servers(settings)

    def authenticate(self, username: str, password: str) -> Identity:
        name = unicodedata.normalize("NFC", username)
        if not self._is_encodable(name, "x"):
            self._try_random_credentials()
            raise UnknownUser
        if not self._is_encodable("x", password):
            self._try_random_credentials()
            raise WrongPassword
        return self._sign_in(name, password)

    def _sign_in(self, name: str, password: str) -> Identity:
        response = self._servers.run(lambda server, deadline: self._exchange(server, name, password, deadline))
        return self._outcomes.interpret(response, name, password)

    def _exchange(self, server: LoginServer, name: str, password: str, deadline: Deadline) -> LoginResponse:
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

    def _try_random_credentials(self) -> None:
        """Sends random credentials instead of a name or password that the request cannot contain.

        It takes the same time as any other sign-in, and shows whether the API is available. Raises BackendUnavailable
        or BackendMisconfigured.
        """
        try:
            self._sign_in(secrets.token_hex(16), secrets.token_hex(16))
        except (UnknownUser, WrongPassword, AccountRefused):
            return
        raise BackendMisconfigured("the API accepts a random name with a random password")

    def _is_encodable(self, username: str, password: str) -> bool:
        if not username or not password or "\0" in username + password:
            return False
        try:
            self._requests.check_encodable(username, password)
        except UnencodableText:
            return False
        return True

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._servers, self._requests, self._outcomes)

    def close(self) -> None:
        self._servers.close()
