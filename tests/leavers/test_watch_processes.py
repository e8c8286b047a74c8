"""Tests of `linkauth watch` as a process, with people in an SQL table."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from linkauth.cli.watch import ANOTHER, UNAVAILABLE
from linkauth.simulator.people import PEOPLE as DEMO_PEOPLE
from tests.conftest import ROOT
from tests.leavers.user_store import add_links, empty_engine, ended

COUNT = 200
COMMAND = [sys.executable, "-c", "from linkauth.cli import main; main()", "watch"]
LOGGING = """
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = json
[logger_root]
level = INFO
handlers = file
[handler_file]
class = FileHandler
args = ("{folder}/log",)
formatter = json
[formatter_json]
class = linkauth.logs.JSONFormatter
"""


class Setting:
    """An ini file with links of COUNT people in a table with the column `updated_at`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ini = folder, folder / "linkauth.ini"
        columns = "id INTEGER PRIMARY KEY, login, email, name, password_hash, active, updated_at"
        self.write(f"CREATE TABLE people ({columns})")
        usable = DEMO_PEOPLE[0].password_hash
        rows = [(number, f"p{number}", "", "", usable, 1, "2026-11-01 00:00:00") for number in range(COUNT)]
        with closing(sqlite3.connect(folder / "people.sqlite")) as people, people:
            people.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self.engine: Engine = empty_engine(f"sqlite:///{folder}/linkauth.sqlite")
        add_links(self.engine, [str(number) for number in range(COUNT)], "staff")
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
        first = "linkauth.backend.staff.use = sql\n"
        text = text.replace(first, f"{first}linkauth.backend.staff.updated_column = updated_at\n")
        self.ini.write_text(text + LOGGING.replace("{folder}", str(folder)), "utf-8")

    def write(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "people.sqlite", timeout=30)) as people, people:
            people.execute(statement, values)

    def disable(self, number: int) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        self.write("UPDATE people SET active = 0, updated_at = ? WHERE id = ?", now, number)

    def value(self, query: str) -> Any:
        with closing(sqlite3.connect(self.folder / "linkauth.sqlite", timeout=30)) as database:
            row = database.execute(query).fetchone()
        return row and row[0]

    def has_logged(self, text: str) -> bool:
        log = self.folder / "log"
        return log.exists() and text in log.read_text("utf-8")

    @contextmanager
    def watch(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen([*COMMAND, str(self.ini), *options], cwd=ROOT)
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)

    def once(self) -> int:
        return subprocess.run([*COMMAND, str(self.ini), "--once"], cwd=ROOT, timeout=120).returncode


@pytest.fixture
def setting(database_folder: Path) -> Iterator[Setting]:
    setting = Setting(database_folder)
    yield setting
    setting.engine.dispose()


def wait_for(condition: Callable[[], object], *processes: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert all(process.poll() is None for process in processes), "a watch has ended"
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.02)


def test_a_second_watch_waits_and_takes_over(setting: Setting) -> None:
    with setting.watch() as first:
        wait_for(lambda: setting.value("SELECT everybody FROM watches") == "", first)
        assert setting.once() == ANOTHER
        with setting.watch() as second:
            wait_for(lambda: setting.has_logged("watch waits, another one is running"), first, second)
            setting.disable(1)
            wait_for(lambda: ended(setting.engine) == {"1": "left: disabled"}, first, second)
            first.kill()
            first.wait(30)
            setting.disable(2)
            with closing(sqlite3.connect(setting.folder / "linkauth.sqlite", timeout=30)) as database, database:
                # its lease would expire after half a minute
                database.execute("UPDATE leases SET expires_at = 0 WHERE name = 'watch'")
            wait_for(lambda: "2" in ended(setting.engine), second)
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
    assert setting.value("SELECT count(*) FROM leases") == 0
    assert setting.has_logged("watch ended")


def test_a_watch_whose_lease_was_taken_ends_nothing_until_it_has_it_again(setting: Setting) -> None:
    with setting.watch() as process:
        wait_for(lambda: setting.value("SELECT everybody FROM watches") == "", process)
        with closing(sqlite3.connect(setting.folder / "linkauth.sqlite", timeout=30)) as database, database:
            # as if the process had been suspended, and another one had taken over
            database.execute("UPDATE leases SET owner = 'other', expires_at = ?", (int(time.time()) + 3600,))
        setting.disable(1)
        wait_for(lambda: setting.has_logged("watch interrupted, it begins again"), process)
        assert ended(setting.engine) == {}
        with closing(sqlite3.connect(setting.folder / "linkauth.sqlite", timeout=30)) as database, database:
            database.execute("DELETE FROM leases")
        wait_for(lambda: ended(setting.engine) == {"1": "left: disabled"}, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_once_makes_up_for_what_has_changed_since_the_last_time(setting: Setting) -> None:
    # the first time everybody is looked up
    setting.write("UPDATE people SET active = 0 WHERE id = 7")
    assert setting.once() == 0
    assert ended(setting.engine) == {"7": "left: disabled"}
    setting.disable(8)
    # without a new time, only a sweep would find it
    setting.write("UPDATE people SET active = 0 WHERE id = 9")
    assert setting.once() == 0
    assert sorted(ended(setting.engine)) == ["7", "8"]
    setting.write("ALTER TABLE people RENAME TO elsewhere")
    assert setting.once() == UNAVAILABLE
    assert setting.value("SELECT count(*) FROM leases") == 0


def test_a_backend_without_changes_is_named(setting: Setting) -> None:
    text = setting.ini.read_text("utf-8").replace("linkauth.backend.staff.updated_column = updated_at\n", "")
    setting.ini.write_text(text, "utf-8")
    result = subprocess.run([*COMMAND, str(setting.ini)], cwd=ROOT, timeout=120, capture_output=True, text=True)
    assert result.returncode == 1
    assert "staff is not watched: it reports no changes" in result.stderr
    assert "updated_column (sql)" in result.stderr
