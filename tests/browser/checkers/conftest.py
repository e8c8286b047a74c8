"""Where the checkers are. Without them the tests are skipped by name, but not on CI, where a skip would hide them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = ROOT / "var/checkers/node_modules"
"""Where `make test-pages` installs what package.json names."""


def program(name: str, package: str) -> str:
    """The path of a program, which is in a package of Debian's."""
    return shutil.which(name) or missing(f"{name} is missing; install it with: sudo apt-get install {package}")


def module(path: str) -> Path:
    """A file of one of package.json's packages."""
    found = MODULES / path
    return found if found.is_file() else Path(missing(f"{path} is missing; install it with: make test-pages"))


def missing(words: str) -> str:
    if os.environ.get("CI"):
        pytest.fail(words, pytrace=False)
    pytest.skip(words)


@pytest.fixture(scope="session")
def nu() -> list[str]:
    """The command that starts the Nu HTML checker."""
    return [program("java", "default-jre-headless"), "-jar", str(module("vnu-jar/build/dist/vnu.jar"))]


@pytest.fixture(scope="session")
def lighthouse(chromium_path: str) -> list[str]:
    """The command that starts Lighthouse."""
    return [program("node", "nodejs npm"), str(module("lighthouse/cli/index.js"))]
