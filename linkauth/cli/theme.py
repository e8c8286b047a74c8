"""`linkauth theme` creates a new theme, shows a preview of its pages, and checks it."""

from __future__ import annotations

import errno
import json
import signal
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from linkauth.cli.printing import printable
from linkauth.cli.resources import load_settings
from linkauth.cli.scaffold import name_placeholders, validate_name, write_distribution
from linkauth.redaction import reason, redact

if TYPE_CHECKING:
    from linkauth.theming.check import Report


_EXAMPLE_PARAMETERS = {
    "username_hint": "The number on your badge.",
    "username_example": "a.smith",
    "recovery_url": "https://password.example.com/",
    "sign_up_url": "https://www.example.com/join",
    "support_url": "https://www.example.com/help",
    "support_text": "Service desk: 030 1234-0, 8 am to 6 pm",
    "privacy_url": "https://www.example.com/privacy",
    "terms_url": "https://www.example.com/terms",
}
"""Parameters that most operators set. The preview.ini of a new theme sets them too, so that the author sees them."""


@click.group()
def theme() -> None:
    """Start a new theme, preview it, and check it."""


@theme.command("new")
@click.argument("name", metavar="NAME", callback=validate_name)
@click.option(
    "--parent", default="default", show_default=True, help="The installed theme that the new theme is based on."
)
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="The folder to write to. Default: the current folder.",
)
def new_command(name: str, parent: str, into: Path) -> None:
    """Write the distribution linkauth-theme-NAME: a working theme and its tests.

    As examples, the theme overrides a style, a block and a text, and adds a parameter.
    """
    from jinja2 import TemplateNotFound
    from pyramid.exceptions import ConfigurationError

    from linkauth.config.plugins import installed, load
    from linkauth.themes.templates import TemplateLoader
    from linkauth.theming.development import roots
    from linkauth.theming.po import compile_catalog

    if name in installed("themes"):
        raise click.ClickException(f"a theme named {name} is already installed")
    try:
        module = load("themes", parent)
        chain = TemplateLoader(roots(parent))
        for required in ("base.jinja2", "static/page.css.jinja2"):
            chain.find(required)
    except (LookupError, ConfigurationError) as error:
        raise click.UsageError(f"--parent: {redact(error.args[0])}") from None
    except TemplateNotFound as error:
        raise click.UsageError(f"--parent: {redact(error.message)}") from None
    placeholders = {**name_placeholders(name), "parent": parent, "parent_package": module.__name__}
    placeholders["parent_distribution"] = distribution_name(parent)
    placeholders["examples"] = _example_settings(name, getattr(module, "Parameters", None))
    placeholders["base"] = "(parent.Parameters)" if hasattr(module, "Parameters") else ""
    folder = write_distribution("theme", into / f"linkauth-theme-{name}", placeholders)
    for catalog in folder.rglob("*.po"):
        compile_catalog(catalog)
    click.echo(f"created {folder}; its README.md describes the files. Next steps:")
    click.echo(f"  pip install --editable '{folder}[test]'")
    click.echo(f"  linkauth theme preview {folder / 'preview.ini'}")


def _example_settings(name: str, parameters: type | None) -> str:
    """Returns lines of an ini file that set those of _EXAMPLE_PARAMETERS that the class `parameters` has."""
    parameter_names = getattr(parameters, "__dataclass_fields__", {})
    return "\n".join(
        f"linkauth.theme.{name}.{key} = {text}" for key, text in _EXAMPLE_PARAMETERS.items() if key in parameter_names
    )


def distribution_name(theme_name: str) -> str:
    """Returns the name of the distribution that contains an installed theme."""
    (entry,) = entry_points(group="linkauth.themes", name=theme_name)
    return entry.dist.name if entry.dist else f"linkauth-theme-{theme_name}"


@theme.command("preview")
@click.argument("ini", metavar="INI")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=6544,
    show_default=True,
    help="The port of the gallery; 0 selects a free port.",
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the gallery to this folder instead of serving it.",
)
def preview_command(ini: str, port: int, export: Path | None) -> None:
    """Show every page of the themes of INI in every state, language, width and colour scheme.

    Serves a gallery on this machine only. The gallery is updated when a template, style sheet, catalog or the ini is
    saved. It uses no backend and no database, and its forms do nothing.
    """
    from waitress.server import create_server

    from linkauth.theming import gallery
    from linkauth.theming.reloading import ThemeReloader

    reloader = ThemeReloader(Path(ini), lambda: load_settings(ini, for_themes=True))
    snapshot = reloader.snapshot()
    if not snapshot.themes:
        raise click.ClickException(snapshot.problem)
    if export:
        try:
            count = gallery.export(snapshot, export)
        except OSError as error:
            raise click.ClickException(f"{export}: {redact(error.strerror)}") from None
        click.echo(f"{count} pages; open {export / 'index.html'}")
        return
    try:
        server = create_server(gallery.Gallery(reloader), host="127.0.0.1", port=port, threads=4, ident="")
    except OSError as error:
        problem = "is in use; choose another --port" if error.errno == errno.EADDRINUSE else reason(error)
        raise click.ClickException(f"port {port} {problem}") from None
    signal.signal(signal.SIGTERM, _stop)
    click.echo(f"http://127.0.0.1:{server.effective_port}/ shows {', '.join(snapshot.themes)}; stop it with Ctrl+C")
    server.run()


@theme.command("check")
@click.argument("ini", metavar="INI")
@click.option("--format", "output_format", type=click.Choice(["lines", "json"]), default="lines", show_default=True)
@click.option("--browser/--no-browser", default=True, help="Check with axe in Chromium too, if both are installed.")
def check_command(ini: str, output_format: str, browser: bool) -> None:
    """Report what is wrong with the themes of INI. The exit code is 1 if a check failed; warnings do not count.

    Reports missing translations, low contrast, fields without labels, files that are loaded from another origin,
    inline scripts and styles, pop-ups, pages that are too large, blocks that the parent does not have, and templates
    that cannot be rendered. The contrast is checked without a browser. Where Chromium and the extra linkauth[axe] are
    installed, axe checks the pages too.
    """
    from pyramid.exceptions import ConfigurationError

    from linkauth.theming.development import open_development_theme
    from linkauth.theming.findings import Finding

    try:
        # needs the extra linkauth[theming], which servers do not install
        from linkauth.theming import axe
        from linkauth.theming.check import Report, check
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'linkauth[theming]'") from None
    settings = load_settings(ini, for_themes=True)
    reports = {}
    for name in settings.themes:
        try:
            opened = open_development_theme(settings, name)
            reports[name] = axe.add_findings(check(opened), opened) if browser else check(opened)
        except (LookupError, ConfigurationError) as error:
            reports[name] = Report([Finding(name, f"cannot be opened: {redact(error)}")])
    if output_format == "json":
        click.echo(json.dumps({name: asdict(report) for name, report in reports.items()}, indent=2))
    else:
        for name, report in reports.items():
            _print(name, report)
    sys.exit(1 if any(not finding.warning for report in reports.values() for finding in report.findings) else 0)


def _print(name: str, report: Report) -> None:
    for finding in report.findings:
        mark = click.style("warning", fg="yellow") if finding.warning else click.style("FAILED ", fg="red")
        click.echo(f"{mark}  {printable(finding.where)}: {printable(finding.what)}")
    if report.weight:
        weight = report.weight
        sizes = f"{weight.compressed:,} bytes compressed, {weight.raw:,} raw, in {weight.files} files"
        click.echo(f"{name}: the first view is {sizes}")
    click.echo(f"{name}: Amazon's Domain List: {' '.join(report.domains) or 'nothing to enter'}")
    for what in report.unchecked:
        click.echo(f"{name}: {printable(what)}")
    failed = sum(not finding.warning for finding in report.findings)
    warnings = len(report.findings) - failed
    counts = [f"{failed} failed"] * bool(failed) + [f"{warnings} warning(s)"] * bool(warnings)
    click.echo(f"{name}: " + (", ".join(counts) or "all checks passed"))


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
