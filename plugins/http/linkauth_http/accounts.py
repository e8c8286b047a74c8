"""Finds people, sets passwords and creates accounts by the requests that the ini file declares."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence

from linkauth.backends import (
    PASSWORD_RULES,
    PEOPLE_LIMIT,
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Identity,
    NameTaken,
    PasswordRefused,
    UnknownUser,
    is_same_address,
)
from linkauth.net import Deadline, ServerFailed
from linkauth_http.account_requests import AccountRequest
from linkauth_http.account_settings import WHOLE
from linkauth_http.responses import LoginResponse, resolve_pointer
from linkauth_http.selectors import parse_selector
from linkauth_http.server import LoginServer
from linkauth_http.servers import Servers
from linkauth_http.settings import HTTPSettings
from linkauth_http.subjects import is_subject, normalized_name
from linkauth_http.templates import UnencodableText

log = logging.getLogger(__name__)


class Accounts:
    """The declared requests about accounts. They have their own connections and their own list of servers.

    So the servers do not count as down for sign-ins if only these requests are slow.
    """

    def __init__(self, settings: HTTPSettings) -> None:
        self._settings = settings
        self.requests = {call: AccountRequest(settings, call) for call in settings.calls}
        self.servers = Servers(settings, settings.account_urls if self.requests else ())

    def find(self, username: str) -> Identity:
        """Returns the person with this name. Raises the exceptions of `PasswordRecovery.recipient`."""
        request = self.requests["find"]
        if not _is_name(username) or not _can_contain(request, username=username):
            # the same work as for any other name, which also shows whether the API is available
            self.check_nobody(request)
            raise UnknownUser
        values = {"username": username}
        response = self._send(request, values)
        outcome = request.outcome(response)
        if outcome == "not_found":
            raise UnknownUser
        if outcome == "disabled":
            raise AccountRefused("disabled", proven=False)
        identity, emails = self._person(request, response, response, username)
        return Identity(identity.subject, identity.username, identity.name, next(iter(emails), ""))

    def find_nobody(self) -> None:
        """Does the same work as `find` for an unknown name."""
        self.check_nobody(self.requests["find"])

    def check_nobody(
        self, request: AccountRequest, server: LoginServer | None = None, deadline: Deadline | None = None
    ) -> None:
        """Sends a random name or address, to this server or to the first one that responds.

        Raises BackendMisconfigured if there is such a person; BackendUnavailable; with a server also ServerFailed.
        """
        name = secrets.token_hex(16)
        values = {"username": name, "email": f"{name}@example.com"}
        response = request.send(server, values, deadline) if server and deadline else self._send(request, values)
        if request.call == "search":
            is_nobody = not self._found(request, response)
        else:
            is_nobody = request.outcome(response) in ("not_found", "no")
        if not is_nobody:
            raise BackendMisconfigured(f"{request.call}: the API knows a random name")

    def search(self, email: str) -> Sequence[Identity]:
        """Returns the people with this address. Raises BackendUnavailable or BackendMisconfigured.

        An API may also find similar addresses. They are left out: a code that was sent to one of them would open the
        account of another person.
        """
        request = self.requests["search"]
        if not _can_contain(request, email=email):
            self.check_nobody(request)
            return ()
        values = {"email": email}
        people = []
        for identity, emails in self._found(request, self._send(request, values)):
            stored = next((each for each in emails if is_same_address(each, email)), None)
            if stored is not None:
                people.append(Identity(identity.subject, identity.username, identity.name, stored))
        return people[:PEOPLE_LIMIT]

    def reset(self, subject: str, new: str) -> None:
        """Sets a password. Raises the exceptions of `PasswordRecovery.reset_password`."""
        request = self.requests["reset"]
        if not is_subject(subject) or not _can_contain(request, subject=subject):
            raise UnknownUser
        self._check_password(request, new)
        outcome = self._change(request, {"subject": subject, "password": new})
        if outcome == "not_found":
            raise UnknownUser
        if outcome == "disabled":
            raise AccountRefused("disabled", proven=False)
        self._refuse_password(outcome)

    def is_taken(self, username: str) -> bool:
        """Returns whether a name belongs to an account. Raises BackendUnavailable or BackendMisconfigured."""
        if not self._is_possible_name(username):
            return True
        request = self.requests.get("taken")
        if request:
            values = {"username": username}
            return request.outcome(self._send(request, values)) == "yes"
        try:
            self.find(username)
        except UnknownUser:
            return False
        except AccountRefused:
            pass
        return True

    def register(self, username: str, password: str, profile: Mapping[str, str]) -> None:
        """Creates an account. Raises NameTaken, PasswordRefused, BackendUnavailable or BackendMisconfigured."""
        request = self.requests["register"]
        if not self._is_possible_name(username):
            raise NameTaken("this name is not allowed")
        self._check_password(request, password)
        if not _can_contain(request, **profile):
            raise BackendUnavailable("register: a field of the profile contains characters that cannot be sent")
        outcome = self._change(request, {**profile, "username": username, "password": password})
        if outcome == "taken":
            raise NameTaken
        self._refuse_password(outcome)

    def close(self) -> None:
        self.servers.close()

    def _is_possible_name(self, username: str) -> bool:
        """Returns whether every request that contains a name can contain this one."""
        requests = [request for call, request in self.requests.items() if call in ("find", "taken", "register")]
        return _is_name(username) and all(_can_contain(request, username=username) for request in requests)

    def _check_password(self, request: AccountRequest, password: str) -> None:
        """Raises PasswordRefused for a password that is too short, or that the request cannot contain."""
        minimum = self._settings.password_min_length
        if len(password) < max(minimum, 1):
            raise PasswordRefused("too_short", minimum)
        if not _can_contain(request, password=password):
            raise PasswordRefused("not_allowed")

    def _refuse_password(self, outcome: str) -> None:
        """Raises PasswordRefused if the outcome is one of the rules for passwords."""
        rule = outcome.removeprefix("password_refused.")
        if rule in PASSWORD_RULES:
            minimum = self._settings.password_min_length if rule == "too_short" else 0
            raise PasswordRefused(rule, minimum)

    def _send(self, request: AccountRequest, values: Mapping[str, str]) -> LoginResponse:
        return self.servers.run(lambda server, deadline: request.send(server, values, deadline))

    def _change(self, request: AccountRequest, values: Mapping[str, str]) -> str:
        """Sends a request once, and returns its outcome. Raises BackendUnavailable or BackendMisconfigured.

        Logs an error if the request was sent, and the response does not tell whether the API has processed it.
        """

        def send(server: LoginServer, deadline: Deadline) -> LoginResponse:
            try:
                return request.send(server, values, deadline)
            except ServerFailed as failed:
                if not failed.try_next:
                    _log_unknown(request, f"{server.name}: {failed}")
                raise
            except BackendUnavailable as error:
                _log_unknown(request, str(error))
                raise

        response = self.servers.run(send)
        try:
            return request.outcome(response)
        except BackendMisconfigured:
            raise
        except BackendUnavailable as error:
            _log_unknown(request, str(error))
            raise

    def _found(self, request: AccountRequest, response: LoginResponse) -> list[tuple[Identity, tuple[str, ...]]]:
        """Returns the people in the response to a search, and their addresses. Raises BackendUnavailable."""
        if request.known_outcome(response) == "not_found":
            return []
        items = list(self._items(response)) if response.status // 100 == 2 else None
        if not items and not self._is_empty_list(response):
            raise request.not_understood(response)
        return [self._person(request, item, response, "") for item in items or ()]

    def _items(self, response: LoginResponse) -> Iterator[LoginResponse]:
        """Yields a response for each person in the list that the response to a search contains."""
        if self._settings.search_list.startswith("xpath:"):
            path = parse_selector(self._settings.search_list).argument
            elements = response.xml.findall(path) if response.xml is not None else []
            yield from (response.part(xml=element) for element in elements)
            return
        members = self._json_list(response)
        yield from (response.part(json=member) for member in members or ())

    def _json_list(self, response: LoginResponse) -> list[object] | None:
        text = self._settings.search_list
        found = response.json if text == WHOLE else resolve_pointer(response.json, text)
        return found if isinstance(found, list) else None

    def _is_empty_list(self, response: LoginResponse) -> bool:
        """Returns whether the response has an empty list. XML has none: a missing element could also be an error."""
        return response.status // 100 == 2 and self._json_list(response) == []

    def _person(
        self, request: AccountRequest, item: LoginResponse, response: LoginResponse, typed: str
    ) -> tuple[Identity, tuple[str, ...]]:
        """Returns the person in `item`, a part of the response, without an address, and the addresses."""
        selectors, is_sensitive = request.selectors, self._settings.username_case == "sensitive"
        names = set(selectors["username"].texts(item)) if "username" in selectors else set()
        if len(names) > 1:
            raise BackendUnavailable(f"{request.call}: the response has several usernames: {response}")
        username = "".join(names).strip() or normalized_name(typed, is_sensitive)
        if "subject" in selectors:
            subject = selectors["subject"].single_text(item)
        else:
            subject = normalized_name(username, is_sensitive)
        if not is_subject(subject) or not username:
            problem = f"the response has a person without a valid {'subject' if username else 'username'}"
            raise BackendUnavailable(f"{request.call}: {problem}: {response}")
        name = selectors["name"].first(item) if "name" in selectors else ""
        emails = tuple(email.strip() for email in selectors["email"].texts(item))
        return Identity(subject, username, name), emails


def _is_name(username: str) -> bool:
    return bool(username.strip()) and "\0" not in username


def _can_contain(request: AccountRequest, **values: str) -> bool:
    texts = {**dict.fromkeys(("username", "subject", "password", "email"), "x"), **values}
    try:
        request.check_encodable(texts)
    except UnencodableText:
        return False
    return not any("\0" in text for text in values.values())


def _log_unknown(request: AccountRequest, problem: str) -> None:
    log.error("%s: the API may have processed the request, but its response does not say so: %s", request.call, problem)
