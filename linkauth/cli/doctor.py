"""`linkauth doctor INI` checks the backends, the throttle, the database and the list of breached passwords."""

from __future__ import annotations

import math
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from linkauth.backends import Check, UnknownUser, WrongPassword
from linkauth.cli.printing import printable
from linkauth.cli.resources import load_backends
from linkauth.hashing import worker_processes
from linkauth.redaction import redact

if TYPE_CHECKING:
    from linkauth.config.settings import Settings
    from linkauth.login.dispatch import NamedBackend

NOTICEABLE_SECONDS = 0.002
"""Time differences below this value cannot be distinguished from network jitter."""
MARKS = {"ok": "green", "warning": "yellow", "FAILED": "red"}


@click.command()
@click.argument("ini", metavar="INI")
def doctor(ini: str) -> None:
    """Check every backend, the throttle, and linkauth's database.

    Compares the throttle with the lockout of each backend. Set LINKAUTH_WORKERS to the value that the server uses,
    because each worker process counts wrong passwords separately. A failed check of a shadow backend is only a
    warning. If there are several backends, the command sends two sign-ins with a random name to each of them, to
    measure how long a refusal takes. The exit code is 1 if a check failed.
    """
    from linkauth.cli.database_checks import database_checks
    from linkauth.login.health import run_checks

    try:
        worker_processes()
    except ValueError as error:
        raise click.ClickException(f"LINKAUTH_WORKERS: (environment) {redact(error)}") from None
    results: list[Check] = []
    with load_backends(ini) as (settings, backends):
        for named in backends:
            checks = run_checks(named.backend, settings.throttle)
            if named.shadow:
                checks = [check if check.ok else replace(check, ok=True, warning=True) for check in checks]
            for check in checks:
                click.echo(f"{_mark(check)}  {named.label}: {printable(check.name)}" + _detail(check))
            results += checks
        if (refusal_check := _refusal_time_check(backends)) is not None:
            click.echo(f"{_mark(refusal_check)}  backends: {refusal_check.name}" + _detail(refusal_check))
        # database_checks returns no checks for a database without problems
        for check in (*database_checks(settings), *_breached_passwords_checks(settings)):
            click.echo(f"{_mark(check)}  {printable(check.name)}" + _detail(check))
            results.append(check)
    failed = sum(not check.ok for check in results)
    warnings = sum(check.ok and check.warning for check in results)
    counts = [f"{failed} failed"] * bool(failed) + [f"{warnings} warning(s)"] * bool(warnings)
    click.echo(", ".join(counts) or "all checks passed")
    sys.exit(1 if failed else 0)


def _breached_passwords_checks(settings: Settings) -> list[Check]:
    """Returns a check that opens the file of breached passwords, or no check if none is configured."""
    if not settings.breached_passwords:
        return []
    from linkauth.login.password_policy import LeakedPasswords

    try:
        LeakedPasswords(settings.breached_passwords)
    except ValueError as error:
        return [Check("linkauth.breached_passwords", False, redact(error))]
    return [Check("linkauth.breached_passwords", True, "sorted SHA-1 hashes")]


def _refusal_time_check(backends: Sequence[NamedBackend]) -> Check | None:
    """Compares how long a refusal takes in the first backend and in all of them.

    Somebody who measures the response time could learn from the difference whether a name exists. Returns None if the
    difference is too small to notice, if it cannot be measured, or if every name belongs to one backend.
    """
    sign_in_backends = [named for named in backends if not named.shadow]
    if len(sign_in_backends) < 2 or all(named.accepts for named in sign_in_backends):
        return None
    times = [min(_refusal_seconds(named), _refusal_seconds(named)) for named in sign_in_backends]
    additional = sum(times[1:])
    if math.isinf(sum(times)) or additional < NOTICEABLE_SECONDS:
        return None
    first, total = f"{times[0] * 1_000:.0f} ms", f"{sum(times) * 1_000:.0f} ms"
    detail = (
        f"a refusal takes {first} for a name that {sign_in_backends[0].name} knows and {total} for a name that no "
        "backend knows. To hide this difference, use the setting `accepts` so that each name belongs to one backend"
    )
    return Check("order", True, detail)


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


def _mark(check: Check) -> str:
    result_name = ("warning" if check.warning else "ok") if check.ok else "FAILED"
    return click.style(result_name.ljust(7), fg=MARKS[result_name])


def _detail(check: Check) -> str:
    return f": {printable(check.detail)}" if check.detail else ""
