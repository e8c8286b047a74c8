"""A written catalog: found, read, checked and compiled, or one sentence why not."""

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

Sentence = str | tuple[str, ...]
"""A sentence, or its singular and plural."""
_QUOTING = re.compile(rb'(?:#~\s*)?(?:msg\w+(?:\[\d+\])?(?:\s|$)|")')
_QUOTED = re.compile(rb'[^"]*"(?:.*[^\\])?(?:\\\\)*"')
_FORMAT = re.compile(r"%(?:%|\(\w+\)s)")


def catalogs(root: Path) -> Iterator[tuple[str, Path]]:
    """(language tag, path) of each written catalog of the package at `root`."""
    for path in sorted(root.glob(f"locale/*/LC_MESSAGES/{DOMAIN}.po")):
        yield path.parts[-3].replace("_", "-"), path


def read(path: Path) -> Catalog:
    """A written catalog; raises ConfigurationError."""
    # some editors begin a file with a mark of its encoding
    raw = path.read_bytes().removeprefix(BOM_UTF8)
    for number, line in enumerate(map(bytes.strip, raw.splitlines()), 1):
        # Babel takes what lacks a quotation mark for another sentence
        if _QUOTING.match(line) and not _QUOTED.fullmatch(line):
            raise ConfigurationError(f'{path} line {number}: does not end in a quotation mark: write one more "')
    try:
        catalog = read_po(BytesIO(raw), abort_invalid=True)
        # as servers will
        GNUTranslations(BytesIO(mo_bytes(catalog)))
    except PoFileError as error:
        what = redact(error).removesuffix(f" on {error.lineno}")
        raise ConfigurationError(f"{path} line {error.lineno + 1}: {what}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not in the encoding that its header names: save it as UTF-8") from None
    except Exception as error:
        # whatever Babel and gettext raise when they meet garbage
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}: {reason(error)}") from None
    if catalog.charset.lower() not in ("utf-8", "utf8"):
        # others lack letters that English sentences have
        raise ConfigurationError(f"{path} says charset={catalog.charset}: save it as UTF-8, and say charset=utf-8")
    return catalog


def mo_bytes(catalog: Catalog) -> bytes:
    """The .mo file of a catalog."""
    body = BytesIO()
    write_mo(body, catalog)
    return body.getvalue()


def compile_catalog(path: Path) -> None:
    """Write the .mo file beside a written catalog; raises ConfigurationError."""
    path.with_suffix(".mo").write_bytes(mo_bytes(read(path)))


def id_of(message: Message) -> Sentence:
    """What identifies an entry of a catalog, and may stand in a set."""
    return message.id if isinstance(message.id, str) else tuple(message.id)


def forms(text: Any) -> list[str]:
    """The one text, or that of each number."""
    return [text] if isinstance(text, str) else list(text or [""])


def quoted(sentence: Sentence) -> str:
    """A sentence as it is told to people."""
    return f"“{sentence}”" if isinstance(sentence, str) else f"“{sentence[0]}” (plural “{sentence[1]}”)"


def strange(message: Message) -> list[str]:
    """What the translation of a sentence has that nobody fills, so that no page could show it."""
    known = {"%%"}.union(*map(_FORMAT.findall, forms(message.id)))
    found: dict[str, None] = {}
    for form in forms(message.string):
        found |= dict.fromkeys(each for each in _FORMAT.findall(form) if each not in known)
        if "%" in _FORMAT.sub("", form):
            found["a lone %"] = None
    return list(found)
