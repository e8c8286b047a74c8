"""Writing a distribution of one's own: a tree of templates becomes a folder, its placeholders filled in.

`linkauth/cli/templates/<kind>/` holds a tree for each kind of thing that can be begun. Its files end in `.template`,
which is taken off, so that no tool takes one for what it is not yet. `{{word}}`, without spaces, is a placeholder where
`word` is one that was given, in texts and in the names of files and folders; everything else stays as it is, so that a
template may hold Jinja's own `{{ expressions }}`.

    @click.argument("name", metavar="NAME", callback=new_name)
    @click.option("--into", ...)
    def new_command(name: str, into: Path) -> None:
        folder = write("theme", into / f"linkauth-theme-{name}", spellings(name))
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


def new_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    """A click callback: `name`, if it can name an entry point, a distribution and, with _ for -, a module."""
    if not _NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        rule = f"1 to {NAME_LIMIT} small letters and digits, perhaps in parts joined by -, a letter first"
        raise click.BadParameter(f"must be {rule}: such as crm or staff-api")
    return name


def spellings(name: str) -> dict[str, str]:
    """The placeholders of every tree: `staff-api` as `name`, `staff_api` as `module` and `StaffApi` as `class`."""
    return {"name": name, "module": name.replace("-", "_"), "class": "".join(map(str.capitalize, name.split("-")))}


def write(kind: str, folder: Path, placeholders: Mapping[str, str]) -> Path:
    """Make `folder` from the templates of `kind`; gives `folder`.

    Raises click.ClickException if there is anything of that name, or if it cannot be written: then nothing is left.
    """
    texts = dict(_filled(files("linkauth.cli") / "templates" / kind, Path(), placeholders))
    try:
        folder.mkdir()
    except FileExistsError:
        raise click.ClickException(f"{folder} exists, and is left as it is") from None
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be made: {redact(error.strerror)}") from None
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise click.ClickException(f"{folder} cannot be written: {redact(error.strerror)}") from None
    return folder


def _filled(tree: Traversable, place: Path, placeholders: Mapping[str, str]) -> list[tuple[Path, str]]:
    """(path, text) of each file of a tree, whose root is written to `place`."""
    found: list[tuple[Path, str]] = []
    for each in tree.iterdir():
        path = place / _fill(each.name, placeholders).removesuffix(SUFFIX)
        if each.is_dir():
            found += _filled(each, path, placeholders)
        elif each.name.endswith(SUFFIX):
            found.append((path, _fill(each.read_text("utf-8"), placeholders)))
    return found


def _fill(text: str, placeholders: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda word: placeholders.get(word[1], word[0]), text)
