"""Loads the static files of a theme and its parents. Their names contain a hash, so browsers can keep them forever."""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from pyramid.exceptions import ConfigurationError

from linkauth.themes.templates import describe_failure


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A static file. `name` contains a hash of the content. `gzipped` is None if compression saves less than 10 %."""

    name: str
    content_type: str
    body: bytes
    gzipped: bytes | None


def load(
    theme: str, roots: Sequence[Path], parameters: Any, environment: jinja2.Environment, url_path: str
) -> dict[str, StaticFile]:
    """Returns the static files by name, and defines the function `static` of the templates.

    `roots` are the folders of the theme and its parents, child first. Raises ConfigurationError.
    """
    urls: dict[str, str] = {}
    environment.globals["static"] = lambda name: urls[name]
    found: dict[str, Path] = dict(getattr(parameters, "static_files", dict)())
    for root in reversed(roots):
        if (root / "static").is_dir():
            for path in sorted((root / "static").iterdir()):
                if path.is_file():
                    found[path.name.removesuffix(".jinja2")] = path
    files: dict[str, StaticFile] = {}
    # rendered files come last, because they may refer to other files
    for name, path in sorted(found.items(), key=lambda item: (item[1].suffix == ".jinja2", item[0])):
        body = path.read_bytes()
        if path.suffix == ".jinja2":
            try:
                body = environment.get_template(f"static/{path.name}").render().encode("utf-8")
            except Exception as error:
                problem = describe_failure(error, f"static/{path.name}")
                raise ConfigurationError(f"linkauth.theme: {theme}, {path.name}: {problem}") from None
        file = _static_file(name, body)
        files[file.name] = file
        urls[name] = url_path + file.name
    return files


def _static_file(name: str, body: bytes) -> StaticFile:
    stem, dot, extension = name.rpartition(".")
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    gzipped = gzip.compress(body, 9, mtime=0)
    small = gzipped if len(gzipped) < len(body) * 0.9 else None
    return StaticFile(f"{stem}.{sha256(body).hexdigest()[:12]}{dot}{extension}", content_type, body, small)
