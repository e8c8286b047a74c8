"""The URIs of the servers, and the settings of TLS and of the service account that depend on them.

`ldapi://` is the scheme of OpenLDAP for a Unix socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from linkauth_ldap.settings import LDAPSettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
LDAPI = "ldapi://"
SOCKET_PATH_LIMIT = 107
"""The maximum length of the path of a Unix socket on Linux, in bytes (unix(7))."""
EXAMPLE = "ldapi:///run/slapd/ldapi"
_ANY_URI = f"ldaps://host or ldap://host, with or without :port, or {EXAMPLE}"


class InvalidURI(Exception):
    """A URI of the setting `uris` is wrong. The message is a sentence about this setting."""


@dataclass(frozen=True, slots=True)
class ServerURI:
    """A parsed URI: `host` and `port` for ldap and ldaps, `path` for ldapi."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""


def parse_uri(uri: str) -> ServerURI:
    """Returns the parts of a URI, with the default port of its scheme. Raises InvalidURI."""
    if uri.lower().startswith(LDAPI):
        return ServerURI("ldapi", path=_socket_path(uri[len(LDAPI) :]))
    try:
        url = urlsplit(uri)
        host, port = url.hostname, url.port
    except ValueError:
        host, port, url = None, None, urlsplit("")
    is_plain = url.path in ("", "/") and not url.query and not set("@#") & set(uri)
    if url.scheme not in ("ldap", "ldaps") or not host or not is_plain:
        raise InvalidURI(f"contains something other than {_ANY_URI}")
    return ServerURI(url.scheme, host, port or (636 if url.scheme == "ldaps" else 389))


def _socket_path(rest: str) -> str:
    """Returns the path of a socket: the percent-encoded host, as OpenLDAP has it, or the path after an empty host."""
    encoded = rest if rest.startswith("/") else rest.removesuffix("/")
    try:
        path = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        path = ""
    is_plain = not set("?#@") & set(encoded) and (rest.startswith("/") or "/" not in encoded)
    if not is_plain or not path.strip("/") or not path.startswith("/") or not path.isprintable():
        raise InvalidURI(f"contains an ldapi:// URI without the absolute path of a socket: write it like {EXAMPLE}")
    if len(path.encode("utf-8")) > SOCKET_PATH_LIMIT:
        raise InvalidURI(f"contains an ldapi:// URI with a path of more than {SOCKET_PATH_LIMIT} bytes")
    return path


def is_ldapi(uri: str) -> bool:
    return uri.lower().startswith(LDAPI)


def is_ldaps(uri: str) -> bool:
    return uri.lower().startswith("ldaps://")


def faults(settings: LDAPSettings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for the URIs, TLS and the service account."""
    parsed: list[ServerURI] = []
    for text in settings.uris:
        try:
            uri = parse_uri(text)
        except InvalidURI as problem:
            yield "uris", str(problem)
            continue
        parsed.append(uri)
        if uri.scheme == "ldaps" and settings.starttls:
            yield "starttls", "is for ldap:// URIs: ldaps:// is encrypted already"
        elif uri.scheme == "ldap" and not settings.starttls and settings.allow_cleartext == "false":
            yield "uris", "contains an ldap:// URI, which sends passwords in clear text: use ldaps:// or starttls"
        elif uri.scheme == "ldap" and not settings.starttls and settings.allow_cleartext == "true":
            if uri.host not in LOOPBACK:
                yield "uris", "contains an ldap:// URI of another machine, which needs allow_cleartext = anywhere"
        elif uri.scheme != "ldapi" and not all(0 < len(label) < 64 for label in uri.host.split(".")):
            yield "uris", "contains something that is not a host name"
    if not settings.uris:
        yield "uris", "names no server"
    schemes = {uri.scheme for uri in parsed}
    if schemes and settings.starttls and schemes == {"ldapi"}:
        yield "starttls", "is for ldap:// URIs: ldapi:// is a socket on this machine and has no TLS"
    yield from _tls_faults(settings, schemes)
    yield from _service_account_faults(settings, schemes)


def _tls_faults(settings: LDAPSettings, schemes: set[str]) -> Iterator[tuple[str, str]]:
    if not all(0 < len(label) < 64 for name in settings.tls_server_names for label in name.split(".")):
        yield "tls_server_names", "contains something that is not a host name"
    certificate, key = settings.tls_client_certificate, settings.tls_client_key
    if key and not certificate:
        yield "tls_client_key", "is set, but tls_client_certificate is missing"
    used = {
        "tls_ca_file": settings.tls_ca_file if schemes == {"ldapi"} else "",
        "tls_server_names": settings.tls_server_names if schemes == {"ldapi"} else (),
        "tls_client_certificate": certificate,
        "tls_client_key": key,
    }
    for name, value in used.items():
        if value and schemes and not settings.uses_tls:
            yield name, "is for TLS, and no connection has it: use an ldaps:// URI, or starttls with ldap://"


def _service_account_faults(settings: LDAPSettings, schemes: set[str]) -> Iterator[tuple[str, str]]:
    if settings.bind_dn and not settings.bind_password:
        yield "bind_password", "is missing: without it the bind would be anonymous"
    if settings.bind_password and not settings.bind_dn:
        yield "bind_dn", "is missing, but bind_password is set"
    is_mixed = "ldapi" in schemes and schemes != {"ldapi"}
    if is_mixed and not settings.bind_dn and not settings.uses_external and settings.login_mode == "search":
        problem = "over ldapi:// linkauth would search as the user of its process, over the other URIs as nobody"
        yield "bind_dn", f"is missing: {problem}"
