"""The backend: one request about somebody, and what its answer was declared to mean."""

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
from linkauth_http.answers import Answer
from linkauth_http.outcomes import Outcomes
from linkauth_http.requests import LoginRequests
from linkauth_http.server import LoginServer
from linkauth_http.servers import Servers
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import Unsendable


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
        if not self._is_sendable(name, "x"):
            self._ask_about_nobody()
            raise UnknownUser
        if not self._is_sendable("x", password):
            self._ask_about_nobody()
            raise WrongPassword
        return self._ask(name, password)

    def _ask(self, name: str, password: str) -> Identity:
        answer = self._servers.run(lambda server, deadline: self._answer(server, name, password, deadline))
        return self._outcomes.of(answer, name, password)

    def _answer(self, server: LoginServer, name: str, password: str, deadline: Deadline) -> Answer:
        answer = self._requests.ask(server, name, password, deadline)
        if self._settings.body == "basic" and not server.protects and self._outcomes.is_success(answer):
            self._prove(server, name, deadline)
        return answer

    def _prove(self, server: LoginServer, name: str, deadline: Deadline) -> None:
        """Before the first success: does the server refuse whoever brings no password? Raises BackendUnavailable or
        BackendMisconfigured."""
        try:
            answer = self._requests.ask(server, name, None, deadline)
        except ServerFailed as failed:
            # the password was answered, so that no other server is asked
            raise BackendUnavailable(f"{server.name}: {failed}") from None
        if self._outcomes.is_success(answer):
            raise BackendMisconfigured(f"{server.name}: {checks.OPEN}")
        server.protects = True

    def _ask_about_nobody(self) -> None:
        """What a request cannot say is nobody's name or password; as much work as for anybody else, and it tells
        whether the API is well. Raises BackendUnavailable or BackendMisconfigured."""
        try:
            self._ask(secrets.token_hex(16), secrets.token_hex(16))
        except (UnknownUser, WrongPassword, AccountRefused):
            return
        raise BackendMisconfigured("the API lets a random name in with a random password")

    def _is_sendable(self, username: str, password: str) -> bool:
        if not username or not password or "\0" in username + password:
            return False
        try:
            self._requests.sendable(username, password)
        except Unsendable:
            return False
        return True

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._servers, self._requests, self._outcomes)

    def close(self) -> None:
        self._servers.close()
