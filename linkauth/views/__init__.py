"""The doors: thin, one module an endpoint. `errors` is the only place that turns exceptions into answers."""

from typing import Any

MODULES = ("authorize", "errors", "health", "home", "introspect", "metadata", "revoke", "static", "token", "userinfo")


def includeme(config: Any) -> None:
    # not config.scan: pyramid.view's decorators look for the source of their module among all that are imported
    for name in MODULES:
        config.include(f"linkauth.views.{name}")
