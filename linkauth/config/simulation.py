"""The redirect URIs with which the simulator plays the clients, in development."""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.config.clients import ClientSettings


def simulator_url(public_url: str) -> str:
    """Returns the URL below which the pages of the simulator are."""
    return f"{public_url}/simulator/"


def simulated_redirect_uris(public_url: str, client: ClientSettings) -> tuple[str, ...]:
    """Returns the redirect URIs that lead to the simulator.

    If the client has none, they are its own ones with the simulator in place of the scheme:
    `https://layla.amazon.com/api/skill/link/M2A` becomes `<public_url>/simulator/layla.amazon.com/api/skill/link/M2A`.
    """
    base = simulator_url(public_url)
    own = tuple(uri for uri in client.all_redirect_uris if uri.startswith(base))
    return own or tuple(base + uri.partition("://")[2] for uri in client.all_redirect_uris)


def additional_redirect_uris(
    public_url: str, simulated_client: str, clients: Mapping[str, ClientSettings]
) -> dict[str, tuple[str, ...]]:
    """Returns the redirect URIs that the simulator adds to each client; none if it is disabled.

    The simulator is enabled by `linkauth.simulator.client`, which requires a public URL on the loopback interface.
    """
    if not simulated_client:
        return {}
    return {
        name: tuple(uri for uri in simulated_redirect_uris(public_url, client) if uri not in client.all_redirect_uris)
        for name, client in clients.items()
    }
