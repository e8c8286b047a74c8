"""A form of a console: its fields with their values, as text for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from linkauth.config.secret_strength import SECRET_COMMAND

WIDTH = 100
_NO_BREAK = "\u00a0"
"""A space at which textwrap does not break a line."""


@dataclass(frozen=True)
class Field:
    """A field of a form. `name` is what the console calls it; `values` are typed there; none: it stays empty.

    A value may have several lines. `notes` explain the field; each is one or more sentences.
    """

    name: str
    values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """A form: the title, where it is, and its fields in the order of the console."""

    title: str
    place: str
    fields: tuple[Field, ...]

    def lines(self) -> Iterator[str]:
        """Yields the lines of the form. Values are indented by four spaces, and notes begin with #."""
        yield self.title
        yield from _wrapped(self.place)
        for field in self.fields:
            yield ""
            yield field.name
            for value in field.values or ("(leave this field empty)",):
                yield from (f"    {line}" for line in value.split("\n"))
            for note in field.notes:
                yield from _wrapped(note, "  # ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Returns the lines of a text. A command that the text contains stays on one line, so that it can be copied."""
    fixed = text.replace(SECRET_COMMAND, SECRET_COMMAND.replace(" ", _NO_BREAK))
    lines = textwrap.wrap(
        fixed,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]
