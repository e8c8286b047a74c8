"""The clients that the simulator plays: their grants, and their redirect URIs by region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from linkauth.config.clients import ClientSettings
from linkauth.config.platforms import Platform
from linkauth.config.settings import Settings
from linkauth.config.simulation import simulated_redirect_uris, simulator_url


@dataclass(frozen=True)
class Region:
    """A host of redirect URIs. `name` is that of the region of the world that uses it; "" if it has none.

    `uris` maps each grant to the redirect URI below the simulator. `key` is the host, or its first label.
    """

    key: str
    name: str
    uris: Mapping[str, str]


@dataclass(frozen=True)
class SimulatedClient:
    """A client with grants. `name` is that in linkauth.clients."""

    name: str
    client_id: str
    settings: ClientSettings
    regions: tuple[Region, ...]

    @property
    def is_skill(self) -> bool:
        return self.settings.platform == "alexa"

    def redirect_uri(self, grant: str, region: str) -> str | None:
        """Returns the redirect URI for a grant and the key of a region; "" is the first one. None if there is none."""
        found = (each.uris.get(grant) for each in self.regions if region in ("", each.key))
        return next(filter(None, found), None)


def simulated_clients(settings: Settings) -> dict[str, SimulatedClient]:
    """Returns the clients with grants by name. The one that `linkauth.simulator.client` names is the first one."""
    names = dict.fromkeys((settings.simulator.client, *settings.clients))
    return {
        name: SimulatedClient(name, client.client_id or name, client, _regions(settings.public_url, client))
        for name, client in ((name, settings.clients[name]) for name in names)
        if client.grants
    }


def _regions(public_url: str, client: ClientSettings) -> tuple[Region, ...]:
    found: dict[str, dict[str, str]] = {}
    for uri in simulated_redirect_uris(public_url, client):
        key, _, rest = uri.removeprefix(simulator_url(public_url)).partition("/")
        for grant in client.grants:
            if not _is_of_other_grant(rest, grant, client.preset):
                found.setdefault(key, {}).setdefault(grant, uri)
    return tuple(Region(key, _region_name(key, client.preset), uris) for key, uris in found.items())


def _is_of_other_grant(rest: str, grant: str, preset: Platform) -> bool:
    """Returns whether the platform uses a redirect URI with this path and query only with another grant."""
    own = preset.redirect_uris_for(grant)
    others = (uri for other in ("authorization_code", "implicit") for uri in preset.redirect_uris_for(other))
    return any(rest.startswith(_path(uri)) for uri in others if uri not in own)


def _path(template: str) -> str:
    """Returns the path and query of a platform's redirect URI before the id, without the first slash."""
    url = urlsplit(template)
    return f"{url.path}?{url.query}".split("{id}")[0].removeprefix("/").rstrip("?")


def _region_name(key: str, preset: Platform) -> str:
    return next((name for host, name in preset.regions.items() if host == key or host.startswith(key + ".")), "")
