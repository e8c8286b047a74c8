"""What a console would refuse, or accept although linking then fails, as sentences that name the setting to change."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from linkauth.cli.consoles.alexa import API_DOMAINS, CONSOLE_DOMAINS, HOST_LENGTH
from linkauth.cli.consoles.entry import Entry, prefix_of
from linkauth.config.clients import LOOPBACK
from linkauth.config.secret_strength import REMEDY

URL_LENGTH = 2_000
"""The greatest length of a URL in Amazon's console."""
HTTPS_PORT = 443
LOCAL_DOMAINS = {"local", "internal", "test", "invalid", "example"}
"""Top-level domains that no public name server knows (RFC 6761, RFC 6762, and ICANN for `internal`)."""


def refusals(entry: Entry, by_api: bool = False) -> Iterator[str]:
    """Yields the problems of a client with grants. `by_api`: the form is sent with the Skill Management API."""
    yield from _public_url(entry)
    if not entry.by_code and entry.client.platform not in ("alexa", "none"):
        key = f"linkauth.client.{entry.name}.grants"
        yield f"{key} lacks authorization_code, the only grant that the console of {entry.client.preset.label} takes."
    if entry.by_code and not entry.client.secret and entry.client.platform != "none":
        yield f"{entry.secret_key} is missing, but the console requires a secret; {REMEDY}"
    yield from _missing_redirect_uris(entry)
    if entry.client.platform == "alexa":
        yield from _domains(entry, API_DOMAINS if by_api else CONSOLE_DOMAINS)


def _public_url(entry: Entry) -> Iterator[str]:
    url = urlsplit(entry.public_url)
    host = url.hostname or ""
    if url.scheme != "https":
        yield "linkauth.public_url begins with http://, but every platform requires https://."
    elif url.port not in (None, HTTPS_PORT):
        yield f"linkauth.public_url has the port {url.port}, but the platforms connect to port {HTTPS_PORT} only."
    if host in LOOPBACK:
        yield f"linkauth.public_url has the host {host}, which only this machine can reach."
    elif _is_address(host):
        yield f"linkauth.public_url has the address {host} instead of a host name, for which certificates are issued."
    elif _is_local(host):
        yield f"linkauth.public_url has the host {host}, a name that only a local network can resolve."
    if len(host) > HOST_LENGTH:
        yield f"the host of linkauth.public_url has more than {HOST_LENGTH} characters."
    if len(entry.authorization_url) > URL_LENGTH:
        yield f"linkauth.public_url is too long: the authorization URI has more than {URL_LENGTH} characters."


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    labels = host.split(".")
    # RFC 8375 reserves home.arpa
    return len(labels) == 1 or labels[-1] in LOCAL_DOMAINS or labels[-2:] == ["home", "arpa"]


def _missing_redirect_uris(entry: Entry) -> Iterator[str]:
    preset, known = entry.client.preset, entry.client.all_redirect_uris
    lacking = [
        template
        for template in preset.redirect_uris_for(entry.grant)
        if not any(uri.startswith(prefix_of(template)) for uri in known)
    ]
    if lacking:
        hosts = [urlsplit(template).hostname or "" for template in lacking]
        where = [f"{host} ({preset.regions[host]})" if host in preset.regions else host for host in hosts]
        yield (
            f"linkauth.client.{entry.name} lacks redirect URIs of {preset.label} at {', '.join(where)}: "
            f"set {preset.id_key}, which gives all of them."
        )


def _domains(entry: Entry, limit: int) -> Iterator[str]:
    if len(entry.domains) > limit:
        yield (
            f"the pages load from or link to {len(entry.domains)} other hosts, but the Domain List takes {limit}: "
            "remove links from the settings that the notes of the Domain List name."
        )
    for domain in entry.domains:
        if len(domain.host) > HOST_LENGTH:
            yield f"the host of {domain.origins[0]} has more than {HOST_LENGTH} characters."
