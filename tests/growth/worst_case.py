"""Builds the texts that cost a pattern most: a beginning, many repetitions of a part, and an end that does not fit."""

from __future__ import annotations

import re._constants as op  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from tests.growth.step_counter import CHARACTERS, REPEATS, CharacterTest, Matcher, TooManySteps, character_test

SMALL, LARGE = 16, 128
"""Lengths of the shortest text in characters: a quick test, and one beyond the bounded repeats of the product."""
MAX_CANDIDATES = 16
"""Maximum number of beginnings, words and letters that are combined."""
_BASE_CHARACTERS = "aZ7_ -.,:;=/\\\"'()<>&%#?!\t\n\0\x7fé\u2003\uffff"


def growth(pattern: str | bytes, flags: int, how: str) -> str | None:
    """Returns a description of a text for which the steps of `how` grow faster than its length, or None."""
    matcher = Matcher(pattern, flags)
    for begin, part, end in texts(matcher):
        if all(_grows(matcher, how, begin, part, end, minimum) for minimum in (SMALL, LARGE)):
            return f"{begin!r} + {part!r} * n + {end!r}"
    return None


def _grows(matcher: Matcher, how: str, begin: str, part: str, end: str, minimum: int) -> bool:
    size = max(3, minimum // len(part))
    try:
        small, middle, large = (matcher.count(begin + part * count + end, how) for count in (size, 2 * size, 4 * size))
    except TooManySteps:
        return True
    # the difference doubles with linear growth and quadruples with quadratic growth
    return large - middle > 3 * max(0, middle - small) + size * len(part)


def texts(matcher: Matcher) -> Iterator[tuple[str, str, str]]:
    """Returns (beginning, repeated part, end) of the texts to try."""
    letters = _letters(matcher)
    prefixes = _distinct(["", *_prefixes(matcher.tree, "", letters, matcher.flags)])
    words = _distinct([*prefixes[1:], *_words(matcher.tree, letters, matcher.flags)])
    longer = (word + letter for word in words[:MAX_CANDIDATES] for letter in letters[:2])
    parts = _distinct(part for part in [*letters[-MAX_CANDIDATES:], *words[:MAX_CANDIDATES], *longer] if part)
    yield from product(prefixes[:MAX_CANDIDATES], parts, _distinct([letters[-1], ""]))


def _letters(matcher: Matcher) -> list[str]:
    """Returns one letter for each class of characters that the pattern distinguishes, the rarest match last."""
    tests: list[CharacterTest] = []
    codes = [ord(letter) for letter in _BASE_CHARACTERS]
    for node in _nodes(matcher.tree):
        if node[0] in CHARACTERS:
            tests.append(character_test(node, matcher.flags))
            for kind, argument in node[1] if node[0] is op.IN else [node]:
                if kind in (op.LITERAL, op.NOT_LITERAL):
                    codes.append(argument)
                elif kind is op.RANGE:
                    codes += argument
    letters: dict[tuple[bool, ...], int] = {}
    for code in codes:
        letters.setdefault(tuple(test(code) for test in tests), code)
    return [chr(code) for _, code in sorted(letters.items(), key=lambda item: -sum(item[0]))]


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
    """Returns a short text that matches, with one iteration of each optional repeat if `optional`."""
    text = ""
    for node in tree:
        kind, argument = node
        if kind in CHARACTERS:
            test = character_test(node, flags)
            text += chr(argument) if kind is op.LITERAL else next((each for each in letters if test(ord(each))), "")
        elif kind in REPEATS:
            rounds = max(argument[0], 1 if optional else 0)
            text += _example(argument[2], letters, flags, optional) * rounds
        elif kind not in (op.ASSERT, op.ASSERT_NOT):
            text += next((_example(inner, letters, flags, optional) for inner in _inner(node)), "")
    return text


def _prefixes(tree: Any, before: str, letters: list[str], flags: int) -> Iterator[str]:
    """Returns the text that leads to each repeat."""
    for node in tree:
        if node[0] in REPEATS:
            yield before
        for inner in _inner(node):
            yield from _prefixes(inner, before, letters, flags)
        before += _example([node], letters, flags)


def _words(tree: Any, letters: list[str], flags: int) -> Iterator[str]:
    """Returns texts that match the pattern and each of its parts."""
    yield _example(tree, letters, flags)
    yield _example(tree, letters, flags, optional=False)
    for node in tree:
        for inner in _inner(node):
            yield from _words(inner, letters, flags)


def _distinct(letters: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(letters))
