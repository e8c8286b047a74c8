"""Fixtures of the functional tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from tests.conftest import https
from tests.functional.trial import TRIAL, OnTrial

WIDE = {"throttle__account_failures": "100000", "throttle__address_failures": "100000"}
STAFF = [f"backend__staff__{key}_column" for key in ("subject", "password", "name", "email", "active")] + [
    f"backend__staff__{key}" for key in ("use", "url", "table", "username_columns")
]
"""Settings of testing.ini's own backend, which these apps do not have."""
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


@pytest.fixture(scope="module")
def make_trial(make_app: Callable[..., Any], moody_plugin: Path) -> Iterator[Callable[..., OnTrial]]:
    """`make_trial(**settings)`: the app with a backend on trial."""
    made: list[OnTrial] = []

    def make(**changes: str) -> OnTrial:
        made.append(OnTrial(make_app(**dict.fromkeys(STAFF), **{**TRIAL, **WIDE, **changes})))
        return made[-1]

    yield make
    for each in made:
        each.trial.released.set()
