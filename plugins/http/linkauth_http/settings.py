"""The settings of the http backend: the keys below `linkauth.backend.<name>.` with `use = http`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from linkauth.net import TimeoutSettings
from linkauth_http import request_checks
from linkauth_http.account_settings import USERNAME, AccountSettings
from linkauth_http.presets import HEADERS, PRESETS, STATUSES, TEMPLATES
from linkauth_http.rules import Rule, parse_rules
from linkauth_http.selectors import parse_selector
from linkauth_http.setting_checks import join_url, parse_problems
from linkauth_http.templates import ENCODED, ENCODERS, VALUE_NAME, pattern_of, placeholders

STATES = (
    *("locked", "disabled", "account_expired", "password_expired", "must_change"),
    *("logon_restricted", "not_entitled", "second_factor"),
)
OUTCOMES = ("success", "wrong_password", "unknown_user", *STATES, "misconfigured")


@dataclass(frozen=True)
class HTTPSettings(AccountSettings, TimeoutSettings):
    """The URLs of the login API, its requests, and the meaning of its responses. Times are in seconds.

    The settings of outcomes contain one rule per line.
    """

    url: tuple[str, ...]
    preset: Literal["none", "json", "basic", "cas-rest", "keycloak", "soap", "html-form", "entra", "okta"] = "none"
    method: Literal["POST", "GET", "PUT"] = "POST"
    body: Literal["form", "json", "xml", "basic", "none"] = "form"
    body_template: str = field(default="", repr=False)
    json_fields: str = field(default="", repr=False)
    header: dict[str, str] = field(default_factory=dict, repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    prefetch_url: str = ""
    prefetch_method: Literal["GET", "POST", "PUT"] = "GET"
    prefetch_body: Literal["json", "form", "xml"] = "json"
    prefetch_body_template: str = field(default="", repr=False)
    prefetch_header: dict[str, str] = field(default_factory=dict, repr=False)
    prefetch_value: dict[str, str] = field(default_factory=dict)
    hidden_fields: bool = False
    allow_cleartext: bool = False
    tls_ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    success: str = ""
    wrong_password: str = ""
    unknown_user: str = ""
    locked: str = ""
    disabled: str = ""
    account_expired: str = ""
    password_expired: str = ""
    must_change: str = ""
    logon_restricted: str = ""
    second_factor: str = ""
    not_entitled: str = ""
    misconfigured: str = ""
    error_code: str = ""
    statuses: tuple[str, ...] = field(default=STATUSES, metadata={"empty": "none"})
    proven: tuple[str, ...] = ()
    reveal_state: Literal["never", "proven", "always"] = "proven"
    password_change_url: str = ""
    subject: str = ""
    username_case: Literal["insensitive", "sensitive"] = "insensitive"
    username: str = ""
    name: str = ""
    email: str = ""
    groups: str = ""
    claims: dict[str, str] = field(default_factory=dict)
    name_limit: int = 3
    failover: Literal["unsent", "unanswered"] = "unsent"
    connections: int = 32
    answer_limit: int = 65536
    check_url: str = ""

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of the preset, and the default template for the kind of body."""
        preset = PRESETS[given.get("preset", cls.preset)]
        body = given.get("body", preset.get("body", cls.body))
        # with the default template the form would also contain the password itself
        template = "" if given.get("json_fields") else TEMPLATES.get(body, "")
        return {"body_template": template, **preset}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the preset and of the ini file, which take precedence. Names are case-insensitive."""
        configured = {name.lower() for name in self.header}
        preset_headers = HEADERS.get(self.preset, {}).items()
        return {name: text for name, text in preset_headers if name.lower() not in configured} | self.header

    @property
    def account_urls(self) -> tuple[str, ...]:
        """The URLs of the servers of the requests about accounts: `account_url`, or the servers of `url`."""
        roots = (join_url(self.placeholder.sub("x", url), "/") for url in self.url)
        return self.account_url or tuple(dict.fromkeys(roots))

    @property
    def prefetches(self) -> bool:
        """Whether another request is sent before the request with the password."""
        return bool(self.prefetch_url or self.prefetch_value or self.hidden_fields)

    @property
    def placeholder(self) -> re.Pattern[str]:
        """The pattern of the placeholders of the request with the password."""
        return pattern_of(name for name in self.prefetch_value if VALUE_NAME.fullmatch(name))

    @property
    def json_templates(self) -> dict[str, str]:
        """The templates of JSON in fields of a form, by the name of the field."""
        lines = (line.partition("=") for line in self.json_fields.splitlines() if line.strip())
        return {name.strip(): template.strip() for name, _, template in lines}

    @property
    def used_placeholders(self) -> frozenset[str]:
        """The names of the placeholders that the request with the password contains."""
        templates = (self.body_template if self.body in ENCODERS else "", self.json_fields)
        return placeholders("".join([*templates, *self.headers.values(), *self.url]), self.placeholder)

    @property
    def encoded_passwords(self) -> frozenset[str]:
        """The placeholders for encoded forms of the password that the request contains."""
        return frozenset(name for name in self.used_placeholders & set(ENCODED) if name.startswith("password"))

    @property
    def rules(self) -> dict[str, str]:
        """The rules of each outcome, one per line."""
        return {
            "success": self.success,
            "wrong_password": self.wrong_password,
            "unknown_user": self.unknown_user,
            "locked": self.locked,
            "disabled": self.disabled,
            "account_expired": self.account_expired,
            "password_expired": self.password_expired,
            "must_change": self.must_change,
            "logon_restricted": self.logon_restricted,
            "second_factor": self.second_factor,
            "not_entitled": self.not_entitled,
            "misconfigured": self.misconfigured,
        }

    @property
    def selectors(self) -> dict[str, str]:
        """The selectors of the values that are read from a success. The subject is empty if it is the typed name."""
        subject = "" if self.subject == USERNAME else self.subject
        named = {"username": self.username, "name": self.name, "email": self.email, "groups": self.groups}
        return {"subject": subject, **named}

    @property
    def status_outcomes(self) -> dict[int, str]:
        """The outcome of each status, which applies if no rule matches."""
        pairs = (pair.partition(":") for pair in self.statuses)
        return {int(status): outcome for status, _, outcome in pairs}

    @property
    def has_unknown_rule(self) -> bool:
        """Whether a response may mean that a name is unknown."""
        return bool(self.unknown_user) or "unknown_user" in self.status_outcomes.values()

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each rule between the settings that is violated."""
        yield from request_checks.url_faults(self)
        yield from request_checks.request_faults(self)
        yield from self._rule_faults()
        yield from self.account_faults(self.account_urls, self.client_id, self.allow_cleartext)
        yield from self.timeout_faults()
        for key, number, maximum in (
            ("name_limit", self.name_limit, 16),
            ("connections", self.connections, 1000),
            ("answer_limit", self.answer_limit, 4_194_304),
        ):
            if not 1 <= number <= maximum:
                yield key, f"is not between 1 and {maximum}"

    def _rule_faults(self) -> Iterator[tuple[str, str]]:
        for key, text in self.rules.items():
            yield from parse_problems(key, text, parse_rules)
        for key, text in self.selectors.items():
            yield from parse_problems(key, text, parse_selector)
        yield from parse_problems("error_code", self.error_code, parse_selector)
        for claim, text in self.claims.items():
            yield from parse_problems(f"claims.{claim}", text, parse_selector)
        if not self.success:
            yield "success", "is missing: set a rule that only a correct password fulfils, such as /result/ok = true"
        elif not self._has_markers(self.success):
            yield "success", "contains a line that an error may match too: add what only a correct password returns"
        if not self.subject:
            yield "subject", "is missing: set the selector of a permanent identifier in the response"
        for pair in self.statuses:
            status, _, outcome = pair.partition(":")
            if not re.fullmatch(r"4[0-9]{2}", status) or status == "429" or outcome not in OUTCOMES[1:]:
                yield "statuses", "contains something other than 4xx:outcome, or the status 429"
        if set(self.proven) - set(STATES):
            yield "proven", "contains something other than " + ", ".join(STATES)

    def _has_markers(self, success: str) -> bool:
        try:
            return all(rule.has_marker or self._is_marked_by_status(rule) for rule in parse_rules(success))
        except ValueError:
            # reported separately
            return True

    def _is_marked_by_status(self, rule: Rule) -> bool:
        """Returns whether the rule has a status 2xx, which is a marker for HTTP Basic."""
        return self.body == "basic" and bool(rule.statuses) and all(status // 100 == 2 for status in rule.statuses)
