"""Tests that the metrics of a server with several worker processes are exact, also after one of them was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from linkauth.events import metrics_processes
from linkauth.oauth2.tokens import Link, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine, upgrade
from tests.conftest import ROOT
from tests.servers.development_server import free_port

GRANIAN = Path(sys.executable).with_name("granian")
SECRET = "the demo skill's secret"
SECONDS = 60
REQUESTS = 400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """granian with two workers, as (origin, access token)."""
    port, database = free_port(), f"sqlite:///{tmp_path}/linkauth.sqlite"
    text = (ROOT / "development.ini").read_text("utf-8").replace("6543", str(port))
    lines = [line for line in text.splitlines() if not line.startswith("linkauth.database =")]
    added = f"linkauth.database = {database}\nlinkauth.metrics = loopback\n\n[server:main]"
    ini = tmp_path / "linkauth.ini"
    ini.write_text("\n".join(lines).replace("[server:main]", added), "utf-8")
    engine, token = open_engine(database, for_operator=True), new_token()
    upgrade(engine)
    with closing(LinkStore(engine)) as store:
        link = Link("staff", "1", "ada", "ride-hailer", (), "implicit", "en", int(time.time()))
        store.create(link, (Token(digest(token), "access", link.created_at),))
    engine.dispose()
    command = [str(GRANIAN), "--host", "127.0.0.1", "--port", str(port), "--interface", "asgi", "--http", "1"]
    command += ["--workers", "2", "--respawn-failed-workers", "--no-ws", "linkauth.asgi:application"]
    environment = os.environ | {"LINKAUTH_INI": str(ini), "LINKAUTH_WORKERS": "2", "RUNTIME_DIRECTORY": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}", token
    # granian does not end on SIGTERM after it has replaced a worker
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
    for pid in (process.pid, *map(int, workers)):
        os.kill(pid, signal.SIGKILL)
    process.wait(SECONDS)


def until(condition: object, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        # polls the condition of the loop
        time.sleep(0.05)


def test_two_workers_are_counted_exactly(server: tuple[str, str], tmp_path: Path) -> None:
    origin, token = server
    http = urllib3.PoolManager(maxsize=16, retries=False)
    authorization = {"Authorization": "Basic " + b64encode(f"ride-hailer:{SECRET}".encode()).decode()}

    def introspect(_: int = 0) -> bool:
        # a connection for each request, so that both workers get some
        headers = {**authorization, "Connection": "close"}
        response = http.request(
            "POST", f"{origin}/introspect", fields={"token": token}, encode_multipart=False, headers=headers
        )
        return response.status == 200 and response.json()["active"]

    def answers() -> bool:
        try:
            return http.request("GET", f"{origin}/health/live").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def counted() -> int:
        text = http.request("GET", f"{origin}/metrics").data.decode()
        found = [line for line in text.splitlines() if line.startswith("linkauth_tokens_introspected_total{")]
        return int(sum(float(line.split()[-1]) for line in found))

    def counts_of_workers() -> set[str]:
        return {path.name for path in tmp_path.glob("linkauth-metrics-*/counter_*.db")}

    until(answers, "granian does not answer")
    until(lambda: len(counts_of_workers()) == 2, "both workers have files")
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(introspect, range(REQUESTS)))
    until(lambda: counted() == REQUESTS, f"not counted exactly: {counted()}")
    killed = int(next(iter(counts_of_workers())).removesuffix(".db").rpartition("_")[2])
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(counts_of_workers()) == 3, "the worker was not replaced")
    until(answers, "granian does not answer")
    assert counted() == REQUESTS, "what the killed worker has counted is lost"
    assert not list(tmp_path.glob(f"linkauth-metrics-*/gauge_live*_{killed}.db")), "its gauges are still added"


def test_the_folder_of_an_ended_server_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.delenv(metrics_processes.FOLDER_VARIABLE, raising=False)
    old = tmp_path / f"linkauth-metrics-{os.getuid()}-999999999-5"
    other = tmp_path / f"linkauth-metrics-{os.getuid() + 1}-999999999-5"
    for folder in (old, other):
        folder.mkdir()
    metrics_processes.share(2)
    folder = Path(os.environ[metrics_processes.FOLDER_VARIABLE])
    monkeypatch.delenv(metrics_processes.FOLDER_VARIABLE)
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not old.exists()
    assert other.exists()
    metrics_processes.share(1)
    assert metrics_processes.FOLDER_VARIABLE not in os.environ


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.delenv(metrics_processes.FOLDER_VARIABLE, raising=False)
    metrics_processes.share(2)
    folder = Path(os.environ.pop(metrics_processes.FOLDER_VARIABLE))
    folder.chmod(0o777)
    with pytest.raises(metrics_processes.UnusableFolder):
        metrics_processes.share(2)
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    with pytest.raises(metrics_processes.UnusableFolder):
        metrics_processes.share(2)
