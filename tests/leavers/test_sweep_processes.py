"""Tests of `linkauth sweep` as a process: killed, stopped by a signal, and on a terminal."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.cli.sweep import AnotherSweep
from linkauth.simulator.people import PEOPLE as DEMO_PEOPLE
from tests.conftest import ROOT
from tests.leavers.user_store import add_links, empty_engine

COUNT = 2_000
LEAVERS = range(10, COUNT, 40)
COMMAND = [sys.executable, "-c", "from linkauth.cli import main; main()", "sweep"]


@pytest.fixture
def ini(database_folder: Path) -> Path:
    """An ini file with links of COUNT people, of whom LEAVERS are not in the table."""
    usable = DEMO_PEOPLE[0].password_hash
    with closing(sqlite3.connect(database_folder / "people.sqlite")) as people, people:
        people.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, login, email, name, password_hash, active)")
        rows = [(number, f"p{number}", "", "", usable, 1) for number in range(COUNT) if number not in LEAVERS]
        people.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?)", rows)
    engine = empty_engine(f"sqlite:///{database_folder}/linkauth.sqlite")
    add_links(engine, [str(number) for number in range(COUNT)], "staff")
    engine.dispose()
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(database_folder))
    path = database_folder / "linkauth.ini"
    path.write_text(text, "utf-8")
    return path


def value(ini: Path, query: str) -> Any:
    with closing(sqlite3.connect(ini.parent / "linkauth.sqlite", timeout=30)) as database:
        row = database.execute(query).fetchone()
    return row and row[0]


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the sweep ended before it could be interrupted"
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.01)


def position(ini: Path) -> Any:
    return value(ini, "SELECT position FROM leaver_sweeps")


def ended(ini: Path) -> Any:
    return value(ini, "SELECT count(*) FROM links WHERE ended_at IS NOT NULL")


def run(ini: Path, *options: str, expect: int = 0) -> str:
    result = subprocess.run([*COMMAND, str(ini), *options], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.returncode == expect, result.stderr
    return result.stdout if expect == 0 else result.stderr


@pytest.mark.parametrize(
    ("interrupted_at", "rate"), [(position, "500"), (ended, "20")], ids=["looking up", "ending links"]
)
def test_a_killed_sweep_goes_on_where_it_was(ini: Path, interrupted_at: Callable[[Path], object], rate: str) -> None:
    if interrupted_at is ended:
        store_leavers(ini)
    process = subprocess.Popen([*COMMAND, str(ini), "--rate", rate], cwd=ROOT)
    wait_for(lambda: interrupted_at(ini), process)
    process.kill()
    process.wait(30)
    already_ended = ended(ini)
    assert already_ended < len(LEAVERS)
    # its lease has not expired
    assert "another sweep is running: " in run(ini, expect=AnotherSweep.exit_code)
    with closing(sqlite3.connect(ini.parent / "linkauth.sqlite")) as database, database:
        database.execute("UPDATE leases SET expires_at = 0")
    (report,) = json.loads(run(ini, "--json", "--rate", "100000"))["backends"]
    assert (report["outcome"], report["resumed"], report["counts"]["people"]) == ("finished", True, COUNT)
    assert report["counts"]["ended"] == len(LEAVERS) == ended(ini)
    gone = value(ini, "SELECT group_concat(subject) FROM links WHERE end_reason = 'left: gone'")
    assert sorted(map(int, gone.split(","))) == list(LEAVERS)
    assert position(ini) is None
    assert value(ini, "SELECT count(*) FROM leavers") == 0


def store_leavers(ini: Path) -> None:
    """Stores the state of a sweep that has looked up everybody."""
    with closing(sqlite3.connect(ini.parent / "linkauth.sqlite")) as database, database:
        state = ("staff", 0, "999", "0", 1, json.dumps({"people": COUNT}))
        database.execute(
            "INSERT INTO leaver_sweeps (backend, started_at, position, witness, is_complete, counts) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            state,
        )
        database.executemany("INSERT INTO leavers VALUES ('staff', ?)", [(str(number),) for number in LEAVERS])


def test_a_signal_stores_the_position_and_gives_the_lease_back(ini: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        before = position(ini) or ""
        process = subprocess.Popen([*COMMAND, str(ini), "--rate", "300"], cwd=ROOT, stdout=subprocess.DEVNULL)
        wait_for(lambda: value(ini, "SELECT count(*) FROM leases"), process)
        process.send_signal(number)
        assert process.wait(30) == 3
        assert value(ini, "SELECT count(*) FROM leases") == 0
        assert (position(ini) or "") >= before
    (report,) = json.loads(run(ini, "--json", "--rate", "100000"))["backends"]
    assert (report["outcome"], report["counts"]["people"]) == ("finished", COUNT)
    assert ended(ini) == len(LEAVERS)


@pytest.mark.parametrize(("options", "has_bar"), [((), True), (("--json",), False)])
def test_a_terminal_gets_a_progress_bar(ini: Path, options: tuple[str, ...], has_bar: bool) -> None:
    terminal, stream = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, str(ini), "--rate", "100000", *options], cwd=ROOT, stderr=stream, stdout=subprocess.DEVNULL
    )
    os.close(stream)
    output = b""
    # reading fails when the process has closed the terminal
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            break
        output += read
    os.close(terminal)
    assert process.wait(30) == 0
    assert (f"{COUNT}/{COUNT}" in output.decode() and "staff" in output.decode()) is has_bar
