"""Fixtures of the functional tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from webtest import TestApp

from tests.conftest import https

WIDE = {"throttle__account_failures": "100000", "throttle__address_failures": "100000"}


@pytest.fixture(scope="session")
def moody(make_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestApp]:
    """The app with a second backend, which is installed as any plugin is: by an entry point."""
    folder = tmp_path_factory.mktemp("plugins")
    metadata = folder / "linkauth_moody-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: linkauth-moody\nVersion: 1.0\n", "utf-8")
    entry = "[linkauth.backends]\nmoody = tests.functional.moody:MoodyBackend\n"
    (metadata / "entry_points.txt").write_text(entry, "utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield https(make_app(backends="staff moody", backend__moody__use="moody", **WIDE))
    finally:
        sys.path.remove(str(folder))
