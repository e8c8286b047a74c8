"""Functions that write ini files with unusual secrets, run commands with them, and search the output for secrets."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from click.testing import CliRunner

from linkauth.cli import main
from linkauth.config.clients import ClientSettings
from linkauth.config.loader import StartError
from linkauth.config.mail import MailSettings
from linkauth.config.settings import Settings, SimulatorSettings, ThrottleSettings
from linkauth.services import services_of
from linkauth.web.serving import load
from linkauth_http.settings import HTTPSettings
from linkauth_ldap.settings import LDAPSettings
from linkauth_oidc.settings import OIDCSettings
from linkauth_sql.settings import SQLSettings
from tests.conftest import ROOT
from tests.servers.development_server import free_port

CHARACTERS = "@/:#?%'\"\\ "
CLASSES = {
    "": Settings,
    "simulator.": SimulatorSettings,
    "throttle.": ThrottleSettings,
    "mail.": MailSettings,
    "client.alexa.": ClientSettings,
    "backend.staff.": SQLSettings,
    "backend.legacy.": HTTPSettings,
    "backend.corp.": LDAPSettings,
    "sign_in.login.": OIDCSettings,
}
COMMANDS = (
    *(
        ("doctor", "--offline"),
        ("explain", "{ini}", "ada"),
        ("config", "show"),
        ("config", "show", "--json"),
        ("backends", "list"),
        ("backends", "compare"),
        ("db", "upgrade"),
    ),
    *(
        ("keys", "list"),
        ("keys", "rotate"),
        ("links",),
        ("sweep",),
        ("simulate", "alexa", "{ini}", "--url", "http://127.0.0.1:1"),
    ),
)


def secret_settings() -> set[str]:
    """Returns the keys, without `linkauth.`, of every setting that may contain a secret.

    These are the fields that are hidden in the repr of their dataclass, and the URLs of servers.
    """
    keys = set()
    for prefix, settings_class in CLASSES.items():
        for setting in fields(settings_class):
            is_request = settings_class is HTTPSettings and setting.name.endswith("_url")
            # people see the page of this URL
            is_request = is_request and setting.name != "password_change_url"
            if not setting.repr or is_request or setting.name in ("url", "uris"):
                keys.add(prefix + setting.name)
    return keys


def password(number: int, characters: str = CHARACTERS) -> str:
    """Returns a secret in which each of the characters stands between two parts that occur in no other text."""
    parts = [f"k{number}n{index}rienv" for index in range(len(characters) + 1)]
    return "".join(part + character for part, character in zip(parts, characters + "-", strict=True))[:-1]


def secret_parts(secret: str) -> set[str]:
    """Returns the parts of a secret that was made by `password`."""
    return set(re.findall(r"k\d+n\d+rienv", secret))


def leaked_parts(output: str, *secrets: str) -> set[str]:
    """Returns the parts of the secrets that occur in an output. Percent-encoding does not change the parts."""
    return {piece for secret in secrets for piece in secret_parts(secret) if piece in output.lower()}


def ini_with(folder: Path, settings: Mapping[str, str | None]) -> Path:
    """Writes testing.ini with an additional login API and directory, which are unreachable, and with `settings`."""
    closed_port = free_port()
    settings_with_defaults: dict[str, str | None] = {
        "backends": "staff legacy corp",
        "database": f"sqlite:///{folder}/linkauth.sqlite",
        "backend.staff.url": f"sqlite:///{folder}/people.sqlite",
        "backend.legacy.use": "http",
        "backend.legacy.url": f"https://127.0.0.1:{closed_port}/login",
        "backend.legacy.body": "json",
        "backend.legacy.body_template": '{"login": {username}, "word": {password}}',
        "backend.legacy.success": "/ok = true",
        "backend.legacy.subject": "/id",
        "backend.corp.use": "ldap",
        "backend.corp.uris": f"ldap://127.0.0.1:{closed_port}",
        "backend.corp.allow_cleartext": "true",
        "backend.corp.bind_dn": "cn=reader,dc=example,dc=com",
        "backend.corp.bind_password": "unplanted",
        "backend.corp.user_base": "dc=example,dc=com",
        **settings,
    }
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
    unchanged = [
        line
        for line in text.splitlines()
        if line.partition(" = ")[0].removeprefix("linkauth.") not in settings_with_defaults
    ]
    # a percent sign is doubled in an ini file
    lines = [
        f"linkauth.{key} = {value.replace('%', '%%')}"
        for key, value in settings_with_defaults.items()
        if value is not None
    ]
    path = folder / "planted.ini"
    path.write_text("\n".join([*unchanged, *lines, ""]), "utf-8")
    return path


@contextmanager
def plain_log() -> Iterator[io.StringIO]:
    """Captures all log messages with a handler and a formatter that do not redact secrets."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    level = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        logging.root.removeHandler(handler)
        logging.root.setLevel(level)


def output_of_start_and_commands(ini: Path, *commands: tuple[str, ...]) -> str:
    """Starts the application and runs the commands (default: COMMANDS), and returns their output and the log."""
    with plain_log() as log:
        return "\n".join([start_output(ini), output_of_commands(ini, *(commands or COMMANDS)), log.getvalue()])


def output_of_commands(ini: Path, *commands: tuple[str, ...]) -> str:
    """Runs the commands and returns their output and the log."""
    command_outputs = []
    with plain_log() as log:
        for command in commands:
            arguments = [part.replace("{ini}", str(ini)) for part in command]
            result = CliRunner().invoke(main, arguments if "{ini}" in command else [*arguments, str(ini)])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            command_outputs.append(result.output)
        return "\n".join([*command_outputs, log.getvalue()])


def start_output(ini: Path) -> str:
    """Returns the error of the start, or the response of the application to a sign-in."""
    try:
        app: Any = load(str(ini)).app
    except StartError as error:
        return str(error)
    from tests.alexa import Alexa
    from tests.conftest import https

    try:
        page = Alexa(https(app)).submit("ada", "lovelace-1815", status="*")
        return f"{page.status} {page.headers} {page.text}"
    finally:
        services_of(app.registry).close()


def encoded(secret: str) -> str:
    return quote(secret, safe="")
