"""Starts and stops a server program in the foreground, with its output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers.development_server import ROOT


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:]) if log.exists() else "(no output)"


def wait_until_stopped(pids: Iterable[int], seconds: float = 10) -> None:
    """Waits until every thread of these processes is stopped after a SIGSTOP, or has ended."""
    deadline = time.monotonic() + seconds
    while not all(map(_is_stopped, pids)):
        if time.monotonic() > deadline:
            raise RuntimeError("a process does not stop")
        # polls the condition of the loop
        time.sleep(0.001)


def _is_stopped(pid: int) -> bool:
    """Returns whether all threads are stopped or dead, according to their state letters (proc(5))."""
    with suppress(FileNotFoundError, ProcessLookupError):
        stats = [(task / "stat").read_text("ascii", "replace") for task in Path(f"/proc/{pid}/task").iterdir()]
        return all(stat.rpartition(")")[2].split()[0] in "TtZX" for stat in stats)
    return True


def _descendants(pid: int) -> list[int]:
    """Returns the process ids of all descendants of a process."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):
                pids += map(int, children.read_text("ascii").split())
    return pids[1:]


class _Descendant:
    """A process that may outlive its parent. `end` does not kill a later process with the same process id."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = self._start_time()

    def _start_time(self) -> str:
        """Returns the start time in clock ticks since the boot (proc(5)), or "" if the process has ended."""
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{self._pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else fields[19]
        return ""

    def end(self) -> None:
        if self._began and self._start_time() == self._began:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


class Process:
    """A server program. `command` is called at every start, so that the command line may change."""

    def __init__(
        self, name: str, command: Callable[[], Sequence[str]], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.is_hung = False
        self._command = command
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process, f"{self.name} was never started"
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, is_ready: Callable[[], bool], seconds: float = 30) -> None:
        """Starts the program and waits until `is_ready()` returns true.

        Otherwise stops the program and raises RuntimeError with the end of its output.
        """
        if self.is_running():
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, cwd=ROOT
            )
        deadline = time.monotonic() + seconds
        try:
            while not is_ready():
                if not self.is_running() or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not start:\n{tail(self.log)}")
                # polls the condition of the loop
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    def hang(self) -> None:
        """Suspends the program: it no longer responds, but its connections stay open."""
        self._started_process().send_signal(signal.SIGSTOP)
        wait_until_stopped([self.pid])
        self.is_hung = True

    def resume(self) -> None:
        self._started_process().send_signal(signal.SIGCONT)
        self.is_hung = False

    def _started_process(self) -> subprocess.Popen[bytes]:
        assert self._process, f"{self.name} was never started"
        return self._process

    def stop(self) -> None:
        """Ends the program and its descendants, also if it is suspended. Kills it if it does not end in 5 seconds."""
        if not self._process or not self.is_running():
            return
        self.resume()
        descendants = [_Descendant(pid) for pid in _descendants(self.pid)]
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for descendant in descendants:
            descendant.end()
