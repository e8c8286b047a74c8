"""Loads the application and the server that an ini file configures."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from linkauth.config.loader import StartError, app_settings, ini_errors, loader
from linkauth.redaction import reason, redact
from linkauth.web.waitress_server import DEFAULT_SETTINGS, serve

if TYPE_CHECKING:
    from linkauth.services import Services

_WAITRESS = ("egg:waitress#main", "egg:waitress")
_PROXY_KEY_ADVICE = (
    "linkauth processes forwarded headers itself, under every server: delete this line, "
    "and set linkauth.trusted_proxies in [app:main] to the address of the proxy"
)


@dataclass(frozen=True)
class LoadedApplication:
    """The application of an ini file, and the loader of the file for its other sections."""

    app: Any
    loader: Any

    @property
    def services(self) -> Services:
        from linkauth.services import services_of

        return services_of(self.app.registry)


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
    _reject_proxy_keys(ini, ini_loader)
    try:
        return LoadedApplication(ini_loader.get_wsgi_app("main"), ini_loader)
    except (SettingsError, ConfigurationError) as error:
        # redact: the message may come from a theme or a library
        raise StartError(f"{ini}:\n{redact(error)}") from error
    except (LookupError, ImportError) as error:
        # raised by PasteDeploy if an application or filter is not installed
        raise StartError(f"{ini}: [app:main] cannot be used: {type(error).__name__}: {reason(error)}") from error


def server(ini: str, loaded: LoadedApplication) -> tuple[str, Callable[[], None]]:
    """Return the listen address of [server:main] as text, and a function that serves the application there.

    Raises StartError.
    """
    ini_loader = loaded.loader
    with ini_errors(ini, "server:main"):
        settings = dict(ini_loader.get_settings("server:main"))
        listen = settings.get("listen") or settings.get("unix_socket")
        address = listen or f"{settings.get('host', '127.0.0.1')}:{settings.get('port', '')}"
        if settings.get("use") not in _WAITRESS:
            return address, partial(ini_loader.get_wsgi_server("main"), loaded.app)
        del settings["use"]
        return address, partial(serve, loaded.app, settings, loaded.services)


def from_environment() -> LoadedApplication:
    """Load the application of the ini file in the environment variable LINKAUTH_INI. Raises StartError."""
    return load(os.environ.get("LINKAUTH_INI", "production.ini"))


def threads(loaded: LoadedApplication) -> int:
    """Return the number of threads from [server:main]. Raises StartError."""
    value = loaded.loader.get_settings("server:main").get("threads", DEFAULT_SETTINGS["threads"])
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:5]) <= 1000):
        raise StartError("[server:main] threads: must be a number from 1 to 1000")
    return int(value)


def _reject_proxy_keys(ini: str, ini_loader: Any) -> None:
    """Raise StartError if [server:main] has a key that makes waitress use or remove forwarded headers."""
    with ini_errors(ini, "server:main"):
        keys = ini_loader.get_settings("server:main")
    problems = [
        f"[server:main] {key}: {_PROXY_KEY_ADVICE}" for key in keys if "trusted_proxy" in key or "untrusted" in key
    ]
    if problems:
        raise StartError("\n".join((f"{ini}:", *problems)))
