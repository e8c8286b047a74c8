"""`linkauth catalogs` extracts the translatable texts of themes and updates their gettext catalogs."""

from __future__ import annotations

import click

from linkauth.cli.printing import printable


@click.command()
@click.argument("themes", metavar="THEME...", nargs=-1, required=True)
@click.option("--add", metavar="LANGUAGE", help="Also create the catalog of this language, such as sv or pt-PT.")
def catalogs(themes: tuple[str, ...], add: str | None) -> None:
    """Extract the texts of each installed THEME, and update and compile its catalogs."""
    from pyramid.exceptions import ConfigurationError

    from linkauth.config.reader import LANGUAGE
    from linkauth.redaction import redact
    from linkauth.theming.catalogs import update

    if add and not LANGUAGE.fullmatch(add):
        raise click.ClickException("--add: the value is not a language tag such as sv or pt-PT")
    for theme in themes:
        try:
            for catalog in update(theme, add):
                status = f"{catalog.untranslated} texts are not translated" if catalog.untranslated else "complete"
                click.echo(f"{theme} {catalog.language}: {status}")
                for message in catalog.obsolete:
                    click.echo(f"{theme} {catalog.language}: {printable(message)}")
        except LookupError as error:
            raise click.ClickException(f"{theme}: {redact(error.args[0])}") from None
        except ConfigurationError as error:
            raise click.ClickException(redact(error)) from None
