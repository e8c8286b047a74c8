"""Authorization server metadata (RFC 8414): only what the registered clients make true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linkauth.oauth2.clients import Client


def metadata(url: str, clients: Sequence[Client]) -> dict[str, Any]:
    """The document for the issuer `url`, as /.well-known/oauth-authorization-server gives it."""
    grants = {grant for client in clients for grant in client.grants}
    by_code = [client for client in clients if "authorization_code" in client.grants]
    code, jwt = bool(by_code), any(client.token_format == "jwt" for client in clients)
    found: dict[str, Any] = {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "response_types_supported": [kind for kind, on in (("code", code), ("token", "implicit" in grants)) if on],
        "response_modes_supported": [mode for mode, on in (("query", code), ("fragment", "implicit" in grants)) if on],
        "grant_types_supported": [*sorted(grants), *(["refresh_token"] if code else [])],
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
    if code:
        public = ["none"] if any(client.public for client in by_code) else []
        found |= {
            "token_endpoint": f"{url}/token",
            "token_endpoint_auth_methods_supported": [*_with_secret(by_code), *public],
            "code_challenge_methods_supported": ["S256"],
        }
    if jwt:
        found["jwks_uri"] = f"{url}/.well-known/jwks.json"
    if by_code and all(client.sends_iss for client in by_code):
        # a client that reads this refuses answers without iss (RFC 9207 section 2.4)
        found["authorization_response_iss_parameter_supported"] = True
    return found


def _with_secret(clients: Sequence[Client]) -> list[str]:
    """How these clients can prove who they are by a secret."""
    return [] if all(client.public for client in clients) else ["client_secret_basic", "client_secret_post"]
