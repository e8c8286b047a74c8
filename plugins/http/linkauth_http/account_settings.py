"""The settings of the requests about accounts, for recovery and registration: the keys account_*, find_* and so on.

A request is declared by its `..._url`. Recovery needs find, search and reset. Registration needs register, search, and
taken or find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from linkauth.backends import PASSWORD_RULES
from linkauth_http.rules import parse_rules
from linkauth_http.selectors import parse_selector
from linkauth_http.setting_checks import header_problem, join_url, listed, origin_of, parse_problems, url_problem
from linkauth_http.templates import ANY_PLACEHOLDER, placeholders, template_problem

SERVICE = frozenset({"client_id", "client_secret"})
"""The placeholders for linkauth's own account at the API."""
IN_URLS = frozenset({"username", "email", "subject", "client_id"})
WHOLE = "body"
"""The value of `search_list` for a response that is itself the list."""
USERNAME = "username"
"""The value of `subject`, `find_subject` and `search_subject` for the name of the person, if the API returns no better
identifier."""
_MARKED_STATUSES = frozenset({201, 204})
"""Statuses that a page with an error message does not have."""


class Call(NamedTuple):
    """What a request must contain, and which settings must be set. Names are those of the settings without prefix."""

    sends: frozenset[str]
    rules: tuple[str, ...]
    selectors: tuple[str, ...]
    required: tuple[str, ...]


CALLS: Mapping[str, Call] = {
    "find": Call(
        frozenset({"username"}),
        ("not_found", "disabled", "found"),
        ("subject", "username", "name", "email"),
        ("found", "not_found", "subject", "email"),
    ),
    "search": Call(
        frozenset({"email"}),
        ("not_found", ""),
        ("subject", "username", "name", "email"),
        ("list", "subject", "username", "email"),
    ),
    "reset": Call(
        frozenset({"subject", "password"}),
        ("not_found", "disabled", "success"),
        (),
        ("not_found", "success", "body_template"),
    ),
    "taken": Call(frozenset({"username"}), ("yes", "no"), (), ("yes", "no")),
    "register": Call(
        frozenset({"username", "password"}), ("taken", "success"), (), ("taken", "success", "body_template")
    ),
}
"""The requests. Their rules are in the order in which they are checked; the last one is that of the success. A search
has no rule of success: its list is the success."""


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """The requests about accounts. The settings of outcomes contain one rule per line."""

    account_url: tuple[str, ...] = ()
    account_body: Literal["json", "form", "xml"] = "json"
    account_header: dict[str, str] = field(default_factory=dict, repr=False)
    account_misconfigured: str = "status:401"
    find_url: str = ""
    find_method: Literal["GET", "POST", "PUT"] = "GET"
    find_body_template: str = field(default="", repr=False)
    find_found: str = ""
    find_not_found: str = "status:404"
    find_disabled: str = ""
    find_subject: str = ""
    find_username: str = ""
    find_name: str = ""
    find_email: str = ""
    search_url: str = ""
    search_method: Literal["GET", "POST", "PUT"] = "GET"
    search_body_template: str = field(default="", repr=False)
    search_list: str = ""
    search_not_found: str = ""
    search_subject: str = ""
    search_username: str = ""
    search_name: str = ""
    search_email: str = ""
    reset_url: str = ""
    reset_method: Literal["POST", "PUT", "PATCH"] = "POST"
    reset_body_template: str = field(default="", repr=False)
    reset_success: str = ""
    reset_not_found: str = "status:404"
    reset_disabled: str = ""
    taken_url: str = ""
    taken_method: Literal["GET", "POST", "PUT"] = "GET"
    taken_body_template: str = field(default="", repr=False)
    taken_yes: str = ""
    taken_no: str = ""
    register_url: str = ""
    register_method: Literal["POST", "PUT"] = "POST"
    register_body_template: str = field(default="", repr=False)
    register_success: str = ""
    register_taken: str = "status:409"
    password_refused: dict[str, str] = field(default_factory=dict)
    password_min_length: int = 0

    def of_call(self, call: str, name: str) -> str:
        """Returns the setting `name` of a request, such as ("find", "url"); "" for the name ""."""
        value: str = getattr(self, f"{call}_{name}") if name else ""
        return value

    @property
    def calls(self) -> tuple[str, ...]:
        """The requests that are declared."""
        return tuple(call for call in CALLS if self.of_call(call, "url"))

    @property
    def password_recovery(self) -> bool:
        return {"find", "search", "reset"} <= set(self.calls)

    @property
    def registration(self) -> bool:
        return {"register", "search"} <= set(self.calls) and bool({"taken", "find"} & set(self.calls))

    @property
    def kept_fields(self) -> frozenset[str]:
        """The fields of a registration that the request of `register` contains."""
        return placeholders(self.register_body_template, ANY_PLACEHOLDER) - {"username", "password"} - SERVICE

    def rules_of(self, call: str) -> dict[str, str]:
        """Returns the rules of a request by the key of their setting, in the order in which they are checked."""
        names = CALLS[call].rules
        rules = {"account_misconfigured": self.account_misconfigured}
        rules |= {f"{call}_{name}": self.of_call(call, name) for name in names[:-1]}
        if "password" in CALLS[call].sends:
            rules |= {f"password_refused.{rule}": text for rule, text in self.password_refused.items()}
        return rules | {f"{call}_{names[-1]}": self.of_call(call, names[-1])}

    def account_faults(self, servers: tuple[str, ...], client_id: str, cleartext: bool) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each rule between the settings that is violated.

        `servers` are the URLs of the servers. `client_id` and `cleartext` are settings of the sign-in that apply here.
        """
        yield from self._power_faults()
        yield from self._shared_faults(cleartext)
        for call in self.calls:
            yield from self._call_url_faults(call, servers, cleartext)
            yield from self._body_faults(call)
            yield from self._call_faults(call)
        texts = [self.of_call(call, name) for call in self.calls for name in ("url", "body_template")]
        if "client_id" in placeholders("".join([*texts, *self.account_header.values()])) and not client_id:
            yield "client_id", "is missing: a request about an account contains {client_id}"

    def _power_faults(self) -> Iterator[tuple[str, str]]:
        calls = set(self.calls)
        for call in CALLS:
            prefix = f"{call}_"
            changed = [each.name for each in fields(self) if each.name.startswith(prefix) and _is_set(each, self)]
            if call not in calls and changed:
                yield f"{call}_url", f"is missing: {changed[0]} belongs to it"
        if not calls:
            for key, value in (("account_url", self.account_url), ("account_header", self.account_header)):
                if value:
                    yield key, "has no effect without find_url, search_url, reset_url, taken_url or register_url"
        if "reset" in calls and "find" not in calls:
            yield "find_url", "is missing: reset_url needs it, because recovery first finds the person"
        for power in ("reset", "register"):
            if power in calls and "search" not in calls:
                yield "search_url", f"is missing: {power}_url needs it, to know which people have an email address"
        if "register" in calls and not calls & {"taken", "find"}:
            yield "taken_url", "is missing: register_url needs it, or find_url, to know whether a user name is taken"
        if "taken" in calls and "register" not in calls:
            yield "register_url", "is missing: taken_url needs it"
        for query in ("find", "search"):
            if query in calls and not calls & {"reset", "register"}:
                yield "reset_url", f"is missing: {query}_url needs it, or register_url"

    def _shared_faults(self, cleartext: bool) -> Iterator[tuple[str, str]]:
        for url in self.account_url:
            if problem := url_problem(url, (), cleartext, ANY_PLACEHOLDER):
                yield "account_url", problem
        for name, text in self.account_header.items():
            if problem := header_problem(name, text):
                yield f"account_header.{name}", problem
            elif placeholders(text, ANY_PLACEHOLDER) - SERVICE:
                problem = f"contains a placeholder; valid are {listed(SERVICE)}, since it is linkauth's own credential"
                yield f"account_header.{name}", problem
        yield from parse_problems("account_misconfigured", self.account_misconfigured, parse_rules)
        for rule, text in self.password_refused.items():
            if rule not in PASSWORD_RULES:
                yield f"password_refused.{rule}", f"is not one of: {', '.join(PASSWORD_RULES)}"
            yield from parse_problems(f"password_refused.{rule}", text, parse_rules)
        if not 0 <= self.password_min_length <= 1024:
            yield "password_min_length", "is not between 0 and 1024"

    def _call_url_faults(self, call: str, bases: tuple[str, ...], cleartext: bool) -> Iterator[tuple[str, str]]:
        key, reference = f"{call}_url", self.of_call(call, "url")
        # a server with an invalid URL is reported separately
        for base in (base for base in bases if all(origin_of(base))):
            absolute = join_url(base, reference)
            if origin_of(absolute) != origin_of(base):
                yield key, "is not on every server of account_url, or of url: use a path such as /people"
            elif problem := url_problem(absolute, (CALLS[call].sends | SERVICE) & IN_URLS, cleartext, ANY_PLACEHOLDER):
                yield key, problem

    def _body_faults(self, call: str) -> Iterator[tuple[str, str]]:
        key, template = f"{call}_body_template", self.of_call(call, "body_template")
        sent, sends = placeholders(template, ANY_PLACEHOLDER), CALLS[call].sends
        if template and (problem := template_problem(self.account_body, template, ANY_PLACEHOLDER)):
            yield key, problem
        if template and self.of_call(call, "method") == "GET":
            yield f"{call}_method", "is GET, which has no body"
        if call != "register" and (unknown := sent - sends - SERVICE):
            yield key, f"contains the unknown placeholder {listed(unknown)}; valid are {listed(sends | SERVICE)}"
        for missing in sorted(sends - sent - placeholders(self.of_call(call, "url"), ANY_PLACEHOLDER)):
            place = key if template or missing == "password" else f"{call}_url"
            yield place, f"does not send the {missing}: the placeholder {{{missing}}} is missing"

    def _call_faults(self, call: str) -> Iterator[tuple[str, str]]:
        rules = CALLS[call]
        for name in rules.required:
            if not self.of_call(call, name):
                yield f"{call}_{name}", f"is missing: {call}_url needs it"
        for name in rules.rules:
            yield from parse_problems(f"{call}_{name}", self.of_call(call, name), parse_rules)
        for name in rules.selectors:
            text = self.of_call(call, name)
            if not (name == "subject" and text == USERNAME):
                yield from parse_problems(f"{call}_{name}", text, parse_selector)
        if call == "search":
            yield from self._list_faults()
        if "password" in rules.sends and not _is_marked(self.of_call(call, "success")):
            yield (
                f"{call}_success",
                "contains a line that an error may match too: add what only a success returns, or status:201 or 204",
            )

    def _list_faults(self) -> Iterator[tuple[str, str]]:
        if "/@" in self.search_list:
            yield "search_list", "selects attributes, and not the elements of people"
        kind = "pointer" if self.search_list == WHOLE else _kind(self.search_list)
        if kind not in ("pointer", "xpath", ""):
            yield "search_list", f"is neither {WHOLE}, nor a JSON pointer, nor an xpath:"
        for name in CALLS["search"].selectors:
            text = self.of_call("search", name)
            if text and not (name == "subject" and text == USERNAME) and kind and _kind(text) not in (kind, ""):
                yield f"search_{name}", "is not of the same kind as search_list: a JSON pointer, or an xpath:"
        if self.search_list and self.search_list != WHOLE:
            yield from parse_problems("search_list", self.search_list, parse_selector)


def _is_set(item: Any, settings: AccountSettings) -> bool:
    return bool(getattr(settings, item.name) != item.default)


def _kind(selector: str) -> str:
    """Returns the kind of a selector, or "" if it is not valid."""
    try:
        return parse_selector(selector).kind
    except ValueError:
        return ""


def _is_marked(success: str) -> bool:
    """Returns whether every rule has a condition that distinguishes a success from an error."""
    try:
        return all(
            rule.has_marker or (rule.statuses and rule.statuses <= _MARKED_STATUSES) for rule in parse_rules(success)
        )
    except ValueError:
        # reported separately
        return True
