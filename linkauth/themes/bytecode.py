"""Stores compiled templates in `__pycache__` of the theme's package, as Python does with compiled modules.

The files are executed, so they must be in a folder that only trusted accounts can write. An account that can write to
this folder can also change the modules of the package. If a start cannot write there, the templates are compiled again.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket

_DIGEST_BYTES = 32


class Bytecode(jinja2.BytecodeCache):
    """The bytecode cache of a theme. `root_of` maps a template name to the folder of its package.

    A file contains a digest and the code. The digest covers the code and everything that it depends on, so that
    outdated and damaged files are ignored.
    """

    def __init__(self, root_of: Callable[[str], Path]) -> None:
        self._root_of = root_of

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Returns the path of the cache file. It contains an additional dot, so it differs from those of modules."""
        return cache_from_source(self._root_of(name) / f"{quote(name, safe='')}.template.py")

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            stored = Path(bucket.key).read_bytes()
            digest, code = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
            if digest == _digest(bucket, code):
                # only accounts that can change the modules of the package can write this file
                bucket.code = marshal.loads(code)  # noqa: S302

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        code = marshal.dumps(bucket.code)
        path = Path(bucket.key)
        # a temporary file and a rename, so that readers never see a partial file
        part = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError):
            path.parent.mkdir(0o755, parents=True, exist_ok=True)
            try:
                with open(part, "wb", opener=_open_for_owner) as file:
                    file.write(_digest(bucket, code) + code)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)


def _open_for_owner(path: str, flags: int) -> int:
    """Opens a file that only its owner can write, for every umask."""
    return os.open(path, flags, 0o644)


def _digest(bucket: Bucket, code: bytes) -> bytes:
    environment = bucket.environment
    options = (environment.trim_blocks, environment.lstrip_blocks, environment.newstyle_gettext)  # type: ignore[attr-defined]
    names = (sorted(environment.extensions), sorted(environment.filters), sorted(environment.tests))
    origin = repr((MAGIC_NUMBER, jinja2.__version__, options, names, bucket.key, bucket.checksum))
    return sha256(origin.encode("utf-8") + code).digest()
