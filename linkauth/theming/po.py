"""Finds, reads, checks and compiles .po files with Babel."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from pyramid.exceptions import ConfigurationError

from linkauth.redaction import reason, redact
from linkauth.themes.theme import DOMAIN

MessageId = str | tuple[str, ...]
"""The msgid of a message, or its msgid and msgid_plural."""
_QUOTING = re.compile(rb'(?:#~\s*)?(?:msg\w+(?:\[\d+\])?(?:\s|$)|")')
_QUOTED = re.compile(rb'[^"]*"(?:.*[^\\])?(?:\\\\)*"')


def catalogs(root: Path) -> Iterator[tuple[str, Path]]:
    """Yields (language tag, path) of each .po file of the package at `root`."""
    for path in sorted(root.glob(f"locale/*/LC_MESSAGES/{DOMAIN}.po")):
        yield path.parts[-3].replace("_", "-"), path


def read(path: Path) -> Catalog:
    """Reads a .po file. Raises ConfigurationError in one sentence, with the line where it is known."""
    # some editors write a byte order mark
    raw = path.read_bytes().removeprefix(BOM_UTF8)
    for number, line in enumerate(map(bytes.strip, raw.splitlines()), 1):
        # Babel removes the first and the last character of each string without checking that they are quotation marks
        if _QUOTING.match(line) and not _QUOTED.fullmatch(line):
            raise ConfigurationError(f'{path} line {number}: does not end in a quotation mark: write one more "')
    try:
        catalog = read_po(BytesIO(raw), abort_invalid=True)
        # servers read it with gettext
        GNUTranslations(BytesIO(mo_bytes(catalog)))
    except PoFileError as error:
        what = redact(error).removesuffix(f" on {error.lineno}")
        raise ConfigurationError(f"{path} line {error.lineno + 1}: {what}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not in the encoding that its header names: save it as UTF-8") from None
    except Exception as error:
        # Babel and gettext raise any exception for a broken file
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}: {reason(error)}") from None
    if catalog.charset.lower() not in ("utf-8", "utf8"):
        # other encodings lack letters of the English texts
        raise ConfigurationError(f"{path} has charset={catalog.charset}: save it as UTF-8 and write charset=utf-8")
    return catalog


def mo_bytes(catalog: Catalog) -> bytes:
    """Returns the .mo file of a catalog."""
    body = BytesIO()
    write_mo(body, catalog)
    return body.getvalue()


def compile_catalog(path: Path) -> None:
    """Writes the .mo file of a .po file beside it. Raises ConfigurationError."""
    path.with_suffix(".mo").write_bytes(mo_bytes(read(path)))


def id_of(message: Message) -> MessageId:
    """Returns the id of a message in a hashable form."""
    return message.id if isinstance(message.id, str) else tuple(message.id)


def forms(text: Any) -> list[str]:
    """Returns the plural forms of an id or a translation; one if it has no plural."""
    return [text] if isinstance(text, str) else list(text or [""])


def quoted(id_: MessageId) -> str:
    """Returns an id in quotation marks, for messages."""
    return f"“{id_}”" if isinstance(id_, str) else f"“{id_[0]}” (plural “{id_[1]}”)"


class _Variables(dict[str, str]):
    """Records the names of the placeholders that are formatted with it."""

    def __missing__(self, name: str) -> str:
        self[name] = ""
        return ""

    def __str__(self) -> str:
        raise ValueError("a placeholder without a name")

    __repr__ = __str__


def placeholders(text: str) -> set[str]:
    """Returns the placeholders of a text, such as "%(skill)s". Raises ValueError or TypeError for a wrong one."""
    variables = _Variables()
    # as Jinja formats each text
    text % variables
    return {f"%({name})s" for name in variables}


def problems(message: Message, catalog: Catalog) -> list[str]:
    """Returns why pages cannot show a translation: the errors of Babel's checkers, and wrong placeholders.

    Babel does not check a text without placeholders, nor a per cent sign without a placeholder.
    """
    if not any(forms(message.string)):
        return []
    if found := message.check(catalog):
        return [redact(error) for error in found]
    known = set().union(*map(placeholders, forms(message.id)))
    unknown: dict[str, None] = {}
    for form in forms(message.string):
        try:
            unknown |= dict.fromkeys(sorted(placeholders(form) - known))
        except (TypeError, ValueError):
            return ["a % that begins no placeholder: write a per cent sign as %%"]
    return [f"unknown placeholder {each}" for each in unknown]
