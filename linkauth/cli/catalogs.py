"""`linkauth catalogs` extracts the translatable texts of themes and updates their gettext catalogs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import click

from linkauth.cli.printing import printable


@click.command()
@click.argument("themes", metavar="THEME...", nargs=-1)
@click.option("--simulator", is_flag=True, help="Also update those of the Alexa simulator, in the sources of linkauth.")
@click.option("--add", metavar="LANGUAGE", help="Also create the catalog of this language, such as sv or pt-PT.")
def catalogs(themes: tuple[str, ...], simulator: bool, add: str | None) -> None:
    """Extract the texts of each installed THEME, and update and compile its catalogs."""
    from pyramid.exceptions import ConfigurationError

    from linkauth.config.reader import LANGUAGE
    from linkauth.redaction import redact
    from linkauth.theming.catalogs import Updated, update, update_packages

    if not themes and not simulator:
        raise click.UsageError("name a theme, or use --simulator")
    if add and not LANGUAGE.fullmatch(add):
        raise click.ClickException("--add: the value is not a language tag such as sv or pt-PT")
    updates: list[tuple[str, Callable[[], Iterator[Updated]]]] = [(name, partial(update, name, add)) for name in themes]
    if simulator:
        from linkauth.simulator.pages import FOLDER

        updates.append(("simulator", partial(update_packages, [FOLDER], add)))
    for name, run in updates:
        try:
            for catalog in run():
                status = f"{catalog.untranslated} texts are not translated" if catalog.untranslated else "complete"
                click.echo(f"{name} {catalog.language}: {status}")
                for message in catalog.obsolete:
                    click.echo(f"{name} {catalog.language}: {printable(message)}")
        except LookupError as error:
            raise click.ClickException(f"{name}: {redact(error.args[0])}") from None
        except ConfigurationError as error:
            raise click.ClickException(redact(error)) from None
