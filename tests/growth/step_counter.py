"""Counts the steps of a backtracking matcher such as `re`, so that growth is measured without a clock."""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found,unused-ignore]
import re._parser as parser  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Callable, Sequence
from typing import Any

MAX_STEPS = 300_000
"""A limit far above the count of any linear pattern for the texts of these tests."""

CharacterTest = Callable[[int], bool]
_CATEGORIES = {op.CATEGORY_DIGIT: r"\d", op.CATEGORY_SPACE: r"\s", op.CATEGORY_WORD: r"\w"}
_NOT_CATEGORIES = {op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_NOT_WORD: r"\W"}
CATEGORIES = {name: re.compile(text) for name, text in (_CATEGORIES | _NOT_CATEGORIES).items()}
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
CHARACTERS = (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY)


class TooManySteps(Exception):
    """The matcher took more than MAX_STEPS."""


class UnsupportedPattern(Exception):
    """The pattern has a part that this module does not support, such as a back reference."""


def character_test(node: tuple[Any, Any], flags: int) -> CharacterTest:
    """Returns a function that tells whether the one-character node matches a character code."""
    kind, argument = node
    if kind is op.ANY:
        return lambda code: bool(flags & re.DOTALL) or code != 10
    if kind is op.IN:
        parts = [part for part in argument if part[0] is not op.NEGATE]
        negated = len(parts) < len(argument)
        return lambda code: any(_matches(part, code, flags) for part in parts) != negated
    return lambda code: _matches((op.LITERAL, argument), code, flags) == (kind is op.LITERAL)


def _matches(part: tuple[Any, Any], code: int, flags: int) -> bool:
    kind, argument = part
    if kind is op.CATEGORY:
        return CATEGORIES[argument].fullmatch(chr(code)) is not None
    low, high = (argument, argument) if kind is op.LITERAL else argument
    if flags & re.IGNORECASE:
        spellings = {ord(each) for each in (chr(code).lower(), chr(code).upper()) if len(each) == 1}
        return any(low <= each <= high for each in {code, *spellings})
    return bool(low <= code <= high)


class Matcher:
    """A pattern compiled to a small program, which runs with an explicit stack."""

    def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
        self.tree = parser.parse(pattern, flags)
        self.flags = flags | self.tree.state.flags
        self.steps = 0
        self._marks = 0
        self._program = self._compile(self.tree)

    def count(self, text: str, how: str) -> int:
        """Returns the number of steps of the method `how` over `text`.

        `how` is "match" or "fullmatch"; any other value means a search for all matches.
        """
        self.steps = 0
        codes = [ord(letter) for letter in text]
        if how in ("match", "fullmatch"):
            self._run(self._program, codes, 0, how == "fullmatch")
            return self.steps
        start = 0
        while start <= len(codes):
            end = self._run(self._program, codes, start, False)
            start = start + 1 if end is None else max(end, start + 1)
        return self.steps

    def _compile(self, nodes: Any) -> list[tuple[Any, ...]]:
        program: list[tuple[Any, ...]] = []
        self._add(program, nodes)
        program.append(("end",))
        return program

    def _add(self, program: list[tuple[Any, ...]], nodes: Any) -> None:
        for kind, argument in nodes:
            if kind in CHARACTERS:
                program.append(("one", character_test((kind, argument), self.flags)))
            elif kind is op.SUBPATTERN:
                if argument[1] or argument[2]:
                    raise UnsupportedPattern("flags of a group are not counted: give them to the whole pattern")
                self._add(program, argument[3])
            elif kind is op.AT:
                program.append(("at", argument))
            elif kind is op.BRANCH:
                self._add_branches(program, argument[1])
            elif kind in (op.ASSERT, op.ASSERT_NOT):
                width = argument[1].getwidth()[0] if argument[0] < 0 else 0
                program.append(("look", self._compile(argument[1]), kind is op.ASSERT, width))
            elif kind is op.ATOMIC_GROUP:
                program.append(("atomic", self._compile(argument)))
            elif kind is op.POSSESSIVE_REPEAT:
                program.append(("atomic", self._compile([(op.MAX_REPEAT, argument)])))
            elif kind in REPEATS:
                self._add_repeat(program, kind is op.MIN_REPEAT, *argument)
            else:
                raise UnsupportedPattern(f"{kind} is not counted")

    def _add_branches(self, program: list[tuple[Any, ...]], branches: Any) -> None:
        jumps = []
        for branch in branches[:-1]:
            fork = len(program)
            program.append(())
            self._add(program, branch)
            jumps.append(len(program))
            program.append(())
            program[fork] = ("fork", fork + 1, len(program))
        self._add(program, branches[-1])
        for jump in jumps:
            program[jump] = ("go", len(program))

    def _add_repeat(self, program: list[tuple[Any, ...]], lazy: bool, minimum: int, maximum: Any, body: Any) -> None:
        for _ in range(minimum):
            self._add(program, body)
        forks = []
        if maximum is op.MAXREPEAT:
            mark, self._marks = self._marks, self._marks + 1
            forks.append(len(program))
            program += [(), ("mark", mark)]
            self._add(program, body)
            # an iteration that matches the empty text ends the loop
            program += [("moved", mark), ("go", forks[0])]
        else:
            for _ in range(maximum - minimum):
                forks.append(len(program))
                program.append(())
                self._add(program, body)
        for fork in forks:
            inside, past = fork + 1, len(program)
            program[fork] = ("fork", past, inside) if lazy else ("fork", inside, past)

    def _run(self, program: list[tuple[Any, ...]], codes: Sequence[int], start: int, whole: bool) -> int | None:
        """Returns the end of the match that begins at `start`, or None."""
        stack = [(0, start, (-1,) * self._marks)]
        while stack:
            counter, position, marks = stack.pop()
            while True:
                self.steps += 1
                if self.steps > MAX_STEPS:
                    raise TooManySteps
                name, *more = program[counter]
                counter += 1
                if name == "one":
                    if position >= len(codes) or not more[0](codes[position]):
                        break
                    position += 1
                elif name == "fork":
                    stack.append((more[1], position, marks))
                    counter = more[0]
                elif name == "go":
                    counter = more[0]
                elif name == "mark":
                    marks = (*marks[: more[0]], position, *marks[more[0] + 1 :])
                elif name == "moved":
                    if marks[more[0]] == position:
                        break
                elif name == "at":
                    if not _assertion_holds(more[0], codes, position):
                        break
                elif name == "look":
                    begin = position - more[2]
                    if (begin >= 0 and self._run(more[0], codes, begin, False) is not None) != more[1]:
                        break
                elif name == "atomic":
                    end = self._run(more[0], codes, position, False)
                    if end is None:
                        break
                    position = end
                elif not whole or position == len(codes):
                    return position
                else:
                    break
        return None


def _assertion_holds(where: Any, codes: Sequence[int], position: int) -> bool:
    if where in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return position == 0
    if where is op.AT_END_STRING:
        return position == len(codes)
    if where is op.AT_END:
        return position >= len(codes) - 1 and (position == len(codes) or codes[position] == 10)
    if where not in (op.AT_BOUNDARY, op.AT_NON_BOUNDARY):
        raise UnsupportedPattern(f"{where} is not counted")
    sides = [
        0 <= side < len(codes) and CATEGORIES[op.CATEGORY_WORD].fullmatch(chr(codes[side])) is not None
        for side in (position - 1, position)
    ]
    return (sides[0] != sides[1]) == (where is op.AT_BOUNDARY)
