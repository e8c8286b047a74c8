"""The doors: thin, one module an endpoint. `errors` is the only place that turns exceptions into answers."""

from typing import Any


def includeme(config: Any) -> None:
    config.scan("linkauth.views")
