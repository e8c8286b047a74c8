"""Collects every regular expression in the source of the product, with the methods that use it."""

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
DEFAULT_USE = "search"
"""The method assumed for a pattern whose use is not visible in the source; it costs most."""


@dataclass(frozen=True)
class Call:
    """A call of the module `re` with a pattern.

    `within` is the name of the enclosing function, or "". `pattern` is None if it is computed inside that function.
    """

    module: str
    within: str
    line: int
    pattern: str | bytes | None
    flags: int
    uses: frozenset[str]

    @property
    def location(self) -> str:
        return f"{self.module}:{self.within}"


def sources() -> list[tuple[Path, str]]:
    """Returns (path, module name) of each Python file that is shipped."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    distributions = {Path(name).parent for name in names if Path(name).name == "setup.py"}
    modules = []
    for name in names:
        home = next(parent for parent in Path(name).parents if parent in distributions)
        parts = Path(name).relative_to(home).with_suffix("").parts
        if parts[0].startswith("linkauth") and "migrations" not in parts and (ROOT / name).is_file():
            modules.append((ROOT / name, ".".join(parts).removesuffix(".__init__")))
    return modules


@cache
def calls() -> tuple[Call, ...]:
    """Returns all calls, in the order of the files."""
    trees = {module: ast.parse(path.read_text("utf-8")) for path, module in sources()}
    uses: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in USES:
                uses[_qualified_name(module, _last_name(node.value))].add(node.attr)
    return tuple(call for module, tree in trees.items() for call in _calls(module, tree, uses))


def imports_of_re() -> Iterator[tuple[str, str]]:
    """Returns (module, statement) of each import of a pattern matcher that calls() would miss."""
    for path, module in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            renamed = isinstance(node, ast.Import) and any(each.name == "re" and each.asname for each in node.names)
            origin = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if renamed or origin == "re" or {*names, origin} & {"regex", "re2", "fnmatch", "glob", "sre_parse"}:
                yield module, ast.unparse(node)


def _calls(module: str, tree: ast.Module, uses: dict[str, set[str]]) -> Iterator[Call]:
    enclosing = {
        child: each.name
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef)
        for child in ast.walk(each)
        if child is not each
    }
    names_by_node = {id(value): name for value, name in _assignments(tree)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _is_re_method(node.func)):
            continue
        assert isinstance(node.func, ast.Attribute)
        method = node.func.attr
        if method not in {*USES, "compile"}:
            assert method == "escape", f"{module}: re.{method} is not known here"
            continue
        name = names_by_node.get(id(node), "")
        methods = {method} if method in USES else uses.get(_qualified_name(module, name), set()) if name else set()
        flags = next((each.value for each in node.keywords if each.arg == "flags"), None)
        position = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(method, 2)
        if len(node.args) > position:
            flags = node.args[position]
        pattern = _value(module, node.args[0])
        yield Call(
            module,
            enclosing.get(node, ""),
            node.lineno,
            pattern,
            int(_value(module, flags) or 0) if flags else 0,
            frozenset(methods or {DEFAULT_USE}),
        )


def _is_re_method(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"


def _assignments(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Returns (value, name) of each assignment and keyword argument. The value of a lambda is what it returns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield node.value, _last_name(node.targets[0])
        elif isinstance(node, ast.AnnAssign) and node.value:
            yield node.value, _last_name(node.target)
        elif isinstance(node, ast.keyword):
            yield node.value.body if isinstance(node.value, ast.Lambda) else node.value, node.arg or ""


def _qualified_name(module: str, name: str) -> str:
    """Returns the name with its module if it is private; a public name may be used in any module."""
    return f"{module}.{name}" if name.startswith("_") else name


def _last_name(node: ast.expr) -> str:
    """Returns the name of a variable, attribute or called function, without what is before the last dot."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else ""


def _value(module: str, node: ast.expr) -> Any:
    """Returns the value of an expression in its module, or None if it uses local names."""
    try:
        return eval(compile(ast.Expression(node), module, "eval"), vars(importlib.import_module(module)))
    except NameError:
        return None
