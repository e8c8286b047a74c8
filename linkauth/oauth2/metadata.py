"""Authorization server metadata (RFC 8414), derived from the registered clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linkauth.oauth2.clients import Client
from linkauth.oauth2.registry import GRANTS


def metadata(url: str, clients: Sequence[Client]) -> dict[str, Any]:
    """Return the metadata document of the issuer `url`. It lists only what at least one client can use."""
    grants = [grant for grant in GRANTS.values() if any(map(grant.allowed_for, clients))]
    authorization_grants = [grant for grant in grants if grant.authorize]
    # grants that no client has by itself (refresh_token) come last
    names = sorted((grant.name for grant in grants), key=lambda name: (bool(GRANTS[name].granted_with), name))
    token_clients = [client for client in clients if any(GRANTS[name].exchange for name in client.grants)]
    document: dict[str, Any] = {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "response_types_supported": [grant.response_type for grant in authorization_grants],
        "response_modes_supported": list(dict.fromkeys(grant.response_mode for grant in authorization_grants)),
        "grant_types_supported": names,
        "revocation_endpoint": f"{url}/revoke",
        "revocation_endpoint_auth_methods_supported": [*_secret_auth_methods(clients), "none"],
        "userinfo_endpoint": f"{url}/userinfo",
        "scopes_supported": sorted({scope for client in clients for scope in client.scopes}),
    }
    if _secret_auth_methods(clients):
        document |= {
            "introspection_endpoint": f"{url}/introspect",
            "introspection_endpoint_auth_methods_supported": _secret_auth_methods(clients),
        }
    if token_clients:
        public = ["none"] if any(client.public for client in token_clients) else []
        document |= {
            "token_endpoint": f"{url}/token",
            "token_endpoint_auth_methods_supported": [*_secret_auth_methods(token_clients), *public],
        }
    if any(grant.pkce for grant in grants):
        document["code_challenge_methods_supported"] = ["S256"]
    if any(client.token_format == "jwt" for client in clients):
        document["jwks_uri"] = f"{url}/.well-known/jwks.json"
    if token_clients and all(client.sends_iss for client in token_clients):
        # a client that reads this member rejects responses without iss (RFC 9207 section 2.4)
        document["authorization_response_iss_parameter_supported"] = True
    return document


def _secret_auth_methods(clients: Sequence[Client]) -> list[str]:
    """Return the authentication methods with a client secret; empty if all clients are public."""
    return [] if all(client.public for client in clients) else ["client_secret_basic", "client_secret_post"]
