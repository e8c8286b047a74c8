"""Findings about the responses that arrive through the proxy: their headers, their time, and the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from linkauth.cli.findings import Finding, failed, ok, warning
from linkauth.cli.outward.authorization import GATEWAY_PROBLEMS, is_linkauths_refusal
from linkauth.cli.outward.observations import Answer
from linkauth.web.headers import HEADERS, OPENER_POLICY, STRICT_TRANSPORT

AMAZON_SECONDS = 4.5
"""Amazon's time limit for a response of the token endpoint."""
SLOW_SECONDS = 1.0
"""A token request that is not refused also reads and writes the database, so there should be a reserve."""
CLOCK_SECONDS = 30
"""The difference of the clocks that is a warning: certificates, JWTs and codes depend on the time."""
WRONG_CLOCK_SECONDS = 300
_CACHE = "cache-control"
_POLICY = "content-security-policy"


def header_findings(page: Answer) -> Iterator[Finding]:
    """Yields the findings about the headers of the login page: linkauth's own ones must arrive as they were sent."""
    expected = {name.lower(): value for name, value in (*HEADERS, STRICT_TRANSPORT, (OPENER_POLICY, "unsafe-none"))}
    del expected[_CACHE]
    names = {name.lower(): name for name, _ in (*HEADERS, STRICT_TRANSPORT, (OPENER_POLICY, ""))}
    if any("form-action" in value for value in page.header_values(_POLICY)):
        problem = (
            "a Content-Security-Policy with form-action is added. Browsers apply it to the whole chain of redirects, "
            "and would block the way back to Amazon: remove it from the proxy"
        )
        yield failed("public.headers", "headers of the login page", problem)
        return
    missing = [names[key] for key in expected if not page.header_values(key)]
    # the same header twice is harmless
    changed = [names[key] for key, value in expected.items() if set(page.header_values(key)) - {value}]
    # a proxy may require https for longer
    if STRICT_TRANSPORT[0] in changed and _requires_https(page.header(STRICT_TRANSPORT[0])):
        changed.remove(STRICT_TRANSPORT[0])
    problems = [f"removed: {', '.join(missing)}"] * bool(missing) + [f"changed: {', '.join(changed)}"] * bool(changed)
    if problems:
        advice = "linkauth sends them with the values that its pages need, so the proxy should pass them on"
        yield warning("public.headers", "headers of the login page", f"{'; '.join(problems)}. {advice}")
    else:
        yield ok("public.headers", "headers of the login page", "linkauth's security headers arrive, also HSTS")


def cache_finding(page: Answer) -> Finding:
    """Returns whether the login page may be, or was, answered from a cache."""
    control = [value.lower() for value in page.header_values(_CACHE)]
    hits = [name for name in ("X-Cache", "X-Cache-Status", "CF-Cache-Status") if "hit" in page.header(name).lower()]
    if page.header("Age") or hits:
        by = ", ".join([*hits, *["Age"] * bool(page.header("Age"))])
        return failed("public.cache", "cache", f"the login page came from a cache ({by}): only /static/ may be cached")
    if not control or any("no-store" not in value for value in control):
        found = ", ".join(control) or "nothing"
        problem = f"Cache-Control of the login page is {found} instead of no-store: the proxy must not change it"
        return failed("public.cache", "cache", problem)
    return ok("public.cache", "cache", "the login page is not cached")


def spoofing_finding(spoofed: Answer | None) -> Finding | None:
    """Returns a warning if the proxy passes on the header with the scheme that a client has sent.

    `spoofed` is the answer to a request with such a header for http. Returns None if there was no answer.
    """
    if spoofed is None or not spoofed.status:
        return None
    subject = "forwarded headers"
    if spoofed.status == 403:
        problem = (
            "the proxy passes on the scheme that a client claims, and probably its address too, so that the throttle "
            "counts invented addresses: the proxy must set both headers itself (nginx: proxy_set_header)"
        )
        return warning("public.forwarded", subject, problem)
    return ok("public.forwarded", subject, "linkauth sees https, and a client cannot change it")


def token_findings(answers: Sequence[Answer]) -> Iterator[Finding]:
    """Yields whether /token answers as linkauth does, and fast enough. The requests are without credentials."""
    subject = "/token"
    refused = [each for each in answers if is_linkauths_refusal(each)]
    if len(refused) < len(answers) or not answers:
        other = next((each for each in answers if each not in refused), Answer(problem="no answer in time"))
        yield failed("public.token", subject, _token_problem(other))
        return
    slowest = max(each.seconds for each in refused)
    measured = f"{slowest:.2f} s for the slowest of {len(refused)} requests with new connections"
    if slowest > AMAZON_SECONDS:
        yield failed("public.token", subject, f"{measured}; Amazon gives up after {AMAZON_SECONDS:g} s")
    elif slowest > SLOW_SECONDS:
        problem = f"{measured}. Amazon gives up after {AMAZON_SECONDS:g} s, and a real request also uses the database"
        yield warning("public.token", subject, problem)
    else:
        yield ok("public.token", subject, f"{measured}; Amazon waits {AMAZON_SECONDS:g} s")


def clock_finding(answer: Answer) -> Finding:
    """Compares the header Date of an answer with the clock of this machine."""
    try:
        date = parsedate_to_datetime(answer.header("Date"))
    except ValueError:
        return warning("public.clock", "clock", "not compared, because the answer has no valid header Date")
    # an HTTP date is always in UTC, and some servers write -0000, which Python reads as a time without zone
    server = date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    # the server wrote it at an unknown moment of the request, and without fractions of a second
    ahead = max(server - (answer.sent_at + answer.seconds), 0) or min(server + 1 - answer.sent_at, 0)
    if abs(ahead) <= CLOCK_SECONDS:
        return ok("public.clock", "clock", f"{datetime.fromtimestamp(server, UTC):%H:%M:%S} UTC, as on this machine")
    difference = f"{_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this machine"
    problem = (
        f"the header Date is {difference}: synchronise both (chrony or systemd-timesyncd), because codes, tokens and "
        "certificates expire by the clock"
    )
    result = failed if abs(ahead) > WRONG_CLOCK_SECONDS else warning
    return result("public.clock", "clock", problem)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _token_problem(answer: Answer) -> str:
    if not answer.status:
        return answer.problem
    if answer.status in GATEWAY_PROBLEMS:
        return f"status {answer.status}: {GATEWAY_PROBLEMS[answer.status]}"
    if answer.status in (401, 407):
        return f"status {answer.status}: the proxy asks for a login of its own; Amazon cannot log in there"
    error = answer.json.get("error")
    if answer.status in (403, 429) and not error:
        problem = "the proxy or a firewall refuses the request, which looks like one of Amazon's servers"
        return f"status {answer.status}: {problem}; do not block programs or countries there"
    return f"status {answer.status} instead of 401 from linkauth: the proxy must pass POST requests to it"


def _requires_https(value: str) -> bool:
    """Returns whether Strict-Transport-Security requires https for at least as long as linkauth's."""
    seconds = [part.strip()[8:].strip('"') for part in value.lower().split(";") if part.strip().startswith("max-age=")]
    own = int(STRICT_TRANSPORT[1].partition("=")[2])
    return bool(seconds) and seconds[0].isascii() and seconds[0].isdecimal() and int(seconds[0][:12]) >= own
