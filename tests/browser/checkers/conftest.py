"""Fixtures with the commands of the external checkers. If a checker is missing, the test is skipped, or fails in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = ROOT / "var/checkers/node_modules"
"""The folder into which `make test-pages` installs the packages in package.json."""


def program(name: str, package: str) -> str:
    """Returns the path of a program in a Debian package."""
    return shutil.which(name) or missing(f"{name} is missing. To install it, run: sudo apt-get install {package}")


def module(path: str) -> Path:
    """Returns the path of a file in one of the packages in package.json."""
    file = MODULES / path
    return file if file.is_file() else Path(missing(f"{path} is missing. To install it, run: make test-pages"))


def missing(message: str) -> str:
    """Skips the test, or fails in CI."""
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def nu() -> list[str]:
    """The command that starts the Nu HTML checker."""
    return [program("java", "default-jre-headless"), "-jar", str(module("vnu-jar/build/dist/vnu.jar"))]


@pytest.fixture(scope="session")
def lighthouse(chromium_path: str) -> list[str]:
    """The command that starts Lighthouse."""
    return [program("node", "nodejs npm"), str(module("lighthouse/cli/index.js"))]
