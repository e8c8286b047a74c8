"""Tests that error messages of drivers, libraries and the operating system are shown only after redaction.

The tests analyze the source code: the text of a foreign exception may be used only by `redact` and similar functions.
The exception itself may be passed, raised and compared, and its class and numeric attributes may be read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import ROOT, project_files

SOURCES = [
    path
    for path in (*project_files("linkauth/*.py"), *project_files("plugins/*.py"), *project_files("themes/*.py"))
    if path.stem != "redaction" and not {"tests", "testing"} & set(path.relative_to(ROOT).parts)
]
REDACTING_FUNCTIONS = {"redact", "reason"}
OWN_EXCEPTIONS = {
    *("SettingsError", "StartError", "StorageUnavailableError", "AuthorizationError", "ClientRequestError"),
    *("InvalidAddress", "MailDeferred", "MailNotSent", "RecipientRefused", "ServerUnavailable"),
    *("BearerError", "UntrustedRequestError", "InvalidClientError", "OAuth2Error"),
    *("BackendError", "BackendUnavailable", "BackendMisconfigured", "AccountRefused", "PasswordRefused", "Throttled"),
    *("Busy", "WrongCode", "ChallengeOver", "StartThrottled", "InvalidFields", "NameTaken"),
    *("SignInFailed", "SignInCancelled", "SignInRefused", "InvalidAnswer"),
    *("SecondFactorUnreadable", "PasskeyRefused", "SecondFactorNeeded", "CodeRefused", "Unmatched"),
    *("WrongPassword", "UnknownUser", "PasswordChanged", "PasswordChangeNeeded", "HTTPNotFound", "HTTPException"),
    *(
        "ServerFailed",
        "AllServersFailed",
        "AmbiguousName",
        "NameNotResolved",
        "UnstorableText",
        "ConstraintViolation",
        "UnknownValue",
        "UnusableHash",
        "UnencodableText",
        "InvalidURI",
        "LeaseLost",
    ),
}
"""Exceptions whose text is written by linkauth from redacted parts. Pages never show the text of Pyramid's."""
RAISED_BY_PLUGINS = {
    *("BackendError", "BackendUnavailable", "BackendMisconfigured", "AmbiguousName", "PasswordRefused"),
    *("SignInFailed", "SignInCancelled", "SignInRefused", "InvalidAnswer"),
}
"""Exceptions whose text the core must redact, because a foreign plugin may have raised them."""
SAFE_ATTRIBUTES = {
    *("errno", "lineno", "start", "option", "section", "errors", "object", "code", "headers", "read", "name", "rule"),
    *("__traceback__", "__class__", "__name__", "verify_code", "connection_invalidated", "value"),
    *("sqlstate", "sqlite_errorname", "source", "exc_type", "exc_value", "exc_traceback", "thread", "retry_after"),
}
"""Attributes of exceptions that contain no message text: numbers, names of modules and keys, and positions."""
CLASSIFYING_FUNCTIONS = {
    "_cause",
    "_cause_of_silent",
    "_is_about_uniqueness",
    "is_certificate_error",
    "outcome_of",
    "speaks_no_tls",
    "sqlalchemy_error",
    "tls_failure",
}
"""Functions that read the text of an exception to classify it, but do not show it."""
TYPE_FUNCTIONS = {"type", "isinstance", "issubclass"}


def class_names(node: ast.expr | None) -> set[str]:
    """Returns the class names in an `except` clause or an annotation."""
    nodes = list(ast.walk(node)) if node else []
    names = {part.id for part in nodes if isinstance(part, ast.Name)}
    return names | {part.attr for part in nodes if isinstance(part, ast.Attribute)}


def are_foreign(classes: set[str], in_core: bool) -> bool:
    own = OWN_EXCEPTIONS - RAISED_BY_PLUGINS if in_core else OWN_EXCEPTIONS
    return bool({name for name in classes if name[:1].isupper()} - own)


def foreign_exceptions(tree: ast.Module, in_core: bool) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Yields (variable name, statements in its scope) of each foreign exception in `except` clauses and parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name and are_foreign(class_names(node.type), in_core):
            yield node.name, node.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name in CLASSIFYING_FUNCTIONS:
                continue
            for argument in (*node.args.args, *node.args.kwonlyargs):
                classes = {name for name in class_names(argument.annotation) if name.endswith(("Error", "Exception"))}
                if classes and are_foreign(classes, in_core):
                    yield argument.arg, node.body


def becomes_text(parents: list[ast.AST], name: ast.Name) -> bool:
    """Returns whether this use of an exception turns it into text. `parents` are its ancestors, the nearest first."""
    child: ast.AST = name
    text = False
    for parent in parents:
        if isinstance(parent, ast.Call):
            if child is parent.func:
                child = parent
                continue
            function_name = parent.func.id if isinstance(parent.func, ast.Name) else getattr(parent.func, "attr", "")
            if function_name in REDACTING_FUNCTIONS | CLASSIFYING_FUNCTIONS | TYPE_FUNCTIONS:
                return False
            if function_name == "getattr":
                expected = parent.args[1]
                if isinstance(expected, ast.Constant) and expected.value in SAFE_ATTRIBUTES:
                    return False
                child, text = parent, True
                continue
            is_exc_info = any(keyword.arg == "exc_info" and keyword is child for keyword in parent.keywords)
            if function_name == "__excepthook__" or is_exc_info:
                return False
            # a call of a function of linkauth, which is analyzed itself; storing an exception creates no text
            is_method = isinstance(parent.func, ast.Attribute) and function_name not in {"put", "append"}
            makes_text = (
                is_method or function_name in {"str", "repr", "format", "print", "ascii"} or function_name[:1].isupper()
            )
            if not text and not makes_text:
                return False
            text = True
        if isinstance(parent, ast.Attribute):
            if parent.attr in SAFE_ATTRIBUTES:
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


def leaks(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    parent_of = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    in_core = path.relative_to(ROOT).parts[0] == "linkauth"
    for name, body in foreign_exceptions(tree, in_core):
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                    parents, ancestor = [], parent_of.get(node)
                    while ancestor is not None:
                        parents.append(ancestor)
                        ancestor = parent_of.get(ancestor)
                    if becomes_text(parents, node):
                        yield f"line {node.lineno}: {ast.unparse(parents[0])}"


def test_no_foreign_exception_becomes_text_without_redaction() -> None:
    leaks_by_file = {str(path.relative_to(ROOT)): sorted(set(leaks(path))) for path in SOURCES}
    assert len(leaks_by_file) > 150
    assert {path: lines for path, lines in leaks_by_file.items() if lines} == {}
