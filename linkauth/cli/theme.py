"""`linkauth theme ...`: making a theme, looking at it, and what is wrong with it."""

from __future__ import annotations

import errno
import signal
import sys
from pathlib import Path
from types import FrameType

import click
from waitress.server import create_server

from linkauth.cli.opening import settings_of
from linkauth.theming import gallery
from linkauth.theming.live import Live


@click.group()
def theme() -> None:
    """Make a theme, look at it, find what is wrong with it."""


@theme.command("preview")
@click.argument("ini", metavar="INI")
@click.option("--port", type=click.IntRange(0, 65_535), default=6544, show_default=True, help="0 takes a free one.")
@click.option("--export", type=click.Path(path_type=Path), metavar="DIR", help="Write the gallery there, as files.")
def preview_command(ini: str, port: int, export: Path | None) -> None:
    """Show every page of the themes of INI in every state, language, width and colour scheme.

    Serves a gallery on this machine alone. It shows changes of templates, style sheets, catalogs and the ini at once;
    no backend and no database is asked, and no form does anything.
    """
    live = Live(Path(ini), lambda: settings_of(ini))
    now = live.now()
    if not now.drafts:
        raise click.ClickException(now.problem)
    if export:
        try:
            count = gallery.export(now, export)
        except OSError as error:
            raise click.ClickException(f"{export}: {error.strerror}") from None
        click.echo(f"{count} pages; open {export / 'index.html'}")
        return
    try:
        server = create_server(gallery.Gallery(live), host="127.0.0.1", port=port, threads=4, ident="")
    except OSError as error:
        problem = "is taken; say another --port" if error.errno == errno.EADDRINUSE else error.strerror
        raise click.ClickException(f"port {port} {problem}") from None
    signal.signal(signal.SIGTERM, _stop)
    click.echo(f"http://127.0.0.1:{server.effective_port}/ shows {', '.join(now.drafts)}; end it with Ctrl+C")
    server.run()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
