"""The themes of an ini file, opened again as soon as one of their files, or the ini, is another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from linkauth.config.settings import Settings
from linkauth.redaction import reason, redact
from linkauth.theming.drafts import Draft, open_draft, roots


@dataclass(frozen=True)
class Now:
    """What there is at the moment: `stamp` changes with the files; `problem` says why `drafts` are older than it."""

    stamp: str = ""
    drafts: Mapping[str, Draft] = field(default_factory=dict)
    problem: str = ""


class Live:
    """The themes of the file `ini`, which `read` reads. Safe from many threads."""

    def __init__(self, ini: Path, read: Callable[[], Settings]) -> None:
        self._ini = ini
        self._read = read
        self._now = Now()
        self._watched: list[Path] = [ini]
        self._lock = threading.Lock()

    def now(self) -> Now:
        with self._lock:
            stamp = self._stamp()
            if stamp != self._now.stamp:
                drafts, problem = self._now.drafts, ""
                try:
                    drafts = self._open()
                except Exception as error:
                    # a file that is saved half done may break anything; the next one will mend it
                    own_words = type(error).__module__ != "builtins"
                    problem = redact(error) if own_words else f"{type(error).__name__}: {reason(error)}"
                # what is watched may be more by now
                self._now = Now(self._stamp(), drafts, problem)
            return self._now

    def _open(self) -> dict[str, Draft]:
        settings = self._read()
        self._watched = [self._ini]
        for name, theme in settings.themes.items():
            self._watched += [*roots(name), *getattr(theme.options, "static_files", dict[str, Any])().values()]
        return {name: open_draft(settings, name) for name in settings.themes}

    def _stamp(self) -> str:
        seen = [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in self._files() if path.is_file()]
        return sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def _files(self) -> Iterator[Path]:
        for path in self._watched:
            yield from sorted(path.rglob("*")) if path.is_dir() else [path]
