"""`linkauth serve INI`: the server that the ini's [server:main] section names."""

from __future__ import annotations

import errno
import signal
import sys
from types import FrameType

import click

from linkauth.config.loader import StartError
from linkauth.redaction import reason
from linkauth.web.serving import load, server


@click.command()
@click.argument("ini", metavar="INI")
def serve(ini: str) -> None:
    """Start the server with the ini file INI."""
    try:
        loaded = load(ini)
        where, run = server(ini, loaded.loader)
    except StartError as error:
        raise click.ClickException(f"linkauth cannot start.\n{error}") from None
    click.echo(f"linkauth serves {loaded.services.settings.public_url}/ on {where}", err=True)
    signal.signal(signal.SIGTERM, _stop)
    try:
        run(loaded.app)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = "is taken by another program; stop that one, or change the port in [server:main]"
        elif error.errno == errno.EACCES:
            problem = "needs the right to use it; take a port above 1023 behind a proxy"
        else:
            problem = f"cannot be used: {reason(error)}"
        raise click.ClickException(f"linkauth cannot start: {where} {problem}") from None
    except (TypeError, ValueError) as error:
        # the message may hold the value; the names of the keys are enough to find it
        keys = ", ".join(sorted(loaded.loader.get_settings("server:main")))
        problem = f"has a key that is unknown or of the wrong type ({type(error).__name__}) among: {keys}"
        raise click.ClickException(f"{ini}: [server:main] {problem}") from None
    finally:
        loaded.services.close()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # waitress finishes what it is answering
    sys.exit(0)
