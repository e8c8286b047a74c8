"""Opens the themes of an ini file again when one of their files, or the ini file, changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from linkauth.config.settings import Settings
from linkauth.redaction import reason, redact
from linkauth.theming.development import DevelopmentTheme, open_development_theme, roots


@dataclass(frozen=True)
class Snapshot:
    """The themes as last opened. `version` identifies the state of the files.

    `problem` is the error message if the themes could not be opened in that state; `themes` are then older.
    """

    version: str = ""
    themes: Mapping[str, DevelopmentTheme] = field(default_factory=dict)
    problem: str = ""


class ThemeReloader:
    """The themes of the file `ini`, whose settings `read` returns. It is thread-safe."""

    def __init__(self, ini: Path, read: Callable[[], Settings]) -> None:
        self._ini = ini
        self._read = read
        self._snapshot = Snapshot()
        self._watched: list[Path] = [ini]
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        """Returns the current themes. If they cannot be opened, returns the last ones with the problem."""
        with self._lock:
            version = self._version()
            if version != self._snapshot.version:
                themes, problem = self._snapshot.themes, ""
                try:
                    themes = self._open()
                except Exception as error:
                    # an incompletely saved file may raise any exception
                    has_message = type(error).__module__ != "builtins"
                    problem = redact(error) if has_message else f"{type(error).__name__}: {reason(error)}"
                # opening may have added files to watch
                self._snapshot = Snapshot(self._version(), themes, problem)
            return self._snapshot

    def _open(self) -> dict[str, DevelopmentTheme]:
        settings = self._read()
        self._watched = [self._ini]
        for name, theme in settings.themes.items():
            self._watched += [*roots(name), *getattr(theme.options, "static_files", dict[str, Any])().values()]
        return {name: open_development_theme(settings, name) for name in settings.themes}

    def _version(self) -> str:
        seen = [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in self._files() if path.is_file()]
        return sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def _files(self) -> Iterator[Path]:
        for path in self._watched:
            yield from sorted(path.rglob("*")) if path.is_dir() else [path]
