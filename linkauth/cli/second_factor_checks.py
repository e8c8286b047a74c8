"""The checks of `linkauth doctor` for second factors: the secrets that encrypt them, codes by mail, and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Engine, text

from linkauth.backends import PasswordRecovery
from linkauth.cli.findings import Configuration, Finding, failed, ok, warning
from linkauth.config.second_factor import SecondFactorSettings
from linkauth.config.settings import Settings
from linkauth.login import powers
from linkauth.storage import SecondFactorAdmin
from linkauth.storage.engine import Reader

FACTORS = "second factors"
CLOCK_SECONDS = 30
"""Codes of a clock that differs by more are refused."""


def second_factor_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields settings without an effect. People whose password is recovered by mail get no codes by mail."""
    settings = configuration.settings
    if not _clients(settings):
        if settings.second_factor != SecondFactorSettings():
            problem = "has no effect: no client has second_factor = optional or required"
            yield warning("second_factor.unused", "linkauth.second_factor", problem)
        return
    if not settings.second_factor.mail_codes:
        return
    names = [each.name for each in configuration.backends if powers.offers(each, PasswordRecovery)]
    asked = [name for name in names if settings.second_factor.applies_to(name)]
    if asked:
        problem = (
            f"has no effect for people of {', '.join(asked)}: their passwords are recovered by mail, so access to "
            "their mails would be enough for both steps"
        )
        yield warning("second_factor.mail_codes", "linkauth.second_factor.mail_codes", problem)


def stored_factor_checks(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """Yields what was found of the stored second factors. Raises SQLAlchemyError."""
    admin = SecondFactorAdmin(engine, settings.secret, settings.previous_secrets)
    if unreadable := admin.unreadable():
        problem = (
            f"linkauth.secret cannot decrypt {unreadable} of them, so these people cannot sign in. Add the former "
            "secret to linkauth.previous_secrets; if it is lost, run for each person: linkauth second-factor reset "
            "<ini file> <name>"
        )
        yield failed("second_factor.unreadable", FACTORS, problem)
    if unsealed := admin.unsealed():
        problem = (
            f"{unsealed} of them are not encrypted with every secret in the ini file yet. Start a server, or run: "
            "linkauth keys reseal <ini file>"
        )
        yield warning("second_factor.unsealed", FACTORS, problem)
    if foreign := admin.foreign():
        problem = (
            f"{foreign} of them are also encrypted with a secret that is not in the ini file. When no server uses that "
            "secret any more, run: linkauth keys reseal <ini file>"
        )
        yield warning("second_factor.former_secret", FACTORS, problem)
    if not (clients := _clients(settings)):
        return
    yield ok(
        "second_factor.people", FACTORS, f"{sum(admin.counts().values())} people; asked for by {', '.join(clients)}"
    )
    yield from _clock(engine)


def _clients(settings: Settings) -> list[str]:
    return [name for name, client in settings.clients.items() if client.second_factor != "off"]


def _clock(engine: Engine) -> Iterator[Finding]:
    """Compares the clock with that of a database server, the only other one that is known to this machine."""
    if engine.dialect.name != "postgresql":
        return
    with Reader(engine).connect() as connection:
        seconds = float(connection.execute(text("SELECT EXTRACT(EPOCH FROM clock_timestamp())")).scalar_one())
    difference = abs(seconds - time.time())
    if difference > CLOCK_SECONDS:
        problem = (
            f"differs by {difference:.0f} s from the clock of the database server. Codes of authenticator apps are "
            "refused if the clock is wrong: synchronize the clocks (NTP)"
        )
        yield warning("second_factor.clock", "clock", problem)
