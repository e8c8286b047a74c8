"""Reads the notes for translators from the comments of templates.

`{# Translators: Login page: label #}` says where the texts after it stand, up to the next such comment of the same
template. `{# Placeholder skill: the name of the skill #}` explains `%(skill)s` in all texts of the theme and its
children.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path

import jinja2

from linkauth.theming import po

NOTE, PLACEHOLDER = "Translators:", "Placeholder "
_ENVIRONMENT = jinja2.Environment(autoescape=True)


class Notes:
    """The notes of one template, from its source. Raises jinja2.TemplateSyntaxError for a broken one."""

    def __init__(self, source: str) -> None:
        found = [(line, text.removeprefix(NOTE).strip()) for line, text in _comments(source) if text.startswith(NOTE)]
        self._lines = [line for line, _ in found]
        self._notes = [" ".join(text.split()) for _, text in found]

    def at(self, line: int) -> str:
        """Returns the note for a text in this line, or "" if there is none."""
        index = bisect_right(self._lines, line)
        return self._notes[index - 1] if index else ""


def explanations(package: Path) -> dict[str, str]:
    """Returns the explanations of placeholders in the templates of a package, such as "skill" to "the name".

    Ignores templates that cannot be read; the extraction of texts reports them.
    """
    found = {}
    for path in sorted((package / "templates").rglob("*.jinja2")):
        try:
            comments = list(_comments(path.read_text("utf-8")))
        except (jinja2.TemplateSyntaxError, UnicodeDecodeError):
            continue
        for _, text in comments:
            if text.startswith(PLACEHOLDER):
                name, _, explanation = text.removeprefix(PLACEHOLDER).partition(":")
                found[name.strip()] = " ".join(explanation.split())
    return found


def explained(id_: po.MessageId, explanations_of: Mapping[str, str]) -> list[str]:
    """Returns a line for each placeholder of a text that has an explanation."""
    try:
        used = set().union(*map(po.placeholders, po.forms(id_)))
    except (TypeError, ValueError):
        # no page can show this text
        return []
    return [f"%({name})s: {text}" for name, text in explanations_of.items() if f"%({name})s" in used]


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of each comment of a template."""
    for line, token, value in _ENVIRONMENT.lex(source):
        if token == "comment":
            yield line, value.strip()
