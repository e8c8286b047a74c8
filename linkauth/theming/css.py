"""Reads style sheets with tinycss2: syntax errors, loaded addresses, and unused custom properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import tinycss2

_NESTED = ("prelude", "content", "arguments")
_IMAGE_SETS = ("image-set", "-webkit-image-set")


def rules(css: str) -> list[Any]:
    """Returns the tinycss2 nodes of a style sheet; a syntax error is a node of the type `error`."""
    return list(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))


def block(rule: Any) -> list[Any]:
    """Returns the declarations, rules and errors in the block of a rule."""
    return block_contents(rule.content)


def block_contents(content: Any) -> list[Any]:
    """Returns the declarations, rules and errors in the content of a block or of a style attribute."""
    return list(tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True))


def tokens(text: str) -> list[Any]:
    """Returns the component values of a text."""
    return list(tinycss2.parse_component_value_list(text, skip_comments=True))


def split(values: Iterable[Any]) -> list[list[Any]]:
    """Splits component values at the commas of the top level."""
    parts: list[list[Any]] = [[]]
    for token in values:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def significant(values: Iterable[Any]) -> list[Any]:
    """Returns the component values without white space and comments."""
    return [token for token in values if token.type not in ("whitespace", "comment")]


def walk(nodes: Iterable[Any]) -> Iterator[Any]:
    """Yields component values and all that they contain."""
    for node in nodes:
        yield node
        for name in _NESTED:
            yield from walk(getattr(node, name, None) or ())


def _nodes(found: Iterable[Any]) -> Iterator[Any]:
    """Yields rules and all rules, declarations and errors inside them."""
    for node in found:
        yield node
        if node.type in ("qualified-rule", "at-rule") and node.content is not None:
            yield from _nodes(block(node))


def errors(css: str) -> Iterator[tuple[int, str]]:
    """Yields (line, message) of each syntax error of a style sheet."""
    for node in _nodes(rules(css)):
        yield from ((each.source_line, each.message) for each in _own_errors(node))


def _own_errors(node: Any) -> list[Any]:
    """Returns the error that a node is, or those in its value or prelude, such as a broken string."""
    parts = node.value if node.type == "declaration" else getattr(node, "prelude", [node])
    return [each for each in walk(parts) if each.type == "error"]


def is_broken(node: Any) -> bool:
    """Returns whether browsers skip a rule or declaration because of a syntax error in its prelude or value."""
    return bool(_own_errors(node))


@lru_cache(256)
def loads(css: str) -> tuple[str, ...]:
    """Returns the addresses that a style sheet, or one value of a property, loads."""
    found: list[str] = []
    importing = False
    for node in walk(tokens(css)):
        if node.type == "url" or (node.type == "string" and importing):
            found.append(node.value)
        elif node.type == "function" and node.lower_name in _IMAGE_SETS:
            found += [each.value for each in node.arguments if each.type == "string"]
        if node.type != "whitespace":
            importing = node.type == "at-keyword" and node.lower_value == "import"
    return tuple(found)


def unused_properties(css: str) -> set[str]:
    """Returns the custom properties that a style sheet sets and never uses."""
    names = {each.name for each in _nodes(rules(css)) if each.type == "declaration" and each.name.startswith("--")}
    for node in walk(tokens(css)):
        if node.type == "function" and node.lower_name == "var":
            names -= {each.value for each in significant(node.arguments)[:1] if each.type == "ident"}
    return names
