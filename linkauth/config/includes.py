"""Where the keys of [app:main] come from: the section itself, [DEFAULT], and the sections that `use` names.

PasteDeploy, which reads the values, does not say where a value comes from. This module follows the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from linkauth.config.ini_lines import DEFAULT, IniLines, KeyLine, read_lines

APPLICATION = "app:main"
_LIMIT = 20
"""Maximum number of files in a chain of `use = config:...`, which may be circular."""


@dataclass(frozen=True)
class Origin:
    """The place of a key: the file, the line, the section, and the value as it is written there."""

    file: Path
    line: int
    section: str
    raw: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" [{self.section}]" if self.section == DEFAULT else "")


def included_sections(
    ini: Path, check: Callable[[str], None], section: str = APPLICATION
) -> Iterator[tuple[IniLines, str]]:
    """Yields (lines of the file, section) for the section and for those that it includes by `use`.

    Each file is passed to `check` before it is read, which may raise an exception. Raises OSError or UnicodeError, and
    LookupError with a sentence for operators if an included section does not exist, or if sections include each other.
    """
    seen: set[tuple[Path, str]] = set()
    while True:
        lines = read_lines(ini)
        yield lines, section
        seen.add((ini.resolve(), section))
        target = _included(lines, section, check)
        if target is None:
            return
        file, name = target
        if read_lines(file).first_line(name) is None:
            raise LookupError(f"{ini}: [{section}] use: names [{name}] of {file}, which has no such section")
        if (file.resolve(), name) in seen:
            raise LookupError(f"{ini}: [{section}] use: names [{name}] of {file}, which includes this section")
        ini, section = target


def origins(ini: Path, section: str = APPLICATION) -> dict[str, Origin]:
    """Returns the origin of each key of the section that has an effect. Raises OSError or UnicodeError."""
    shared, own = _resolve(ini, section, {}, _LIMIT)
    return {**shared, **own}


def _resolve(
    ini: Path, section: str, outer: Mapping[str, Origin], limit: int
) -> tuple[dict[str, Origin], dict[str, Origin]]:
    """Returns the origins of the keys that all sections share, and of those of this section.

    `outer` are the shared keys of the file that includes this one, which override those of this file.
    """
    lines = read_lines(ini)
    shared = {key: _origin(lines, each) for key, each in lines.of_section(DEFAULT).items()} | dict(outer)
    own, added = dict[str, Origin](), dict[str, Origin]()
    for key, each in lines.of_section(section).items():
        if key.startswith("set "):
            added[key.removeprefix("set ").strip()] = _origin(lines, each)
        elif key.startswith("get "):
            own[key.removeprefix("get ").strip()] = _origin(lines, each)
        elif key not in shared:
            # PasteDeploy lets [DEFAULT] win, for which `problems` refuses the file
            own[key] = _origin(lines, each)
    target = _included(lines, section)
    if target is not None and limit:
        included_shared, included_own = _resolve(*target, {**shared, **added}, limit - 1)
        return {**included_shared, **added}, {**included_own, **own}
    return {**shared, **added}, own


def _origin(lines: IniLines, each: KeyLine) -> Origin:
    return Origin(lines.path, each.number, each.section, each.raw)


def _included(lines: IniLines, section: str, check: Callable[[str], None] = lambda _: None) -> tuple[Path, str] | None:
    """Returns the file and section that `use` of a section names, None if it names a distribution.

    Another file is passed to `check` before it is read.
    """
    use = lines.of_section(section).get("use")
    if use is None:
        return None
    scheme, colon, rest = use.raw.partition(":")
    if not colon:
        return lines.path, _section_named(lines, use.raw)
    if scheme != "config":
        return None
    name, _, fragment = rest.partition("#")
    file = lines.path.parent / unquote(name.replace("\\", "/").replace("%%", "%"))
    check(str(file))
    return file, _section_named(read_lines(file), fragment or "main")


def _section_named(lines: IniLines, name: str) -> str:
    names = [section for section, _ in lines.sections]
    for prefix in ("app:", "application:"):
        if prefix + name in names:
            return prefix + name
    return f"app:{name}"
