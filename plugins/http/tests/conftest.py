"""Fixtures: HTTP servers, and backends that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_http import HTTPBackend, HTTPSettings
from tests.isolation import isolate_logging, isolate_redaction

from .api import API, Handler

__all__ = ["isolate_logging", "isolate_redaction"]


def settings_for(*urls: str, **changes: Any) -> HTTPSettings:
    """Returns settings for a JSON API, with timeouts that a busy machine keeps. None removes a key."""
    values: dict[str, Any] = {
        "url": urls,
        "preset": "json",
        "success": "/ok = true",
        "subject": "/id",
        "connect_timeout": 10,
        "receive_timeout": 10,
        "total_timeout": 30,
        "retry_down_after": 1,
    }
    given = {key: value for key, value in {**values, **changes}.items() if value is not None}
    settings = settings_of(HTTPSettings, **given)
    assert not list(settings.faults())
    return settings


@pytest.fixture
def serve() -> Iterator[Callable[..., API]]:
    """Returns a function that starts a server: `serve(handler)`."""
    made: list[API] = []

    def start(handler: Handler | None = None, **named: Any) -> API:
        made.append(API(handler, **named))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def api(serve: Callable[..., API]) -> API:
    return serve()


@pytest.fixture
def backend_on() -> Iterator[Callable[..., HTTPBackend]]:
    """Returns a function that creates a backend: `backend_on(*urls, **settings)`."""
    made: list[HTTPBackend] = []

    def make(*urls: str, **changes: Any) -> HTTPBackend:
        made.append(HTTPBackend(settings_for(*urls, **changes)))
        return made[-1]

    yield make
    for each in made:
        each.close()
