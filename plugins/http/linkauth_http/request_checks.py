"""Checks of the settings of the requests of a sign-in: the first request, and the request with the password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from linkauth_http.selectors import parse_selector
from linkauth_http.setting_checks import header_problem, join_url, origin_of, parse_problems, url_problem
from linkauth_http.templates import (
    ENCODERS,
    NAMES,
    UNKNOWN_PLACEHOLDER,
    VALUE_NAME,
    form_pairs,
    has_unknown_placeholder,
    placeholders,
    template_problem,
)

if TYPE_CHECKING:
    from linkauth_http.settings import HTTPSettings

IN_URLS = frozenset({"username", "username_base64", "client_id"})
"""The placeholders that a URL may contain, besides the values of the first response."""
ENTRA_PATH = re.compile(r"/(?!(?:common|consumers|organizations)/)[^/]+/oauth2/v2\.0/token", re.IGNORECASE)
TOO_EARLY = "contains a placeholder, but it is requested before a name is sent"


def url_faults(settings: HTTPSettings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each URL that cannot be called."""
    pattern, allowed = settings.placeholder, IN_URLS | set(settings.prefetch_value)
    if not settings.url:
        yield "url", "names no server"
    for url in settings.url:
        if problem := url_problem(url, allowed, settings.allow_cleartext, pattern):
            yield "url", problem
        elif settings.preset == "entra" and not ENTRA_PATH.fullmatch(urlsplit(url).path):
            yield (
                "url",
                "is not the token endpoint of a tenant: https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
            )
    origins = {origin_of(url) for url in settings.url}
    for key, reference in (("prefetch_url", settings.prefetch_url), ("check_url", settings.check_url)):
        for url in settings.url if reference else ():
            absolute = join_url(url, reference)
            if origin_of(absolute) not in origins or (origin_of(absolute) != origin_of(url)):
                yield key, "is not on the server of every url: use a path such as /login"
            elif problem := url_problem(absolute, allowed, settings.allow_cleartext, pattern):
                yield key, problem
            elif placeholders(absolute, pattern):
                yield key, TOO_EARLY
    if settings.prefetches and not settings.prefetch_url and any(placeholders(url, pattern) for url in settings.url):
        yield "prefetch_url", "is missing: the first request cannot be to a url with a placeholder"
    account_origins = {origin_of(url) for url in settings.account_url}
    if not any(scheme == "https" for scheme, *_ in origins | account_origins):
        for key, path in (
            ("tls_ca_file", settings.tls_ca_file),
            ("client_certificate", settings.client_certificate),
            ("client_key", settings.client_key),
        ):
            if path:
                yield key, "is for https, and no url has it"
    if settings.client_key and not settings.client_certificate:
        yield "client_key", "is set, but client_certificate is missing"


def request_faults(settings: HTTPSettings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each contradiction between the settings of the two requests."""
    yield from _body_faults(settings)
    yield from _header_faults(settings)
    used = settings.used_placeholders
    if settings.body != "basic":
        for missing in ("username", "password"):
            if not any(name.partition("_")[0] == missing for name in used):
                key = "body_template" if settings.body in ENCODERS else "header"
                yield key, f"does not send the {missing}: the placeholder {{{missing}}} is missing"
    elif {name.lower() for name in settings.headers} & {"authorization"}:
        yield "header.Authorization", "must not be set, because body = basic sends it"
    if settings.hidden_fields and settings.body != "form":
        yield "hidden_fields", "needs body = form"
    first = "".join((settings.prefetch_body_template, *settings.prefetch_header.values()))
    if "client_id" in used | placeholders(first) and not settings.client_id:
        yield "client_id", "is missing: the request contains {client_id}"
    yield from _first_request_faults(settings)


def _body_faults(settings: HTTPSettings) -> Iterator[tuple[str, str]]:
    body, template, pattern = settings.body, settings.body_template, settings.placeholder
    if body in ENCODERS:
        if not template and not settings.json_fields:
            yield "body_template", f"is missing: body = {body} needs it"
        elif template and (problem := template_problem(body, template, pattern)):
            yield "body_template", problem
        if settings.method == "GET":
            yield "method", "is GET, which has no body"
    elif template:
        yield "body_template", f"is for body = form, json or xml, not for {body}"
    names = {name for name, _ in form_pairs(template)} if body == "form" else set()
    if settings.json_fields and body != "form":
        yield "json_fields", "needs body = form"
    if len(settings.json_templates) < sum(1 for line in settings.json_fields.splitlines() if line.strip()):
        yield "json_fields", "has two lines with the same name"
    for name, text in settings.json_templates.items():
        if not name or name in names:
            yield "json_fields", "has a line without a name, or with a name that is also in body_template"
        elif problem := template_problem("json", text, pattern):
            yield "json_fields", f"has a value that {problem}"


def _header_faults(settings: HTTPSettings) -> Iterator[tuple[str, str]]:
    for name, text in settings.headers.items():
        if problem := header_problem(name, text):
            yield f"header.{name}", problem
        elif has_unknown_placeholder(text, settings.placeholder):
            yield f"header.{name}", UNKNOWN_PLACEHOLDER


def _first_request_faults(settings: HTTPSettings) -> Iterator[tuple[str, str]]:
    kind, template = settings.prefetch_body, settings.prefetch_body_template
    early = {name for name in NAMES if name not in ("client_id", "client_secret")} | set(settings.prefetch_value)
    if template and settings.prefetch_method == "GET":
        yield "prefetch_body_template", "needs prefetch_method = POST or PUT"
    if template and (problem := template_problem(kind, template, settings.placeholder)):
        yield "prefetch_body_template", problem
    elif placeholders(template, settings.placeholder) & early:
        yield "prefetch_body_template", TOO_EARLY
    for name, text in settings.prefetch_header.items():
        if problem := header_problem(name, text):
            yield f"prefetch_header.{name}", problem
        elif has_unknown_placeholder(text, settings.placeholder):
            yield f"prefetch_header.{name}", "contains an unknown placeholder; valid are {client_id}, {client_secret}"
        elif placeholders(text, settings.placeholder) & early:
            yield f"prefetch_header.{name}", TOO_EARLY
    if not settings.prefetches:
        for key, is_set in (
            ("prefetch_method", settings.prefetch_method != "GET"),
            ("prefetch_body_template", bool(template)),
            *((f"prefetch_header.{name}", True) for name in settings.prefetch_header),
        ):
            if is_set:
                yield key, "is set, but there is no first request: prefetch_url is missing"
    for name, text in settings.prefetch_value.items():
        key = f"prefetch_value.{name}"
        if not VALUE_NAME.fullmatch(name):
            yield key, "is not a name of lower-case letters, digits and _"
        elif name in NAMES:
            yield key, "is the name of another placeholder"
        elif name not in settings.used_placeholders:
            yield key, f"is not used: write {{{name}}} in url, body_template, json_fields or header"
        yield from parse_problems(key, text, parse_selector)
