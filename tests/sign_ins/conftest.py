"""Installs the stand-in, and builds apps that offer it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.storage import open_engine, upgrade
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.servers.postgresql import running
from tests.sign_ins.phone import Phone
from tests.sign_ins.stand_in import ENTRY_POINTS

PROVIDERS = {
    "sign_ins": "google corp apple",
    "sign_in__google__use": "stand-in",
    "sign_in__google__match": "email:staff",
    "sign_in__corp__use": "stand-in",
    "sign_in__corp__match": "own",
    "sign_in__corp__label": "Staff Portal",
    "sign_in__corp__label__de": "Mitarbeiterportal",
    "sign_in__apple__use": "stand-in",
    "sign_in__apple__match": "own",
    "sign_in__apple__mode": "form_post",
    "client__alexa__claims": "name email department",
    "client__other__sign_ins": "corp",
    "client__single__sign_ins": "none",
}


@pytest.fixture(scope="session")
def sign_in_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Installs the stand-in as a plugin."""
    folder = tmp_path_factory.mktemp("sign-ins")
    metadata = folder / "linkauth_test_sign_ins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: linkauth-test-sign-ins\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, "utf-8")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def make_provider_app(make_app: Callable[..., Any], sign_in_plugin: None) -> Callable[..., Any]:
    """`make_provider_app(**settings)` returns an app with the providers of PROVIDERS."""
    return lambda **changes: make_app(**{**PROVIDERS, **HIGH_THROTTLE_LIMITS, **changes})


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[str]:
    with running() as server:
        engine = open_engine(server.url)
        upgrade(engine)
        engine.dispose()
        yield server.url


@pytest.fixture(scope="session")
def provider_app(make_provider_app: Callable[..., Any]) -> Any:
    return make_provider_app()


@pytest.fixture
def phone(provider_app: Any) -> Phone:
    """A new browser."""
    return Phone(provider_app)
