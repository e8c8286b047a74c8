"""The backend of plugins/README.md keeps the contract, by the test that stands there."""

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


def written() -> Any:
    """The backend, its test and the settings with presets, run as one module, without the block about packaging."""
    module = sys.modules["plugin_of_the_readme"] = ModuleType("plugin_of_the_readme")
    # the blocks after the fourth are excerpts that do not run alone
    backend, presets, _, kit = BLOCKS[:4]
    code = compile(f"import pytest\n{backend}\n{presets}\n{kit}", "plugins/README.md", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    # the laws are the same at any cost
    module.__dict__["scrypt"] = lambda password, salt, n, r, p: scrypt(password, salt=salt, n=16, r=1, p=1)
    return module


README = written()


class TestTheBackendOfTheReadme(README.TestFileBackend):  # type: ignore[misc,name-defined]
    """Every law of the contract, on the text of the README."""


def test_somebody_signs_in_with_it(tmp_path: Any) -> None:
    path = tmp_path / "people"
    path.write_text(f"ada:7:00ff:{README.hashed('right', bytes.fromhex('00ff'))}\n", "utf-8")
    backend = README.FileBackend(README.FileSettings(str(path)))
    sign_in = SignIn([NamedBackend("staff", backend)], Throttle(ThrottleSettings()))
    assert sign_in("Ada", "right", "192.0.2.1") == Person("staff", Identity("7", "ada"))


def test_its_settings_have_presets() -> None:
    made = settings_of(README.CRMSettings, url="https://crm.example", preset="crm")
    assert (made.table, made.limit) == ("people", 50)
    assert settings_of(README.CRMSettings, url="https://crm.example", preset="crm", limit=10).limit == 10


def test_it_is_as_short_as_it_says() -> None:
    (body,) = re.findall(r"^    def authenticate.*?(?=^\S)", BLOCKS[0], re.DOTALL | re.MULTILINE)
    assert len([line for line in body.splitlines() if line.strip()]) <= 25


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_what_it_links_to_exists(link: str) -> None:
    assert (ROOT / "plugins" / link).exists()
