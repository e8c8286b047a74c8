"""From an ini file to a running application, and to the server that the ini names."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkauth.config.loader import StartError, app_settings, ini_errors, loader
from linkauth.redaction import reason, redact
from linkauth.web.waitress_server import DEFAULT_SETTINGS, serve

if TYPE_CHECKING:
    from linkauth.services import Services

_WAITRESS = ("egg:waitress#main", "egg:waitress")
_OWN_READING = (
    "linkauth reads forwarded headers itself, under every server: delete this line, "
    "and name the proxy's address in [app:main] by linkauth.trusted_proxies"
)


@dataclass(frozen=True)
class LoadedApplication:
    """An ini file, read: its application, and its loader for the server section."""

    app: Any
    loader: Any

    @property
    def services(self) -> Services:
        from linkauth.services import services_of

        return services_of(self.app.registry)


def load(ini: str) -> LoadedApplication:
    """The application of an ini file; raises StartError."""
    # what is made at the start stays: the collector would look at all of it again and again
    gc.disable()
    try:
        return _load(ini)
    finally:
        gc.freeze()
        gc.enable()


def _load(ini: str) -> LoadedApplication:
    # not at the top: the garbage collector is off here, and its work doubles the cost of these imports
    from pyramid.exceptions import ConfigurationError

    from linkauth.config.settings import SettingsError

    found = loader(ini)
    app_settings(ini, found)
    _refuse_proxy_keys(ini, found)
    try:
        return LoadedApplication(found.get_wsgi_app("main"), found)
    except (SettingsError, ConfigurationError) as error:
        # a theme's words, and so a library's
        raise StartError(f"{ini}:\n{redact(error)}") from error
    except (LookupError, ImportError) as error:
        # PasteDeploy, about an application or filter that is not installed
        raise StartError(f"{ini}: [app:main] cannot be used: {type(error).__name__}: {reason(error)}") from error


def server(ini: str, found: Any) -> tuple[str, Callable[[Any], None]]:
    """Where [server:main] listens, in words, and what serves an application there; raises StartError."""
    with ini_errors(ini, "server:main"):
        settings = dict(found.get_settings("server:main"))
        listens = settings.get("listen") or settings.get("unix_socket")
        where = listens or f"{settings.get('host', '127.0.0.1')}:{settings.get('port', '')}"
        if settings.get("use") not in _WAITRESS:
            return where, found.get_wsgi_server("main")
        del settings["use"]
        return where, lambda app: serve(app, settings)


def from_environment() -> LoadedApplication:
    """The application of the ini file that LINKAUTH_INI names, for servers that import a module; raises StartError."""
    return load(os.environ.get("LINKAUTH_INI", "production.ini"))


def threads(loaded: LoadedApplication) -> int:
    """`threads` of [server:main]; raises StartError."""
    value = loaded.loader.get_settings("server:main").get("threads", DEFAULT_SETTINGS["threads"])
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:5]) <= 1000):
        raise StartError("[server:main] threads: is not a number from 1 to 1000")
    return int(value)


def _refuse_proxy_keys(ini: str, found: Any) -> None:
    """Keys by which waitress would read forwarded headers, or take them away; raises StartError."""
    with ini_errors(ini, "server:main"):
        keys = found.get_settings("server:main")
    faults = [f"[server:main] {key}: {_OWN_READING}" for key in keys if "trusted_proxy" in key or "untrusted" in key]
    if faults:
        raise StartError("\n".join((f"{ini}:", *faults)))
