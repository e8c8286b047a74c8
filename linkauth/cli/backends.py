"""`linkauth backends`: which ones there are, and what comparing shadows with the others has shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from linkauth.cli.opening import backends_of, opened
from linkauth.cli.printing import formatted, readable, show
from linkauth.config.settings import Settings
from linkauth.login.comparison import AGREE, UNAVAILABLE
from linkauth.storage import Comparisons

LISTED = ("name", "use", "accepts", "offers", "shadow")
COMPARED = ("shadow", "backend", "verdict", "outcome", "people", "same_subject", "asked", "unavailable")
PEOPLE = ("shadow", "backend", "subject", "username", "outcome", "same_subject", "compared_at", "asked")
NEVER_SEEN = ("shadow", "backend", "subject", "username")

OTHER_SUBJECT = "agree, but with another subject"


@click.group()
def backends() -> None:
    """List the credential backends, and compare shadow backends with the others."""


@backends.command("list")
@click.argument("ini", metavar="INI")
@formatted
def list_command(ini: str, form: str) -> None:
    """List the backends in the order in which they are asked.

    Shows the plugin of each backend, the names that it may own, what it offers, and whether it is a shadow.
    """
    with backends_of(ini) as (settings, named):
        rows = [
            {
                "name": each.name,
                "use": entry.use,
                "accepts": " ".join(each.accepts) or "*",
                "offers": " ".join(sorted(power.__name__ for power in each.backend.offers)),
                "shadow": each.shadow,
            }
            for each, entry in zip(named, settings.backends, strict=True)
        ]
        show(rows, form, LISTED)


@backends.command("compare")
@click.argument("ini", metavar="INI")
@click.option(
    "--list",
    "people",
    is_flag=True,
    help="List people for whom a shadow differs, or whose sub would change.",
)
@click.option("--never-seen", is_flag=True, help="List the people who have a link and were never compared.")
@formatted
def compare_command(ini: str, people: bool, never_seen: bool, form: str) -> None:
    """Count, for each shadow, the people for whom it gives the same answer as the other backends. Times are UTC.

    A shadow is asked only about sign-ins that another backend accepted. A person keeps the `sub` of existing links,
    <backend>:<subject>, if the shadow gives the same subject and later replaces the old backend under its name.
    """
    if people and never_seen:
        raise click.UsageError("--list and --never-seen are two lists: say one")
    with opened(ini) as (settings, engine):
        comparisons = Comparisons(engine)
        shadows = _shadows(settings)
        if people:
            found = (_with_words(row) for name in shadows for row in comparisons.disagreeing(name))
            show(map(readable, found), form, PEOPLE)
        elif never_seen:
            show(
                ({"shadow": name, **row} for name in shadows for row in comparisons.never_seen(name)), form, NEVER_SEEN
            )
        else:
            rows = [row for name in shadows for row in _summary(comparisons, name)]
            show(rows, form, COMPARED)
            if form == "table":
                _advise(rows)


@backends.command("forget")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def forget_command(ini: str, name: str, yes: bool) -> None:
    """Delete the comparisons of the shadow NAME.

    Use it after the settings of the shadow have changed, or when it is no longer a shadow.
    """
    with opened(ini) as (settings, engine):
        comparisons = Comparisons(engine)
        if name not in (each.name for each in settings.backends if each.shadow) and not comparisons.summary(name):
            raise click.ClickException(f"nothing was ever compared with {name}")
        if not yes:
            click.confirm(f"Delete what was compared with {name}?", abort=True)
        count = comparisons.forget(name)
    click.echo(f"{count} comparison(s) deleted")


def _shadows(settings: Settings) -> list[str]:
    found = [backend.name for backend in settings.backends if backend.shadow]
    if not found:
        raise click.ClickException("no backend of the ini has shadow = true")
    return found


def _with_words(row: dict[str, Any]) -> dict[str, Any]:
    """A person of the list; whom the shadow lets in is there for one reason."""
    return {**row, "outcome": OTHER_SUBJECT} if row["outcome"] == AGREE else row


def _summary(comparisons: Comparisons, shadow: str) -> Iterator[dict[str, Any]]:
    for row in comparisons.summary(shadow):
        verdict = row["outcome"] if row["outcome"] in (AGREE, UNAVAILABLE) else "disagree"
        yield {"shadow": shadow, "verdict": verdict, **row}
    for backend, people in sorted(comparisons.count_never_seen(shadow).items()):
        counts = {"people": people, "same_subject": 0, "asked": 0, "unavailable": 0}
        yield {"shadow": shadow, "backend": backend, "verdict": "never_seen", "outcome": "", **counts}


def _advise(rows: list[dict[str, Any]]) -> None:
    """For each pair how many people keep their `sub`."""
    for shadow, backend in dict.fromkeys((row["shadow"], row["backend"]) for row in rows):
        mine = [row for row in rows if (row["shadow"], row["backend"]) == (shadow, backend)]
        same, people = (sum(row[key] for row in mine) for key in ("same_subject", "people"))
        kept = f"{same} of {people} people keep their sub for sure"
        click.echo(f"{shadow} in the place and under the name of {backend}: {kept}")
