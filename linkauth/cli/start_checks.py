"""The checks of `linkauth doctor` for what a start needs beside backends and database: URL, clients, themes, port."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from linkauth.cli.findings import Configuration, Finding, failed, from_settings_error, ok, warning
from linkauth.config.clients import LOOPBACK
from linkauth.config.loader import StartError
from linkauth.config.reader import SettingsError
from linkauth.config.settings import Settings
from linkauth.redaction import redact
from linkauth.services import require_mail
from linkauth.themes.opening import open_themes
from linkauth.web.listening import listening_problems, listening_state
from linkauth.web.serving import other_server, server_settings, uses_waitress

PUBLIC_URL = "linkauth.public_url"
SERVER = "[server:main]"


def public_url_checks(configuration: Configuration) -> Iterator[Finding]:
    """Checks that the platforms of voice assistants can reach `linkauth.public_url`, without asking the network."""
    url = urlsplit(configuration.settings.public_url)
    host, port = url.hostname or "", url.port
    if host in LOOPBACK:
        yield ok("public_url.loopback", PUBLIC_URL, "is for development: only this machine reaches it")
        return
    before = "Amazon calls linkauth only at"
    if port not in (None, 443):
        yield warning("public_url.port", PUBLIC_URL, f"has port {port}: {before} port 443, so leave the port out")
    if _is_address(host):
        problem = f"has an IP address: {before} a host name with a certificate of a public authority"
        yield warning("public_url.address", PUBLIC_URL, problem)
    elif "." not in host:
        problem = f"has the host {host} without a domain: {before} a name that every machine can resolve"
        yield warning("public_url.local_name", PUBLIC_URL, problem)
    elif port in (None, 443):
        yield ok("public_url", PUBLIC_URL, configuration.settings.public_url)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def client_checks(configuration: Configuration) -> Iterator[Finding]:
    """Lists the clients, whose settings are checked when they are read, and says if there is none to link."""
    settings = configuration.settings
    linkable = [name for name, client in settings.clients.items() if client.grants]
    if not linkable:
        yield warning("clients.none", "linkauth.clients", "names no client with grants, so nobody can link a skill")
    for name in linkable:
        client = settings.clients[name]
        uris, scopes = len(client.all_redirect_uris), " ".join(client.scopes) or "none"
        detail = f"{' '.join(client.grants)}, {uris} redirect URL(s), scopes: {scopes}"
        yield ok("clients", f"linkauth.client.{name}", detail)


def theme_checks(configuration: Configuration) -> Iterator[Finding]:
    """Opens the themes, which compiles all templates and renders each page once."""
    from pyramid.exceptions import ConfigurationError

    try:
        themes = open_themes(configuration.settings)
    except (ConfigurationError, LookupError) as error:
        key, separator, problem = redact(error.args[0] if error.args else error).partition(": ")
        yield failed("themes", *((key, problem) if separator else ("linkauth.theme", key)))
    else:
        for name, theme in themes.items():
            yield ok("themes", f"theme {name}", f"languages: {' '.join(theme.languages)}")
    try:
        require_mail(configuration.settings, configuration.backends)
    except SettingsError as error:
        yield from from_settings_error(error, "mail.missing")


def simulator_checks(configuration: Configuration) -> Iterator[Finding]:
    """Checks the client of the simulator, if there is one."""
    settings: Settings = configuration.settings
    if not settings.simulator.client:
        return
    from linkauth.simulator.views import Simulator

    try:
        Simulator(settings)
    except SettingsError as error:
        yield from from_settings_error(error, "simulator.client")
    else:
        yield ok("simulator.client", "linkauth.simulator.client", f"the simulator is at {settings.public_url}/")


def server_checks(configuration: Configuration) -> Iterator[Finding]:
    """Checks the settings of [server:main], and whether the server can listen on its addresses."""
    return server_findings(configuration.ini, configuration.loader)


def server_findings(ini: str, loader: Any) -> Iterator[Finding]:
    """Yields the findings of [server:main], which needs no other section."""
    try:
        settings = server_settings(ini, loader)
        if not uses_waitress(settings):
            other_server(ini, loader)
            yield ok("server.other", SERVER, f"{settings['use']}: only its start checks its settings")
            return
    except StartError as error:
        for problem in str(error).splitlines():
            key, _, detail = problem.removeprefix(f"{ini}: ").removeprefix(f"{SERVER} ").partition(": ")
            subject, detail = (SERVER, f"{key}: {detail}") if " " in key else (f"{SERVER} {key}", detail)
            yield failed("server.settings", subject, detail)
        return
    del settings["use"]
    problems = list(listening_problems(settings, may_run=True))
    for problem in problems:
        yield failed("server.address", SERVER, problem)
    if not problems:
        yield ok("server.address", SERVER, listening_state(settings))
