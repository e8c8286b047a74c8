"""Secrets of odd characters in every setting that may hold one, and what commands say with them."""

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
from linkauth.config.settings import Settings, SimulatorSettings, ThrottleSettings
from linkauth.services import services_of
from linkauth.web.serving import load
from linkauth_http.settings import HTTPSettings
from linkauth_ldap.settings import LDAPSettings
from linkauth_sql.settings import SQLSettings
from tests.conftest import ROOT
from tests.servers.development_server import free_port

CHARACTERS = "@/:#?%'\"\\ "
CLASSES = {
    "": Settings,
    "simulator.": SimulatorSettings,
    "throttle.": ThrottleSettings,
    "client.alexa.": ClientSettings,
    "backend.staff.": SQLSettings,
    "backend.legacy.": HTTPSettings,
    "backend.corp.": LDAPSettings,
}
COMMANDS = (
    *(("doctor",), ("explain", "{ini}", "ada"), ("backends", "list"), ("backends", "compare"), ("db", "upgrade")),
    *(("keys", "list"), ("keys", "rotate"), ("links",), ("simulate", "alexa", "{ini}", "--url", "http://127.0.0.1:1")),
)


def secret_settings() -> set[str]:
    """The keys, without `linkauth.`, of every setting that may hold a secret: those that their dataclass does not
    show, and those that are URLs that programs use."""
    found = set()
    for prefix, cls in CLASSES.items():
        for each in fields(cls):
            if not each.repr or each.name in ("url", "uris", "prefetch_url", "check_url"):
                found.add(prefix + each.name)
    return found


def password(number: int, characters: str = CHARACTERS) -> str:
    """A secret with each of the characters between parts that are in no other text."""
    parts = [f"k{number}n{at}rienv" for at in range(len(characters) + 1)]
    return "".join(part + character for part, character in zip(parts, characters + "-", strict=True))[:-1]


def pieces(secret: str) -> set[str]:
    """The parts of a planted secret."""
    return set(re.findall(r"k\d+n\d+rienv", secret))


def leaked(output: str, *secrets: str) -> set[str]:
    """Which parts of the secrets are in an output, encoded or not."""
    return {piece for secret in secrets for piece in pieces(secret) if piece in output.lower()}


def ini_with(folder: Path, settings: Mapping[str, str | None]) -> Path:
    """testing.ini with a login API and a directory besides, of which nothing answers, and with `settings`."""
    closed = free_port()
    given: dict[str, str | None] = {
        "backends": "staff legacy corp",
        "database": f"sqlite:///{folder}/linkauth.sqlite",
        "backend.staff.url": f"sqlite:///{folder}/people.sqlite",
        "backend.legacy.use": "http",
        "backend.legacy.url": f"https://127.0.0.1:{closed}/login",
        "backend.legacy.body": "json",
        "backend.legacy.body_template": '{"login": {username}, "word": {password}}',
        "backend.legacy.success": "/ok = true",
        "backend.legacy.subject": "/id",
        "backend.corp.use": "ldap",
        "backend.corp.uris": f"ldap://127.0.0.1:{closed}",
        "backend.corp.allow_cleartext": "true",
        "backend.corp.bind_dn": "cn=reader,dc=example,dc=com",
        "backend.corp.bind_password": "unplanted",
        "backend.corp.user_base": "dc=example,dc=com",
        **settings,
    }
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
    kept = [line for line in text.splitlines() if line.partition(" = ")[0].removeprefix("linkauth.") not in given]
    # a % in an ini file is written twice
    lines = [f"linkauth.{key} = {value.replace('%', '%%')}" for key, value in given.items() if value is not None]
    path = folder / "planted.ini"
    path.write_text("\n".join([*kept, *lines, ""]), "utf-8")
    return path


@contextmanager
def plain_log() -> Iterator[io.StringIO]:
    """Everything that any logger says, by a handler and a formatter that know nothing of secrets."""
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


def said(ini: Path, *commands: tuple[str, ...]) -> str:
    """What a start and the commands (by default all) say with an ini file, and all that is logged meanwhile."""
    with plain_log() as log:
        return "\n".join([started(ini), reported(ini, *(commands or COMMANDS)), log.getvalue()])


def reported(ini: Path, *commands: tuple[str, ...]) -> str:
    """What the commands say with an ini file, and all that is logged meanwhile."""
    outputs = []
    with plain_log() as log:
        for command in commands:
            arguments = [part.replace("{ini}", str(ini)) for part in command]
            result = CliRunner().invoke(main, arguments if "{ini}" in command else [*arguments, str(ini)])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            outputs.append(result.output)
        return "\n".join([*outputs, log.getvalue()])


def started(ini: Path) -> str:
    """Why the application does not start; else what it answers to a sign-in, whose page is the same for everybody."""
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
