"""Every regular expression of the product, read from its source, with the ways in which it is used."""

from __future__ import annotations

import ast
import importlib
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
USES = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
WIDEST = "search"
"""What a pattern counts as whose use cannot be seen."""


@dataclass(frozen=True)
class Call:
    """A call of the module `re` that has a pattern. `within` is the function that it stands in, "" for none; `pattern`
    is None if only that function can say it."""

    module: str
    within: str
    line: int
    pattern: str | bytes | None
    flags: int
    uses: frozenset[str]

    @property
    def place(self) -> str:
        return f"{self.module}:{self.within}"


def sources() -> list[tuple[Path, str]]:
    """(file, name of its module) of the code that is shipped."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    distributions = {Path(name).parent for name in names if Path(name).name == "setup.py"}
    found = []
    for name in names:
        home = next(parent for parent in Path(name).parents if parent in distributions)
        parts = Path(name).relative_to(home).with_suffix("").parts
        if parts[0].startswith("linkauth") and "migrations" not in parts and (ROOT / name).is_file():
            found.append((ROOT / name, ".".join(parts).removesuffix(".__init__")))
    return found


@cache
def calls() -> tuple[Call, ...]:
    """All of them, in the order of the files."""
    trees = {module: ast.parse(path.read_text("utf-8")) for path, module in sources()}
    uses: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in USES:
                uses[_whole_name(module, _last_name(node.value))].add(node.attr)
    return tuple(call for module, tree in trees.items() for call in _calls(module, tree, uses))


def imports_of_re() -> Iterator[tuple[str, str]]:
    """(module, statement) of every import of a matcher that `calls` would not see."""
    for path, module in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            renamed = isinstance(node, ast.Import) and any(each.name == "re" and each.asname for each in node.names)
            origin = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if renamed or origin == "re" or {*names, origin} & {"regex", "re2", "fnmatch", "glob", "sre_parse"}:
                yield module, ast.unparse(node)


def _calls(module: str, tree: ast.Module, uses: dict[str, set[str]]) -> Iterator[Call]:
    inside = {
        child: each.name
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef)
        for child in ast.walk(each)
        if child is not each
    }
    named = {id(value): name for value, name in _named(tree)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _of_re(node.func)):
            continue
        assert isinstance(node.func, ast.Attribute)
        method = node.func.attr
        if method not in {*USES, "compile"}:
            assert method == "escape", f"{module}: re.{method} is not known here"
            continue
        name = named.get(id(node), "")
        how = {method} if method in USES else uses.get(_whole_name(module, name), set()) if name else set()
        flags = next((each.value for each in node.keywords if each.arg == "flags"), None)
        position = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(method, 2)
        if len(node.args) > position:
            flags = node.args[position]
        pattern = _value(module, node.args[0])
        yield Call(
            module,
            inside.get(node, ""),
            node.lineno,
            pattern,
            int(_value(module, flags) or 0) if flags else 0,
            frozenset(how or {WIDEST}),
        )


def _of_re(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"


def _named(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """(value, name) of what is assigned, or given by keyword."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield node.value, _last_name(node.targets[0])
        elif isinstance(node, ast.AnnAssign) and node.value:
            yield node.value, _last_name(node.target)
        elif isinstance(node, ast.keyword):
            yield node.value, node.arg or ""


def _whole_name(module: str, name: str) -> str:
    """A name that begins with _ is its module's own; another one may be used anywhere."""
    return f"{module}.{name}" if name.startswith("_") else name


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _value(module: str, node: ast.expr) -> Any:
    """The value of an expression in its module, None if only a function can say it."""
    try:
        return eval(compile(ast.Expression(node), module, "eval"), vars(importlib.import_module(module)))
    except NameError:
        return None
