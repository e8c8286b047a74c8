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


@pytest.mark.parametrize(
    ("pattern", "replacement", "sentence"),
    [
        ("use = sql", "use = sqll", "linkauth.backend.staff.use: is not one of the installed backends: "),
        ("^linkauth.theme = default", "linkauth.theme = dfault", "linkauth.theme: is not one of the installed themes"),
        ("^linkauth.database_upgrade = .*", "", "linkauth.database: has no linkauth tables; create them with"),
        (
            "^linkauth.database = .*",
            "linkauth.database = sqlite:////proc/x/y.db",
            "linkauth.database: cannot be opened",
        ),
        ("^linkauth.database = .*", "linkauth.database = sqlite", "linkauth.database: is not a database URL"),
        (
            "^linkauth.secret = .*",
            "linkauth.secret = env:NOT_SET_HERE",
            "linkauth.secret: names the environment variable 'NOT_SET_HERE', which is not set",
        ),
        (
            "^linkauth.secret = .*",
            "linkauth.secret = file:/nowhere",
            "linkauth.secret: names the file '/nowhere', which cannot be read: No such file or directory",
        ),
        ("^linkauth.backends = .*", "", "linkauth.backends: is missing"),
        (
            "^linkauth.theme = default",
            "linkauth.breached_passwords = /nowhere/c4n4ry",
            "linkauth.breached_passwords: does not name a file",
        ),
        ("^use = egg:linkauth", "use = egg:linkaut", "[app:main] cannot be "),
        ("egg:waitress#main", "egg:waitres#main", "[server:main] cannot be used"),
        ("^linkauth.clients = .*", "linkauth.clients = hailer", "linkauth.client.ride-hailer: has keys, but"),
        (
            "^threads = 32",
            "thread = 32",
            "[server:main]: one of these keys is unknown or has a value of the wrong type",
        ),
        (r"\[app:main\]", "[app:mine]", "has no section [app:main]"),
        (r"^\[app:main\]", "app:main", "line 4 is neither a [section] nor a key = value"),
        (
            r"^linkauth.simulator.client = .*",
            "linkauth.simulator.client = x",
            "linkauth.simulator.client: is not a name",
        ),
        (r"%\(here\)s/var/people", "%(hier)s/var/people", "linkauth.backend.staff.url: write a literal % as %%"),
        (
            "^linkauth.secret = .*",
            "linkauth.secret = c4n4ry%40c4n4ryc4n4ryc4n4ryc4n4ry",
            "linkauth.secret: write a literal %",
        ),
        ("^linkauth.secret = .*", "linkauth.secret = c4n4ry%(oops)sc4n4ry", "linkauth.secret: write a literal %"),
        (
            "^threads = 32",
            "threads = c4n4ry",
            "[server:main]: one of these keys is unknown or has a value of the wrong type",
        ),
        (
            "^linkauth.public_url = .*",
            "linkauth.public_url = https://link.example.com",
            "simulator.client: is for development",
        ),
        ("^linkauth.simulator.client = .*", "", "simulator.people: applies only to the simulator"),
        (
            "^linkauth.theme = default",
            "linkauth.default_language = sv",
            "linkauth.default_language: is not a language",
        ),
        (
            "^linkauth.clients = .*",
            "linkauth.clients = alexa\nlinkauth.scope.a:b = c4n4ry\nlinkauth.scope.a:c = c4n4ry",
            "linkauth.scope.a: is defined twice (a key ends at the first = or colon)",
        ),
        (r"^\[app:main\]", "[DEFAULT]\nlinkauth.nonsense = 1\n[app:main]", "linkauth.nonsense: is not a known key"),
    ],
)
def test_a_configuration_error_is_reported_with_its_fix(
    ini: Path, pattern: str, replacement: str, sentence: str
) -> None:
    change(ini, pattern, replacement)
    output = linkauth("serve", ini)
    assert sentence in output
    assert "c4n4ry" not in output
    assert len(output.splitlines()) < 10


@pytest.mark.parametrize(
    ("pattern", "replacement", "sentence"),
    [
        ("^linkauth.default_language", "\ufefflinkauth.default_language", "begins with"),
        ("^linkauth.default_language", "\u00a0linkauth.default_language", "begins with"),
        ("^linkauth.default_language", "linkauth.\u200bdefault_language", "contains"),
        ("^linkauth.default_language", "linkauth.default_language\u200b", "ends with"),
        (r"^\[app:main\]", "[\u200bapp:main]", "contains"),
    ],
)
def test_a_name_with_an_invisible_character_is_reported(
    ini: Path, pattern: str, replacement: str, sentence: str
) -> None:
    change(ini, "^linkauth.secret", "linkauth.default_language = de\nlinkauth.secret")
    change(ini, pattern, replacement)
    assert re.search(rf"line [0-9]+: the name {sentence} an invisible character", linkauth("serve", ini))


@pytest.mark.parametrize(
    ("text", "encoding", "sentence"),
    [
        ("[app:main]\n# Prüfstück\n", "latin-1", "linkauth.ini: a file in a config: reference is not text in UTF-8"),
        ("[app:main]\n", "utf-16", "linkauth.ini: a file in a config: reference is not text in UTF-8"),
        ("[app:main]\n", "utf-8-sig", "base.ini: begins with a byte order mark: save it as UTF-8 without BOM"),
        ("[app:main]\nc4n4ry\n", "utf-8", "base.ini: line 2 is neither a [section] nor a key = value"),
    ],
)
def test_an_error_in_an_included_ini_file_is_reported(ini: Path, text: str, encoding: str, sentence: str) -> None:
    ini.with_name("base.ini").write_text(text, encoding)
    ini.write_text("[app:main]\nuse = config:base.ini\n", "utf-8")
    output = linkauth("serve", ini)
    assert sentence in output
    assert "c4n4ry" not in output


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("utf-8-sig", "begins with a byte order mark: save it as UTF-8 without BOM"),
        ("utf-16", "is not text in UTF-8 (it looks like UTF-16): save it as UTF-8"),
        ("utf-16-le", "is not text in UTF-8 (it looks like UTF-16): save it as UTF-8"),
        ("latin-1", "line 2 is not text in UTF-8: save it as UTF-8"),
    ],
)
def test_an_ini_file_with_another_encoding_is_reported_with_the_fix(ini: Path, encoding: str, sentence: str) -> None:
    text = ini.read_text("utf-8").replace("\n", "\n# Prüfstück c4n4ry\n", 1)
    ini.write_text(text, "utf-8")
    ini.write_bytes(text.encode(encoding))
    for command in (("serve",), ("doctor",), ("db", "upgrade")):
        output = linkauth(*command, ini)
        assert f"{ini}: {sentence}" in output
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
EVERY_PAGE = ("login", "password", "error", "home")
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
