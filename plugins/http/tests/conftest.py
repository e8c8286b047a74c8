"""Real HTTP servers, and backends on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_http import HTTPBackend, HTTPSettings

from .api import API, Answers


def settings_for(*urls: str, **changes: Any) -> HTTPSettings:
    """Settings for a JSON API, with timeouts of a second; None leaves a key out of the ini."""
    values: dict[str, Any] = {
        "url": urls,
        "preset": "json",
        "success": "/ok = true",
        "subject": "/id",
        "connect_timeout": 1,
        "receive_timeout": 1,
        "total_timeout": 4,
        "retry_down_after": 1,
    }
    given = {key: value for key, value in {**values, **changes}.items() if value is not None}
    settings = settings_of(HTTPSettings, **given)
    assert not list(settings.faults())
    return settings


@pytest.fixture
def serve() -> Iterator[Callable[..., API]]:
    """`serve(answers)`: a server of this test's own."""
    made: list[API] = []

    def start(answers: Answers | None = None, **named: Any) -> API:
        made.append(API(answers, **named))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def api(serve: Callable[..., API]) -> API:
    return serve()


@pytest.fixture
def backend_on() -> Iterator[Callable[..., HTTPBackend]]:
    """`backend_on(*urls, **settings)`."""
    made: list[HTTPBackend] = []

    def make(*urls: str, **changes: Any) -> HTTPBackend:
        made.append(HTTPBackend(settings_for(*urls, **changes)))
        return made[-1]

    yield make
    for each in made:
        each.close()
