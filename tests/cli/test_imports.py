"""Tests that a command imports only the modules that it uses, because each import takes time at each call."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from linkauth.cli import MODULES, VERBS, main
from linkauth.simulator import people

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from linkauth.cli import main
try:
    main(sys.argv[1:], prog_name="linkauth")
finally:
    print("imported:", *sys.modules)
"""
WEB = ("pyramid", "webob", "waitress", "jinja2")
DATABASE = ("sqlalchemy", "sqlite3", "alembic")
JOSE = ("joserfc", "cryptography")
LINKAUTH = ("linkauth.config", "linkauth.services", "linkauth.storage", "linkauth.themes", "linkauth_sql")


def imported(folder: Path, *arguments: str) -> set[str]:
    """Runs a command in a new process, and returns the names of the modules that it imported."""
    result = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.rpartition("imported:")[2].split())


@pytest.fixture
def ini(tmp_path: Path) -> str:
    """An ini file with the sql backend and a current database."""
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    path = tmp_path / "linkauth.ini"
    path.write_text(text, "utf-8")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    imported(tmp_path, "db", "upgrade", str(path))
    return str(path)


def test_the_list_of_verbs_is_that_of_their_modules() -> None:
    modules = {name: MODULES.get(name, name) for name in VERBS}
    commands = {name: vars(import_module(f"linkauth.cli.{module}"))[module] for name, module in modules.items()}
    assert {name: command.get_short_help_str(1_000) for name, command in commands.items()} == VERBS
    assert main.list_commands(click.Context(main)) == sorted(VERBS)


@pytest.mark.parametrize("arguments", [("--help",), *((verb, "--help") for verb in ("db", "keys", "links", "theme"))])
def test_a_help_text_imports_neither_the_server_nor_the_database(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    modules = imported(tmp_path, *arguments)
    assert "click" in modules
    assert modules.intersection((*WEB, *DATABASE, *JOSE, *LINKAUTH)) == set()


def test_a_new_plugin_needs_neither_the_server_nor_the_database(tmp_path: Path) -> None:
    modules = imported(tmp_path, "plugin", "new", "crm")
    assert (
        modules.intersection((*WEB, *DATABASE, *JOSE, "linkauth.services", "linkauth.storage", "linkauth_sql")) == set()
    )


@pytest.mark.parametrize(
    "arguments",
    [("links", "list"), ("backends", "list"), ("db", "upgrade"), ("keys", "list")],
)
def test_a_command_for_backends_or_the_database_does_not_import_the_server(
    ini: str, arguments: tuple[str, ...]
) -> None:
    modules = imported(Path(ini).parent, *arguments, ini)
    assert "sqlalchemy" in modules
    assert (
        modules.intersection((*WEB, *JOSE, "alembic", "babel", "linkauth.services", "linkauth.themes.theme")) == set()
    )
