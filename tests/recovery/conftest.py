"""Fixtures for recoveries: the app of testing.ini with a backend that offers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alexa import https
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.recovery.visitor import Site

# nothing listens on this port, so the mails stay in the outbox
MAIL_SETTINGS = {
    "mail__host": "127.0.0.1",
    "mail__port": "1",
    "mail__security": "none",
    "mail__sender": "Example Rides <no-reply@example.com>",
}
RECOVERING = {"backends": "recovering", "backend__recovering__use": "recovering", **MAIL_SETTINGS}
STAFF = dict.fromkeys(
    f"backend__staff__{key}"
    for key in (
        *("use", "url", "table", "username_columns", "subject_column", "password_column", "name_column"),
        *("email_column", "active_column"),
    )
)


@pytest.fixture(scope="session")
def make_site(make_app: Callable[..., Any], backend_plugins: Path) -> Callable[..., Site]:
    """`make_site(**settings)` returns the app whose only backend is RecoveringBackend."""

    def make(**changes: str) -> Site:
        return Site(https(make_app(**{**STAFF, **RECOVERING, **HIGH_THROTTLE_LIMITS, **changes})))

    return make


@pytest.fixture(scope="module")
def shared_site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The app, without faults. Each test uses accounts and visitors of its own."""
    yield shared_site
    shared_site.backend.faults.clear()


@pytest.fixture(scope="module")
def changing_recovery_site(make_site: Callable[..., Site]) -> Site:
    """The app whose backend also changes passwords that must be changed, those of `must-<suffix>`."""
    return make_site(backend__recovering__change="true")
