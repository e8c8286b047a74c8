"""Creates the distribution of a new plugin or theme from a tree of templates.

`linkauth/cli/templates/<kind>/` contains the templates of each kind of distribution. Their names end in `.template`, so
that no tool mistakes them for Python or Jinja files; the suffix is removed. `{{name}}`, without spaces, is replaced if
`name` is one of the placeholders, in file contents and in file and folder names. Everything else is copied, so that a
template can contain Jinja expressions such as `{{ title }}`.

    @click.argument("name", metavar="NAME", callback=validate_name)
    @click.option("--into", ...)
    def new_command(name: str, into: Path) -> None:
        folder = write_distribution("theme", into / f"linkauth-theme-{name}", name_placeholders(name))
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from linkauth.redaction import redact

SUFFIX = ".template"
NAME_LIMIT = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def validate_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    """A click callback that returns `name` if it is valid for an entry point, a distribution and a module.

    The module name has `_` in place of `-`. Raises click.BadParameter if the name is not valid.
    """
    if not _NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        rule = f"must be 1 to {NAME_LIMIT} lowercase letters, digits and single hyphens, and begin with a letter"
        raise click.BadParameter(f"{rule}: for example crm or staff-api")
    return name


def name_placeholders(name: str) -> dict[str, str]:
    """Returns the placeholders for a name: `staff-api` as `name`, `staff_api` as `module`, `StaffApi` as `class`."""
    return {"name": name, "module": name.replace("-", "_"), "class": "".join(map(str.capitalize, name.split("-")))}


def write_distribution(kind: str, folder: Path, placeholders: Mapping[str, str]) -> Path:
    """Creates `folder` from the templates of `kind`, and returns it.

    Raises click.ClickException if the folder exists or cannot be written. An incomplete folder is removed.
    """
    texts = dict(_render_tree(files("linkauth.cli") / "templates" / kind, Path(), placeholders))
    try:
        folder.mkdir()
    except FileExistsError:
        raise click.ClickException(f"{folder} already exists and was not changed") from None
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be created: {redact(error.strerror)}") from None
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise click.ClickException(f"{folder} cannot be written: {redact(error.strerror)}") from None
    return folder


def _render_tree(tree: Traversable, target: Path, placeholders: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Returns (path, text) of each file in a tree of templates. The paths begin with `target`."""
    rendered: list[tuple[Path, str]] = []
    for entry in tree.iterdir():
        path = target / _render(entry.name, placeholders).removesuffix(SUFFIX)
        if entry.is_dir():
            rendered += _render_tree(entry, path, placeholders)
        elif entry.name.endswith(SUFFIX):
            rendered.append((path, _render(entry.read_text("utf-8"), placeholders)))
    return rendered


def _render(text: str, placeholders: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda placeholder: placeholders.get(placeholder[1], placeholder[0]), text)
