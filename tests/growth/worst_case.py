"""The texts that cost a pattern most, made from its own parts: what begins it, again and again what it repeats, and an
end that does not fit."""

from __future__ import annotations

import re._constants as op  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from tests.growth.step_counter import CHARACTERS, REPEATS, Fits, Matcher, TooManySteps, fits

SMALL, LARGE = 16, 128
"""Characters of the shortest text; of the shortest one that makes sure, beyond a bounded repeat of the product."""
MOST = 16
"""Beginnings, words and letters that are put together."""
_ALWAYS = "aZ7_ -.,:;=/\\\"'()<>&%#?!\t\n\0\x7fé\u2003\uffff"


def growth(pattern: str | bytes, flags: int, how: str) -> str | None:
    """A text over which the steps of `how` grow faster than the text, None if there is none."""
    matcher = Matcher(pattern, flags)
    for begin, part, end in texts(matcher):
        if all(_grows(matcher, how, begin, part, end, least) for least in (SMALL, LARGE)):
            return f"{begin!r} + {part!r} * n + {end!r}"
    return None


def _grows(matcher: Matcher, how: str, begin: str, part: str, end: str, least: int) -> bool:
    size = max(3, least // len(part))
    try:
        small, middle, large = (matcher.count(begin + part * count + end, how) for count in (size, 2 * size, 4 * size))
    except TooManySteps:
        return True
    # linear growth doubles the difference, quadratic growth makes it four times as large
    return large - middle > 3 * max(0, middle - small) + size * len(part)


def texts(matcher: Matcher) -> Iterator[tuple[str, str, str]]:
    """(beginning, repeated part, end) of texts."""
    letters = _letters(matcher)
    begins = _distinct(["", *_beginnings(matcher.tree, "", letters, matcher.flags)])
    words = _distinct([*begins[1:], *_words(matcher.tree, letters, matcher.flags)])
    longer = (word + letter for word in words[:MOST] for letter in letters[:2])
    parts = _distinct(part for part in [*letters[-MOST:], *words[:MOST], *longer] if part)
    yield from product(begins[:MOST], parts, _distinct([letters[-1], ""]))


def _letters(matcher: Matcher) -> list[str]:
    """One letter for each set of characters that the pattern tells from others; what fits least comes last."""
    tests: list[Fits] = []
    codes = [ord(letter) for letter in _ALWAYS]
    for node in _nodes(matcher.tree):
        if node[0] in CHARACTERS:
            tests.append(fits(node, matcher.flags))
            for kind, argument in node[1] if node[0] is op.IN else [node]:
                if kind in (op.LITERAL, op.NOT_LITERAL):
                    codes.append(argument)
                elif kind is op.RANGE:
                    codes += argument
    found: dict[tuple[bool, ...], int] = {}
    for code in codes:
        found.setdefault(tuple(test(code) for test in tests), code)
    return [chr(code) for _, code in sorted(found.items(), key=lambda item: -sum(item[0]))]


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    for node in tree:
        yield node
        for inner in _inner(node):
            yield from _nodes(inner)


def _inner(node: tuple[Any, Any]) -> Iterable[Any]:
    kind, argument = node
    if kind is op.SUBPATTERN:
        return [argument[3]]
    if kind is op.BRANCH:
        return list(argument[1])
    if kind in REPEATS:
        return [argument[2]]
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [argument[1]]
    return [argument] if kind is op.ATOMIC_GROUP else []


def _example(tree: Any, letters: list[str], flags: int, optional: bool = True) -> str:
    """A short text that fits, with one round of each repeat if `optional`."""
    text = ""
    for node in tree:
        kind, argument = node
        if kind in CHARACTERS:
            test = fits(node, flags)
            text += chr(argument) if kind is op.LITERAL else next((each for each in letters if test(ord(each))), "")
        elif kind in REPEATS:
            rounds = max(argument[0], 1 if optional else 0)
            text += _example(argument[2], letters, flags, optional) * rounds
        elif kind not in (op.ASSERT, op.ASSERT_NOT):
            text += next((_example(inner, letters, flags, optional) for inner in _inner(node)), "")
    return text


def _beginnings(tree: Any, before: str, letters: list[str], flags: int) -> Iterator[str]:
    """What leads to each repeat."""
    for node in tree:
        if node[0] in REPEATS:
            yield before
        for inner in _inner(node):
            yield from _beginnings(inner, before, letters, flags)
        before += _example([node], letters, flags)


def _words(tree: Any, letters: list[str], flags: int) -> Iterator[str]:
    """What each part of the pattern takes, the whole pattern first."""
    yield _example(tree, letters, flags)
    yield _example(tree, letters, flags, optional=False)
    for node in tree:
        for inner in _inner(node):
            yield from _words(inner, letters, flags)


def _distinct(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
