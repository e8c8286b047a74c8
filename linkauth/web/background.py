"""Starts the background thread with the first request of a process, under servers that do not start it themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.tweens import INGRESS

from linkauth.services import services_of


def start_background(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween that starts the services of this process. A server may fork after it has loaded the application."""
    services = services_of(registry)

    def start(request: Any) -> Any:
        services.start()
        return handler(request)

    return start if services.worker else handler


def includeme(config: Any) -> None:
    config.add_tween("linkauth.web.background.start_background", under=INGRESS)
