"""`linkauth mail` shows the outbox, sends its mails, and sends a test mail."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from linkauth.cli.groups import DefaultGroup
from linkauth.cli.printing import format_option, print_rows, printable, with_iso_times
from linkauth.cli.resources import load_settings, open_database

if TYPE_CHECKING:
    from linkauth.config.mail import MailSettings
    from linkauth.config.settings import Settings
    from linkauth.mail.message import Mail
    from linkauth.mail.parts import Parts

COLUMNS = ("id", "created_at", "kind", "recipient", "state", "attempts", "due_at")


@click.group(cls=DefaultGroup)
def mail() -> None:
    """Show the mails that wait, send them, and send a test mail.

    `linkauth mail INI` is the same as `linkauth mail show INI`.
    """


@mail.command("show")
@click.argument("ini", metavar="INI")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The number of mails.")
@format_option
def show_command(ini: str, limit: int, output_format: str) -> None:
    """List the newest mails, and count the mails in each state. Times are UTC.

    The content of a mail is deleted when it is sent or given up; its row is deleted a day later. The exit code is 1 if
    linkauth.secret cannot decrypt a mail that waits.
    """
    from linkauth.config.reader import SettingsError
    from linkauth.mail.outbox import STATES
    from linkauth.storage import OutboxStore

    with open_database(ini) as (settings, engine):
        with closing(OutboxStore(engine, settings.secret, settings.previous_secrets)) as outbox:
            rows = [asdict(entry) for entry in outbox.latest(limit)]
            counts, unreadable = outbox.counts(), outbox.count_unreadable()
        for row in rows:
            is_readable = row.pop("is_readable")
            row["kind"] = row["kind"] or ("" if is_readable else "?")
        print_rows(map(with_iso_times, rows), output_format, COLUMNS)
        if output_format == "table":
            counted = ", ".join(f"{counts[state]} {state}" for state in STATES if counts.get(state))
            click.echo(f"{counted or 'no mails'}; {_destination(settings)}")
        if unreadable:
            raise SettingsError([("linkauth.secret", _unreadable_problem(unreadable))])


@mail.command("send")
@click.argument("ini", metavar="INI")
def send_command(ini: str) -> None:
    """Send the mails that are due now, once. A running server does this by itself.

    The exit code is 1 if the SMTP server cannot be used.
    """
    from linkauth.mail.opening import open_worker
    from linkauth.mail.transport import MailNotSent
    from linkauth.storage import OutboxStore

    with open_database(ini) as (settings, engine), _renderer(settings) as render:
        _require_mail(settings)
        with closing(OutboxStore(engine, settings.secret, settings.previous_secrets)) as outbox:
            worker = open_worker(settings, outbox, render)
            assert worker
            try:
                outcomes = worker.send_due()
            except MailNotSent as error:
                raise click.ClickException(str(error)) from None
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "no mail is due")


@mail.command("test")
@click.argument("ini", metavar="INI")
@click.option("--to", "address", required=True, metavar="ADDRESS", help="The email address that gets the mail.")
@click.option("--skill", metavar="NAME", help="Use the theme of this client. Default: the first client.")
@click.option("--language", metavar="TAG", help="The language of the mail. Default: linkauth.default_language.")
def test_command(ini: str, address: str, skill: str | None, language: str | None) -> None:
    """Send a test mail to ADDRESS at once, without the outbox.

    The exit code is 1 if the mail was not accepted; the message names the setting to change.
    """
    from linkauth.mail.addresses import InvalidAddress, parse_address
    from linkauth.mail.compose import compose
    from linkauth.mail.message import Mail
    from linkauth.mail.opening import open_transport
    from linkauth.mail.outbox import StoredMail
    from linkauth.mail.transport import MailNotSent

    try:
        recipient = parse_address(address)
    except InvalidAddress as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    settings = load_settings(ini)
    mail_settings = _require_mail(settings)
    client_ids = {name: client.client_id or name for name, client in settings.clients.items()}
    if skill is not None and skill not in client_ids:
        raise click.BadParameter(f"is not one of the clients: {', '.join(client_ids)}", param_hint="--skill")
    client_id = client_ids[skill or next(iter(client_ids))]
    message = Mail("test", str(recipient), client_id, language or settings.default_language)
    stored = StoredMail(0, message, int(time.time()), 1, secrets.token_urlsafe(18))
    with _renderer(settings) as render:
        outgoing = compose(stored, render(message), mail_settings.parsed_sender)
    try:
        open_transport(mail_settings, settings.public_url).send(outgoing)
    except MailNotSent as error:
        # the reply may contain the recipient, which the operator has just typed
        reply = f" ({printable(error.reply)})" if error.reply else ""
        raise click.ClickException(f"{error}{reply}") from None
    click.echo(f"sent to {recipient}: {_destination(settings)}")


@contextmanager
def _renderer(settings: Settings) -> Iterator[Callable[[Mail], Parts]]:
    """Context manager for the function that renders mails. Raises click.ClickException for a fault of a theme."""
    from pyramid.exceptions import ConfigurationError

    from linkauth.redaction import redact
    from linkauth.themes.opening import mail_renderer, open_themes

    try:
        yield mail_renderer(settings, open_themes(settings))
    except (LookupError, ConfigurationError) as error:
        raise click.ClickException(redact(error)) from None


def _require_mail(settings: Settings) -> MailSettings:
    if settings.mail is None:
        raise click.ClickException("linkauth.mail.host is missing: linkauth sends no mails")
    return settings.mail


def _destination(settings: Settings) -> str:
    """Says where mails go."""
    if settings.mail is None:
        return "linkauth.mail.host is missing, so linkauth sends no mails"
    if settings.mail.sink:
        return f"mails are written to {settings.mail.sink}"
    return f"mails go to {settings.mail.host} port {settings.mail.server_port}"


def _unreadable_problem(count: int) -> str:
    """Returns the problem of mails that no secret decrypts, as the predicate of a sentence about linkauth.secret."""
    return (
        f"cannot decrypt {count} mail(s) that wait, because they were stored with another secret: set "
        "linkauth.previous_secrets to the former one until they are sent"
    )
