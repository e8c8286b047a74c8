"""The sign-in provider that `linkauth plugin new --kind sign-in` writes, and its server, for tests of the kit."""

from __future__ import annotations

import importlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from linkauth.cli.scaffold import name_placeholders, write_distribution


def _load() -> tuple[ModuleType, ModuleType]:
    """Returns the module of the plugin and the one of its server."""
    with TemporaryDirectory() as name:
        folder = write_distribution("sign_in", Path(name) / "plugin", name_placeholders("kit-example"))
        sys.path.insert(0, str(folder))
        try:
            plugin = importlib.import_module("linkauth_kit_example")
        finally:
            sys.path.remove(str(folder))
        spec = spec_from_file_location("linkauth_kit_example_server", folder / "tests/server.py")
        assert spec
        assert spec.loader
        server = module_from_spec(spec)
        spec.loader.exec_module(server)
        return plugin, server


PLUGIN, SERVER = _load()
