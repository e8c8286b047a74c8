"""What can be wrong with a login API or with what the ini says of it, found without a name or a password."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from ssl import cert_time_to_seconds
from urllib.parse import urljoin, urlsplit

from linkauth.backends import BackendUnavailable, Check
from linkauth.net import Deadline, ServerFailed
from linkauth.redaction import redact
from linkauth_http.outcomes import Outcomes
from linkauth_http.requests import LoginRequests
from linkauth_http.server import LoginServer
from linkauth_http.servers import Servers
from linkauth_http.settings import LOOPBACK, USERNAME, HTTPSettings
from linkauth_http.templates import placeholders

CERTIFICATE_DAYS = 21
OPEN = "lets everybody in: a request without credentials fits success as well; url must name what only a password opens"


def run(settings: HTTPSettings, servers: Servers, requests: LoginRequests, outcomes: Outcomes) -> Iterator[Check]:
    """Lines for each server, and one about what the settings cannot know. Never raises."""
    for server in servers.all:
        yield from _server(settings, server, requests, outcomes)
    yield from outcomes.advice()
    if settings.subject == USERNAME:
        detail = "is the name that was typed: whoever is given the name of somebody who left gets their links"
        yield Check("subject", True, detail, warning=True)


def _server(
    settings: HTTPSettings, server: LoginServer, requests: LoginRequests, outcomes: Outcomes
) -> Iterator[Check]:
    name, deadline = f"server {server.name}", Deadline(min(settings.total_timeout, 5))
    try:
        if settings.prefetches:
            page, where = requests.fetch_page(server, deadline)
            requests.read_page(page, where)
            yield Check(name, True, "shows its login form")
        else:
            yield _asked(settings, server, name, deadline)
        if settings.body == "basic":
            answer = requests.ask(server, secrets.token_hex(16), None, deadline)
            is_open = outcomes.is_success(answer)
            refused = f"a request without credentials is answered with status {answer.status}"
            yield Check(name, not is_open, OPEN if is_open else refused)
    except (ServerFailed, BackendUnavailable, TimeoutError) as error:
        yield Check(name, False, redact(error))
        return
    if not server.origin.startswith("https:"):
        if urlsplit(server.url).hostname in LOOPBACK:
            return
        yield Check(f"certificate of {server.origin}", True, "clear text: everybody on the way reads passwords", True)
    elif ends := server.certificate.get("notAfter"):
        days = int((cert_time_to_seconds(str(ends)) - time.time()) // 86_400)
        detail = f"expires in {days} days"
        yield Check(f"certificate of {server.origin}", True, detail, warning=days < CERTIFICATE_DAYS)


def _asked(settings: HTTPSettings, server: LoginServer, name: str, deadline: Deadline) -> Check:
    """GET of the `check_url`, which must be well; else HEAD of the URL itself, to which any answer is one."""
    if settings.check_url:
        parts, method = urlsplit(urljoin(server.url, settings.check_url)), "GET"
    else:
        parts, method = urlsplit(server.origin + "/" if placeholders(server.url) else server.url), "HEAD"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # the ini's own headers, such as a key of the API, and none with somebody's name in it
    headers = {name: text for name, text in settings.headers.items() if not placeholders(text)}
    answer = server.exchange(method, target, {"Accept": "*/*"} | headers, None, deadline, personal=False)
    if method == "GET":
        return Check(name, answer.status < 400, f"check_url answered with {answer}")
    detail, advice = f"answers; HEAD was answered with status {answer.status}", ""
    if answer.status >= 500 and answer.status != 501:
        # 502 to 504 are no answer; an API that knows no HEAD may fail over it, and be well
        advice = ": does it know HEAD? check_url names what to GET instead"
    elif answer.status == 404 and not placeholders(server.url):
        advice = ": is the path of url right?"
    return Check(name, True, detail + advice, warning=bool(advice))
