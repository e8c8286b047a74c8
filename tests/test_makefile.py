"""Tests that the Makefile creates a virtual environment, or reports what to install.

On Debian, ensurepip is in a separate package.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("id", "rm")
"""The programs on the PATH of the recipe. apt-get is not among them."""


def make(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Runs `make .venv/bin/python` in an empty folder, with the shell script `python` as python3."""
    (folder / "bin").mkdir()
    for tool in TOOLS:
        (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    script = folder / "bin/python3"
    script.write_text(f"#!/bin/sh\n{python}\n", "utf-8")
    script.chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    command = [str(shutil.which("make")), "-C", str(folder), ".venv/bin/python"]
    return subprocess.run(command, env={"PATH": str(folder / "bin")}, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ('case "$*" in *version_info*) exit 0;; *) exit 1;; esac', "sudo apt-get install python3-venv"),
        ("exit 1", "linkauth needs Python 3.11 or newer"),
        # an incomplete environment would be treated as complete by the next run of make
        ('case "$*" in *"-m venv"*) /bin/mkdir -p .venv/bin && echo >.venv/bin/python; exit 1;; esac', ""),
    ],
    ids=["without ensurepip and pip", "too old", "interrupted"],
)
def test_a_failed_creation_reports_what_to_install_and_leaves_no_environment(
    tmp_path: Path, python: str, message: str
) -> None:
    result = make(tmp_path, python)
    assert result.returncode != 0
    assert message in result.stdout
    assert not (tmp_path / ".venv").exists()


def test_an_existing_pip_replaces_a_missing_ensurepip(tmp_path: Path) -> None:
    result = make(tmp_path, f'case "$*" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac')
    assert result.returncode == 0, result.stdout + result.stderr
    pip = subprocess.run([tmp_path / ".venv/bin/python", "-m", "pip", "--version"], capture_output=True, text=True)
    assert str(tmp_path) in pip.stdout
