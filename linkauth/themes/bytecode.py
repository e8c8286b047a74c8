"""Compiled templates are stored where Python stores compiled modules: in `__pycache__` of the theme's package.

They are executed, so they are stored nowhere else: an account that can write this folder can also change the modules of
the package. A start that cannot write there compiles again, as Python does.
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
    """The bytecode of templates; `root_of` is the package's folder of the template of a name.

    A file holds a digest and the code. The digest covers everything that the code depends on, and the code itself, so
    that stale and damaged files are compiled again.
    """

    def __init__(self, root_of: Callable[[str], Path]) -> None:
        self._root_of = root_of

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """The path of the file. No module of the package has a dot in its name, so none has the same file."""
        return cache_from_source(self._root_of(name) / f"{quote(name, safe='')}.template.py")

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            stored = Path(bucket.key).read_bytes()
            digest, code = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
            if digest == _digest(bucket, code):
                # written by this process or by another one of an account that may change the modules beside it
                bucket.code = marshal.loads(code)  # noqa: S302

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        code = marshal.dumps(bucket.code)
        path = Path(bucket.key)
        # readers see the old file or the new one
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
    """Whatever the umask is, only the owner may write the file."""
    return os.open(path, flags, 0o644)


def _digest(bucket: Bucket, code: bytes) -> bytes:
    environment = bucket.environment
    options = (environment.trim_blocks, environment.lstrip_blocks, environment.newstyle_gettext)  # type: ignore[attr-defined]
    names = (sorted(environment.extensions), sorted(environment.filters), sorted(environment.tests))
    origin = repr((MAGIC_NUMBER, jinja2.__version__, options, names, bucket.key, bucket.checksum))
    return sha256(origin.encode("utf-8") + code).digest()
