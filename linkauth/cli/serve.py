"""`linkauth serve INI` runs the server that the section [server:main] of the ini file configures."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from types import FrameType

import click

from linkauth.config.loader import StartError
from linkauth.config.settings import Settings
from linkauth.web.listening import bind_problem
from linkauth.web.serving import Server, load, server


@click.command()
@click.argument("ini", metavar="INI")
def serve(ini: str) -> None:
    """Start the server with the ini file INI."""
    try:
        loaded = load(ini)
    except StartError as error:
        raise _start_failure(str(error)) from None
    try:
        started = server(ini, loaded)
        for line in start_lines(started, loaded.services.settings):
            click.echo(line, err=True)
        signal.signal(signal.SIGTERM, _stop)
        started.run()
    except StartError as error:
        raise _start_failure(str(error)) from None
    except OSError as error:
        # a server other than waitress listens only when it runs
        raise _start_failure(f"{ini}: [server:main] {bind_problem('its address', error)}") from None
    except (TypeError, ValueError) as error:
        # the message of the exception may contain the value, so only the key names are shown
        keys = ", ".join(sorted(loaded.loader.get_settings("server:main")))
        problem = f"one of these keys is unknown or has a value of the wrong type ({type(error).__name__}): {keys}"
        raise _start_failure(f"{ini}: [server:main]: {problem}") from None
    finally:
        loaded.services.close()


def _start_failure(problem: str) -> click.ClickException:
    return click.ClickException(f"linkauth cannot start.\n{problem}")


def start_lines(started: Server, settings: Settings) -> Iterator[str]:
    """Yields the lines that say where the server listens and, in development, what to open."""
    verb = "serves" if started.listens else "starts to serve"
    yield f"linkauth {verb} {settings.public_url}/ on {started.addresses}"
    if settings.simulator.client:
        skill = settings.clients[settings.simulator.client].name[""]
        yield f"Open {settings.public_url}/ in a browser: it simulates the Alexa app and the skill {skill}"
        if settings.simulator.people:
            from linkauth.simulator.people import PEOPLE

            yield f"Sign in as {PEOPLE[0].login} with the password {PEOPLE[0].password}; the page lists more people"
        yield "To stop the server, press Ctrl+C"


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # waitress completes the requests that it is processing
    sys.exit(0)
