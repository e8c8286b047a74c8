"""Checks the settings of [server:main] for waitress, and whether the server can listen on its addresses."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from waitress.adjustments import Adjustments, asbool, asoctal

from linkauth.redaction import reason
from linkauth.web.bodies import BODY_LIMIT

PROBE_SECONDS = 2
_PROXY_KEY_ADVICE = (
    "linkauth processes forwarded headers itself, under every server: delete this line, "
    "and set linkauth.trusted_proxies in [app:main] to the address of the proxy"
)
_KINDS: Mapping[str, Any] = dict(Adjustments._params)
_BOOLEANS = {"true", "yes", "on", "1", "t", "y", "false", "no", "off", "0", "f", "n"}
_RANGES: Mapping[str, tuple[int, int | None]] = {
    **{"port": (1, 65_535), "threads": (1, 1_000), "connection_limit": (1, 1_000_000), "backlog": (1, 65_535)},
    # with less, requests of phones and platforms are refused or never end
    **{"max_request_body_size": (BODY_LIMIT, None), "max_request_header_size": (16_384, None)},
    **{"recv_bytes": (1_024, None), "send_bytes": (1, None), "channel_timeout": (1, None)},
    **{"cleanup_interval": (1, None), "asyncore_loop_timeout": (1, None)},
}
_OTHER_ADDRESS_KEYS = {"listen": ("host", "port"), "unix_socket": ("host", "port", "listen")}
"""The keys that waitress does not accept together with a key."""
_NOT_IN_AN_INI = ("sockets",)


def setting_problems(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each wrong setting of waitress. `settings` are those of [server:main] without `use`."""
    for key, value in settings.items():
        if _is_proxy_key(key):
            continue
        if key not in _KINDS or key in _NOT_IN_AN_INI:
            yield key, f"is not a known key{_nearest(key)}"
        elif problem := _value_problem(key, value):
            yield key, problem
    yield from proxy_key_problems(settings)
    for key, others in _OTHER_ADDRESS_KEYS.items():
        for other in others:
            if key in settings and other in settings:
                yield other, f"cannot be combined with {key}: delete one of the two lines"


def proxy_key_problems(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each key that makes waitress use or remove forwarded headers."""
    yield from ((key, _PROXY_KEY_ADVICE) for key in settings if _is_proxy_key(key))


def _is_proxy_key(key: str) -> bool:
    return "trusted_proxy" in key or "untrusted" in key


def _nearest(key: str) -> str:
    # only a fault needs it
    import difflib

    nearest = difflib.get_close_matches(key, [name for name in _KINDS if name not in _NOT_IN_AN_INI], n=1)
    return f"; the nearest known key is {nearest[0]}" if nearest else ""


def _value_problem(key: str, value: str) -> str | None:
    kind = _KINDS[key]
    if not value.strip() and key != "ident":
        return "is empty: delete the line to use the default"
    if kind is int:
        return number_problem(value, *_RANGES.get(key, (0, None)))
    if kind is asbool and value.strip().lower() not in _BOOLEANS:
        return "is neither true nor false"
    if kind is asoctal and not re.fullmatch("[0-7]{3,4}", value.strip()):
        return "is not an octal file mode such as 660"
    if key in ("listen", "host"):
        addresses = value.split() if key == "listen" else [value]
        return next(filter(None, (_address_problem(address, key == "listen") for address in addresses)), None)
    return None


def number_problem(value: str, lowest: int, highest: int | None = None) -> str | None:
    """Returns why the text is not a whole number in this range, or None."""
    text = value.strip()
    if not re.fullmatch("[0-9]{1,18}", text):
        return "is not a whole number: write only digits, without a unit"
    if int(text) < lowest or (highest is not None and int(text) > highest):
        return f"is not a number from {lowest} to {highest}" if highest else f"is below {lowest}"
    return None


def _address_problem(address: str, needs_port: bool) -> str | None:
    """Returns why `address` is not an address to listen on, as `host` or `host:port`; IPv6 addresses in brackets."""
    example = "an address such as 127.0.0.1:6543, or [::1]:6543 for IPv6"
    if "://" in address or "/" in address:
        return f"is a URL: write {example}"
    if address.count(":") > 1 and not re.fullmatch(r"\[[0-9A-Fa-f:.%a-z]+\](:[0-9]+)?", address):
        return f"is not in the form host:port: write {example}"
    _, _, port = address.rpartition("]")[2].partition(":")
    if (port or needs_port) and number_problem(port, 1, 65_535):
        return f"has no port from 1 to 65535: write {example}"
    return None


def addresses_problem(settings: Mapping[str, str]) -> str | None:
    """Returns why waitress does not find the addresses of `settings`, which have no other problem, or None."""
    try:
        Adjustments(**settings)
    except (TypeError, ValueError):
        key = "listen" if "listen" in settings else "host"
        return f"{key}: names a host that this machine does not know: write an IP address such as 127.0.0.1"
    return None


def bind_problem(address: str, error: OSError) -> str:
    """Returns a sentence about `address` for the error of `bind`."""
    if error.errno == errno.EADDRINUSE:
        return f"{address} is used by another program. Stop that program, or change the port in [server:main]"
    if error.errno in (errno.EACCES, errno.EPERM):
        if address.startswith("/"):
            return f"{address} cannot be created: the account of the server must be able to write to this folder"
        return f"{address} is a privileged port. Use a port above 1023 behind a proxy"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is not an address of this machine. Use 127.0.0.1, or 0.0.0.0 for all addresses"
    if error.errno == errno.ENOENT:
        return f"{address} is in a folder that does not exist. Create the folder, or change unix_socket"
    return f"{address} cannot be used: {reason(error)}"


def listening_problems(settings: Mapping[str, str], may_run: bool = False) -> Iterator[str]:
    """Yields a sentence for each address of `settings` where a server could not listen, without starting one.

    `settings` have no `setting_problems`. With `may_run`, a linkauth server that listens there already is no problem.
    """
    if path := settings.get("unix_socket"):
        folder = Path(path).absolute().parent
        if not os.path.isdir(folder):
            yield bind_problem(path, FileNotFoundError(errno.ENOENT, "no such folder"))
        elif not os.access(folder, os.W_OK | os.X_OK):
            yield bind_problem(path, PermissionError(errno.EACCES, "no permission"))
        return
    for family, kind, protocol, address in Adjustments(**settings).listen:
        with ExitStack() as stack:
            try:
                listener = stack.enter_context(socket.socket(family, kind, protocol))
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(address)
            except OSError as error:
                is_running = may_run and error.errno == errno.EADDRINUSE and linkauth_answers(*address[:2])
                if not is_running:
                    yield bind_problem(text_of(*address[:2]), error)


def listening_state(settings: Mapping[str, str]) -> str:
    """Returns the addresses of `settings`, which have no problem, and where a linkauth server answers already."""
    if path := settings.get("unix_socket"):
        return path
    addresses = [address[:2] for _, _, _, address in Adjustments(**settings).listen]
    states = {text_of(*pair): linkauth_answers(*pair) for pair in addresses}
    return ", ".join(f"{each} {'serves linkauth already' if runs else 'is free'}" for each, runs in states.items())


def text_of(host: str, port: int | str) -> str:
    """Returns host and port as in a URL, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def linkauth_answers(host: str, port: int) -> bool:
    """Returns whether a linkauth server answers there. The system connects 0.0.0.0 and :: to this machine."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/health/live")
        return bool(json.loads(connection.getresponse().read(1_000)) == {"alive": True})
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return False
    finally:
        connection.close()
