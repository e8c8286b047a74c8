"""A server program of the tests' own: in the foreground, its output in a file, ended by its own process id."""

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
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:]) if log.exists() else "(it said nothing)"


def wait_until_stopped(pids: Iterable[int], seconds: float = 10) -> None:
    """Return once every thread of those processes has stopped, after a SIGSTOP, or is gone."""
    deadline = time.monotonic() + seconds
    while not all(map(_is_stopped, pids)):
        if time.monotonic() > deadline:
            raise RuntimeError("a process does not stand still")
        # that they stand still is the condition that is waited for
        time.sleep(0.001)


def _is_stopped(pid: int) -> bool:
    """By the letters of its threads' states (proc(5)): stopped, or dead and not waited for yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        stats = [(task / "stat").read_text("ascii", "replace") for task in Path(f"/proc/{pid}/task").iterdir()]
        return all(stat.rpartition(")")[2].split()[0] in "TtZX" for stat in stats)
    return True


def _descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have started."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, task.read_text("ascii").split())
    return found[1:]


class _Descendant:
    """A process that may outlive the one that started it; another one with the same number is left alone."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = self._start_time()

    def _start_time(self) -> str:
        """In clock ticks since the machine started (proc(5)); "" for one that is gone or only waited for."""
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{self._pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else fields[19]
        return ""

    def end(self) -> None:
        if self._began and self._start_time() == self._began:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


class Process:
    """`command` is asked for at every start: it may name what was not there before."""

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

    def start(self, answers: Callable[[], bool], seconds: float = 30) -> None:
        """Return once `answers()`; a failure says what the program said and leaves nothing of it."""
        if self.is_running():
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, cwd=ROOT
            )
        deadline = time.monotonic() + seconds
        try:
            while not answers():
                if not self.is_running() or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not start:\n{tail(self.log)}")
                # its start is the condition that is waited for
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    def hang(self) -> None:
        """Answer nothing any more, close nothing either."""
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
        """End it and the processes that it started, hung or not; one that will not end is killed."""
        if not self._process or not self.is_running():
            return
        self.resume()
        started = [_Descendant(pid) for pid in _descendants(self.pid)]
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for each in started:
            each.end()
