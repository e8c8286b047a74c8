"""Fixtures of the functional tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from tests.conftest import https

WIDE = {"throttle__account_failures": "100000", "throttle__address_failures": "100000"}
CHANGING = {
    "backend__changing__use": "changing",
    "client__home__claims": "groups department level name odd",
    "client__alexa__claims": "department",
}


@pytest.fixture(scope="session")
def moody(make_app: Callable[..., Any], moody_plugin: Path) -> TestApp:
    """The app with a second backend, whose answers depend on the name."""
    return https(make_app(backends="staff moody", backend__moody__use="moody", **WIDE))


@pytest.fixture(scope="session")
def changing(make_app: Callable[..., Any], moody_plugin: Path) -> TestApp:
    """The app with backends that cannot and that can change passwords."""
    return https(make_app(backends="staff moody changing", backend__moody__use="moody", **CHANGING, **WIDE))
