"""The routes: all URLs and their permitted methods. Any other method gets the response 405."""

from __future__ import annotations

from typing import Any

ROUTES = (
    ("home", "/", ("GET",)),
    ("authorize", "/authorize", ("GET", "POST")),
    ("recover", "/authorize/recover", ("GET", "POST")),
    ("register", "/authorize/register", ("GET", "POST")),
    # to a sign-in provider, and back
    ("go", "/authorize/go/{provider}", ("GET", "POST")),
    ("return", "/authorize/return/{provider}", ("GET", "POST")),
    ("confirm", "/authorize/confirm", ("GET", "POST")),
    ("second_factor", "/authorize/second-factor", ("GET", "POST")),
    ("token", "/token", ("POST",)),
    # for platforms that require a separate URL for refresh requests
    ("token_refresh", "/token/refresh", ("POST",)),
    ("introspect", "/introspect", ("POST",)),
    ("revoke", "/revoke", ("POST",)),
    ("userinfo", "/userinfo", ("GET",)),
    ("ifttt_user_info", "/ifttt/v1/user/info", ("GET",)),
    ("metadata", "/.well-known/oauth-authorization-server", ("GET",)),
    # for an issuer URL with a path: the path follows the well-known name (RFC 8414 section 3.1)
    ("metadata_with_path", "/.well-known/oauth-authorization-server/{path:.+}", ("GET",)),
    ("jwks", "/.well-known/jwks.json", ("GET",)),
    ("deny_list", "/.well-known/revoked-tokens", ("GET",)),
    ("health_live", "/health/live", ("GET",)),
    ("health_ready", "/health/ready", ("GET",)),
    ("static", "/static/{theme}/{name}", ("GET",)),
)
METHODS = {name: methods for name, _, methods in ROUTES}
API_PATHS = ("/introspect", "/token", "/revoke", "/userinfo", "/ifttt/", "/health/", "/.well-known/")
"""Prefixes of the paths whose errors are JSON. The errors of all other paths are pages."""


def includeme(config: Any) -> None:
    for name, pattern, _ in ROUTES:
        config.add_route(name, pattern)
