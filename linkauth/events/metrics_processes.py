"""Lets all worker processes of one server share their metrics, in the multiprocess mode of prometheus-client.

Each process writes its values into files of a folder, and a scrape adds the files of all processes up. The folder is
that of the parent process of the workers, so that it ends with the server.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus-client. If the operator has set it, its folder is used."""
_FILE = re.compile(r"gauge_live[a-z]+_([0-9]+)\.db")


class UnusableFolder(OSError):
    """The folder of the metrics exists and belongs to somebody else, or others can write to it."""


def share(processes: int) -> None:
    """Prepare the folder if there are several processes. Must be called before prometheus_client is imported.

    Raises OSError.
    """
    if processes > 1 and FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = str(_own_folder())


def _own_folder() -> Path:
    base = Path(os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or tempfile.gettempdir())
    prefix = f"linkauth-metrics-{os.getuid()}-"
    name = f"{prefix}{os.getppid()}-{_started_at(os.getppid())}"
    for old in base.glob(f"{prefix}*-*"):
        parent, _, started = old.name.removeprefix(prefix).partition("-")
        if parent.isdecimal() and _started_at(int(parent)) != started:
            shutil.rmtree(old, ignore_errors=True)
    folder = base / name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UnusableFolder(f"{folder} belongs to somebody else")
    return folder


def _started_at(pid: int) -> str:
    """Return when a process was started, in ticks since the start of the system; "0" if it does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"


def registry(own: CollectorRegistry) -> CollectorRegistry:
    """Return a registry with the metrics of all processes: `own` if this is the only one."""
    if not (folder := os.environ.get(FOLDER_VARIABLE)):
        return own
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    for path in Path(folder).iterdir():
        # what an ended process had in progress
        if (match := _FILE.fullmatch(path.name)) and _started_at(int(match[1])) == "0":
            path.unlink(missing_ok=True)
    merged = CollectorRegistry()
    MultiProcessCollector(merged, path=folder)  # type: ignore[no-untyped-call]
    return merged
