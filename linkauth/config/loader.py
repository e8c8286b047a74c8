"""From an ini file to a running application, with every fault of the operator's said in one sentence, no traceback."""

from __future__ import annotations

import codecs
import configparser
import gc
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plaster
from pyramid.exceptions import ConfigurationError

from linkauth import logs
from linkauth.config.reader import invisible
from linkauth.config.settings import Settings, SettingsError
from linkauth.redaction import reason, redact, remember_within
from linkauth.web.channels import DEFAULTS, serve

_WAITRESS = ("egg:waitress#main", "egg:waitress")
_OWN_READING = (
    "linkauth reads forwarded headers itself, under every server: delete this line, "
    "and name the proxy's address in [app:main] by linkauth.trusted_proxies"
)


class StartError(Exception):
    """linkauth cannot start; the message says why and how to mend it, one line a fault."""


@dataclass(frozen=True)
class Loaded:
    """An ini file, read: its application, and its loader for the server section."""

    app: Any
    loader: Any

    @property
    def settings(self) -> Settings:
        settings: Settings = self.app.registry.settings["linkauth"]
        return settings


def loader(ini: str) -> Any:
    """The plaster loader of an ini file, its logging set up; raises StartError."""
    if not Path(ini).is_file():
        raise StartError(f"{ini}: there is no such file; copy production.ini and change what it says")
    with _readable(ini):
        _require_plain_text(ini)
        found = plaster.get_loader(ini, protocols=["wsgi"])
        if "app:main" not in found.get_sections():
            raise StartError(f"{ini}: has no section [app:main]")
    _set_up_logging(ini, found)
    return found


def _set_up_logging(ini: str, found: Any) -> None:
    """Raises StartError."""
    with _readable(ini, "handlers"):
        for section in found.get_sections():
            if section.startswith("handler_"):
                # the password of a mail server, for one
                for value in found.get_settings(section).values():
                    remember_within(value)
    try:
        found.setup_logging({"__file__": str(Path(ini).resolve())})
    except Exception as error:
        # logging.config raises what it likes; the first two tell parts of a value that is evaluated
        why = type(error).__name__
        why += "" if isinstance(error, (NameError, SyntaxError)) else f": {reason(error)}"
        raise StartError(f"{ini}: the sections about logging cannot be used: {why}") from error
    logs.protect()


def _require_plain_text(ini: str) -> None:
    """Raises StartError for a file in another encoding, whose letters would be read as others, and for a character in
    a key or the name of a section that cannot be seen, which would make another name of it."""
    raw = Path(ini).read_bytes()
    if raw.startswith(codecs.BOM_UTF8):
        raise StartError(f"{ini}: begins with a byte order mark: save it as UTF-8 without BOM")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw:
        raise StartError(f"{ini}: is not text in UTF-8 (it looks like UTF-16): save it as UTF-8")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise StartError(f"{ini}: line {line} is not text in UTF-8: save it as UTF-8") from None
    for number, text in enumerate(Path(ini).read_text("utf-8").split("\n"), 1):
        if not text.startswith((" ", "\t", "#", ";")):
            name = text if text.startswith("[") else re.split("[=:]", text, maxsplit=1)[0]
            if problem := invisible(name.replace("\t", " ").rstrip()):
                raise StartError(f"{ini}: line {number}: the name there {problem}")


@contextmanager
def _readable(ini: str, section: str = "app:main") -> Iterator[None]:
    """What configparser and PasteDeploy raise, in a sentence that holds a section and a key but never a value."""
    try:
        yield
    except configparser.InterpolationError as error:
        where = f"{ini}: [{section}] {getattr(error, 'option', '') or 'a key'}"
        raise StartError(f"{where}: a % in a value is written %%, and %(name)s must name a key") from None
    except configparser.ParsingError as error:
        numbers = [number for number, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", "?")]
        lines = ", ".join(map(str, numbers))
        source = str(getattr(error, "source", ini))
        if source != ini and Path(source).is_file():
            # another ini file, named by config:
            _require_plain_text(source)
            ini = source
        raise StartError(f"{ini}: line {lines} is neither a [section] nor a key = value") from None
    except configparser.DuplicateOptionError as error:
        where = f"{ini}, line {error.lineno}: [{error.section}] {error.option}"
        raise StartError(f"{where}: is there twice (a key ends at its first = or colon)") from None
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        where = f"{ini}, line {line}" if line else ini
        raise StartError(f"{where}: cannot be read: {type(error).__name__}") from None
    except (LookupError, ImportError) as error:
        # PasteDeploy, about a section, an application or a server that is not there
        raise StartError(f"{ini}: [{section}] cannot be used: {type(error).__name__}: {reason(error)}") from error
    except UnicodeError:
        # the ini file itself is UTF-8 here
        raise StartError(f"{ini}: a file that it names by config: is not text in UTF-8: save it as UTF-8") from None
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else type(error).__name__
        raise StartError(f"{ini}: cannot be read: {why}") from None


def load(ini: str) -> Loaded:
    """The application of an ini file; raises StartError."""
    found = loader(ini)
    app_settings(ini, found)
    _refuse_proxy_keys(ini, found)
    try:
        loaded = Loaded(found.get_wsgi_app("main"), found)
    except (SettingsError, ConfigurationError) as error:
        # a theme's words, and so a library's
        raise StartError(f"{ini}:\n{redact(error)}") from error
    except (LookupError, ImportError) as error:
        # PasteDeploy, about an application or filter that is not installed
        raise StartError(f"{ini}: [app:main] cannot be used: {type(error).__name__}: {reason(error)}") from error
    # what was made at the start stays: the collector need not look at it again
    gc.freeze()
    return loaded


def app_settings(ini: str, found: Any) -> dict[str, str]:
    """The keys of [app:main] and [DEFAULT], every %(name)s filled in; raises StartError."""
    with _readable(ini):
        settings = found.get_wsgi_app_settings("main")
        return {**settings.global_conf, **settings}


def server(ini: str, found: Any) -> tuple[str, Callable[[Any], None]]:
    """Where [server:main] listens, in words, and what serves an application there; raises StartError."""
    with _readable(ini, "server:main"):
        settings = dict(found.get_settings("server:main"))
        listens = settings.get("listen") or settings.get("unix_socket")
        where = listens or f"{settings.get('host', '127.0.0.1')}:{settings.get('port', '')}"
        if settings.get("use") not in _WAITRESS:
            return where, found.get_wsgi_server("main")
        del settings["use"]
        return where, lambda app: serve(app, settings)


def from_environment() -> Loaded:
    """The application of the ini file that LINKAUTH_INI names, for servers that import a module; raises StartError."""
    return load(os.environ.get("LINKAUTH_INI", "production.ini"))


def threads(loaded: Loaded) -> int:
    """`threads` of [server:main]; raises StartError."""
    value = loaded.loader.get_settings("server:main").get("threads", DEFAULTS["threads"])
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:5]) <= 1000):
        raise StartError("[server:main] threads: is not a number from 1 to 1000")
    return int(value)


def _refuse_proxy_keys(ini: str, found: Any) -> None:
    """Keys by which waitress would read forwarded headers, or take them away; raises StartError."""
    with _readable(ini, "server:main"):
        keys = found.get_settings("server:main")
    faults = [f"[server:main] {key}: {_OWN_READING}" for key in keys if "trusted_proxy" in key or "untrusted" in key]
    if faults:
        raise StartError("\n".join((f"{ini}:", *faults)))
