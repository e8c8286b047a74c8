"""The Makefile finds a way to an environment, or says what to install: on Debian, ensurepip is a package apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("id", "rm")
"""What the recipe needs on the path; apt-get is not there."""


def make(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """`make .venv/bin/python` with a Python that is this shell script, in an empty folder."""
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
    ("python", "words"),
    [
        ('case "$*" in *version_info*) exit 0;; *) exit 1;; esac', "sudo apt-get install python3-venv"),
        ("exit 1", "linkauth needs Python 3.11 or newer"),
        # an environment that was half made would be taken for a whole one
        ('case "$*" in *"-m venv"*) /bin/mkdir -p .venv/bin && echo >.venv/bin/python; exit 1;; esac', ""),
    ],
    ids=["without ensurepip and pip", "too old", "interrupted"],
)
def test_without_an_environment_make_says_what_to_install_and_leaves_none(
    tmp_path: Path, python: str, words: str
) -> None:
    result = make(tmp_path, python)
    assert result.returncode != 0
    assert words in result.stdout
    assert not (tmp_path / ".venv").exists()


def test_without_ensurepip_a_pip_that_is_there_is_enough(tmp_path: Path) -> None:
    result = make(tmp_path, f'case "$*" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac')
    assert result.returncode == 0, result.stdout + result.stderr
    pip = subprocess.run([tmp_path / ".venv/bin/python", "-m", "pip", "--version"], capture_output=True, text=True)
    assert str(tmp_path) in pip.stdout
