"""`linkauth theme ...`: making a theme, looking at it, and what is wrong with it."""

from __future__ import annotations

import errno
import json
import signal
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from jinja2 import TemplateNotFound
from pyramid.exceptions import ConfigurationError
from waitress.server import create_server

from linkauth.cli.opening import settings_of
from linkauth.cli.printing import printable
from linkauth.cli.scaffold import new_name, spellings, write
from linkauth.config.plugins import installed, load
from linkauth.redaction import reason, redact
from linkauth.themes.templates import Chain
from linkauth.themes.theme import packages_of
from linkauth.theming import gallery
from linkauth.theming.drafts import open_draft
from linkauth.theming.findings import Finding
from linkauth.theming.live import Live
from linkauth.theming.po import compile_catalog

if TYPE_CHECKING:
    from linkauth.theming.check import Report


_EXAMPLES = {
    "username_hint": "The number on your badge.",
    "username_example": "a.smith",
    "recovery_url": "https://password.example.com/",
    "sign_up_url": "https://www.example.com/join",
    "support_url": "https://www.example.com/help",
    "support_text": "Service desk: 030 1234-0, 8 am to 6 pm",
    "privacy_url": "https://www.example.com/privacy",
    "terms_url": "https://www.example.com/terms",
}
"""What an operator may set and most do, so that an author sees it."""


@click.group()
def theme() -> None:
    """Start a new theme, preview it, and check it."""


@theme.command("new")
@click.argument("name", metavar="NAME", callback=new_name)
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
    """Write the distribution linkauth-theme-NAME: a theme that works, and its tests.

    As an example it overrides a colour, a block and a text, and has a parameter of its own.
    """
    if name in installed("themes"):
        raise click.ClickException(f"a theme called {name} is installed already")
    try:
        module = load("themes", parent)
        chain = Chain([Path(str(files(package))) for package in packages_of(parent, module)])
        for needed in ("base.jinja2", "static/page.css.jinja2"):
            chain.find(needed)
    except (LookupError, ConfigurationError) as error:
        raise click.UsageError(f"--parent: {redact(error.args[0])}") from None
    except TemplateNotFound as error:
        raise click.UsageError(f"--parent: {redact(error.message)}") from None
    words = {**spellings(name), "parent": parent, "parent_package": module.__name__}
    words["parent_distribution"] = distribution_of(parent)
    words["examples"] = _examples(name, getattr(module, "Parameters", None))
    words["base"] = "(parent.Parameters)" if hasattr(module, "Parameters") else ""
    folder = write("theme", into / f"linkauth-theme-{name}", words)
    for catalog in folder.rglob("*.po"):
        compile_catalog(catalog)
    click.echo(f"{folder} is written; its README.md says what is where. Now:")
    click.echo(f"  pip install --editable '{folder}[test]'")
    click.echo(f"  linkauth theme preview {folder / 'preview.ini'}")


def _examples(name: str, parameters: type | None) -> str:
    """The lines of an ini file that set what the `parameters` of a parent have."""
    known = getattr(parameters, "__dataclass_fields__", {})
    return "\n".join(f"linkauth.theme.{name}.{key} = {text}" for key, text in _EXAMPLES.items() if key in known)


def distribution_of(theme_name: str) -> str:
    """The name of the distribution that an installed theme came with."""
    (entry,) = entry_points(group="linkauth.themes", name=theme_name)
    return entry.dist.name if entry.dist else f"linkauth-theme-{theme_name}"


@theme.command("preview")
@click.argument("ini", metavar="INI")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=6544,
    show_default=True,
    help="The port of the gallery; 0 takes a free port.",
)
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="DIR", help="Write the gallery to this folder, and end."
)
def preview_command(ini: str, port: int, export: Path | None) -> None:
    """Show every page of the themes of INI in every state, language, width and colour scheme.

    Serves a gallery on this machine only. The gallery is updated when a template, style sheet, catalog or the ini is
    saved. It uses no backend and no database, and its forms do nothing.
    """
    live = Live(Path(ini), lambda: settings_of(ini))
    now = live.now()
    if not now.drafts:
        raise click.ClickException(now.problem)
    if export:
        try:
            count = gallery.export(now, export)
        except OSError as error:
            raise click.ClickException(f"{export}: {redact(error.strerror)}") from None
        click.echo(f"{count} pages; open {export / 'index.html'}")
        return
    try:
        server = create_server(gallery.Gallery(live), host="127.0.0.1", port=port, threads=4, ident="")
    except OSError as error:
        problem = "is taken; say another --port" if error.errno == errno.EADDRINUSE else reason(error)
        raise click.ClickException(f"port {port} {problem}") from None
    signal.signal(signal.SIGTERM, _stop)
    click.echo(f"http://127.0.0.1:{server.effective_port}/ shows {', '.join(now.drafts)}; end it with Ctrl+C")
    server.run()


@theme.command("check")
@click.argument("ini", metavar="INI")
@click.option("--format", "form", type=click.Choice(["lines", "json"]), default="lines", show_default=True)
def check_command(ini: str, form: str) -> None:
    """Report what is wrong with the themes of INI. The exit code is 1 if a check failed; warnings do not count.

    Reports missing translations, low contrast, fields without labels, files that are loaded from another origin,
    inline scripts and styles, pop-ups, pages that are too large, blocks that the parent does not have, and templates
    that cannot be rendered.
    """
    try:
        # these distributions servers do without
        from linkauth.theming.check import Report, check
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'linkauth[theming]'") from None
    settings = settings_of(ini)
    reports = {}
    for name in settings.themes:
        try:
            reports[name] = check(open_draft(settings, name))
        except (LookupError, ConfigurationError) as error:
            reports[name] = Report([Finding(name, f"cannot be opened: {redact(error)}")], [], None)
    if form == "json":
        click.echo(json.dumps({name: asdict(report) for name, report in reports.items()}, indent=2))
    else:
        for name, report in reports.items():
            _print(name, report)
    sys.exit(1 if any(not each.warning for report in reports.values() for each in report.findings) else 0)


def _print(name: str, report: Report) -> None:
    for each in report.findings:
        mark = click.style("warning", fg="yellow") if each.warning else click.style("FAILED ", fg="red")
        click.echo(f"{mark}  {printable(each.where)}: {printable(each.what)}")
    if report.weight:
        weight = report.weight
        told = f"{weight.compressed:,} bytes compressed, {weight.raw:,} raw, in {weight.files} files"
        click.echo(f"{name}: the first view is {told}")
    click.echo(f"{name}: Amazon's Domain List: {' '.join(report.domains) or 'nothing to enter'}")
    failed = sum(not each.warning for each in report.findings)
    warnings = len(report.findings) - failed
    counts = [f"{failed} failed"] * bool(failed) + [f"{warnings} to look at"] * bool(warnings)
    click.echo(f"{name}: " + (", ".join(counts) or "all well"))


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
