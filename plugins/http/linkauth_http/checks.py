"""The checks of a login API and its settings, for doctor and health. They need no name and no password."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from ssl import cert_time_to_seconds
from urllib.parse import urljoin, urlsplit

from linkauth.backends import BackendUnavailable, Check
from linkauth.net import Deadline, ServerFailed, remaining_days
from linkauth.redaction import redact
from linkauth_http.account_settings import USERNAME
from linkauth_http.outcomes import Outcomes
from linkauth_http.requests import LoginRequests
from linkauth_http.server import LoginServer
from linkauth_http.servers import Servers
from linkauth_http.setting_checks import LOOPBACK
from linkauth_http.settings import HTTPSettings
from linkauth_http.templates import placeholders

CERTIFICATE_DAYS = 21
UNPROTECTED = "a request without credentials matches success too: url must name a resource that needs a password"


def run(settings: HTTPSettings, servers: Servers, requests: LoginRequests, outcomes: Outcomes) -> Iterator[Check]:
    """Yields the checks of each server, then those of the rules and of the subject. Never raises."""
    for server in servers.all:
        yield from _check_server(settings, server, requests, outcomes)
    if settings.client_certificate:
        yield _check_client_certificate(settings.client_certificate)
    yield from outcomes.checks()
    if settings.second_factor and "second_factor" not in settings.proven and settings.reveal_state == "proven":
        detail = (
            "second_factor is not in proven, so the page says that the name or the password is wrong. If the API asks "
        )
        yield Check("proven", True, f"{detail}for a second factor only after the right password, add it", warning=True)
    if settings.subject == USERNAME:
        detail = "is the typed name: if the name is later given to another person, that person gets the existing links"
        yield Check("subject", True, detail, warning=True)


def _check_server(
    settings: HTTPSettings, server: LoginServer, requests: LoginRequests, outcomes: Outcomes
) -> Iterator[Check]:
    name, deadline = f"server {server.name}", Deadline(min(settings.total_timeout, 5))
    try:
        if settings.prefetches:
            requests.read_first(*requests.fetch_first(server, deadline))
            values = ", ".join(settings.prefetch_value)
            detail = "returns its login form" if settings.hidden_fields else f"the first request returns {values}"
            yield Check(name, True, detail if settings.hidden_fields or values else "answers the first request")
        else:
            yield _check_response(settings, server, name, deadline)
        if settings.body == "basic":
            response = requests.send(server, secrets.token_hex(16), None, deadline)
            is_unprotected = outcomes.is_success(response)
            detail = f"a request without credentials gets status {response.status}"
            yield Check(name, not is_unprotected, UNPROTECTED if is_unprotected else detail)
    except (ServerFailed, BackendUnavailable, TimeoutError) as error:
        yield Check(name, False, redact(error))
        return
    yield from check_certificate(server)


def check_certificate(server: LoginServer) -> Iterator[Check]:
    """Yields a check of the certificate that the server has shown, or of its absence."""
    if not server.origin.startswith("https:"):
        if urlsplit(server.url).hostname in LOOPBACK:
            return
        yield Check(f"certificate of {server.origin}", True, "passwords are sent in clear text", warning=True)
    elif expiry := server.certificate.get("notAfter"):
        days = int((cert_time_to_seconds(str(expiry)) - time.time()) // 86_400)
        detail = f"expires in {days} days"
        yield Check(f"certificate of {server.origin}", True, detail, warning=days < CERTIFICATE_DAYS)


def _check_client_certificate(path: str) -> Check:
    name, days = "client_certificate", remaining_days(path)
    if days is None:
        return Check(name, True, "its end cannot be read", warning=True)
    if days < 0:
        return Check(name, False, "has expired: servers refuse it")
    return Check(name, True, f"expires in {days} days", warning=days < CERTIFICATE_DAYS)


def _check_response(settings: HTTPSettings, server: LoginServer, name: str, deadline: Deadline) -> Check:
    """Sends a GET to `check_url`, which must succeed, or else a HEAD to the URL, for which any response is ok."""
    if settings.check_url:
        parts, method = urlsplit(urljoin(server.url, settings.check_url)), "GET"
    else:
        is_template = bool(placeholders(server.url, settings.placeholder))
        parts, method = urlsplit(server.origin + "/" if is_template else server.url), "HEAD"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # the configured headers, such as an API key, except those with a name or password
    headers = {name: text for name, text in settings.headers.items() if not placeholders(text, settings.placeholder)}
    response = server.exchange(method, target, {"Accept": "*/*"} | headers, None, deadline, personal=False)
    if method == "GET":
        return Check(name, response.status < 400, f"check_url returned {response}{response.redirect()}")
    detail, advice = f"answers; HEAD returned status {response.status}{response.redirect()}", ""
    if response.status >= 500 and response.status != 501:
        # an API may fail because it does not support HEAD
        advice = ": it may not support HEAD; set check_url to a path for GET"
    elif response.status == 404 and not placeholders(server.url, settings.placeholder):
        advice = ": check the path of url"
    return Check(name, True, detail + advice, warning=bool(advice))
