"""`linkauth try INI NAME` signs in once, and shows what each backend sees and what the person would see."""

from __future__ import annotations

import getpass
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    UnknownUser,
    WrongPassword,
    watched,
)
from linkauth.backends.names import trimmed_name
from linkauth.cli.explain import accepts_of, identity_lines
from linkauth.cli.printing import printable
from linkauth.cli.resources import load_backends
from linkauth.cli.terminal_log import diverted
from linkauth.login import password_policy
from linkauth.login.dispatch import ASKED, OUTCOME, USERNAME_LIMIT, NamedBackend, is_valid_text
from linkauth.login.password_policy import PASSWORD_LIMIT
from linkauth.login.sign_in import PasswordChangeNeeded, Person, SignIn
from linkauth.login.throttle import Throttle
from linkauth.redaction import MASK, redact, register_secret

if TYPE_CHECKING:
    from linkauth.cli.page_words import PageWords
    from linkauth.config.settings import Settings

Refusal = UnknownUser | WrongPassword | AccountRefused | BackendUnavailable
REFUSED, UNAVAILABLE, MISCONFIGURED = 1, 3, 4
"""The exit codes. 0: let in; 2: wrong usage, as in every command."""
OWN_WORDS = frozenset(
    {
        *("account", "accepted", "active", "another", "asked", "backend", "cannot", "column", "correct", "disabled"),
        *("entry", "expired", "found", "groups", "local", "locked", "login", "looked", "match", "matches", "missing"),
        *("name", "none", "outcome", "password", "query", "refused", "request", "response", "right", "rule", "server"),
        *("sign-in", "subject", "table", "there", "typed", "username", "users", "wrong"),
    }
)
"""Words of this output. A password that is one of them is not masked: the mask would show which word it is."""
SHORT = 4
"""A shorter password is masked only where it is in quotes: its letters are in most words."""
COUNTED = "linkauth has not counted this sign-in, and has made no link."
COUNTED_BY_STORE = "The user store may have counted it as a failed one."


@click.command("try")
@click.argument("ini", metavar="INI")
@click.argument("name", metavar="NAME")
@click.option("--password-variable", metavar="VARIABLE", help="Read the password from this environment variable.")
@click.option("--client", metavar="CLIENT", help="The client whose pages to show. By default it is the first one.")
@click.option("--language", default="en", show_default=True, help="The language of the pages.")
def try_sign_in(ini: str, name: str, password_variable: str | None, client: str | None, language: str) -> None:
    """Sign in once as NAME, and show what each backend sees and what the person would see.

    The sign-in takes the way of a real one. It makes no link, and linkauth does not count it; the user store may count
    it. The password is asked for, or read from a variable of the environment. It is never shown.

    \b
    Exit codes:
      0  the person would be let in
      1  the person would be refused
      2  wrong usage
      3  a backend is unavailable, so the person would be asked to try again later
      4  the configuration is wrong
    """
    try:
        with load_backends(ini) as (settings, backends):
            words = _page_words(settings, client, language)
            name = trimmed_name(name)
            if not is_valid_text(name, USERNAME_LIMIT):
                raise click.UsageError(f"NAME: must be 1 to {USERNAME_LIMIT} characters of text, as at a sign-in")
            password = _read_password(name, password_variable)
            code = _try(settings, backends, words, name, password)
    except click.UsageError:
        raise
    except click.ClickException as error:
        raise _ConfigurationFault(redact(error.message)) from None
    sys.exit(code)


class _ConfigurationFault(click.ClickException):
    exit_code = MISCONFIGURED


def _page_words(settings: Settings, client: str | None, language: str) -> PageWords:
    from pyramid.exceptions import ConfigurationError

    from linkauth.cli.page_words import PageWords

    if client is not None and client not in settings.clients:
        raise click.UsageError(f"--client: is none of linkauth.clients: {', '.join(settings.clients)}")
    with_pages = (each for each, found in settings.clients.items() if found.grants)
    try:
        return PageWords(settings, client or next(with_pages, next(iter(settings.clients))), language)
    except (ConfigurationError, LookupError) as error:
        raise click.ClickException(redact(error)) from None


def _read_password(name: str, variable: str | None) -> str:
    if variable is not None:
        password = os.environ.pop(variable, None)
        if password is None:
            raise click.UsageError(f"--password-variable: the environment has no variable {variable}")
    else:
        with warnings.catch_warnings():
            # without a terminal, getpass would read a line and show it
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                password = getpass.getpass(f"Password of {printable(name)}: ")
            except getpass.GetPassWarning:
                raise click.UsageError("there is no terminal to type the password: use --password-variable") from None
    if not is_valid_text(password, PASSWORD_LIMIT):
        raise click.UsageError(f"the password must be 1 to {PASSWORD_LIMIT} characters of text, as at a sign-in")
    return password


def _try(settings: Settings, backends: Sequence[NamedBackend], words: PageWords, name: str, password: str) -> int:
    """Prints what happens, and returns the exit code."""
    output = _Output(password)
    for named in backends:
        may = "may" if named.accepts_username(name) else "may not"
        asked = (
            "not asked, because a shadow decides nothing" if named.shadow else f"{may} own the name{accepts_of(named)}"
        )
        click.echo(f"{named.label}: {asked}")
    deciding = [named for named in backends if not named.shadow]
    # a throttle of its own, which ends with this process
    sign_in = SignIn(deciding, Throttle(settings.throttle), password_policy=password_policy.from_settings(settings))
    try:
        with diverted(_LogLines(output)), watched(output.report):
            person = sign_in(name, password, "")
    except (UnknownUser, WrongPassword, AccountRefused, BackendUnavailable) as error:
        code = _print_refusal(error, output, words, name)
    else:
        code = 0
        _print_success(person, output)
    click.echo(f"{COUNTED} {COUNTED_BY_STORE}" if code else COUNTED)
    return code


def _print_success(person: Person, output: _Output) -> None:
    click.echo(f"sign-in: {person.backend} would let the person in")
    for line in identity_lines(person.identity):
        output.write(f"  {line}")
    click.echo(f"  sub for clients: {output.masked(f'{person.backend}:{person.subject}')}")
    click.echo("the person would see: the app again, with the skill linked")


def _print_refusal(error: Refusal, output: _Output, words: PageWords, name: str) -> int:
    page, state, context = "login", "wrong_password", dict[str, Any](username=name)
    code, who = REFUSED, f"{output.backend} would refuse it"
    if isinstance(error, UnknownUser):
        who = "no backend knows the name, so it would be refused"
    if isinstance(error, PasswordChangeNeeded):
        page, state = "password", error.reason
        who = f"{output.backend} would let the person in after a change of the password"
    elif isinstance(error, AccountRefused):
        state, context["change_url"] = error.shown, error.change_url
    elif isinstance(error, BackendUnavailable):
        state, context["retry_after"] = "unavailable", error.retry_after
        code = MISCONFIGURED if isinstance(error, BackendMisconfigured) else UNAVAILABLE
        kind = "is misconfigured" if code == MISCONFIGURED else "is unavailable"
        who = f"{output.backend} {kind}, so the sign-in would end with “try again later”"
    click.echo(f"sign-in: {who}")
    click.echo(f"reason: {output.masked(output.outcome)}")
    click.echo(f"the person would see: {output.masked(words.of(page, state, context)) or state}")
    return code


class _Output:
    """Prints what is seen, without the password. `backend` and `outcome` are the last ones that were reported."""

    def __init__(self, password: str) -> None:
        self._password = "" if password.casefold() in OWN_WORDS else password
        if self._password:
            # also masks its encoded forms, in logs and in tracebacks
            register_secret(password)
        self._printed: set[str] = set()
        self.backend = ""
        self.outcome = "no backend accepts the name"

    def report(self, what: str, seen: str) -> None:
        if what == ASKED:
            self.backend = seen
            self._printed.clear()
            click.echo(f"asked {seen}")
            return
        if what == OUTCOME:
            self.outcome = seen
        line = f"  {what}: {seen}"
        # for example the server of each operation
        if line not in self._printed or what == OUTCOME:
            self._printed.add(line)
            self.write(line)

    def write(self, text: str) -> None:
        click.echo(self.masked(text))

    def masked(self, text: str) -> str:
        found = redact(text)
        return printable(found.replace(self._password, MASK) if len(self._password) >= SHORT else found)


class _LogLines(logging.Handler):
    """Prints log messages. What the sign-in itself logs is left out, because it is reported too."""

    def __init__(self, output: _Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "linkauth_event") and record.name.startswith("linkauth.login"):
            return
        for line in record.getMessage().splitlines():
            self._output.write(f"  log: {record.levelname.lower()}: {line}")
