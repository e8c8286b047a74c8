"""Fixtures for the second step of a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.alexa import https
from tests.second_factor.browser import Site

ASKING = {"client__alexa__second_factor": "required", "client__overlap__second_factor": "optional"}


@pytest.fixture
def make_site(make_app: Callable[..., Any]) -> Callable[..., Site]:
    """`make_site(**settings)` returns an app of its own, whose client `alexa` requires a second factor."""
    return lambda **changes: Site(https(make_app(**{**ASKING, **changes})))


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()
