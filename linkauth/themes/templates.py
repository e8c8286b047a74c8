"""Loads the templates of a theme and its parents.

`{% extends "login.jinja2" %}` means the first template of that name: that of the child before those of its parents.
`{% extends "parent/login.jinja2" %}` starts the search at the parent of the theme that contains this line. The name
`static/page.css.jinja2` means the folder `static/` next to `templates/`; style sheets use it with `include`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import jinja2
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.registry import Registry
from pyramid_jinja2 import add_jinja2_renderer, get_jinja2_environment

from linkauth.redaction import reason, redact
from linkauth.themes.bytecode import Bytecode

SETTINGS = {"jinja2.trim_blocks": "true", "jinja2.lstrip_blocks": "true", "jinja2.undefined": "strict"}
PARENT = "parent/"
_STATIC = "static/"


class TemplateLoader(jinja2.BaseLoader):
    """Loads from `roots`, the folders of a theme and its parents, child first.

    The name `2:login.jinja2` means that the search starts at the third root.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)

    def find(self, name: str) -> tuple[int, Path]:
        """Returns the index of the root that has the template, and its path. Raises jinja2.TemplateNotFound."""
        start, colon, bare = name.partition(":")
        first, bare = (int(start), bare) if colon else (0, name)
        relative = Path(bare) if bare.startswith(_STATIC) else Path("templates", bare)
        for index, root in enumerate(self.roots[first:], first):
            if ".." not in relative.parts and (root / relative).is_file():
                return index, root / relative
        raise jinja2.TemplateNotFound(name, f"there is no {bare} in {', '.join(r.name for r in self.roots[first:])}")

    def root_of(self, name: str) -> Path:
        """Returns the root that has the template. Raises jinja2.TemplateNotFound."""
        return self.roots[self.find(name)[0]]

    def get_source(self, environment: jinja2.Environment, name: str) -> tuple[str, str, Callable[[], bool]]:
        text, path = self.read(name)
        return text, str(path), lambda: True

    def read(self, name: str) -> tuple[str, Path]:
        """Returns the text and path of a template.

        Raises jinja2.TemplateNotFound, or jinja2.TemplateSyntaxError if the file is not UTF-8.
        """
        _, path = self.find(name)
        try:
            return path.read_text("utf-8"), path
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise jinja2.TemplateSyntaxError("is not UTF-8: save it as UTF-8", line, name, str(path)) from None

    def list_templates(self) -> list[str]:
        """Returns the names of all templates, without an index."""
        folders = [root / "templates" for root in self.roots]
        return sorted({str(path.relative_to(each)) for each in folders for path in each.rglob("*") if path.is_file()})

    def join_path(self, template: str, parent: str) -> str:
        """Returns the name of `template` as written in the template `parent`; resolves `parent/`."""
        if not template.startswith(PARENT):
            return template
        index, _ = self.find(parent)
        return f"{index + 1}:{template.removeprefix(PARENT)}"

    def names(self) -> Iterator[str]:
        """Yields the names of the templates of all roots; overridden templates have an index."""
        for name in self.list_templates():
            indexed_name, first = name, 0
            with suppress(jinja2.TemplateNotFound):
                while True:
                    index, _ = self.find(f"{first}:{name}")
                    yield indexed_name
                    first = index + 1
                    indexed_name = f"{first}:{name}"


def package_folder(theme: str, package: str) -> Path:
    """Returns the folder of a theme's package. Raises ConfigurationError if it has none."""
    try:
        folder = Path(str(files(package)))
    except ImportError as error:
        raise ConfigurationError(
            f"linkauth.theme: {theme} adds a package that cannot be found: {reason(error)}"
        ) from None
    if not folder.is_dir():
        # a package in a zip file would silently have no templates
        raise ConfigurationError(f"linkauth.theme: {theme}, {package}: is not a folder: install the theme unpacked")
    return folder


def environment(roots: Sequence[Path]) -> jinja2.Environment:
    """Returns a pyramid_jinja2 environment for `roots` that supports `parent/`.

    It escapes values, and an undefined variable is an error. Each theme has its own configurator and environment.
    """
    registry = Registry("linkauth.themes")
    registry.settings = SETTINGS
    config = Configurator(registry=registry, autocommit=True)
    # config.include would be slow: pyramid_jinja2 then searches its caller and reads every source file of the stack
    add_jinja2_renderer(config, ".jinja2")
    result: jinja2.Environment = get_jinja2_environment(config)
    loader = TemplateLoader(roots)
    result.loader = loader
    result.bytecode_cache = Bytecode(loader.root_of)
    # the join_path of pyramid_jinja2 depends on the extending template, so a template would be compiled several times
    result.join_path = loader.join_path  # type: ignore[method-assign]
    return result


def describe_failure(error: Exception, template: str) -> str:
    """Describes an exception of a template, or of a template that it uses, for theme authors."""
    if isinstance(error, RecursionError):
        return f"a template extends itself: the template that it overrides is parent/{template}"
    if isinstance(error, jinja2.TemplateSyntaxError):
        # the name may begin with an index
        return f"{str(error.name).rpartition(':')[2]} line {error.lineno}: {redact(error.message)}"
    return f"{type(error).__name__}: {reason(error)}"
