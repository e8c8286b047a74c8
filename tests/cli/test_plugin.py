"""Tests of `linkauth plugin new`: the new plugin can be installed, fulfils the contract, and is found by its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_explain_and_doctor import linkauth
from tests.conftest import ROOT

PROBE = """
import sys
from linkauth.config.loader import app_settings, loader
from linkauth.config.plugins import read_settings
from linkauth.login.opening import opened_backends
ini = sys.argv[1]
with opened_backends(read_settings(app_settings(ini, loader(ini)))) as (named,):
    backend = named.backend
    print(named.name, type(backend).__module__, backend.authenticate("Ada", "the right one").subject)
"""


def run(*command: str | Path, cwd: Path, site: Path | None = None, expect: int = 0, stdin: str = "") -> str:
    """Runs a command with the packages in the folder `site`, checks its exit code, and returns its output."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": str(site)} if site else {})
    arguments = [str(part) for part in command]
    result = subprocess.run(
        arguments, cwd=cwd, env=environ, input=stdin, capture_output=True, text=True, check=False, timeout=180
    )
    assert result.returncode == expect, result.stdout + result.stderr
    return result.stdout


def test_a_new_plugin_works_without_changes(tmp_path: Path) -> None:
    folder = tmp_path / "linkauth-staff-api"
    output = linkauth("plugin", "new", "staff-api", "--into", tmp_path, expect=0)
    assert output[1:] == [f"  pip install --editable {folder}", f"  python -m pytest {folder}"]
    assert not re.findall(r"\{\{\w+\}\}", "".join(path.read_text("utf-8") for path in folder.rglob("*.*")))
    site = tmp_path / "site"
    quiet = ("-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps", "--no-build-isolation")
    run(sys.executable, *quiet, "--target", site, folder, cwd=tmp_path)
    # its tests are those of the contract and some others
    passed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, site=site)
    assert int(re.findall(r"(\d+) passed", passed)[0]) > 80
    assert "skipped" not in passed
    # the entry point is found by its name
    ini = staff_ini(tmp_path)
    code = "from linkauth_staff_api import hash_password; print(hash_password('the right one'))"
    stored = run(sys.executable, "-c", code, cwd=tmp_path, site=site).strip()
    (tmp_path / "people.json").write_text(json.dumps({"ada": {"subject": "7", "password": stored}}), "utf-8")
    assert run(sys.executable, "-c", PROBE, ini, cwd=tmp_path, site=site) == "staff linkauth_staff_api 7\n"
    command = Path(sys.executable).with_name("linkauth")
    listed = json.loads(run(command, "backends", "list", ini, "--format", "json", cwd=tmp_path, site=site))
    assert listed == [{"name": "staff", "use": "staff-api", "accepts": "*", "offers": "Lookup", "shadow": False}]
    assert "staff would check the password" in run(command, "explain", ini, "ADA", cwd=tmp_path, site=site)
    assert "1 account(s)" in run(command, "doctor", "--offline", ini, cwd=tmp_path, site=site)
    # a second plugin with this name would have the same module name
    run(command, "plugin", "new", "staff-api", "--into", tmp_path / "site", cwd=tmp_path, site=site, expect=1)


def staff_ini(tmp_path: Path) -> Path:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    text = re.sub(r"^linkauth\.backend\.staff\..*\n", "", text, flags=re.MULTILINE)
    text += "linkauth.backend.staff.use = staff-api\n"
    text += f"linkauth.backend.staff.people = {tmp_path}/people.json\n"
    ini = tmp_path / "linkauth.ini"
    ini.write_text(text, "utf-8")
    return ini


def test_a_new_sign_in_provider_works_without_changes(tmp_path: Path) -> None:
    folder = tmp_path / "linkauth-partner-id"
    linkauth("plugin", "new", "partner-id", "--kind", "sign-in", "--into", tmp_path, expect=0)
    assert not re.findall(r"\{\{\w+\}\}", "".join(path.read_text("utf-8") for path in folder.rglob("*.*")))
    site = tmp_path / "site"
    quiet = ("-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps", "--no-build-isolation")
    run(sys.executable, *quiet, "--target", site, folder, cwd=tmp_path)
    passed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, site=site)
    assert int(re.findall(r"(\d+) passed", passed)[0]) > 30
    assert "skipped" not in passed
    # the entry point is found by its name
    ini = tmp_path / "linkauth.ini"
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    lines = ["linkauth.sign_ins = partner", *(f"linkauth.sign_in.partner.{line}" for line in PARTNER)]
    ini.write_text("\n".join([text, *lines, ""]), "utf-8")
    command = Path(sys.executable).with_name("linkauth")
    (listed,) = json.loads(run(command, "sign-ins", ini, "--format", "json", cwd=tmp_path, site=site))
    assert (listed["name"], listed["use"]) == ("partner", "partner-id")
    report = run(command, "doctor", "--offline", ini, cwd=tmp_path, site=site, expect=1)
    assert "FAILED   partner: token_url: 127.0.0.1: no answer: " in report
    assert "Redirect URI = https://link.example.com/authorize/return/partner" in report
    assert "the-secret-of-this-test" not in report
    run(command, "plugin", "new", "partner-id", "--kind", "sign-in", cwd=tmp_path / "site", site=site, expect=1)


PARTNER = (
    *("use = partner-id", "match = email:staff", "client_id = linkauth", "client_secret = the-secret-of-this-test"),
    "token_url = http://127.0.0.1:1/token",
)


@pytest.mark.parametrize("kind", ["backend", "sign-in"])
def test_a_new_plugin_passes_the_linter(tmp_path: Path, kind: str) -> None:
    linkauth("plugin", "new", "a1", "--kind", kind, "--into", tmp_path, expect=0)
    ruff = Path(sys.executable).with_name("ruff")
    options = ("--isolated", "--no-cache", "--line-length", "120")
    folder = tmp_path / "linkauth-a1"
    run(ruff, "check", *options, "--select", "E,F,W,I,B,UP,RUF,SIM,PT", ".", cwd=folder)
    run(ruff, "format", *options, "--check", ".", cwd=folder)


def test_an_existing_folder_is_not_changed(tmp_path: Path) -> None:
    folder = tmp_path / "linkauth-crm"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    output = linkauth("plugin", "new", "crm", "--into", tmp_path, expect=1)
    assert output == [f"Error: {folder} already exists and was not changed"]
    assert [path.name for path in folder.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("sql", 1, "a backend named sql is already installed"),
        ("CRM", 2, "lowercase letters, digits"),
        ("../crm", 2, "lowercase letters, digits"),
        ("-crm", 2, ""),
    ],
)
def test_an_invalid_or_existing_name_is_rejected(name: str, code: int, sentence: str, tmp_path: Path) -> None:
    output = linkauth("plugin", "new", name, "--into", tmp_path, expect=code)
    assert sentence in " ".join(output)
    assert list(tmp_path.iterdir()) == []


def test_the_target_folder_must_exist(tmp_path: Path) -> None:
    assert "does not exist" in linkauth("plugin", "new", "crm", "--into", tmp_path / "none", expect=2)[-1]
