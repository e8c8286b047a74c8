"""`linkauth doctor INI`: is every backend well, and can the keys in the database be used?"""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from linkauth.backends import Check
from linkauth.checks import checks
from linkauth.cli.opening import backends_of
from linkauth.cli.printing import printable
from linkauth.cli.stored import stored
from linkauth.hashing import worker_processes
from linkauth.login.new_passwords import LeakedPasswords
from linkauth.redaction import redact
from linkauth.settings import Settings

MARKS = {"ok": "green", "warning": "yellow", "FAILED": "red"}


@click.command()
@click.argument("ini", metavar="INI")
def doctor(ini: str) -> None:
    """Every check of every backend, whether the throttle fits the store's lockout, and what is wrong with the database
    of links and tokens, if there is one yet; exit code 1 if any failed.

    Set LINKAUTH_WORKERS as the server has it, because each worker process counts wrong passwords by itself. A shadow
    decides nothing, so what fails there is only to be mended.
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
        return [Check("breached_passwords", False, redact(error))]
    return [Check("breached_passwords", True, "sorted SHA-1 hashes")]


def _mark(check: Check) -> str:
    word = ("warning" if check.warning else "ok") if check.ok else "FAILED"
    return click.style(word.ljust(7), fg=MARKS[word])


def _detail(check: Check) -> str:
    return f": {printable(check.detail)}" if check.detail else ""
