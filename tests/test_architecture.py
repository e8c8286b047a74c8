"""Tests of the architecture: which packages import which, the size of files, and the map in README.md.

A room is a package or module directly under linkauth/.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LOGIN_VALUES = {
    *("login.admission", "login.challenges", "login.matching", "login.provider_calls", "login.provider_sign_in"),
    *("login.registration", "login.sign_in", "sign_ins"),
}
ALLOWED_IMPORTS: dict[str, set[str]] = {
    "net": {"net"},
    "redaction": set(),
    "identities": {"backends"},
    "backends": {"backends", "net"},
    "hashing": {"net", "backends"},
    "sign_ins": {"backends"},
    "logs": {"redaction", "identities"},
    "config": {
        "config",
        "backends",
        "sign_ins",
        "identities",
        "mail.addresses",
        "oauth2.registry",
        "redaction",
        "logs",
    },
    "mail": {"mail", "config", "net", "redaction"},
    "themes": {"themes", "backends", "config", "mail.message", "mail.parts", "redaction"},
    "login": {
        *(
            "login",
            "backends",
            "sign_ins",
            "hashing",
            "config",
            "identities",
            "logs",
            "mail.addresses",
            "mail.message",
            "redaction",
        ),
    },
    "oauth2": {"oauth2"},
    "storage": {
        *(
            "storage",
            "config",
            "login.challenges",
            "login.comparison",
            "login.leavers",
            "login.factors",
            "login.passkeys",
            "login.pending",
            "mail.message",
            "mail.outbox",
            "oauth2.tokens",
        ),
        *("identities", "logs", "redaction"),
    },
    "services": {
        "backends",
        "sign_ins",
        "config",
        "hashing",
        "identities",
        "login",
        "mail",
        "oauth2",
        "redaction",
        "services",
        "storage",
        "themes",
    },
    "web": {"web", "config", "identities", "login.admission", "logs", "services", "sign_ins", "themes", "redaction"},
    "views": {
        *(
            "views",
            "web",
            "oauth2.errors",
            "oauth2.requests",
            "backends",
            "login.visit",
            "themes.fields",
            "themes.providers",
        ),
        "logs",
        *LOGIN_VALUES,
    },
    "asgi": {"redaction", "config.loader", "web"},
    "wsgi": {"redaction", "config.loader", "web"},
    "testing": {"testing", "backends", "sign_ins", "net", "hashing", "config", "themes"},
    "simulator": {"simulator", "config", "services", "mail.sink", "redaction", "themes.languages", "themes.theme"},
    "theming": {"theming", "config", "mail.parts", "themes", "web.headers", "redaction"},
    "cli": {
        *(
            "cli",
            "backends",
            "sign_ins",
            "config",
            "hashing",
            "identities",
            "login",
            "mail",
            "oauth2.errors",
            "redaction",
            "services",
            "simulator",
        ),
        *("storage", "themes", "theming", "web.listening", "web.serving", "web.waitress_server"),
        # the checks of doctor know what linkauth sends and accepts
        *("net", "oauth2.authorization", "oauth2.registry", "web.forms", "web.headers"),
    },
    "__init__": {"config.plugins", "services"},
}
"""The rooms and modules from which each room of the core may import."""

VALUE_ROOMS = {"backends", *LOGIN_VALUES}
"""The rooms from which views may import only exceptions."""
FRAMEWORKS = {"pyramid", "sqlalchemy", "webob", "jinja2"}
FORBIDDEN_IMPORTS = {
    **dict.fromkeys(("net", "oauth2", "redaction"), FRAMEWORKS),
    **dict.fromkeys(("backends", "hashing", "sign_ins"), FRAMEWORKS | {"argon2"}),
}


def project_files(pattern: str) -> list[Path]:
    """Returns the files of the project that match a pattern: tracked files, and new files that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yields (module, name) of every import in a file, including imports inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not allowed"
            yield from ((node.module or "", alias.name) for alias in node.names)


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "linkauth").with_suffix("").parts
    return parts[0]


def is_part_of(path: Path, module: str) -> bool:
    """Returns whether the file is the module, or belongs to the package. `module` has no prefix linkauth."""
    name = ".".join(path.relative_to(ROOT / "linkauth").with_suffix("").parts)
    return name == module or name.startswith(module + ".")


def rooms_imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yields (module without the prefix linkauth., name) of every import from the core."""
    for module, name in imports_of(path):
        if module == "linkauth":
            yield name, ""
        elif module.startswith("linkauth."):
            yield module.removeprefix("linkauth."), name


CORE_FILES = project_files("linkauth/*.py")


def test_imports_are_in_the_table() -> None:
    violations = []
    for path in CORE_FILES:
        allowed = ALLOWED_IMPORTS[room_of(path)]
        for module, name in rooms_imported(path):
            parts = [*module.split("."), name]
            if not any(".".join(parts[: count + 1]) in allowed for count in range(len(parts))):
                violations.append(f"{path.relative_to(ROOT)} imports {module}")
    assert violations == []


def test_every_room_is_in_the_table_and_in_the_readme() -> None:
    rooms = {room_of(path) for path in CORE_FILES}
    assert rooms == set(ALLOWED_IMPORTS)
    readme = (ROOT / "README.md").read_text("utf-8")
    for room in rooms:
        assert re.search(rf"\b{room}\b", readme), f"the map in README.md does not contain {room}"


def test_views_import_only_exceptions_from_backends_and_sign_in() -> None:
    for path in project_files("linkauth/views/*.py"):
        for module, name in rooms_imported(path):
            if module in VALUE_ROOMS:
                source = "".join(each.read_text("utf-8") for each in CORE_FILES if is_part_of(each, module))
                assert re.search(
                    rf"class {name}\((\w*Error|Exception|\w+Unavailable|BackendError|AccountRefused|SignInFailed)\)",
                    source,
                ), name


@pytest.mark.parametrize("room", sorted(FORBIDDEN_IMPORTS))
def test_pure_rooms_import_no_framework(room: str) -> None:
    files = [path for path in CORE_FILES if room_of(path) == room]
    assert files
    for path in files:
        for module, _ in imports_of(path):
            assert module.split(".")[0] not in FORBIDDEN_IMPORTS[room], f"{path.name} imports {module}"


def test_plugins_import_only_public_modules() -> None:
    for path in project_files("plugins/*.py"):
        allowed = {"backends", "hashing", "identities", "net", "redaction", "sign_ins"} | (
            {"testing"} if "/tests/" in str(path) else set()
        )
        for module, _ in rooms_imported_loosely(path):
            assert module.split(".")[0] in allowed, f"{path}: imports linkauth.{module}"


def test_themes_do_not_import_the_core() -> None:
    for path in project_files("themes/*.py"):
        if "/tests/" not in str(path):
            assert not list(rooms_imported_loosely(path)), f"{path} imports the core"


def rooms_imported_loosely(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the same as `rooms_imported`, but permits relative imports, which tests of plugins use."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "linkauth":
            module = (node.module or "").removeprefix("linkauth").removeprefix(".")
            yield from ((module or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name.removeprefix("linkauth."), "") for a in node.names if a.name.startswith("linkauth."))


def test_no_file_is_longer_than_300_lines_or_named_utils() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in project_files("*.py")}
    assert len(lengths) > 400
    assert {path: length for path, length in lengths.items() if length > 300} == {}
    assert [path for path in lengths if Path(path).stem in {"utils", "helpers", "common", "misc"}] == []


def test_frozen_dataclasses_are_not_changed_with_setattr() -> None:
    for path in (*CORE_FILES, *project_files("plugins/*/linkauth_*.py"), *project_files("themes/*/linkauth_*.py")):
        assert "object." + "__setattr__" not in path.read_text("utf-8"), path


def test_the_root_folder_contains_only_the_listed_files() -> None:
    allowed = {
        *("README.md", "CHANGES.md", "LICENSE", "Makefile", "setup.py", "pyproject.toml", "constraints.txt"),
        "locked.txt",
        *("requirements-dev.txt", "development.ini", "production.ini", ".gitignore", ".ci"),
        *("linkauth", "plugins", "themes", "tests", "docs", "benchmarks", "deploy", "skill"),
    }
    assert {path.relative_to(ROOT).parts[0] for path in project_files("*")} <= allowed


def test_the_core_contains_no_html() -> None:
    """Pages come from themes. Only the simulator, the test kit and the gallery have their own HTML.

    The templates of `linkauth plugin new` and `linkauth theme new` are not part of the core.
    """
    data = {".mako", ".template", ".gz", ".LICENSE"}
    for path in project_files("linkauth/*"):
        if room_of(path) not in {"simulator", "testing", "theming"} and path.suffix not in data:
            assert path.suffix == ".py", path
            assert not re.search(r"</?(html|p|h1|form|div)\b", path.read_text("utf-8")), path
