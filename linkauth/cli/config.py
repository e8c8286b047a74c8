"""`linkauth config show INI` prints every setting that is in effect, and where it comes from."""

from __future__ import annotations

import json
import os
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkauth.cli.findings import Finding, as_rows, failed, from_settings_error, line, summary
from linkauth.cli.printing import printable

if TYPE_CHECKING:
    from linkauth.config.effective import EffectiveSetting


@click.group()
def config() -> None:
    """Show every setting that is in effect, and where it comes from."""


@config.command("show")
@click.argument("ini", metavar="INI")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with the settings, for scripts.")
def show_command(ini: str, as_json: bool) -> None:
    """Print every setting, grouped as in production.ini, with its value and where it comes from.

    The origin is the file and line (with the section, if it is not [app:main]), and the environment variable or file
    that the value names; the preset of a plugin or the platform of a client; or the default. Secrets are never shown:
    they are "set" or "not set". Wrong settings are reported as by `linkauth doctor`. Then the exit code is 1.
    """
    settings, found = effective(ini)
    if as_json:
        document = {"settings": [_as_json(each) for each in settings], "findings": as_rows(found)}
        click.echo(json.dumps(document, indent=2))
    else:
        for group, members in groupby(settings, key=lambda each: each.group):
            click.echo(f"# {group}")
            for each in members:
                click.echo(_line(each))
            click.echo()
        for finding in found:
            click.echo(line(finding))
        if found:
            click.echo(summary(found))
    sys.exit(1 if found else 0)


def effective(ini: str) -> tuple[list[EffectiveSetting], list[Finding]]:
    """Returns the settings of an ini file, and failed findings for those that are wrong."""
    from linkauth.cli.doctor import start_error_findings
    from linkauth.cli.start_checks import server_findings
    from linkauth.config.effective import Effective, server_settings
    from linkauth.config.includes import origins
    from linkauth.config.loader import StartError, app_settings, loader
    from linkauth.config.plugins import read_settings
    from linkauth.config.reader import Filled, SettingsError
    from linkauth.hashing import worker_processes
    from linkauth.redaction import redact
    from linkauth.web.serving import SERVER_SECTION, uses_waitress
    from linkauth.web.waitress_server import DEFAULT_SETTINGS

    try:
        ini_loader = loader(ini)
        values = app_settings(ini, ini_loader)
    except StartError as error:
        return [], list(start_error_findings(ini, error))
    filled: list[Filled] = []
    settings: list[EffectiveSetting] = []
    found: list[Finding] = []
    try:
        read = read_settings(values, filled)
        settings += Effective(read, filled, values, origins(Path(ini))).all()
    except SettingsError as error:
        found += from_settings_error(error)
    keys = dict(ini_loader.get_settings(SERVER_SECTION))
    defaults = DEFAULT_SETTINGS if uses_waitress(keys) else {}
    settings += server_settings(keys, defaults, origins(Path(ini), SERVER_SECTION), os.environ.get("LINKAUTH_WORKERS"))
    try:
        worker_processes()
    except ValueError as error:
        found.append(failed("environment.workers", "LINKAUTH_WORKERS", f"(environment) {redact(error)}"))
    found += [each for each in server_findings(ini, ini_loader) if each.id == "server.settings"]
    return settings, found


def _line(setting: EffectiveSetting) -> str:
    if setting.value is None:
        text = f"{setting.key}: {setting.detail}"
    else:
        text = f"{setting.key} = {setting.value}" if setting.value else f"{setting.key}: not set"
    return f"{printable(text)}  ({printable(setting.origin)})"


def _as_json(setting: EffectiveSetting) -> dict[str, Any]:
    place = setting.place
    return {
        "group": setting.group,
        "key": setting.key,
        "value": setting.value,
        "secret": setting.detail or None,
        "source": setting.source,
        "file": str(place.file) if place else None,
        "line": place.line if place else None,
        "section": place.section if place else None,
        "reference": setting.reference or None,
        "preset": setting.preset or None,
    }
