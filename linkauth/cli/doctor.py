"""`linkauth doctor INI` checks everything that a server needs, and reports all problems at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from linkauth.cli.findings import (
    Configuration,
    Finding,
    as_json,
    failed,
    from_settings_error,
    line,
    skipped,
    summary,
)

if TYPE_CHECKING:
    from linkauth.cli.outward.checks import Options
    from linkauth.config.loader import StartError
    from linkauth.login.dispatch import NamedBackend
    from linkauth.login.providers import NamedProvider

Checks = Callable[[Configuration], Iterable[Finding]]


def _host_and_port(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, int] | None:
    """Parses the value of --connect. An IPv6 address is in brackets. Raises click.BadParameter."""
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    valid_port = port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536
    if not colon or not bare or not valid_port or (bare == host and ":" in host) or "/" in host:
        raise click.BadParameter(f"must be HOST:PORT or [IPv6 address]:PORT, such as 10.0.0.5:443: {text}")
    return bare, int(port)


@click.command()
@click.argument("ini", metavar="INI")
@click.option("--offline", is_flag=True, help="Leave out the checks of public_url from outside.")
@click.option(
    "--connect",
    metavar="HOST:PORT",
    callback=_host_and_port,
    help="Connect to this address instead of the one that public_url resolves to, for example to a proxy inside.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 300),
    default=15,
    show_default=True,
    metavar="SECONDS",
    help="The time limit for all checks from outside together.",
)
@click.option("--json", "as_document", is_flag=True, help="Print the findings as a JSON document.")
def doctor(ini: str, offline: bool, connect: tuple[str, int] | None, timeout: float, as_document: bool) -> None:
    """Check settings, backends, sign-in providers, throttle, database and mails, and public_url from outside.

    Also checks the rest of what a start needs: signing keys, clients, themes and the port. Prints what to register at
    each sign-in provider. Compares the throttle with the lockout of each backend. Set LINKAUTH_WORKERS to the value
    that the server uses, because each worker process counts wrong passwords separately. A failed check of a shadow
    backend is only a warning. If there are several backends, the command sends two sign-ins with a random name to each
    of them, to measure how long a refusal takes.

    The checks from outside send requests to public_url as phones and Amazon do, without secrets: the name, the
    certificate, the TLS versions, the proxy, a long state, and the time of /token. They need a running server. Run them
    outside your network too.

    The exit code is 0 if no check failed (there may be warnings), 1 if one failed, and 2 for a wrong command line.
    """
    from linkauth.cli.outward.checks import Options

    if offline and connect:
        raise click.UsageError("--connect cannot be used with --offline")
    found: list[Finding] = []
    for finding in findings(ini, None if offline else Options(connect, timeout)):
        if not as_document:
            click.echo(line(finding))
        found.append(finding)
    click.echo(as_json(found) if as_document else summary(found))
    sys.exit(1 if any(finding.severity == "failed" for finding in found) else 0)


def all_checks() -> tuple[Checks, ...]:
    """Returns the functions that check a configuration, in the order of their output.

    Each of them yields its findings and raises nothing. To add checks, add a function here.
    """
    from linkauth.cli.backend_checks import backend_checks, order_checks
    from linkauth.cli.database_checks import database_checks
    from linkauth.cli.linking_checks import linking_checks
    from linkauth.cli.mail_checks import mail_checks
    from linkauth.cli.password_checks import breached_passwords_checks
    from linkauth.cli.second_factor_checks import second_factor_checks
    from linkauth.cli.sign_in_checks import sign_in_checks
    from linkauth.cli.start_checks import (
        client_checks,
        public_url_checks,
        server_checks,
        simulator_checks,
        theme_checks,
    )

    return (
        *(
            backend_checks,
            order_checks,
            sign_in_checks,
            database_checks,
            mail_checks,
            breached_passwords_checks,
            second_factor_checks,
        ),
        *(public_url_checks, client_checks, theme_checks, simulator_checks, server_checks),
        linking_checks,
    )


def findings(ini: str, outward: Options | None) -> Iterator[Finding]:
    """Yields all findings for an ini file. If settings are wrong, only these and the server section are checked.

    `outward` are the options of the checks from outside, or None to leave them out.
    """
    from linkauth.cli.outward.checks import outward_checks
    from linkauth.cli.start_checks import server_findings
    from linkauth.cli.terminal_log import diverted, terminal_handler
    from linkauth.config.loader import StartError, app_settings, loader
    from linkauth.config.plugins import read_settings
    from linkauth.config.reader import SettingsError
    from linkauth.hashing import worker_processes
    from linkauth.login.dispatch import close_backend
    from linkauth.login.log_identities import show_identities
    from linkauth.login.opening import open_backends, open_providers
    from linkauth.login.providers import close_provider
    from linkauth.redaction import redact

    try:
        worker_processes()
    except ValueError as error:
        yield failed("environment.workers", "LINKAUTH_WORKERS", f"(environment) {redact(error)}")
        return
    try:
        ini_loader = loader(ini)
        values = app_settings(ini, ini_loader)
    except StartError as error:
        yield from start_error_findings(ini, error)
        return
    try:
        settings = read_settings(values)
    except SettingsError as error:
        yield from from_settings_error(error)
        yield from server_findings(ini, ini_loader)
        return
    with ExitStack() as stack:
        # the findings name people in full, so nothing goes to the configured log
        show_identities(settings, "full")
        stack.enter_context(diverted(terminal_handler()))
        backends: tuple[NamedBackend, ...] = ()
        try:
            backends = open_backends(settings)
        except SettingsError as error:
            yield from from_settings_error(error)
        for backend in backends:
            stack.callback(close_backend, backend)
        providers: tuple[NamedProvider, ...] = ()
        try:
            # without backends, which are at fault, no match can be judged
            providers = open_providers(settings, backends)
        except SettingsError as error:
            yield from from_settings_error(error)
        for provider in providers:
            stack.callback(close_provider, provider)
        configuration = Configuration(ini, ini_loader, settings, backends, providers)
        for check in all_checks():
            yield from check(configuration)
    if outward is None:
        yield skipped("public.url", settings.public_url, "not checked from outside (--offline)")
    else:
        yield from outward_checks(settings, outward)


def start_error_findings(ini: str, error: StartError) -> Iterator[Finding]:
    """Yields a failed finding for each line of the error. Another ini file that is at fault is named in the line."""
    for problem in str(error).splitlines():
        yield failed("ini.invalid", ini, problem.removeprefix(f"{ini}: "))
