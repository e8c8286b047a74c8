"""Creates theme packages for tests, which extend the default theme."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module, invalidate_caches
from itertools import count
from pathlib import Path

from linkauth.config import plugins
from linkauth.testing.theme import TEXTS
from linkauth.themes.states import page_states
from linkauth.themes.theme import theme_packages
from linkauth.theming.development import DevelopmentTheme
from linkauth.theming.po import compile_catalog

STATES = {"fresh", "wrong_password", "locked", "too_short", "wrong_redirect_uri"}
"""The page states of a theme that is opened by `open`."""
PAGES = {"login", "password", "error", "home"}
_counter = count(1)
_SOURCE = """
import linkauth_theme_default as parent
from linkauth_theme_default import Parameters

def includeme(config):
    config.include(parent)
    config.add_theme(__name__)
"""
CATALOG = r"""
msgid ""
msgstr ""
"Language: de\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"Content-Type: text/plain; charset=utf-8\n"

"""


class ThemePackage:
    """A theme package in `folder`, which must be on sys.path. `files` are its additional files, text by path."""

    def __init__(self, folder: Path, files: Mapping[str, str | bytes]) -> None:
        self.package = f"linkauth_theme_made_{next(_counter)}"
        self.root = folder / self.package
        self.write({"__init__.py": _SOURCE, **files})
        invalidate_caches()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))

    def compile(self) -> None:
        """Compiles its catalogs."""
        for path in self.root.rglob("*.po"):
            compile_catalog(path)

    def install(self, name: str) -> None:
        """Adds an entry point, so that the package is an installed theme with this name."""
        metadata = self.root.parent / f"{self.package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.package}\nVersion: 1.0\n", "utf-8")
        (metadata / "entry_points.txt").write_text(f"[linkauth.themes]\n{name} = {self.package}\n", "utf-8")
        # a process reads the entry points once
        plugins._entry_points.cache_clear()

    def open(self) -> DevelopmentTheme:
        assert str(self.root.parent) in sys.path
        module = import_module(self.package)
        states = [
            state for state in page_states("skill", ("order_car",)) if state.page in PAGES and state.name in STATES
        ]
        return DevelopmentTheme(
            "made", theme_packages("made", module), module.Parameters(), TEXTS, "/static/made/", states
        )
