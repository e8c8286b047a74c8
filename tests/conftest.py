"""Fixtures for all tests. The app is the real one, built from testing.ini with a real database."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import plaster
import pytest
from hypothesis import HealthCheck, settings
from webtest import TestApp

from linkauth.services import services_of
from linkauth.simulator import people
from tests.alexa import Alexa, https
from tests.backends.outcomes import ENTRY_POINTS
from tests.backends.shadow_app import SHADOW_SETTINGS, ShadowApp
from tests.isolation import isolate_logging, isolate_redaction
from tests.providers.mailbox import ENTRY_POINTS as PROVIDER_ENTRY_POINTS

__all__ = ["isolate_logging", "isolate_redaction"]
ROOT = Path(__file__).parent.parent
MEMORY = Path("/dev/shm")
MIN_MEMORY = 2**28
"""Free bytes in MEMORY that are required to use it for databases."""
HIGH_THROTTLE_LIMITS = {"throttle__account_failures": "100000", "throttle__address_failures": "100000"}
STAFF_SETTINGS = [f"backend__staff__{key}_column" for key in ("subject", "password", "name", "email", "active")] + [
    f"backend__staff__{key}" for key in ("use", "url", "table", "username_columns")
]
"""The settings of the backend in testing.ini, which the shadow app removes."""
CHANGING_SETTINGS = {
    "backend__changing__use": "changing",
    "client__home__claims": "groups department level name odd",
    "client__alexa__claims": "department",
}

# time limits of examples would fail on a busy machine
settings.register_profile("linkauth", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("linkauth")


@pytest.fixture(scope="session")
def database_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for SQLite databases, in memory if possible.

    On a busy disk a write may take longer than the time limit of a request, which then gets 503.
    """
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < MIN_MEMORY:
        yield tmp_path_factory.mktemp("databases")
        return
    with TemporaryDirectory(prefix="linkauth-tests-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def database_folder(database_root: Path) -> Path:
    """A new folder for the SQLite databases of one test."""
    return Path(mkdtemp(dir=database_root))


@pytest.fixture(scope="session")
def make_app(database_root: Path) -> Iterator[Callable[..., Any]]:
    """`make_app(**settings)` returns the WSGI app of testing.ini with changed settings; `__` stands for a dot."""
    apps = []

    def make(**changes: str) -> Any:
        tmp = mkdtemp(dir=database_root)
        people.create(f"sqlite:///{tmp}/people.sqlite")
        loader = plaster.get_loader(str(ROOT / "tests/testing.ini"), protocols=["wsgi"])
        ini = loader.get_wsgi_app_settings("main", {"tmp": str(tmp)})
        ini |= {"linkauth." + key.replace("__", "."): value for key, value in changes.items()}
        from linkauth import main

        app = main({}, **{key: value for key, value in ini.items() if value is not None})
        apps.append(app)
        return app

    yield make
    for app in apps:
        services_of(app.registry).close()


@pytest.fixture(scope="session")
def backend_plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Installs the backends of tests/backends as a plugin; returns the folder that must be on the path."""
    folder = tmp_path_factory.mktemp("plugins")
    metadata = folder / "linkauth_test_backends-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: linkauth-test-backends\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, "utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def provider_plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Installs the sign-in provider of tests/providers as a plugin; returns the folder that must be on the path."""
    folder = tmp_path_factory.mktemp("providers")
    metadata = folder / "linkauth_test_providers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: linkauth-test-providers\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(PROVIDER_ENTRY_POINTS, "utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def app(make_app: Callable[..., Any]) -> TestApp:
    """The app of testing.ini for tests that change nothing. Its throttle limits are high enough for all of them."""
    return https(
        make_app(
            throttle__account_failures="100000", throttle__address_failures="100000", throttle__client_failures="100000"
        )
    )


@pytest.fixture
def alexa(app: TestApp) -> Alexa:
    """The Alexa app, for the client `alexa` of testing.ini."""
    return Alexa(app)


@pytest.fixture(scope="session")
def outcomes_app(make_app: Callable[..., Any], backend_plugins: Path) -> TestApp:
    """The app with a second backend, whose outcome depends on the username."""
    return https(make_app(backends="staff outcomes", backend__outcomes__use="outcomes", **HIGH_THROTTLE_LIMITS))


@pytest.fixture(scope="session")
def changing_app(make_app: Callable[..., Any], backend_plugins: Path) -> TestApp:
    """The app with a backend that can change passwords and two backends that cannot."""
    return https(
        make_app(
            backends="staff outcomes changing",
            backend__outcomes__use="outcomes",
            **CHANGING_SETTINGS,
            **HIGH_THROTTLE_LIMITS,
        )
    )


@pytest.fixture(scope="module")
def make_shadow_app(make_app: Callable[..., Any], backend_plugins: Path) -> Iterator[Callable[..., ShadowApp]]:
    """`make_shadow_app(**settings)` returns the app with a backend and a shadow."""
    created: list[ShadowApp] = []

    def make(**changes: str) -> ShadowApp:
        created.append(
            ShadowApp(
                make_app(**dict.fromkeys(STAFF_SETTINGS), **{**SHADOW_SETTINGS, **HIGH_THROTTLE_LIMITS, **changes})
            )
        )
        return created[-1]

    yield make
    for shadow in created:
        shadow.trial.released.set()
