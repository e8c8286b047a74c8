"""The settings of the http backend: the keys below `linkauth.backend.<name>.` with `use = http`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from linkauth.net import TimeoutSettings
from linkauth.redaction import redact
from linkauth_http import pages
from linkauth_http.presets import HEADERS, PRESETS, STATUSES, TEMPLATES
from linkauth_http.rules import TOKEN, Rule, parse_rules, parse_selector
from linkauth_http.templates import (
    ENCODERS,
    PLACEHOLDER,
    UNKNOWN_PLACEHOLDER,
    has_unknown_placeholder,
    placeholders,
    template_problem,
)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
STATES = ("locked", "disabled", "account_expired", "password_expired", "must_change")
OUTCOMES = ("success", "wrong_password", "unknown_user", *STATES, "misconfigured")
USERNAME = "username"
"""The value of `subject` for the typed name, if the API returns no better identifier."""
NO_USERINFO = (
    "contains an @: a URL appears in messages, so it must not contain a name and a password; send them by body, "
    "body_template or header.Authorization, and write the @ of a path as %40 (in an ini file %%40)"
)
_FRAMING = ("content-length", "transfer-encoding", "connection", "accept-encoding", "host", "cookie", "expect", "te")


@dataclass(frozen=True)
class HTTPSettings(TimeoutSettings):
    """The URLs of the login API, its requests, and the meaning of its responses. Times are in seconds.

    The settings of outcomes contain one rule per line.
    """

    url: tuple[str, ...]
    preset: Literal["none", "json", "basic", "cas-rest", "keycloak", "soap", "html-form"] = "none"
    method: Literal["POST", "GET", "PUT"] = "POST"
    body: Literal["form", "json", "xml", "basic", "none"] = "form"
    body_template: str = field(default="", repr=False)
    header: dict[str, str] = field(default_factory=dict, repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    prefetch_url: str = ""
    hidden_fields: bool = False
    csrf: str = ""
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
    misconfigured: str = ""
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
    failover: Literal["unsent", "unanswered"] = "unsent"
    connections: int = 32
    answer_limit: int = 65536
    check_url: str = ""

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of the preset, and the default template for the kind of body."""
        preset = PRESETS[given.get("preset", cls.preset)]
        body = given.get("body", preset.get("body", cls.body))
        return {"body_template": TEMPLATES.get(body, ""), **preset}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the preset and of the ini file, which take precedence. Names are case-insensitive."""
        configured = {name.lower() for name in self.header}
        preset_headers = HEADERS.get(self.preset, {}).items()
        return {name: text for name, text in preset_headers if name.lower() not in configured} | self.header

    @property
    def prefetches(self) -> bool:
        """Whether a page is fetched before the request with the password."""
        return bool(self.prefetch_url or self.csrf or self.hidden_fields)

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

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each rule between the settings that is violated."""
        yield from self._url_faults()
        yield from self._request_faults()
        yield from self._rule_faults()
        yield from self.timeout_faults()
        for key, number, maximum in (
            ("connections", self.connections, 1000),
            ("answer_limit", self.answer_limit, 4_194_304),
        ):
            if not 1 <= number <= maximum:
                yield key, f"is not between 1 and {maximum}"

    def _url_faults(self) -> Iterator[tuple[str, str]]:
        if not self.url:
            yield "url", "names no server"
        for url in self.url:
            if problem := self._url_problem(url):
                yield "url", problem
        origins = {origin_of(url) for url in self.url}
        for key, reference in (("prefetch_url", self.prefetch_url), ("check_url", self.check_url)):
            for url in self.url if reference else ():
                absolute = urljoin(url, reference)
                if origin_of(absolute) not in origins or (origin_of(absolute) != origin_of(url)):
                    yield key, "is not on the server of every url: use a path such as /login"
                elif problem := self._url_problem(absolute):
                    yield key, problem
                elif placeholders(absolute):
                    yield key, "contains a placeholder, but it is requested before a name is sent"
        if self.prefetches and not self.prefetch_url and any(map(placeholders, self.url)):
            yield "prefetch_url", "is missing: the page cannot be at a url with a placeholder"
        if not any(scheme == "https" for scheme, *_ in origins):
            for key, path in (
                ("tls_ca_file", self.tls_ca_file),
                ("client_certificate", self.client_certificate),
                ("client_key", self.client_key),
            ):
                if path:
                    yield key, "is for https, and no url has it"
        if self.client_key and not self.client_certificate:
            yield "client_key", "is set, but client_certificate is missing"

    def _url_problem(self, url: str) -> str | None:
        plain = PLACEHOLDER.sub("x", url)
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return "contains something that is not a URL"
        if parts.scheme not in ("https", "http") or not host or "#" in url or "{" in parts.netloc:
            return "contains something other than https://host/path, without a #fragment"
        if "@" in url:
            # the parsed user info is not used, because a password may contain delimiters
            return NO_USERINFO
        if not re.fullmatch(r"[!$&'()*+,/:;=?@\[\]A-Za-z0-9._~%-]+", plain):
            return "contains a character that must be written as %XX, or an unknown placeholder"
        if placeholders(url) - {"username", "client_id"}:
            return "contains a placeholder for a secret, but servers and proxies log URLs"
        if parts.scheme == "http" and host not in LOOPBACK and not self.allow_cleartext:
            return "is an http:// URL, which sends passwords in clear text: use https://"
        return None

    def _request_faults(self) -> Iterator[tuple[str, str]]:
        body, template = self.body, self.body_template
        if body in ENCODERS:
            if not template:
                yield "body_template", f"is missing: body = {body} needs it"
            elif problem := template_problem(body, template):
                yield "body_template", problem
            if self.method == "GET":
                yield "method", "is GET, which has no body"
        elif template:
            yield "body_template", f"is for body = form, json or xml, not for {body}"
        for name, text in self.headers.items():
            if not TOKEN.fullmatch(name) or name.lower() in _FRAMING:
                yield f"header.{name}", "is not the name of a header that can be set"
            elif re.search(r"[^\x20-\x7e]", text):
                yield f"header.{name}", "contains characters that are not printable ASCII"
            elif has_unknown_placeholder(text):
                yield f"header.{name}", UNKNOWN_PLACEHOLDER
        used = placeholders("".join([template if body in ENCODERS else "", *self.headers.values(), *self.url]))
        if body != "basic":
            for missing in {"username", "password"} - used:
                key = "body_template" if body in ENCODERS else "header"
                yield key, f"does not send the {missing}: the placeholder {{{missing}}} is missing"
        elif {name.lower() for name in self.headers} & {"authorization"}:
            yield "header.Authorization", "must not be set, because body = basic sends it"
        if ("csrf" in used) != bool(self.csrf):
            yield "csrf", "and the placeholder {csrf} need each other"
        if self.hidden_fields and body != "form":
            yield "hidden_fields", "needs body = form"
        if "client_id" in used and not self.client_id:
            yield "client_id", "is missing: the request contains {client_id}"
        yield from _problems("csrf", self.csrf, _csrf_check)

    def _rule_faults(self) -> Iterator[tuple[str, str]]:
        for key, text in self.rules.items():
            yield from _problems(key, text, parse_rules)
        for key, text in self.selectors.items():
            yield from _problems(key, text, parse_selector)
        for claim, text in self.claims.items():
            yield from _problems(f"claims.{claim}", text, parse_selector)
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


def _csrf_check(text: str) -> object:
    if text.startswith("regex:"):
        return parse_selector(text)
    return pages.parse_selector(text)


def _problems(key: str, text: str, parse: Callable[[str], object]) -> Iterator[tuple[str, str]]:
    try:
        if text:
            parse(text)
    except ValueError as error:
        yield key, redact(error)


def origin_of(url: str) -> tuple[str, str, int]:
    """Returns (scheme, host, port) of a URL, or empty values if it is invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", 0
