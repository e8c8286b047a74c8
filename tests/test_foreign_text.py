"""What a driver, a library or the operating system says of an error is shown after `redact` or `reason` only.

The sources are read: an exception of somebody else's class must not become text in any other way. Passed on, raised,
compared, asked for its class or its number it may be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import ROOT, tracked

SOURCES = [
    path
    for path in (*tracked("linkauth/*.py"), *tracked("plugins/*.py"), *tracked("themes/*.py"))
    if path.stem != "redaction" and not {"tests", "testing"} & set(path.relative_to(ROOT).parts)
]
CLEANERS = {"redact", "reason", "cause"}
OURS = {
    *("SettingsError", "StartError", "StorageUnavailableError", "AuthorizationError", "ClientRequestError"),
    *("BearerError", "UntrustedRequestError", "InvalidClientError", "OAuth2Error"),
    *("BackendError", "BackendUnavailable", "BackendMisconfigured", "AccountRefused", "PasswordRefused", "Throttled"),
    *("WrongPassword", "UnknownUser", "PasswordChanged", "PasswordChangeNeeded", "HTTPNotFound", "HTTPException"),
    *(
        "ServerFailed",
        "AllServersFailed",
        "NameNotResolved",
        "NoSuchText",
        "Taken",
        "UnrecognizedValue",
        "UnusableHash",
        "UnencodableText",
    ),
}
"""Classes whose text is made by us, of what was cleaned when they were raised (pages never show Pyramid's)."""
FROM_PLUGINS = {"BackendError", "BackendUnavailable", "BackendMisconfigured", "PasswordRefused"}
"""Of these the core cleans the text: anybody's plugin may have raised them."""
HARMLESS = {
    *("errno", "lineno", "start", "option", "section", "errors", "object", "code", "headers", "read", "name", "rule"),
    *("__traceback__", "__class__", "__name__", "verify_code", "connection_invalidated", "value", "isEnabledFor"),
    *("sqlstate", "sqlite_errorname", "source", "exc_type", "exc_value", "exc_traceback", "thread"),
}
"""Attributes of exceptions that hold no text of theirs but numbers, names of modules and keys, and places."""
DECIDE = {"_cause", "_is_about_uniqueness", "_outcome", "is_certificate_error"}
"""Functions that find out by a driver's words what an error means, and show them to nobody."""
READS = {"type", "isinstance", "issubclass"}


def names(node: ast.expr | None) -> set[str]:
    """The names of the classes in an `except` or an annotation."""
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node else set()
    return found | ({each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)} if node else set())


def is_foreign(classes: set[str], in_core: bool) -> bool:
    ours = OURS - FROM_PLUGINS if in_core else OURS
    return bool({each for each in classes if each[:1].isupper()} - ours)


def scopes(tree: ast.Module, in_core: bool) -> Iterator[tuple[str, list[ast.stmt]]]:
    """(name of a foreign exception, where it is known by it): of each `except`, and of parameters that are errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name and is_foreign(names(node.type), in_core):
            yield node.name, node.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name in DECIDE:
                continue
            for argument in (*node.args.args, *node.args.kwonlyargs):
                classes = {each for each in names(argument.annotation) if each.endswith(("Error", "Exception"))}
                if classes and is_foreign(classes, in_core):
                    yield argument.arg, node.body


def is_shown(parents: list[ast.AST], name: ast.Name) -> bool:
    """Does this use of an exception make text of it? `parents` from the nearest on."""
    child: ast.AST = name
    text = False
    for parent in parents:
        if isinstance(parent, ast.Call):
            if child is parent.func:
                child = parent
                continue
            called = parent.func.id if isinstance(parent.func, ast.Name) else getattr(parent.func, "attr", "")
            if called in CLEANERS | DECIDE | READS:
                return False
            if called == "getattr":
                expected = parent.args[1]
                if isinstance(expected, ast.Constant) and expected.value in HARMLESS:
                    return False
                child, text = parent, True
                continue
            if called == "__excepthook__" or any(each.arg == "exc_info" and each is child for each in parent.keywords):
                return False
            # to a function of ours, which is read itself; what only keeps an error is no text yet
            is_method = isinstance(parent.func, ast.Attribute) and called not in {"put", "append"}
            makes_text = is_method or called in {"str", "repr", "format", "print", "ascii"} or called[:1].isupper()
            if not text and not makes_text:
                return False
            text = True
        if isinstance(parent, ast.Attribute):
            if parent.attr in HARMLESS:
                return False
            text = True
        if isinstance(parent, (ast.JoinedStr, ast.FormattedValue, ast.BinOp)):
            text = True
        is_test = isinstance(parent, (ast.If, ast.IfExp, ast.While)) and child is parent.test
        if isinstance(parent, ast.Compare) or is_test:
            return False
        if isinstance(parent, ast.stmt):
            return text
        child = parent
    return text


def shown(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    in_core = path.relative_to(ROOT).parts[0] == "linkauth"
    for name, body in scopes(tree, in_core):
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                    parents, at = [], above.get(node)
                    while at is not None:
                        parents.append(at)
                        at = above.get(at)
                    if is_shown(parents, node):
                        yield f"line {node.lineno}: {ast.unparse(parents[0])}"


def test_no_foreign_error_becomes_text_uncleaned() -> None:
    found = {str(path.relative_to(ROOT)): sorted(set(shown(path))) for path in SOURCES}
    assert len(found) > 150
    assert {path: lines for path, lines in found.items() if lines} == {}
