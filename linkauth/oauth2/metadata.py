"""Authorization server metadata (RFC 8414): only what the registered clients make true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linkauth.oauth2.clients import Client
from linkauth.oauth2.registry import GRANTS


def metadata(url: str, clients: Sequence[Client]) -> dict[str, Any]:
    """The document for the issuer `url`, as /.well-known/oauth-authorization-server gives it."""
    granted = [grant for grant in GRANTS.values() if any(map(grant.allowed_for, clients))]
    responding = [grant for grant in granted if grant.authorize]
    names = sorted((grant.name for grant in granted), key=lambda name: (bool(GRANTS[name].granted_with), name))
    with_tokens = [client for client in clients if any(GRANTS[name].exchange for name in client.grants)]
    jwt = any(client.token_format == "jwt" for client in clients)
    found: dict[str, Any] = {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "response_types_supported": [grant.response_type for grant in responding],
        "response_modes_supported": list(dict.fromkeys(grant.response_mode for grant in responding)),
        "grant_types_supported": names,
        "revocation_endpoint": f"{url}/revoke",
        "revocation_endpoint_auth_methods_supported": [*_with_secret(clients), "none"],
        "userinfo_endpoint": f"{url}/userinfo",
        "scopes_supported": sorted({scope for client in clients for scope in client.scopes}),
    }
    if _with_secret(clients):
        found |= {
            "introspection_endpoint": f"{url}/introspect",
            "introspection_endpoint_auth_methods_supported": _with_secret(clients),
        }
    if with_tokens:
        public = ["none"] if any(client.public for client in with_tokens) else []
        found |= {
            "token_endpoint": f"{url}/token",
            "token_endpoint_auth_methods_supported": [*_with_secret(with_tokens), *public],
        }
    if any(grant.pkce for grant in granted):
        found["code_challenge_methods_supported"] = ["S256"]
    if jwt:
        found["jwks_uri"] = f"{url}/.well-known/jwks.json"
    if with_tokens and all(client.sends_iss for client in with_tokens):
        # a client that reads this refuses answers without iss (RFC 9207 section 2.4)
        found["authorization_response_iss_parameter_supported"] = True
    return found


def _with_secret(clients: Sequence[Client]) -> list[str]:
    """How these clients can prove who they are by a secret."""
    return [] if all(client.public for client in clients) else ["client_secret_basic", "client_secret_post"]
