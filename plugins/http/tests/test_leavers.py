"""Tests that a leaver sweep leaves the people of a login API alone, because nobody can be looked up there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.leavers.user_store import add_links, empty_engine, ended

from .accounts_api import AccountsAPI
from .api import API

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from linkauth.cli import main; main()", "sweep"]
BACKEND = """
linkauth.backends = legacy
linkauth.backend.legacy.use = http
linkauth.backend.legacy.preset = json
linkauth.backend.legacy.url = {url}/login
linkauth.backend.legacy.success = /result/ok = true
linkauth.backend.legacy.subject = /result/id
"""


def test_links_of_a_login_api_are_reported_and_stay(serve: Callable[..., API], tmp_path: Path) -> None:
    api = serve(AccountsAPI(tmp_path / "accounts.sqlite"))
    engine = empty_engine(f"sqlite:///{tmp_path}/linkauth.sqlite")
    add_links(engine, ["4711", "gone"], "legacy")
    lines = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path)).splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("linkauth.backend"))
    ini = tmp_path / "linkauth.ini"
    ini.write_text(kept.replace("[app:main]\n", f"[app:main]{BACKEND.format(url=api.url)}"), "utf-8")
    result = subprocess.run([*COMMAND, str(ini), "--json"], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.returncode == 0, result.stderr
    (report,) = json.loads(result.stdout)["backends"]
    assert (report["backend"], report["outcome"], report["links"]) == ("legacy", "cannot_look_up", 2)
    assert "cannot look anybody up" in report["problem"]
    assert (ended(engine), api.requests) == ({}, [])
    engine.dispose()
