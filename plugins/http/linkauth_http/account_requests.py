"""Builds the requests about accounts, and finds the outcome of their responses."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.net import Deadline
from linkauth_http.account_settings import CALLS, USERNAME
from linkauth_http.presets import ACCEPTED, CONTENT_TYPES
from linkauth_http.requests import target_of
from linkauth_http.responses import LoginResponse
from linkauth_http.rule_table import RuleTable
from linkauth_http.selectors import Selector, parse_selector
from linkauth_http.server import LoginServer
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import ANY_PLACEHOLDER, ENCODERS, encode_header, encode_url, fill_template, placeholders

FIRST_OTHER_STATUS = 300
"""A rule of a success matches this status and higher ones only if it lists the status. Redirects are not followed."""


class AccountRequest:
    """One of the requests in `account_settings.CALLS`."""

    def __init__(self, settings: HTTPSettings, call: str) -> None:
        self.call = call
        self.repeatable = "password" not in CALLS[call].sends
        """False for a request that creates an account or sets a password: it is never sent twice."""
        texts = {name: settings.of_call(call, name) for name in CALLS[call].selectors}
        self.selectors: Mapping[str, Selector] = {
            name: parse_selector(text) for name, text in texts.items() if text and text != USERNAME
        }
        """The selectors of the values in a success. The subject is missing if it is the name of the person."""
        self._settings = settings
        self._reference, self._method = settings.of_call(call, "url"), settings.of_call(call, "method")
        self._template = settings.of_call(call, "body_template")
        self._sends = CALLS[call].sends | placeholders(self._template, ANY_PLACEHOLDER)
        rules = settings.rules_of(call)
        success = tuple(rules)[-1]
        states = [name for name in rules if name == "find_disabled"]
        self.table = RuleTable(rules, success, frozenset(self.selectors.values()), FIRST_OTHER_STATUS, states)

    def check_encodable(self, values: Mapping[str, str]) -> None:
        """Raises UnencodableText if the request cannot contain these values."""
        for url in self._settings.account_urls:
            self._request(url, values)

    def send(self, server: LoginServer, values: Mapping[str, str], deadline: Deadline) -> LoginResponse:
        """Sends the request. Raises UnencodableText, ServerFailed or BackendUnavailable."""
        target, headers, body = self._request(server.url, values)
        return server.exchange(self._method, target, headers, body, deadline, repeatable=self.repeatable)

    def outcome(self, response: LoginResponse) -> str:
        """Returns the setting whose rules apply, without the prefix of the request, such as "found".

        Raises BackendUnavailable if no rule applies, and BackendMisconfigured. No message contains data of a person.
        """
        if name := self.known_outcome(response):
            return name
        raise self.not_understood(response)

    def known_outcome(self, response: LoginResponse) -> str:
        """Returns the same as `outcome`, or "" if no rule applies. Raises BackendMisconfigured."""
        name = self.table.outcome(response)
        if name == "account_misconfigured":
            raise BackendMisconfigured(f"{self.call}: the API refuses the credentials of linkauth itself: {response}")
        return name.removeprefix(f"{self.call}_")

    def not_understood(self, response: LoginResponse) -> BackendUnavailable:
        """Returns the exception for a response that no rule covers."""
        unknown = self.table.describe_unknown(response, None)
        return BackendUnavailable(f"{self.call}: no rule matches the response: {response}{unknown}")

    def _request(self, url: str, values: Mapping[str, str]) -> tuple[str, dict[str, str], bytes | None]:
        """Returns (path and query, headers, body). Raises UnencodableText."""
        settings = self._settings
        service = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        # a field of the form that was not filled in is sent as an empty text
        texts = {**dict.fromkeys(self._sends, ""), **values, **service}
        headers = {"Accept": ACCEPTED[settings.account_body]}
        body = None
        if self._template:
            headers["Content-Type"] = CONTENT_TYPES[settings.account_body]
            body = fill_template(self._template, texts, ENCODERS[settings.account_body], ANY_PLACEHOLDER).encode()
        for name, text in settings.account_header.items():
            headers = {other: value for other, value in headers.items() if other.lower() != name.lower()}
            headers[name] = fill_template(text, texts, encode_header, ANY_PLACEHOLDER)
        target = target_of(urljoin(url, self._reference))
        return fill_template(target, texts, encode_url, ANY_PLACEHOLDER), headers, body
