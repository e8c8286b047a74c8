"""The views: one thin module per endpoint. Only `errors` and `provider_errors` convert exceptions into responses."""

from typing import Any

MODULES = (
    *("authorize", "confirm", "errors", "health", "home", "introspect", "metadata", "provider", "provider_errors"),
    *("recover", "register", "revoke", "second_factor", "static", "token", "userinfo"),
)


def includeme(config: Any) -> None:
    # not config.scan: the decorators of pyramid.view search all imported modules, which takes 25 ms at a start
    for name in MODULES:
        config.include(f"linkauth.views.{name}")
