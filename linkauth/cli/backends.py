"""`linkauth backends` lists the backends and prints the results of comparing shadow backends with the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from linkauth.cli.printing import format_option, print_rows, with_iso_times
from linkauth.cli.resources import load_backends, open_database
from linkauth.login.comparison import AGREE, UNAVAILABLE

if TYPE_CHECKING:
    from linkauth.config.settings import Settings
    from linkauth.storage import Comparisons

LIST_COLUMNS = ("name", "use", "accepts", "offers", "shadow")
COMPARE_COLUMNS = ("shadow", "backend", "verdict", "outcome", "people", "same_subject", "asked", "unavailable")
PEOPLE_COLUMNS = ("shadow", "backend", "subject", "username", "outcome", "same_subject", "compared_at", "asked")
NEVER_SEEN_COLUMNS = ("shadow", "backend", "subject", "username")

OTHER_SUBJECT = "agree, but with another subject"


@click.group()
def backends() -> None:
    """List the credential backends, and compare shadow backends with the others."""


@backends.command("list")
@click.argument("ini", metavar="INI")
@format_option
def list_command(ini: str, output_format: str) -> None:
    """List the backends in the order in which a sign-in tries them.

    Shows the plugin of each backend, the names that it accepts, the powers that it offers, and whether it is a shadow.
    """
    with load_backends(ini) as (settings, configured):
        rows = [
            {
                "name": named.name,
                "use": backend_settings.use,
                "accepts": " ".join(named.accepts) or "*",
                "offers": " ".join(sorted(power.__name__ for power in named.backend.offers)),
                "shadow": named.shadow,
            }
            for named, backend_settings in zip(configured, settings.backends, strict=True)
        ]
        print_rows(rows, output_format, LIST_COLUMNS)


@backends.command("compare")
@click.argument("ini", metavar="INI")
@click.option(
    "--list",
    "list_people",
    is_flag=True,
    help="List the people for whom a shadow has another outcome, or for whom it returns another subject.",
)
@click.option("--never-seen", is_flag=True, help="List the people who have a link but were never compared.")
@format_option
def compare_command(ini: str, list_people: bool, never_seen: bool, output_format: str) -> None:
    """Count, for each shadow, the people for whom it has the same outcome as the other backends. Times are UTC.

    A shadow is compared only for sign-ins that another backend accepted. The `sub` of a person is <backend>:<subject>.
    It stays the same if the shadow returns the same subject and later replaces the old backend under its name.
    """
    from linkauth.storage import Comparisons

    if list_people and never_seen:
        raise click.UsageError("--list and --never-seen cannot be combined")
    with open_database(ini) as (settings, engine):
        comparisons = Comparisons(engine)
        shadows = _shadows(settings)
        # people of a provider have no password, so that no shadow is ever compared with it
        providers = {each.name for each in settings.sign_ins}
        if list_people:
            differing = (_label_other_subject(row) for name in shadows for row in comparisons.disagreements(name))
            print_rows(map(with_iso_times, differing), output_format, PEOPLE_COLUMNS)
        elif never_seen:
            print_rows(
                (
                    {"shadow": name, **row}
                    for name in shadows
                    for row in comparisons.unseen(name)
                    if row["backend"] not in providers
                ),
                output_format,
                NEVER_SEEN_COLUMNS,
            )
        else:
            rows = [row for name in shadows for row in _summary(comparisons, name) if row["backend"] not in providers]
            print_rows(rows, output_format, COMPARE_COLUMNS)
            if output_format == "table":
                _print_subject_counts(rows)


@backends.command("forget")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def forget_command(ini: str, name: str, yes: bool) -> None:
    """Delete the comparisons of the shadow NAME.

    Use this command after the settings of the shadow have changed, or when NAME is no longer a shadow.
    """
    from linkauth.storage import Comparisons

    with open_database(ini) as (settings, engine):
        comparisons = Comparisons(engine)
        shadows = [backend.name for backend in settings.backends if backend.shadow]
        if name not in shadows and not comparisons.summary(name):
            raise click.ClickException(f"there are no comparisons with {name}")
        if not yes:
            click.confirm(f"Delete the comparisons with {name}?", abort=True)
        count = comparisons.delete(name)
    click.echo(f"{count} comparison(s) deleted")


def _shadows(settings: Settings) -> list[str]:
    names = [backend.name for backend in settings.backends if backend.shadow]
    if not names:
        raise click.ClickException("no backend in the ini has shadow = true")
    return names


def _label_other_subject(row: dict[str, Any]) -> dict[str, Any]:
    """Replaces the outcome `agree` in a row: a listed person whom the shadow accepts has another subject there."""
    return {**row, "outcome": OTHER_SUBJECT} if row["outcome"] == AGREE else row


def _summary(comparisons: Comparisons, shadow: str) -> Iterator[dict[str, Any]]:
    for row in comparisons.summary(shadow):
        verdict = row["outcome"] if row["outcome"] in (AGREE, UNAVAILABLE) else "disagree"
        yield {"shadow": shadow, "verdict": verdict, **row}
    for backend, people in sorted(comparisons.count_unseen(shadow).items()):
        counts = {"people": people, "same_subject": 0, "asked": 0, "unavailable": 0}
        yield {"shadow": shadow, "backend": backend, "verdict": "never_seen", "outcome": "", **counts}


def _print_subject_counts(rows: list[dict[str, Any]]) -> None:
    """Prints, for each pair of shadow and backend, how many people keep their `sub`."""
    for shadow, backend in dict.fromkeys((row["shadow"], row["backend"]) for row in rows):
        pair_rows = [row for row in rows if (row["shadow"], row["backend"]) == (shadow, backend)]
        same, people = (sum(row[key] for row in pair_rows) for key in ("same_subject", "people"))
        click.echo(f"if {shadow} replaces {backend} under its name, at least {same} of {people} people keep their sub")
