"""The house stands as it is drawn: who imports whom, how large a room may be, what is documented."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT: dict[str, set[str]] = {
    "net": {"net"},
    "redaction": set(),
    "backends": {"net"},
    "hashing": {"net", "backends"},
    "logs": {"redaction"},
    "config": {"config", "backends", "oauth2.registry", "redaction", "logs"},
    "themes": {"themes", "backends", "config", "redaction"},
    "login": {"login", "backends", "hashing", "config", "redaction"},
    "oauth2": {"oauth2"},
    "storage": {"storage", "config", "login.comparison", "oauth2.tokens", "redaction"},
    "services": {"backends", "config", "hashing", "login", "oauth2", "redaction", "storage", "themes"},
    "web": {"web", "config", "services", "themes", "redaction"},
    "views": {"views", "web", "oauth2.errors", "oauth2.requests", "backends", "login.sign_in"},
    "asgi": {"redaction", "config.loader", "web"},
    "wsgi": {"redaction", "config.loader", "web"},
    "testing": {"testing", "backends", "net", "hashing", "config", "themes"},
    "simulator": {"simulator", "config", "services", "redaction"},
    "theming": {"theming", "config", "themes", "web.headers", "redaction"},
    "cli": {
        *("cli", "backends", "config", "hashing", "login", "oauth2.errors", "redaction", "services", "simulator"),
        *("storage", "themes", "theming", "web.serving"),
    },
    "__init__": {"config.plugins", "services"},
}
"""Room of the core to the rooms that it may import from."""

VALUES_ONLY = {"backends", "login.sign_in"}
"""Of these, views take exceptions and value classes only: names that something is raised or returned as."""
FRAMEWORKS = {"pyramid", "sqlalchemy", "webob", "jinja2"}
PURE = {
    **dict.fromkeys(("net", "oauth2", "redaction"), FRAMEWORKS),
    **dict.fromkeys(("backends", "hashing"), FRAMEWORKS | {"argon2"}),
}


def tracked(pattern: str) -> list[Path]:
    """The files that belong to the project, written or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of every import in a file, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by their whole names only"
            yield from ((node.module or "", alias.name) for alias in node.names)


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "linkauth").with_suffix("").parts
    return parts[0]


def rooms_imported(path: Path) -> Iterator[tuple[str, str]]:
    """(dotted room, name) of every import of the core; `from linkauth import x` names the room x."""
    for module, name in imported(path):
        if module == "linkauth":
            yield name, ""
        elif module.startswith("linkauth."):
            yield module.removeprefix("linkauth."), name


CORE = tracked("linkauth/*.py")


def test_imports_follow_the_table() -> None:
    wrong = []
    for path in CORE:
        allowed = MAY_IMPORT[room_of(path)]
        for module, name in rooms_imported(path):
            parts = [*module.split("."), name]
            if not any(".".join(parts[: count + 1]) in allowed for count in range(len(parts))):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_every_room_is_in_the_table_and_in_the_readme() -> None:
    rooms = {room_of(path) for path in CORE}
    assert rooms == set(MAY_IMPORT)
    readme = (ROOT / "README.md").read_text("utf-8")
    for room in rooms:
        assert re.search(rf"\b{room}\b", readme), f"the map in README.md lacks {room}"


def test_views_take_exceptions_and_values_only() -> None:
    for path in tracked("linkauth/views/*.py"):
        for module, name in rooms_imported(path):
            if module in VALUES_ONLY:
                source = (ROOT / "linkauth" / f"{module.replace('.', '/')}.py").read_text("utf-8")
                assert re.search(
                    rf"class {name}\((\w*Error|Exception|\w+Unavailable|BackendError|AccountRefused)\)", source
                ), name


@pytest.mark.parametrize("room", sorted(PURE))
def test_the_core_of_the_core_knows_no_framework(room: str) -> None:
    files = [path for path in CORE if room_of(path) == room]
    assert files
    for path in files:
        for module, _ in imported(path):
            assert module.split(".")[0] not in PURE[room], f"{path.name} imports {module}"


def test_plugins_know_the_contract_only() -> None:
    for path in tracked("plugins/*.py"):
        may = {"backends", "hashing", "net", "redaction"} | ({"testing"} if "/tests/" in str(path) else set())
        for module, _ in rooms_imported_loosely(path):
            assert module.split(".")[0] in may, f"{path}: imports linkauth.{module}"


def test_themes_know_nothing() -> None:
    for path in tracked("themes/*.py"):
        if "/tests/" not in str(path):
            assert not list(rooms_imported_loosely(path)), f"{path} imports the core"


def rooms_imported_loosely(path: Path) -> Iterator[tuple[str, str]]:
    """As `rooms_imported`; tests of plugins may import each other relatively."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "linkauth":
            module = (node.module or "").removeprefix("linkauth").removeprefix(".")
            yield from ((module or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name.removeprefix("linkauth."), "") for a in node.names if a.name.startswith("linkauth."))


def test_no_room_over_300_lines_and_no_junk_drawer() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in tracked("*.py")}
    assert len(lengths) > 400
    assert {path: length for path, length in lengths.items() if length > 300} == {}
    assert [path for path in lengths if Path(path).stem in {"utils", "helpers", "common", "misc"}] == []


def test_frozen_objects_are_made_whole_and_never_changed() -> None:
    for path in (*CORE, *tracked("plugins/*/linkauth_*.py"), *tracked("themes/*/linkauth_*.py")):
        assert "object." + "__setattr__" not in path.read_text("utf-8"), path


def test_nothing_else_stands_at_the_top() -> None:
    allowed = {
        *("README.md", "CHANGES.md", "LICENSE", "Makefile", "setup.py", "pyproject.toml", "constraints.txt"),
        "locked.txt",
        *("requirements-dev.txt", "development.ini", "production.ini", ".gitignore", ".ci"),
        *("linkauth", "plugins", "themes", "tests", "docs", "benchmarks", "deploy", "skill"),
    }
    assert {path.relative_to(ROOT).parts[0] for path in tracked("*")} <= allowed


def test_no_user_facing_sentence_in_the_core() -> None:
    """Pages come from themes: no template and no HTML in the core, but for the simulator's own and the gallery's.

    What `linkauth plugin new` and its like write is somebody else's.
    """
    data = {".mako", ".template", ".gz", ".LICENSE"}
    for path in tracked("linkauth/*"):
        if room_of(path) not in {"simulator", "testing", "theming"} and path.suffix not in data:
            assert path.suffix == ".py", path
            assert not re.search(r"</?(html|p|h1|form|div)\b", path.read_text("utf-8")), path
