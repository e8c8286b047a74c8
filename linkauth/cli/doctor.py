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

MARKS = {"ok": "green", "warning": "yellow", "FAILED": "red"}


@click.command()
@click.argument("ini", metavar="INI")
def doctor(ini: str) -> None:
    """Every check of every backend, whether the throttle fits the store's lockout, and what is wrong with the database
    of links and tokens, if there is one yet; exit code 1 if any failed.

    A shadow decides nothing, so what fails there is only to be mended.
    """
    found: list[Check] = []
    with backends_of(ini) as (settings, backends):
        for named in backends:
            lines = checks(named.backend, settings.throttle)
            if named.shadow:
                lines = [line if line.ok else replace(line, ok=True, warning=True) for line in lines]
            for line in lines or [Check("check", True, "it has no checks of its own")]:
                click.echo(f"{_mark(line)}  {named.label}: {printable(line.name)}" + _detail(line))
            found += lines
        # nothing is said of a database that is well
        for line in stored(settings):
            click.echo(f"{_mark(line)}  {printable(line.name)}" + _detail(line))
            found.append(line)
    failed = sum(not line.ok for line in found)
    warnings = sum(line.ok and line.warning for line in found)
    counts = [f"{failed} failed"] * bool(failed) + [f"{warnings} to be mended"] * bool(warnings)
    click.echo(", ".join(counts) or "all well")
    sys.exit(1 if failed else 0)


def _mark(check: Check) -> str:
    word = ("warning" if check.warning else "ok") if check.ok else "FAILED"
    return click.style(word.ljust(7), fg=MARKS[word])


def _detail(check: Check) -> str:
    return f": {printable(check.detail)}" if check.detail else ""
