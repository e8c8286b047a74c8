"""Measures whether the time of a recovery or a registration reveals which accounts exist."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode

from benchmarks.browsers import FORM, HEADERS, Browser
from benchmarks.report import BenchmarkError, Bounds, Figure
from benchmarks.serving import Server
from benchmarks.timing import compare_times
from linkauth.simulator.people import PEOPLE

_HIDDEN = re.compile(r'<input type="hidden" name="(form_token|page)" value="([^"]*)"')
_CODE_FIELD = re.compile(r'<input[^>]* name="code"')
KNOWN = PEOPLE[0]
UNKNOWN_NAME, UNKNOWN_ADDRESS = "eda", "eda@example.com"
"""As long as those of KNOWN, and with as many look-alikes, for each of which a registration has a look-up."""
NEW_PERSON = {"name": "Mary Somerville", "country": "DE", "postal_code": "10115", "accept_terms": "true"}


def first_step(browser: Browser, server: Server, page: str) -> Callable[[Mapping[str, str]], float]:
    """Returns a function that posts fields to the page "recover" or "register", and returns the seconds it took."""
    path = server.path.replace("/authorize?", f"/authorize/{page}?")
    common = f"Host: 127.0.0.1:{server.port}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    get = f"GET {path} HTTP/1.1\r\n{common}\r\n".encode("ascii")
    head = f"POST {path} HTTP/1.1\r\n{common}Origin: {server.origin}\r\nContent-Type: {FORM['Content-Type']}\r\n"

    def post(fields: Mapping[str, str]) -> float:
        hidden = dict(_HIDDEN.findall(browser.send(get).body.decode("utf-8")))
        if hidden.keys() != {"form_token", "page"}:
            raise BenchmarkError(f"the page {page} is not offered")
        body = urlencode({**hidden, **fields}).encode("ascii")
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body
        start = time.perf_counter()
        response = browser.send(request)
        duration = time.perf_counter() - start
        if response.status != 200 or not _CODE_FIELD.search(response.body.decode("utf-8")):
            raise BenchmarkError(f"the page {page} asks for no code: {response.head[:30]!r}")
        return duration

    return post


def figures(server: Server, pairs: int, target: Bounds) -> Iterator[Figure]:
    """Yields the medians and the AUC for names and addresses, of a recovery and of a registration."""
    with Browser(server) as browser:
        recover, register = (first_step(browser, server, page) for page in ("recover", "register"))
        cases: dict[str, tuple[Callable[[str], float], tuple[str, str]]] = {
            "recovery, name": (lambda name: recover({"username": name}), (UNKNOWN_NAME, KNOWN.login)),
            "recovery, address": (lambda address: recover({"username": address}), (UNKNOWN_ADDRESS, KNOWN.email)),
            "registration, name": (
                lambda name: register({**NEW_PERSON, "username": name, "email": UNKNOWN_ADDRESS}),
                (UNKNOWN_NAME, KNOWN.login),
            ),
            "registration, address": (
                lambda address: register({**NEW_PERSON, "username": UNKNOWN_NAME, "email": address}),
                (UNKNOWN_ADDRESS, KNOWN.email),
            ),
        }
        for title, (measure, names) in cases.items():
            timing = compare_times(measure, names, pairs)
            yield Figure(f"{title} unknown, median ms", timing.unknown, "{:.2f}")
            yield Figure(f"{title} known, median ms", timing.known, "{:.2f}")
            yield Figure("  distinguishable by time (AUC; 0.5: not at all)", timing.auc, "{:.3f}", target=target)
