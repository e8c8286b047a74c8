"""The relations between the templates of a theme: blocks, `extends`, `include` and `import`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import jinja2
from jinja2 import meta, nodes

from linkauth.redaction import redact
from linkauth.themes.states import MAIL, PAGES
from linkauth.themes.templates import TemplateLoader
from linkauth.theming.findings import Finding


class Templates:
    """The parsed templates of a theme and of its parents. The names are those of `TemplateLoader`."""

    def __init__(self, environment: jinja2.Environment) -> None:
        assert isinstance(environment.loader, TemplateLoader)
        self._environment = environment
        self._loader = environment.loader
        self._trees: dict[str, nodes.Template] = {}

    def every_template(self) -> Iterator[tuple[str, Path]]:
        """Yields (name, path) of each template of the theme and of its parents."""
        for index, root in enumerate(self._loader.roots):
            for path in sorted((root / "templates").rglob("*")):
                if path.is_file():
                    yield f"{index}:{path.relative_to(root / 'templates')}", path
            for path in sorted((root / "static").glob("*.jinja2")):
                yield f"{index}:static/{path.name}", path

    def parse(self, name: str) -> nodes.Template:
        """Returns the syntax tree. Raises jinja2.TemplateNotFound, jinja2.TemplateSyntaxError."""
        if name not in self._trees:
            text, path = self._loader.read(name)
            self._trees[name] = self._environment.parse(text, plain_name(name), str(path))
        return self._trees[name]

    def parent_of(self, name: str) -> str | None:
        """Returns the name of the template that this one extends, or None. Ignores a name that is an expression."""
        found = self.parse(name).find(nodes.Extends)
        if found is None or not isinstance(found.template, nodes.Const):
            return None
        return self._loader.join_path(found.template.value, self._resolve(name))

    def references(self, name: str) -> Iterator[str]:
        """Yields the names of the templates that this one extends, includes or imports, except expressions."""
        for each in meta.find_referenced_templates(self.parse(name)):
            if each is not None:
                yield self._loader.join_path(each, self._resolve(name))

    def _resolve(self, name: str) -> str:
        index, _ = self._loader.find(name)
        return f"{index}:{plain_name(name)}"

    def dependencies(self, name: str) -> list[str]:
        """Returns the names of the template and of all templates that it extends, includes or imports."""
        found: dict[str, None] = {}
        pending = [name]
        while pending:
            each = self._resolve(pending.pop(0))
            if each not in found:
                found[each] = None
                pending += self.references(each)
        return list(found)

    def blocks(self, name: str) -> set[str]:
        """Returns the blocks that a template that extends this one may override."""
        parent = self.parent_of(name)
        found = {block.name for block in self.parse(name).find_all(nodes.Block)}
        return found | (self.blocks(parent) if parent else set())

    def unknown_blocks(self, name: str) -> list[str]:
        """Returns the blocks of a template that no extended template has, so that they are never rendered."""
        parent = self.parent_of(name)
        if parent is None:
            return []
        blocks = list(self.parse(name).find_all(nodes.Block))
        inner = {each.name for block in blocks for child in block.body for each in child.find_all(nodes.Block)}
        inner |= {child.name for block in blocks for child in block.body if isinstance(child, nodes.Block)}
        known = self.blocks(parent)
        return [block.name for block in blocks if block.name not in known | inner]


def plain_name(name: str) -> str:
    """Returns "login.jinja2" for "1:login.jinja2"."""
    return name.rpartition(":")[2]


def findings(environment: jinja2.Environment) -> Iterator[Finding]:
    """Yields templates that cannot be parsed, blocks that are never rendered, and templates that no page uses."""
    templates = Templates(environment)
    broken = False
    for name, path in templates.every_template():
        try:
            parent = templates.parent_of(name)
            for block in templates.unknown_blocks(name):
                known = sorted(templates.blocks(parent or ""))
                nearest = difflib.get_close_matches(block, known, n=1)
                hint = f"did you mean {nearest[0]}?" if nearest else f"they have {', '.join(known)}"
                yield Finding(str(path), f"the block {block} does not exist in the templates that it extends: {hint}")
        except RecursionError:
            broken = True
            yield Finding(
                str(path), f"extends itself: write parent/{plain_name(name)} to extend the template of the parent"
            )
        except jinja2.TemplateNotFound as error:
            broken = True
            what = f"extends or includes {plain_name(str(error.name))}, which neither the theme nor its parents have"
            yield Finding(str(path), what)
        except jinja2.TemplateSyntaxError as error:
            broken = True
            yield Finding(f"{path} line {error.lineno}", f"cannot be parsed: {redact(error.message)}")
    if not broken:
        yield from _unused(templates)


def _unused(templates: Templates) -> Iterator[Finding]:
    used = {plain_name(name) for page in (*PAGES, MAIL) for name in templates.dependencies(page)}
    for name, path in templates.every_template():
        if plain_name(name) not in used and not plain_name(name).startswith("static/"):
            nearest = difflib.get_close_matches(plain_name(name), sorted(used), n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "remove it or include it"
            yield Finding(str(path), f"no page and no mail uses this template: {hint}", warning=True)
