"""`linkauth doctor INI`: is every backend well, and can the keys in the database be used?"""

from __future__ import annotations

import math
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import click

from linkauth.backends import Check, UnknownUser, WrongPassword
from linkauth.cli.opening import backends_of
from linkauth.cli.printing import printable
from linkauth.cli.stored import stored
from linkauth.config.settings import Settings
from linkauth.hashing import worker_processes
from linkauth.login.dispatch import NamedBackend
from linkauth.login.health import checks
from linkauth.login.new_passwords import LeakedPasswords
from linkauth.redaction import redact

SHOWS_SECONDS = 0.002
"""Differences below are lost among those of a network."""
MARKS = {"ok": "green", "warning": "yellow", "FAILED": "red"}


@click.command()
@click.argument("ini", metavar="INI")
def doctor(ini: str) -> None:
    """Check every backend, the throttle, and linkauth's database.

    Compares the throttle with the lockout of each backend. Set LINKAUTH_WORKERS to the value that the server has,
    because each worker process counts wrong passwords by itself. A check of a shadow that fails is only a warning.
    With several backends, each is asked twice to authenticate a random name, to measure how long a refusal takes.
    The exit code is 1 if a check failed.
    """
    try:
        worker_processes()
    except ValueError as error:
        raise click.ClickException(f"LINKAUTH_WORKERS: (environment) {redact(error)}") from None
    found: list[Check] = []
    with backends_of(ini) as (settings, backends):
        for named in backends:
            lines = checks(named.backend, settings.throttle)
            if named.shadow:
                lines = [line if line.ok else replace(line, ok=True, warning=True) for line in lines]
            for line in lines:
                click.echo(f"{_mark(line)}  {named.label}: {printable(line.name)}" + _detail(line))
            found += lines
        if (order := _order(backends)) is not None:
            click.echo(f"{_mark(order)}  backends: {order.name}" + _detail(order))
        # nothing is said of a database that is well
        for line in (*stored(settings), *_leaked(settings)):
            click.echo(f"{_mark(line)}  {printable(line.name)}" + _detail(line))
            found.append(line)
    failed = sum(not line.ok for line in found)
    warnings = sum(line.ok and line.warning for line in found)
    counts = [f"{failed} failed"] * bool(failed) + [f"{warnings} to be mended"] * bool(warnings)
    click.echo(", ".join(counts) or "all well")
    sys.exit(1 if failed else 0)


def _leaked(settings: Settings) -> list[Check]:
    """Can the file of leaked passwords be used, if there is one?"""
    if not settings.breached_passwords:
        return []
    try:
        LeakedPasswords(settings.breached_passwords)
    except ValueError as error:
        return [Check("linkauth.breached_passwords", False, redact(error))]
    return [Check("linkauth.breached_passwords", True, "sorted SHA-1 hashes")]


def _order(backends: Sequence[NamedBackend]) -> Check | None:
    """How much longer a refusal takes the more backends are asked; None where that does not show or cannot be told."""
    deciding = [named for named in backends if not named.shadow]
    if len(deciding) < 2 or all(named.accepts for named in deciding):
        return None
    times = [min(_seconds(named), _seconds(named)) for named in deciding]
    later = sum(times[1:])
    if math.isinf(sum(times)) or later < SHOWS_SECONDS:
        return None
    first, every = f"{times[0] * 1_000:.0f} ms", f"{sum(times) * 1_000:.0f} ms"
    said = f"a wrong password takes {first} for a name that {deciding[0].name} knows, {every} for one that none knows: "
    return Check("order", True, said + "where that must not show, give every name one owner by accepts")


def _seconds(named: NamedBackend) -> float:
    """How long the backend takes for an unknown name; infinite if it does not say that it is one."""
    name, password = (secrets.token_urlsafe(12) for _ in range(2))
    started = time.perf_counter()
    try:
        named.backend.authenticate(name, password)
    except (UnknownUser, WrongPassword):
        return time.perf_counter() - started
    except Exception:
        # its checks have said what is wrong
        return math.inf
    return math.inf


def _mark(check: Check) -> str:
    word = ("warning" if check.warning else "ok") if check.ok else "FAILED"
    return click.style(word.ljust(7), fg=MARKS[word])


def _detail(check: Check) -> str:
    return f": {printable(check.detail)}" if check.detail else ""
