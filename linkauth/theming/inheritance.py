"""What templates say of each other: blocks, what they extend and include, the variables that they read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import jinja2
from jinja2 import meta, nodes

from linkauth.redaction import redact
from linkauth.themes.states import PAGES
from linkauth.themes.templates import TemplateLoader
from linkauth.theming.findings import Finding


class Templates:
    """The templates of a theme and of its parents, as trees. Names are those of `templates.TemplateLoader`."""

    def __init__(self, environment: jinja2.Environment) -> None:
        assert isinstance(environment.loader, TemplateLoader)
        self._environment = environment
        self._chain = environment.loader

    def own(self) -> Iterator[tuple[str, Path]]:
        """(name, path) of every template of every theme of the chain."""
        for index, root in enumerate(self._chain.roots):
            for path in sorted((root / "templates").rglob("*")):
                if path.is_file():
                    yield f"{index}:{path.relative_to(root / 'templates')}", path
            for path in sorted((root / "static").glob("*.jinja2")):
                yield f"{index}:static/{path.name}", path

    def tree(self, name: str) -> nodes.Template:
        """Raises jinja2.TemplateNotFound, jinja2.TemplateSyntaxError."""
        text, path = self._chain.read(name)
        tree: nodes.Template = self._environment.parse(text, bare(name), str(path))
        return tree

    def extended(self, name: str) -> str | None:
        """The name of what the template extends, if it is written in words."""
        found = self.tree(name).find(nodes.Extends)
        if found is None or not isinstance(found.template, nodes.Const):
            return None
        return self._chain.join_path(found.template.value, self._found(name))

    def used(self, name: str) -> Iterator[str]:
        """The names of what it extends, includes and imports, if they are written in words."""
        for each in meta.find_referenced_templates(self.tree(name)):
            if each is not None:
                yield self._chain.join_path(each, self._found(name))

    def _found(self, name: str) -> str:
        index, _ = self._chain.find(name)
        return f"{index}:{bare(name)}"

    def whole(self, name: str) -> list[str]:
        """The template, and everything that it extends and includes, each once."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            each = self._found(waiting.pop(0))
            if each not in found:
                found[each] = None
                waiting += self.used(each)
        return list(found)

    def blocks(self, name: str) -> set[str]:
        """The blocks that a child of this template may override."""
        parent = self.extended(name)
        found = {block.name for block in self.tree(name).find_all(nodes.Block)}
        return found | (self.blocks(parent) if parent else set())

    def variables(self, page: str) -> set[str]:
        """What the page and all that belongs to it read and do not set themselves."""
        trees = [self.tree(name) for name in self.whole(page)]
        read: set[str] = set().union(*map(meta.find_undeclared_variables, trees))
        # what the page sets or imports counts in what it includes
        own = {each.name for tree in trees for each in tree.find_all(nodes.Name) if each.ctx == "store"}
        imported = (each.names for tree in trees for each in tree.find_all(nodes.FromImport))
        own |= {name if isinstance(name, str) else name[1] for names in imported for name in names}
        return read - own

    def lost_blocks(self, name: str) -> list[str]:
        """The blocks of a template that nothing before it has, so that they are never shown."""
        parent = self.extended(name)
        if parent is None:
            return []
        blocks = list(self.tree(name).find_all(nodes.Block))
        inner = {each.name for block in blocks for child in block.body for each in child.find_all(nodes.Block)}
        inner |= {child.name for block in blocks for child in block.body if isinstance(child, nodes.Block)}
        known = self.blocks(parent)
        return [block.name for block in blocks if block.name not in known | inner]


def bare(name: str) -> str:
    """`login.jinja2` for `1:login.jinja2`."""
    return name.rpartition(":")[2]


def findings(environment: jinja2.Environment) -> Iterator[Finding]:
    """Templates that cannot be read, blocks that nobody shows, templates that nobody uses."""
    templates = Templates(environment)
    broken = False
    for name, path in templates.own():
        try:
            parent = templates.extended(name)
            for block in templates.lost_blocks(name):
                known = sorted(templates.blocks(parent or ""))
                nearest = difflib.get_close_matches(block, known, n=1)
                hint = f"did you mean {nearest[0]}?" if nearest else f"it has: {', '.join(known)}"
                yield Finding(str(path), f"the block {block} is in none of the templates that it extends: {hint}")
        except RecursionError:
            broken = True
            yield Finding(str(path), f"extends itself: what stands behind it is called parent/{bare(name)}")
        except jinja2.TemplateNotFound as error:
            broken = True
            yield Finding(str(path), f"extends or includes {bare(str(error.name))}, which is nowhere behind it")
        except jinja2.TemplateSyntaxError as error:
            broken = True
            yield Finding(f"{path} line {error.lineno}", f"cannot be read: {redact(error.message)}")
    if not broken:
        yield from _unused(templates)


def _unused(templates: Templates) -> Iterator[Finding]:
    used = {bare(name) for page in PAGES for name in templates.whole(page)}
    for name, path in templates.own():
        if bare(name) not in used and not bare(name).startswith("static/"):
            nearest = difflib.get_close_matches(bare(name), sorted(used), n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "remove it, or include it"
            yield Finding(str(path), f"no page uses this template: {hint}", warning=True)
