"""An application whose people are in a directory, and `linkauth watch` as a process beside it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import plaster

from linkauth import main
from linkauth.services import services_of
from tests.alexa import Alexa, https
from tests.conftest import ROOT
from tests.servers.leaver import PASSWORD

COMMAND = [sys.executable, "-c", "from linkauth.cli import main; main()", "watch"]


class WatchedApp:
    """An application whose backend `staff` is a directory, and its ini file."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.ini = folder, folder / "linkauth.ini"
        lines = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder)).splitlines()
        kept = [line for line in lines if not line.startswith("linkauth.backend.staff.")]
        place = kept.index("linkauth.backends = staff") + 1
        kept[place:place] = [f"linkauth.backend.staff.{key} = {value}" for key, value in settings.items()]
        self.ini.write_text("\n".join(kept) + "\n", "utf-8")
        loader = plaster.get_loader(str(self.ini), protocols=["wsgi"])
        self._app = main({}, **loader.get_wsgi_app_settings("main"))
        self._client = https(self._app)

    def link(self, username: str) -> str:
        token: str = Alexa(self._client).link(username, PASSWORD)["access_token"]
        return token

    def is_active(self, token: str) -> bool:
        return bool(Alexa(self._client).introspect(token, "alexa", "the alexa client's secret").json["active"])

    def value(self, query: str) -> Any:
        with closing(sqlite3.connect(self.folder / "linkauth.sqlite", timeout=30)) as database:
            row = database.execute(query).fetchone()
        return row and row[0]

    @contextmanager
    def watching(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Runs `linkauth watch`. The body begins when it follows the directory and has swept everybody."""
        before = self.value("SELECT saved_at FROM watches") or 0
        process = subprocess.Popen([*COMMAND, str(self.ini), *options], cwd=ROOT)
        try:
            wait_for(lambda: (self.value("SELECT saved_at FROM watches") or 0) > before, process)
            wait_for(lambda: self.value("SELECT everybody FROM watches") == "", process)
            yield process
        finally:
            process.kill()
            process.wait(30)

    def watch_once(self) -> int:
        """Runs `linkauth watch --once`, and returns its exit code."""
        return subprocess.run([*COMMAND, str(self.ini), "--once"], cwd=ROOT, timeout=120).returncode

    def close(self) -> None:
        services_of(self._app.registry).close()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the watch has ended"
        assert time.monotonic() < deadline
        # polls the condition of the loop
        time.sleep(0.02)
