"""Tests of LINKAUTH_WORKERS: an invalid number stops every start, and doctor multiplies the throttle limits by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from linkauth.hashing import worker_processes
from tests.cli.test_explain_and_doctor import Ini, ini, linkauth  # noqa: F401
from tests.conftest import ROOT
from tests.servers.development_server import free_port

LINKAUTH = Path(sys.executable).with_name("linkauth")
INVALID_COUNTS = [
    "auto",
    "",
    "0",
    "00",
    "-1",
    "+2",
    "1.5",
    "4 4",
    "0x4",
    "1e1",
    "\u0664",
    "\u00b2",
    "10000",
    "9" * 5000,
]
COMMANDS = {
    "serve": [str(LINKAUTH), "serve"],
    "doctor": [str(LINKAUTH), "doctor"],
    "wsgi": [sys.executable, "-c", "import sys, os; os.environ['LINKAUTH_INI'] = sys.argv[1]; import linkauth.wsgi"],
}


@pytest.fixture
def development_ini(tmp_path: Path) -> Path:
    """A copy of development.ini in a temporary folder, with a free port."""
    path = tmp_path / "linkauth.ini"
    text = (ROOT / "development.ini").read_text("utf-8").replace("6543", str(free_port()))
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("workers", ["auto", "0"])
def test_an_invalid_number_stops_every_start(command: str, workers: str, development_ini: Path) -> None:
    result = subprocess.run(
        [*COMMANDS[command], str(development_ini)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"LINKAUTH_WORKERS": workers},
        check=False,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 1, output
    assert "LINKAUTH_WORKERS: (environment) must be the number of worker processes" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("workers", INVALID_COUNTS)
def test_an_invalid_number_is_rejected(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKAUTH_WORKERS", workers)
    with pytest.raises(ValueError, match="must be the number of worker processes"):
        worker_processes()


@pytest.mark.parametrize(("workers", "count"), [("1", 1), ("4", 4), (" 16 ", 16), ("08", 8), (None, 1)])
def test_a_valid_number_is_returned(workers: str | None, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if workers is None:
        monkeypatch.delenv("LINKAUTH_WORKERS", raising=False)
    else:
        monkeypatch.setenv("LINKAUTH_WORKERS", workers)
    assert worker_processes() == count


def test_doctor_counts_the_throttle_of_every_worker_process(ini: Ini, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    path = ini(backend__changing__lockout_failures="20", throttle__account_failures="5")
    monkeypatch.setenv("LINKAUTH_WORKERS", "3")
    lines = linkauth("doctor", "--offline", path, expect=0)
    assert [line for line in lines if "linkauth allows 15 in that time (5 in each of 3 processes" in line]
    monkeypatch.setenv("LINKAUTH_WORKERS", "4")
    (line,) = [line for line in linkauth("doctor", "--offline", path, expect=0) if "lockout" in line]
    assert line.startswith("warning")
    assert "linkauth allows 20 in that time (5 in each of 4 processes, see LINKAUTH_WORKERS)" in line
    assert "linkauth.throttle.account_failures = 4 would be safe" in line
