"""`linkauth serve INI` runs the server that the section [server:main] of the ini file configures."""

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
        address, run = server(ini, loaded)
    except StartError as error:
        raise click.ClickException(f"linkauth cannot start.\n{error}") from None
    click.echo(f"linkauth serves {loaded.services.settings.public_url}/ on {address}", err=True)
    signal.signal(signal.SIGTERM, _stop)
    try:
        run()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = "is used by another program. Stop that program, or change the port in [server:main]"
        elif error.errno == errno.EACCES:
            problem = "is a privileged port. Use a port above 1023 behind a proxy"
        else:
            problem = f"cannot be used: {reason(error)}"
        raise click.ClickException(f"linkauth cannot start: {address} {problem}") from None
    except (TypeError, ValueError) as error:
        # the message of the exception may contain the value, so only the key names are shown
        keys = ", ".join(sorted(loaded.loader.get_settings("server:main")))
        problem = f"one of these keys is unknown or has a value of the wrong type ({type(error).__name__}): {keys}"
        raise click.ClickException(f"{ini}: [server:main]: {problem}") from None
    finally:
        loaded.services.close()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # waitress completes the requests that it is processing
    sys.exit(0)
