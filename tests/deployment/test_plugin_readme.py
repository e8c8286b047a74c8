"""Tests that the example backend in plugins/README.md works and fulfils the contract."""

from __future__ import annotations

import re
import sys
from hashlib import scrypt
from types import ModuleType
from typing import Any

import pytest

from linkauth.backends import Identity
from linkauth.config.settings import ThrottleSettings
from linkauth.login.dispatch import NamedBackend
from linkauth.login.sign_in import Person, SignIn
from linkauth.login.throttle import Throttle
from linkauth.testing import settings_of
from tests.conftest import ROOT

TEXT = (ROOT / "plugins/README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def load_readme_plugin() -> Any:
    """Executes the code blocks of the README for the backend, its test and its settings with presets as one module."""
    module = sys.modules["plugin_of_the_readme"] = ModuleType("plugin_of_the_readme")
    # the blocks after the fourth are excerpts, which cannot be executed
    backend, presets, _, kit = BLOCKS[:4]
    code = compile(f"import pytest\n{backend}\n{presets}\n{kit}", "plugins/README.md", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    # cheap scrypt parameters keep the tests fast
    module.__dict__["scrypt"] = lambda password, salt, n, r, p: scrypt(password, salt=salt, n=16, r=1, p=1)
    return module


PLUGIN = load_readme_plugin()


class TestTheBackendOfTheReadme(PLUGIN.TestFileBackend):  # type: ignore[misc,name-defined]
    """Runs the contract tests with the example backend in the README."""


def test_a_person_signs_in_with_the_example_backend(tmp_path: Any) -> None:
    path = tmp_path / "people"
    path.write_text(f"ada:7:00ff:{PLUGIN.hash_password('right', bytes.fromhex('00ff'))}\n", "utf-8")
    backend = PLUGIN.FileBackend(PLUGIN.FileSettings(str(path)))
    sign_in = SignIn([NamedBackend("staff", backend)], Throttle(ThrottleSettings()))
    assert sign_in("Ada", "right", "192.0.2.1") == Person("staff", Identity("7", "ada"))


def test_the_example_settings_have_presets() -> None:
    preset_settings = settings_of(PLUGIN.CRMSettings, url="https://crm.example", preset="crm")
    assert (preset_settings.table, preset_settings.limit) == ("people", 50)
    assert settings_of(PLUGIN.CRMSettings, url="https://crm.example", preset="crm", limit=10).limit == 10


def test_the_example_is_short() -> None:
    (body,) = re.findall(r"^    def authenticate.*?(?=^\S)", BLOCKS[0], re.DOTALL | re.MULTILINE)
    assert len([line for line in body.splitlines() if line.strip()]) <= 25


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_every_linked_file_exists(link: str) -> None:
    assert (ROOT / "plugins" / link).exists()
