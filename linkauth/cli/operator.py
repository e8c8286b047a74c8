"""Who changes something with a command: the option --as, and the records of what was changed.

Every command that changes something, or shows what is stored about a person, has the option and calls `record`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from linkauth.logs import Field, event

Command = TypeVar("Command", bound=Callable[..., Any])
NAME_LIMIT = 64
"""Maximum length of the name of an operator."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operator:
    """`name` is that of --as, by default the one of `account`: the account on this machine, before sudo."""

    name: str
    account: str


def operator_option(command: Command) -> Command:
    """Adds the option --as to a command, which gets an Operator as its argument `operator`."""
    option = click.option(
        "--as",
        "operator",
        metavar="NAME",
        callback=_operator,
        help="Your name, for the record of what was changed. Default: your account on this machine.",
    )
    return option(command)


def record(operator: Operator, act: str, **fields: Field) -> None:
    """Records what a command has changed. `act` is such as "links_ended"; the name of the event is `admin.<act>`.

    `fields` say what was changed. A name of a person must have passed `linkauth.identities.shown_name`.
    """
    event(log, logging.WARNING, f"admin.{act}", operator=operator.name, account=operator.account, **fields)


def _operator(_context: click.Context, _option: click.Parameter, name: str | None) -> Operator:
    account = system_account()
    if name is None:
        return Operator(account, account)
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise click.BadParameter(f"must be 1 to {NAME_LIMIT} printable characters")
    return Operator(name, account)


def system_account() -> str:
    """Returns the name of the operator's account on this machine, before sudo; its number if it has no name."""
    user = os.getuid()
    # only root can set it for itself, and root can do everything
    if user == 0 and (name := os.environ.get("SUDO_USER", "")):
        return name[:NAME_LIMIT]
    from pwd import getpwuid

    try:
        # not getpass.getuser, which believes the environment variable LOGNAME
        return getpwuid(user).pw_name
    except KeyError:
        # as in a container
        return str(user)
