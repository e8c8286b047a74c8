"""Runs `linkauth client show` with an ini file that has a client of every platform."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from linkauth.cli import main

SECRET = "756a0a8d3d03bef518654585256e9de8"
URL = "https://link.example.com/corp"
SETTINGS = {
    "public_url": URL,
    "service_name": "Example Rides",
    "database": "sqlite:////nowhere/linkauth.sqlite",
    "secret": "c5558d969023ecac7d1b892d96c2e6d968478e9761136c7c",
    "backends": "staff",
    "backend.staff.use": "sql",
    "backend.staff.url": "sqlite:////nowhere/people.sqlite",
    "backend.staff.preset": "django",
    "backend.staff.password_change_url": "https://password.example.net/change",
    "theme.default.privacy_url": "https://www.example.com/privacy",
    "theme.default.privacy_url.de": "https://www.example.com/datenschutz",
    "theme.default.support_url": "mailto:help@example.com",
    "theme.default.terms_url": "https://link.example.com/terms",
}
CLIENTS = {
    "rides": {"grants": "authorization_code", "alexa_vendor_id": "M2ABCDEFGHIJKL", "scopes": "order_car profile"},
    "quiz": {"grants": "implicit", "alexa_vendor_id": "M2ABCDEFGHIJKL", "client_id": "quiz 1"},
    "home": {"platform": "google", "grants": "authorization_code", "google_project_id": "example-rides-1234"},
    "things": {"platform": "smartthings", "grants": "authorization_code", "scopes": "r:devices x:devices"},
    "alice": {"platform": "yandex", "grants": "authorization_code", "scopes": "view control"},
    "applets": {
        "platform": "ifttt",
        "grants": "authorization_code",
        "ifttt_service_id": "example_rides",
        "scopes": "ifttt",
    },
    "capsule": {
        "platform": "bixby",
        "grants": "authorization_code",
        "redirect_uris": "https://example-rides.oauth.aibixby.com/auth/external/cb",
        "scopes": "order_car",
    },
    "tool": {"platform": "none", "grants": "authorization_code", "redirect_uris": "https://tool.example.net/cb"},
    "backend": {"introspects": "rides quiz"},
}
Show = Callable[..., Result]
"""`show_client` with a folder."""


def show_client(folder: Path, *arguments: str, **changes: str | None) -> Result:
    """Runs the command with an ini file in `folder`. In changes, `__` stands for a dot, and None removes a key."""
    values = {**SETTINGS, "clients": " ".join(CLIENTS)}
    for name, client in CLIENTS.items():
        keys = {"name": f"The {name}", "secret": SECRET, **client}
        values |= {f"client.{name}.{key}": value for key, value in keys.items()}
    values |= {key.replace("__", "."): value for key, value in changes.items()}
    lines = [f"linkauth.{key} = {value}" for key, value in values.items() if value is not None]
    ini = folder / "linkauth.ini"
    ini.write_text("[app:main]\nuse = egg:linkauth\n" + "\n".join(lines), "utf-8")
    result = CliRunner().invoke(main, ["client", "show", str(ini), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def fields(output: str) -> dict[str, list[str]]:
    """Returns the values of each field, by its name."""
    found: dict[str, list[str]] = {}
    for block in output.split("\n\n")[1:]:
        name, *rest = block.strip("\n").split("\n")
        found[name] = [line.removeprefix("    ") for line in rest if line.startswith("    ")]
    return found


def notes(output: str) -> str:
    return re.sub(r"\n  # ", " ", output)
