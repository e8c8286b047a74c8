"""Templates that a child theme inherits, and `parent/`, by which one that has the same name reaches what it overrides.

`{% extends "login.jinja2" %}` means the first of that name in the chain, the child's before its parents';
`{% extends "parent/login.jinja2" %}` the first one behind the theme in whose folder this is written, however long the
chain is. `static/page.css.jinja2` is a template of the folder beside `templates/`, for `include` in a style sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import jinja2
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid_jinja2 import add_jinja2_renderer, get_jinja2_environment

from linkauth.themes.bytecode import Bytecode

SETTINGS = {"jinja2.trim_blocks": "true", "jinja2.lstrip_blocks": "true", "jinja2.undefined": "strict"}
PARENT = "parent/"
_STATIC = "static/"


class TemplateLoader(jinja2.BaseLoader):
    """Loads from `roots`, the folders of a theme and of its parents, the child first.

    The name `2:login.jinja2` stands for the first login.jinja2 from the third root on.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)

    def find(self, name: str) -> tuple[int, Path]:
        """Which root has the template of that name, and its path; raises jinja2.TemplateNotFound."""
        start, colon, bare = name.partition(":")
        first, bare = (int(start), bare) if colon else (0, name)
        relative = Path(bare) if bare.startswith(_STATIC) else Path("templates", bare)
        for index, root in enumerate(self.roots[first:], first):
            if ".." not in relative.parts and (root / relative).is_file():
                return index, root / relative
        raise jinja2.TemplateNotFound(name, f"there is no {bare} in {', '.join(r.name for r in self.roots[first:])}")

    def root_of(self, name: str) -> Path:
        """The root that has the template of that name; raises jinja2.TemplateNotFound."""
        return self.roots[self.find(name)[0]]

    def get_source(self, environment: jinja2.Environment, name: str) -> tuple[str, str, Callable[[], bool]]:
        text, path = self.read(name)
        return text, str(path), lambda: True

    def read(self, name: str) -> tuple[str, Path]:
        """A template's text and path; raises jinja2.TemplateNotFound, and TemplateSyntaxError if it is not UTF-8."""
        _, path = self.find(name)
        try:
            return path.read_text("utf-8"), path
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise jinja2.TemplateSyntaxError("is not UTF-8: save it so", line, name, str(path)) from None

    def list_templates(self) -> list[str]:
        """The names of all templates, as a page or another template asks for them."""
        folders = [root / "templates" for root in self.roots]
        return sorted({str(path.relative_to(each)) for each in folders for path in each.rglob("*") if path.is_file()})

    def join_path(self, template: str, parent: str) -> str:
        """The name that `template` has in the template `parent`."""
        if not template.startswith(PARENT):
            return template
        index, _ = self.find(parent)
        return f"{index + 1}:{template.removeprefix(PARENT)}"

    def names(self) -> Iterator[str]:
        """Every template of every root, by the name under which pages and other templates reach it."""
        for name in self.list_templates():
            reached, first = name, 0
            with suppress(jinja2.TemplateNotFound):
                while True:
                    index, _ = self.find(f"{first}:{name}")
                    yield reached
                    first = index + 1
                    reached = f"{first}:{name}"


def environment(roots: Sequence[Path]) -> jinja2.Environment:
    """pyramid_jinja2's environment over `roots`, with `parent/`. It escapes values; an undefined name is an error.

    The configurator serves this theme alone, so that the theme has a renderer and an environment of its own.
    """
    registry = Registry("linkauth.themes")
    registry.settings = SETTINGS
    config = Configurator(registry=registry, autocommit=True)
    # not config.include: pyramid_jinja2 would look for its caller, and read every source file of the stack for that
    add_jinja2_renderer(config, ".jinja2")
    made: jinja2.Environment = get_jinja2_environment(config)
    loader = TemplateLoader(roots)
    made.loader = loader
    made.bytecode_cache = Bytecode(loader.root_of)
    # pyramid_jinja2's own looks for templates beside the parent, and would compile one again for each that extends it
    made.join_path = loader.join_path  # type: ignore[method-assign]
    return made
