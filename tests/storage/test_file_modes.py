"""Tests that files with names, encrypted keys or hashes are readable only by the account of the server."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from linkauth.oauth2.tokens import Link, Token, digest, new_token
from linkauth.simulator import people
from linkauth.storage import LinkStore, open_engine, readable_by_others, upgrade
from tests.cli.test_keys import run_command
from tests.conftest import ROOT

LINK = Link("staff", "1", "ada", "home", ("order_car",), "implicit", "en", 1_700_000_000)
UMASKS = [0, 0o002, 0o022, 0o077, 0o777]


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_sqlite_files_are_created_private(tmp_path: Path, umask: int) -> None:
    tmp_path.chmod(0o755)
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    with closing(LinkStore(engine)) as store:
        store.create(LINK, (Token(digest(new_token()), "access", 1),))
        assert store.find(digest("x"), "access") is None
        assert modes(tmp_path) == {f"links.sqlite{end}": 0o600 for end in ("", "-wal", "-shm")}
    engine.dispose()
    assert modes(tmp_path)["links.sqlite"] == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_sqlite_file_is_created_with_its_mode(
    tmp_path: Path, open_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mode is set when the file is created, and never changed by path afterwards."""
    modes_at_open: list[int] = []
    os_open = os.open

    def recording_open(path: str, flags: int, mode: int = 0o777) -> int:
        file = os_open(path, flags, mode)
        if str(path).endswith("links.sqlite"):
            modes_at_open.append(stat.S_IMODE(os.fstat(file).st_mode))
        return file

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the mode of a path is changed")

    monkeypatch.setattr(os, "open", recording_open)
    monkeypatch.setattr(os, "chmod", fail)
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    engine.dispose()
    assert modes_at_open == [0o600]


def test_existing_file_keeps_mode_and_content(tmp_path: Path, open_umask: None) -> None:
    path = tmp_path / "links.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    path.chmod(0o640)
    assert upgrade(engine)[0] is not None
    with closing(LinkStore(engine)) as store:
        store.create(LINK, (Token(digest(new_token()), "access", 1),))
    engine.dispose()
    assert modes(tmp_path)["links.sqlite"] == 0o640


def test_symlink_to_missing_file_creates_private_target(tmp_path: Path, open_umask: None) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "links.sqlite").symlink_to(tmp_path / "data/real.sqlite")
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    with engine.connect():
        pass
    engine.dispose()
    assert modes(tmp_path / "data")["real.sqlite"] == 0o600


def test_concurrent_creation_gives_private_file(tmp_path: Path, open_umask: None) -> None:
    engines = [open_engine(f"sqlite:///{tmp_path}/links.sqlite", for_operator=True) for _ in range(8)]

    def touch(number: int) -> None:
        with engines[number].begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE t{number} (x)")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(touch, range(8)))
    with engines[0].connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 8
    for engine in engines:
        engine.dispose()
    assert set(modes(tmp_path).values()) == {0o600}


@pytest.mark.parametrize("name", ["folder", "n" * 300])
def test_unusable_path_is_reported_in_one_line(tmp_path: Path, name: str) -> None:
    ini = tmp_path / "linkauth.ini"
    (tmp_path / "folder").mkdir()
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    text = (ROOT / "tests/testing.ini").read_text("utf-8")
    ini.write_text(text.replace("%(tmp)s/linkauth.sqlite", f"{tmp_path}/{name}").replace("%(tmp)s", str(tmp_path)))
    assert "linkauth.database: cannot be opened" in run_command("db", "upgrade", ini, expect=1)
    assert "FAILED   linkauth.database: cannot be opened" in run_command("doctor", "--offline", ini, expect=1)


def test_missing_file_is_not_reported_as_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last connection of a server deletes the side files of SQLite."""
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda _: True)
        assert readable_by_others(engine) == []


def test_database_of_simulator_is_private(tmp_path: Path, open_umask: None) -> None:
    """Such a table contains password hashes."""
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    assert modes(tmp_path) == {"people.sqlite": 0o600}


def test_doctor_warns_about_file_readable_by_others(tmp_path: Path) -> None:
    ini = tmp_path / "linkauth.ini"
    ini.write_text((ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path)), "utf-8")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    # the file does not exist yet
    assert "all checks passed" in run_command("doctor", "--offline", ini)
    run_command("db", "upgrade", ini)
    assert "all checks passed" in run_command("doctor", "--offline", ini)
    path = tmp_path / "linkauth.sqlite"
    for mode in (0o644, 0o640, 0o660, 0o604, 0o602):
        path.chmod(mode)
        lines = run_command("doctor", "--offline", ini).splitlines()
        assert [line for line in lines if line.startswith("warning") and f"chmod 600 {path}" in line], lines
        assert lines[-1] == "1 warning(s)"
    path.chmod(0o600)
    assert "all checks passed" in run_command("doctor", "--offline", ini)


def test_doctor_reports_why_keys_cannot_be_read(tmp_path: Path) -> None:
    ini = tmp_path / "linkauth.ini"
    ini.write_text((ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path)), "utf-8")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    run_command("db", "upgrade", ini)
    engine = open_engine(f"sqlite:///{tmp_path}/linkauth.sqlite")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE signing_keys")
    engine.dispose()
    (line,) = [
        line for line in run_command("doctor", "--offline", ini, expect=1).splitlines() if line.startswith("FAILED")
    ]
    assert "database: failed: " in line
    assert "no such table: signing_keys" in line
