"""Tests that every configuration error stops the start with a message that names the fix, and without traceback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from linkauth.storage.schema import HEAD
from linkauth.themes.states import PAGES
from tests.servers.development_server import DevelopmentServer, free_port

ROOT = Path(__file__).parent.parent.parent
LINKAUTH = Path(sys.executable).with_name("linkauth")


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """A copy of development.ini in a temporary folder, with a free port."""
    text = (ROOT / "development.ini").read_text("utf-8").replace("6543", str(free_port()))
    path = tmp_path / "linkauth.ini"
    path.write_text(text, "utf-8")
    return path


def change(ini: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, ini.read_text("utf-8"), flags=re.MULTILINE)
    assert count, pattern
    ini.write_text(text, "utf-8")


def linkauth(*arguments: str | Path, expect: int = 1) -> str:
    """Runs the command in a new process, checks its exit code, and returns its output without a traceback."""
    command = [str(LINKAUTH), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    output = result.stdout + result.stderr
    assert "Traceback" not in output
    assert result.returncode == expect, output
    return output


def test_an_unknown_key_is_reported_with_the_nearest_known_key(ini: Path) -> None:
    change(ini, "linkauth.public_url =", "linkauth.publik_url =")
    output = linkauth("serve", ini)
    assert "linkauth.publik_url: is not a known key; the nearest known key is linkauth.public_url" in output
    assert "linkauth.public_url: is missing" in output


def test_all_errors_are_reported_together_without_values(ini: Path) -> None:
    change(ini, "^linkauth.secret = .*", "linkauth.secret = c4n4ry")
    change(ini, "^linkauth.backend.staff.table = people", "linkauth.backend.staff.tabel = c4n4ry")
    change(ini, "^linkauth.client.ride-hailer.grants = implicit", "linkauth.client.ride-hailer.grants = c4n4ry")
    change(ini, "^linkauth.theme = default", "linkauth.theme = default\nlinkauth.theme.default.accent = c4n4ry")
    output = linkauth("serve", ini)
    for key in (
        "secret",
        "backend.staff.tabel",
        "backend.staff.table",
        "client.ride-hailer.grants",
        "theme.default.accent",
    ):
        assert f"linkauth.{key}: " in output
    assert "c4n4ry" not in output


def test_an_error_in_the_logging_sections_is_reported_without_values(ini: Path) -> None:
    change(ini, r"^args = \(sys.stderr,\)", "args = (sys.stderr, c4n4ry@r1en)")
    output = linkauth("serve", ini)
    assert "the logging sections are invalid: NameError" in output
    assert not re.search("c4n4ry|r1en", output)


def test_a_missing_ini_file_is_reported() -> None:
    assert "nowhere.ini: no such file" in linkauth("serve", "nowhere.ini")
    assert "nowhere.ini: no such file" in linkauth("db", "upgrade", "nowhere.ini")


def test_a_port_in_use_is_reported(ini: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        change(ini, "^listen = .*", f"listen = 127.0.0.1:{port}")
        assert f"127.0.0.1:{port} is used by another program" in linkauth("serve", ini)


PAGE = "{% extends 'base.jinja2' %}"
EVERY_PAGE = tuple(page.removesuffix(".jinja2") for page in (*PAGES, "mail.jinja2"))
EMPTY_TEMPLATES = dict.fromkeys(EVERY_PAGE, "")


@pytest.mark.parametrize(
    ("package", "templates", "sentence"),
    [
        ("", {}, "linkauth.theme: bare has no template login.jinja2"),
        (
            "",
            dict.fromkeys(EVERY_PAGE, PAGE),
            "linkauth.theme: bare cannot render login in en: TemplateNotFound",
        ),
        ("", {**EMPTY_TEMPLATES, "home": "{{ nothing }}"}, "bare cannot render home in en: UndefinedError"),
        ("", {**EMPTY_TEMPLATES, "home": "{{ static('x.css') }}"}, "bare cannot render home in en: KeyError: 'x.css'"),
        ("", {**EMPTY_TEMPLATES, "error": "{% if %}"}, "linkauth.theme: bare, error.jinja2 line 1"),
        ("", {**EMPTY_TEMPLATES, "password": "{{ scopes }}"}, "bare cannot render password in en: UndefinedError"),
        (
            "config.include('linkauth_theme_default')",
            {},
            "theme: bare, mark.svg.jinja2: UndefinedError: 'None' has no attribute",
        ),
    ],
)
def test_an_incomplete_theme_is_reported(
    ini: Path, tmp_path: Path, package: str, templates: dict[str, str], sentence: str
) -> None:
    (tmp_path / "bare_theme/templates").mkdir(parents=True)
    source = f"def includeme(config):\n    {package or 'pass'}\n    config.add_theme('bare_theme')\n"
    (tmp_path / "bare_theme/__init__.py").write_text(source)
    for name, text in templates.items():
        (tmp_path / f"bare_theme/templates/{name}.jinja2").write_text(text)
    (tmp_path / "bare_theme-1.dist-info").mkdir()
    (tmp_path / "bare_theme-1.dist-info/METADATA").write_text("Name: bare-theme\nVersion: 1\n")
    (tmp_path / "bare_theme-1.dist-info/entry_points.txt").write_text("[linkauth.themes]\nbare = bare_theme\n")
    change(ini, "^linkauth.theme = default", "linkauth.theme = bare")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [str(LINKAUTH), "serve", str(ini)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_db_upgrade_creates_the_database(ini: Path) -> None:
    change(ini, "^linkauth.database_upgrade = .*", "")
    assert "linkauth db upgrade" in linkauth("serve", ini)
    assert f"schema {HEAD}: upgraded from nothing" in linkauth("db", "upgrade", ini, expect=0)
    assert f"schema {HEAD}: nothing to do" in linkauth("db", "upgrade", ini, expect=0)


def test_an_invalid_setting_stops_the_import_of_the_wsgi_module(ini: Path) -> None:
    change(ini, "^linkauth.secret = .*", "linkauth.secret = short")
    command = [sys.executable, "-c", "import linkauth.wsgi"]
    environment = {**os.environ, "LINKAUTH_INI": str(ini)}
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert result.returncode == 1
    assert "linkauth.secret: is shorter than 32 characters" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_logs_its_url_and_stops_on_sigterm(tmp_path: Path) -> None:
    served = DevelopmentServer(tmp_path)
    served.start()
    served.stop()
    log = served.log.read_text("utf-8")
    assert f"linkauth serves {served.url}/" in log
    assert "Traceback" not in log
    assert "Warning" not in log
