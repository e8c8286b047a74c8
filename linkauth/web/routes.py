"""The surface: every URL, and the methods that it takes. Any other method is answered by 405."""

from __future__ import annotations

from typing import Any

ROUTES = (
    ("home", "/", ("GET",)),
    ("authorize", "/authorize", ("GET", "POST")),
    ("token", "/token", ("POST",)),
    # for platforms that want another URL to refresh at
    ("token_refresh", "/token/refresh", ("POST",)),
    ("introspect", "/introspect", ("POST",)),
    ("revoke", "/revoke", ("POST",)),
    ("userinfo", "/userinfo", ("GET",)),
    ("ifttt_user_info", "/ifttt/v1/user/info", ("GET",)),
    ("metadata", "/.well-known/oauth-authorization-server", ("GET",)),
    # for a public URL with a path, which RFC 8414 section 3.1 puts behind
    ("metadata_of_path", "/.well-known/oauth-authorization-server/{path:.+}", ("GET",)),
    ("jwks", "/.well-known/jwks.json", ("GET",)),
    ("deny_list", "/.well-known/revoked-tokens", ("GET",)),
    ("health_live", "/health/live", ("GET",)),
    ("health_ready", "/health/ready", ("GET",)),
    ("static", "/static/{theme}/{name}", ("GET",)),
)
METHODS = {name: methods for name, _, methods in ROUTES}
API_PATHS = ("/introspect", "/token", "/revoke", "/userinfo", "/ifttt/", "/health/", "/.well-known/")
"""Paths whose errors are JSON; the others' are pages."""


def includeme(config: Any) -> None:
    for name, pattern, _ in ROUTES:
        config.add_route(name, pattern)
