"""Runs the probes of the public URL, at the same time where possible, and yields all findings within a time limit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from linkauth.cli.findings import Finding, failed, skipped
from linkauth.cli.outward import authorization, certificates, responses
from linkauth.cli.outward.http import send
from linkauth.cli.outward.observations import Answer, Handshake, Seen, Target, Versions
from linkauth.cli.outward.tls import accepted_versions, handshake
from linkauth.config.settings import Settings
from linkauth.net.addresses import NameNotResolved, resolve
from linkauth.net.deadlines import Deadline
from linkauth.redaction import reason
from linkauth.simulator.http_client import AGENT, PHONE

TOTAL_SECONDS = 15.0
RESOLVE_SECONDS = 5.0
RESERVE_SECONDS = 0.5
"""The requests end so long before the total time is over, so that their answers say what was missing."""
MAX_ADDRESSES = 8
"""The number of addresses that are checked."""
TOKEN_REQUESTS = 3


@dataclass(frozen=True)
class Options:
    """`connect` is the host and port of --connect. `seconds` limits all checks together."""

    connect: tuple[str, int] | None = None
    seconds: float = TOTAL_SECONDS


def outward_checks(settings: Settings, options: Options) -> Iterator[Finding]:
    """Yields what is found at the public URL. Raises nothing for what the network or a server does."""
    if not settings.https:
        yield skipped("public.url", settings.public_url, "not checked from outside, because it is for development only")
        return
    target = Target.of(settings.public_url, options.connect)
    deadline = Deadline(options.seconds)
    try:
        found = resolve(target.connect_host, target.connect_port, min(RESOLVE_SECONDS, options.seconds))
    except NameNotResolved as error:
        yield certificates.unresolved_finding(target, reason(error.cause))
        return
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))[:MAX_ADDRESSES]
    yield from certificates.address_findings(target, addresses)
    handshakes = _handshakes(target, addresses, deadline)
    yield from certificates.connection_findings(target, handshakes)
    now, mozilla = datetime.now(UTC), certificates.mozilla_fingerprints(certificates.MOZILLA_FOLDER)
    yield from certificates.certificate_findings(target, handshakes, now, mozilla)
    working = next((each.address for each in handshakes if each.stage in ("", "certificate")), None)
    if working is not None:
        yield from _through_the_proxy(settings, target, working, deadline)


def _handshakes(target: Target, addresses: list[str], deadline: Deadline) -> list[Handshake]:
    """Returns a handshake for each address, in their order."""
    answers = together({each: _handshake(target, each, deadline) for each in addresses}, deadline)
    missing = "no answer before the time was over"
    return [answers.get(each) or Handshake(each, "connect", missing) for each in addresses]


def _handshake(target: Target, address: str, deadline: Deadline) -> Callable[[], Handshake]:
    return lambda: handshake(target, address, deadline)


def _through_the_proxy(settings: Settings, target: Target, address: str, deadline: Deadline) -> Iterator[Finding]:
    """Sends the requests to one address, and yields the findings about the TLS versions and the answers."""
    try:
        requests_deadline = Deadline(deadline.remaining(float("inf")) - RESERVE_SECONDS)
    except TimeoutError:
        yield failed("public.time", "public_url", "the connections took so long that nothing else was checked")
        return
    sent = authorization.requests(settings)
    tasks = _requests(settings, target, address, requests_deadline, sent)
    tasks["versions"] = lambda: accepted_versions(target, address, requests_deadline)
    answers = together(tasks, deadline)
    if isinstance(versions := answers.get("versions"), Versions):
        yield from certificates.version_findings(versions)
    tokens = answers.get("tokens", [])
    pages = {name: answers.get(name) for name in ("page", "long_page", "redirect", "spoofed")}
    yield from _answer_findings(Seen(settings, target, **pages, tokens=tokens), sent)


def _answer_findings(seen: Seen, sent: authorization.Requests | None) -> Iterator[Finding]:
    if sent is None:
        yield authorization.no_client_finding()
    else:
        yield from authorization.page_findings(seen, sent)
        if seen.page is not None and authorization.is_from_this_linkauth(seen.page, sent.page, seen.settings):
            yield from authorization.state_findings(seen, sent)
            yield from responses.header_findings(seen.page)
            yield responses.cache_finding(seen.page)
            if (finding := responses.spoofing_finding(seen.spoofed)) is not None:
                yield finding
    if not authorization.is_insecure(seen.tokens):
        yield from responses.token_findings(seen.tokens)
    answered = [each for each in (*seen.tokens, seen.page) if each is not None and each.status]
    if answered:
        yield responses.clock_finding(answered[0])


def _requests(
    settings: Settings, target: Target, address: str, deadline: Deadline, sent: authorization.Requests | None
) -> dict[str, Callable[[], Any]]:
    """Returns the functions that send the requests, by the names of their answers."""

    def get(query: str, **headers: str) -> Answer:
        path = f"/authorize?{query}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return send(target, address, deadline, path, {"User-Agent": PHONE, **named})

    def ask_for_tokens() -> list[Answer]:
        # without credentials, so that neither the throttle counts it nor the database is asked
        headers = {"User-Agent": AGENT, "Accept": "application/json"}
        answers: list[Answer] = []
        while len(answers) < TOKEN_REQUESTS and all(each.status for each in answers):
            answers.append(send(target, address, deadline, "/token", headers, "grant_type=refresh_token"))
        return answers

    tasks: dict[str, Callable[[], Any]] = {"tokens": ask_for_tokens}
    if sent is not None:
        query, long_query, redirect_query = sent.page, sent.long_page, sent.redirect
        forwarded = {"Forwarded": "proto=http"}
        if settings.forwarded_header == "x-forwarded":
            forwarded = {"X_Forwarded_Proto": "http"}
        tasks["page"] = lambda: get(query)
        tasks["long_page"] = lambda: get(long_query)
        tasks["redirect"] = lambda: get(redirect_query)
        tasks["spoofed"] = lambda: get(query, **forwarded)
    return tasks


def together(tasks: Mapping[str, Callable[[], Any]], deadline: Deadline) -> dict[str, Any]:
    """Calls the functions at the same time. Returns the results that were there before the deadline, by name.

    A thread that is late is abandoned: its connections end at their own limits. Raises what a function raises.
    """
    results: queue.SimpleQueue[tuple[str, Any, BaseException | None]] = queue.SimpleQueue()

    def call(name: str, function: Callable[[], Any]) -> None:
        try:
            results.put((name, function(), None))
        except BaseException as error:
            results.put((name, None, error))

    for name, function in tasks.items():
        threading.Thread(target=call, args=(name, function), name=f"doctor-{name}", daemon=True).start()
    answers: dict[str, Any] = {}
    while len(answers) < len(tasks):
        try:
            name, answer, problem = results.get(timeout=deadline.remaining(TOTAL_SECONDS))
        except (queue.Empty, TimeoutError):
            break
        if problem is not None:
            raise problem
        answers[name] = answer
    return answers
