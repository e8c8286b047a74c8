"""The checks of `linkauth doctor` for the backends: their own checks, the throttle, and the time of a refusal."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator

from linkauth.backends import UnknownUser, WrongPassword
from linkauth.cli.findings import Configuration, Finding, from_checks, ok
from linkauth.login.dispatch import NamedBackend
from linkauth.login.health import run_checks

NOTICEABLE_SECONDS = 0.002
"""Time differences below this value cannot be distinguished from network jitter."""


def backend_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields the findings of each backend. A failed check of a shadow backend is only a warning."""
    for named in configuration.backends:
        checks = run_checks(named.backend, configuration.settings.throttle)
        yield from from_checks("backend", checks, named.label, advisory=named.shadow)


def order_checks(configuration: Configuration) -> Iterator[Finding]:
    """Compares how long a refusal takes in the first backend and in all of them.

    Somebody who measures the response time could learn from the difference whether a name exists. Yields nothing if the
    difference is too small to notice, if it cannot be measured, or if every name belongs to one backend.
    """
    sign_in_backends = [named for named in configuration.backends if not named.shadow]
    if len(sign_in_backends) < 2 or all(named.accepts for named in sign_in_backends):
        return
    times = [min(_refusal_seconds(named), _refusal_seconds(named)) for named in sign_in_backends]
    additional = sum(times[1:])
    if math.isinf(sum(times)) or additional < NOTICEABLE_SECONDS:
        return
    first, total = f"{times[0] * 1_000:.0f} ms", f"{sum(times) * 1_000:.0f} ms"
    yield ok(
        "backends.order",
        "backends: order",
        f"a refusal takes {first} for a name that {sign_in_backends[0].name} knows and {total} for a name that no "
        "backend knows. To hide this difference, use the setting `accepts` so that each name belongs to one backend",
    )


def _refusal_seconds(named: NamedBackend) -> float:
    """Returns how long the backend takes to refuse an unknown name, in seconds, or infinity if it does not refuse."""
    name, password = (secrets.token_urlsafe(12) for _ in range(2))
    started = time.perf_counter()
    try:
        named.backend.authenticate(name, password)
    except (UnknownUser, WrongPassword):
        return time.perf_counter() - started
    except Exception:
        # the checks of this backend have already reported the problem
        return math.inf
    return math.inf
