"""Loads the application and the server that an ini file configures."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from linkauth.config.loader import StartError, app_settings, ini_errors, loader
from linkauth.redaction import reason, redact
from linkauth.web.listening import (
    addresses_problem,
    bind_problem,
    listening_problems,
    number_problem,
    proxy_key_problems,
    setting_problems,
)
from linkauth.web.waitress_server import DEFAULT_SETTINGS, listen

if TYPE_CHECKING:
    from linkauth.services import Services

SERVER_SECTION = "server:main"
_WAITRESS = ("egg:waitress#main", "egg:waitress")


@dataclass(frozen=True)
class LoadedApplication:
    """The application of an ini file, and the loader of the file for its other sections."""

    app: Any
    loader: Any

    @property
    def services(self) -> Services:
        from linkauth.services import services_of

        return services_of(self.app.registry)


@dataclass(frozen=True)
class Server:
    """A server: its addresses as text, the function that serves requests, and the one that closes the sockets.

    Servers other than waitress do not listen before `run`.
    """

    addresses: str
    run: Callable[[], None]
    close: Callable[[], None] = lambda: None
    listens: bool = False


def load(ini: str) -> LoadedApplication:
    """Load the application of an ini file. Raises StartError."""
    # the objects created at the start are permanent, so the garbage collector need not traverse them
    gc.disable()
    try:
        return _load(ini)
    finally:
        gc.freeze()
        gc.enable()


def _load(ini: str) -> LoadedApplication:
    # imported here, while the garbage collector is disabled: it would double the time of these imports
    from pyramid.exceptions import ConfigurationError

    from linkauth.config.settings import SettingsError

    ini_loader = loader(ini)
    app_settings(ini, ini_loader)
    # servers that import linkauth.wsgi or linkauth.asgi need no section
    if "server:main" in ini_loader.get_sections():
        server_settings(ini, ini_loader)
    try:
        return LoadedApplication(ini_loader.get_wsgi_app("main"), ini_loader)
    except (SettingsError, ConfigurationError) as error:
        # redact: the message may come from a theme or a library
        raise StartError(f"{ini}:\n{redact(error)}") from error
    except (LookupError, ImportError) as error:
        # raised by PasteDeploy if an application or filter is not installed
        raise StartError(f"{ini}: [app:main] cannot be used: {type(error).__name__}: {reason(error)}") from error


def server(ini: str, loaded: LoadedApplication) -> Server:
    """Return the server of [server:main]. waitress listens when this returns. Raises StartError."""
    settings = server_settings(ini, loaded.loader)
    if settings.pop("use", None) not in _WAITRESS:
        serve = other_server(ini, loaded.loader)
        addresses = settings.get("listen") or f"{settings.get('host', '127.0.0.1')}:{settings.get('port', '')}"
        return Server(addresses, partial(serve, loaded.app))
    try:
        if problems := list(listening_problems(settings)):
            raise StartError("\n".join(f"{ini}: [server:main] {problem}" for problem in problems))
        addresses, run, close = listen(loaded.app, settings, loaded.services)
    except OSError as error:
        # another program took the port in between
        raise StartError(f"{ini}: [server:main] {bind_problem('its address', error)}") from error
    return Server(addresses, run, close, listens=True)


def server_settings(ini: str, ini_loader: Any) -> dict[str, str]:
    """Return the settings of [server:main]. Raises StartError if a key or value is wrong.

    Values of servers other than waitress are not checked.
    """
    if "server:main" not in ini_loader.get_sections():
        raise StartError(f"{ini}: [server:main] is missing: copy this section from production.ini")
    with ini_errors(ini, "server:main"):
        settings = dict(ini_loader.get_settings("server:main"))
    keys = {key: value for key, value in settings.items() if key != "use" and not key.startswith("linkauth.")}
    if settings.get("use") in _WAITRESS:
        problems = [f"{key}: {problem}" for key, problem in setting_problems(keys)]
        if not problems and (problem := addresses_problem(keys)):
            problems = [problem]
    else:
        problems = [f"{key}: {problem}" for key, problem in proxy_key_problems(keys)]
    if problems:
        raise StartError("\n".join(f"{ini}: [server:main] {problem}" for problem in problems))
    return {"use": settings.get("use", ""), **keys}


def other_server(ini: str, ini_loader: Any) -> Callable[[Any], None]:
    """Return the function that serves an application with a server other than waitress. Raises StartError."""
    with ini_errors(ini, "server:main"):
        serve: Callable[[Any], None] = ini_loader.get_wsgi_server("main")
    return serve


def uses_waitress(settings: Mapping[str, str]) -> bool:
    """Report whether [server:main] with these settings starts waitress."""
    return settings.get("use") in _WAITRESS


def from_environment() -> LoadedApplication:
    """Load the application of the ini file in the environment variable LINKAUTH_INI. Raises StartError."""
    return load(os.environ.get("LINKAUTH_INI", "production.ini"))


def threads(loaded: LoadedApplication) -> int:
    """Return the number of threads from [server:main]. Raises StartError."""
    value = loaded.loader.get_settings("server:main").get("threads", DEFAULT_SETTINGS["threads"])
    if problem := number_problem(value, 1, 1_000):
        raise StartError(f"[server:main] threads: {problem}")
    return int(value)
