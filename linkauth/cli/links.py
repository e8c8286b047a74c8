"""`linkauth links` lists the links between people and skills, and ends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkauth.cli.groups import DefaultGroup
from linkauth.cli.printing import format_option, print_rows, with_iso_times
from linkauth.cli.resources import open_database

if TYPE_CHECKING:
    from linkauth.config.settings import Settings
    from linkauth.storage import LinkAdmin, LinkFilter

Command = TypeVar("Command", bound=Callable[..., Any])
DAY = 86_400
REASON_LIMIT = 255
TABLE_COLUMNS = (
    *("id", "backend", "subject", "username", "client_id", "grant"),
    *("created_at", "last_used_at", "ended_at", "end_reason"),
)


def filter_options(command: Command) -> Command:
    """Adds the options that select links to a command."""
    for option in (
        click.option(
            "--unused-for",
            type=click.IntRange(1, 36_500),
            metavar="DAYS",
            help="Links that were not used for this many days.",
        ),
        click.option(
            "--older-than",
            type=click.IntRange(1, 36_500),
            metavar="DAYS",
            help="Links that were made more than this many days ago.",
        ),
        click.option("--skill", metavar="NAME", help="Links of this client."),
        click.option("--person", metavar="NAME", help="Links of this user name, or of <backend>:<subject>."),
    ):
        command = option(command)
    return command


def link_filter(
    settings: Settings,
    link_admin: LinkAdmin,
    person: str | None,
    skill: str | None,
    older_than: int | None,
    unused_for: int | None,
    active_only: bool = True,
) -> LinkFilter:
    """Returns the filter for these options. `skill` is the name of a client in the ini file, or a client_id.

    Raises click.UsageError if neither the ini file nor a link has that client.
    """
    from linkauth.storage import LinkFilter

    now = int(time.time())
    client_ids = {name: client.client_id or name for name, client in settings.clients.items()}
    client_id = client_ids.get(skill, skill) if skill is not None else None
    # a client that was removed from the ini file may still have links
    is_known = client_id is None or client_id in client_ids.values()
    if not is_known and link_admin.count(LinkFilter(client_id=client_id, active_only=False)) == 0:
        raise click.UsageError(f"--skill: no client and no link has that name; clients: {', '.join(client_ids)}")
    return LinkFilter(
        person=person,
        client_id=client_id,
        created_before=now - older_than * DAY if older_than else None,
        unused_since=now - unused_for * DAY if unused_for else None,
        active_only=active_only,
    )


@click.group(cls=DefaultGroup)
def links() -> None:
    """List the links of people and skills, and end them.

    `linkauth links INI` is the same as `linkauth links list INI`.
    """


def _reason(_context: click.Context, _option: click.Parameter, reason: str) -> str:
    if not reason.strip() or len(reason) > REASON_LIMIT:
        raise click.BadParameter(f"must be 1 to {REASON_LIMIT} characters")
    return reason.strip()


@links.command("list")
@click.argument("ini", metavar="INI")
@filter_options
@click.option("--ended", is_flag=True, help="Also list links that have ended.")
@click.option("--pending", is_flag=True, help="Also list links whose code was never exchanged for a token.")
@format_option
def list_command(
    ini: str,
    person: str | None,
    skill: str | None,
    older_than: int | None,
    unused_for: int | None,
    ended: bool,
    pending: bool,
    output_format: str,
) -> None:
    """List links, oldest first. Times are UTC.

    A person who has signed in has no link before the platform exchanges the code for a token.
    """
    from linkauth.storage import COLUMNS, LinkAdmin

    with open_database(ini) as (settings, engine):
        link_admin = LinkAdmin(engine)
        selection = link_filter(settings, link_admin, person, skill, older_than, unused_for, active_only=not ended)
        rows = link_admin.links(replace(selection, with_token_only=not pending))
        print_rows(map(with_iso_times, rows), output_format, COLUMNS, TABLE_COLUMNS)


@links.command("end")
@click.argument("ini", metavar="INI")
@filter_options
@click.option("--all", "end_all", is_flag=True, help="Every link that has not ended.")
@click.option(
    "--reason", required=True, callback=_reason, metavar="TEXT", help="The reason, which is stored with the links."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def end_command(
    ini: str,
    person: str | None,
    skill: str | None,
    older_than: int | None,
    unused_for: int | None,
    end_all: bool,
    reason: str,
    yes: bool,
) -> None:
    """End links. Their tokens become invalid, and the people must link again."""
    if end_all == any(selection is not None for selection in (person, skill, older_than, unused_for)):
        raise click.UsageError(
            "select links with --person, --skill, --older-than or --unused-for, or end every link with --all"
        )
    from linkauth.storage import LinkAdmin

    with open_database(ini) as (settings, engine):
        link_admin = LinkAdmin(engine)
        selection = link_filter(settings, link_admin, person, skill, older_than, unused_for)
        count = link_admin.count(selection)
        if count and not yes:
            click.confirm(f"End {count} link(s)?", abort=True)
        ended = link_admin.end(selection, reason, int(time.time())) if count else 0
    click.echo(f"{ended} link(s) ended")
