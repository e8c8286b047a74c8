"""What no new password may be, before the backend applies its own rules.

NIST SP 800-63B section 3.1.1.2: a new password is compared with a list of common, expected and leaked ones, and with
words of its context, such as the name of the service and of the user.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from linkauth.backends import BackendUnavailable, PasswordRefused
from linkauth.config import secret_strength
from linkauth.config.settings import Settings, SettingsError
from linkauth.redaction import reason, redact

log = logging.getLogger(__name__)

MIN_WORD_LENGTH = 3
"""Characters of a word that is looked for inside a password."""
PERSONAL_TEXT_LIMIT = 254
"""Characters of a text about somebody that are read; normalising long runs of combining marks takes quadratic time."""
MIN_OTHER_CHARACTERS = 4
"""Characters, but for digits and punctuation, that must be left of a password without such words; and different ones
that every password must have."""
MIN_BASE_LENGTH = 4
"""Characters that are compared with the list when digits and punctuation at the end are taken off."""
MIN_BITS, ESTIMATE_LIMIT = 5, 64
"""Of an estimate that knows repetitions, sequences and rows of a keyboard, each of which alone has fewer bits; and the
characters up to which it is made."""
SAMPLED_LINES = 200
"""Lines of the file of leaked hashes that are looked at when it is opened."""
LINE_LIMIT = 80
_LINE = re.compile(rb"([0-9A-Fa-f]{40}):[0-9]{1,19}\r?\n?")
_LEET_TABLES = [str.maketrans("@4831!0$57", letters) for letters in ("aabeiiosst", "aabellosst")]


class PasswordPolicy:
    """The rules for every new password.

    `words` are texts that stand for this service, such as its name and host; `leaked` is a file of leaked hashes.
    """

    def __init__(self, words: Iterable[str] = (), leaked: LeakedPasswords | None = None) -> None:
        self._words = frozenset(chain.from_iterable(map(_words, words)))
        self._leaked = leaked

    def check(self, new: str, personal: Iterable[str] = ()) -> None:
        """Raises PasswordRefused("personal") if `new` is made of this service's words or of `personal` ones.

        Those are texts about the person: the user name, the address, the full name. Raises
        PasswordRefused("too_common") if many people use it or if it has leaked, and BackendUnavailable if the file of
        leaked passwords cannot be read.
        """
        variants = _variants(new)
        words = self._words.union(*map(_words, personal))
        if any(_consists_of(variant, words) for variant in variants):
            raise PasswordRefused("personal")
        if len(set(new)) < MIN_OTHER_CHARACTERS or any(map(_is_common, variants)):
            raise PasswordRefused("too_common")
        if self._leaked is not None and new in self._leaked:
            raise PasswordRefused("too_common")


class LeakedPasswords:
    """A file of SHA-1 hashes of leaked passwords, sorted, with a line `HASH:COUNT` each.

    That is what the downloader of Have I Been Pwned's Pwned Passwords writes. It may be tens of gigabytes large: it is
    searched on disk and opened anew for each question, so that it may be replaced while the server runs.
    """

    def __init__(self, path: str) -> None:
        """Looks at some lines; raises ValueError, in words for operators, if it is no such file."""
        self._path = Path(path)
        if not self._path.is_absolute():
            raise ValueError("is not an absolute path")
        try:
            if not self._path.is_file():
                raise ValueError("names no file")
            with self._path.open("rb") as file:
                self._validate(file)
        except OSError as error:
            raise ValueError(f"names a file that cannot be read: {reason(error)}") from None

    def __contains__(self, password: str) -> bool:
        """Has it leaked? Raises BackendUnavailable if the file cannot be read any more."""
        wanted = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
        try:
            with self._path.open("rb") as file:
                return self._find(file, wanted.encode("ascii"))
        except (OSError, ValueError) as error:
            # a password that cannot be checked is not set
            said = "new password not checked, none is set until linkauth.breached_passwords is mended: %s"
            log.error(said, reason(error))
            raise BackendUnavailable("the file of leaked passwords cannot be read") from None

    @staticmethod
    def _find(file: IO[bytes], wanted: bytes) -> bool:
        # the line of `wanted` begins in [low, high)
        low, high = 0, os.fstat(file.fileno()).st_size
        if not high:
            raise ValueError("is empty")
        while low < high:
            middle = (low + high) // 2
            begin, found, end = _next_line(file, middle)
            if begin < high and found == wanted:
                return True
            if begin < high and found < wanted:
                low = end
            else:
                high = middle
        return False

    @staticmethod
    def _validate(file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise ValueError("names an empty file")
        last, offset = b"", 0
        step = max(1, size // SAMPLED_LINES)
        while offset < size:
            try:
                _, found, end = _next_line(file, offset)
            except ValueError as error:
                raise ValueError(f"names a file that {redact(error)}") from None
            if found and found < last:
                raise ValueError("names a file that is not sorted by hash; download it sorted by hash")
            last = found or last
            # every line at the end, where a download was perhaps cut off
            offset = max(end, min(offset + step, size - LINE_LIMIT))


def _next_line(file: IO[bytes], offset: int) -> tuple[int, bytes, int]:
    """(begin, hash, end) of the first line that begins at `offset` or later; an empty hash behind the last one.

    Raises ValueError for what is no such line.
    """
    begin = max(0, offset - 1)
    file.seek(begin)
    if offset:
        # the rest of the line before
        begin += len(file.readline(LINE_LIMIT))
    line = file.readline(LINE_LIMIT)
    match = _LINE.fullmatch(line)
    if line and not match:
        raise ValueError("has a line that is not HASH:COUNT with a SHA-1 hash of 40 hexadecimal digits")
    return begin, match[1].upper() if match else b"", begin + len(line)


def _variants(password: str) -> set[str]:
    """What a guesser takes for the same: other capital letters, digits for letters, more at the ends, repetitions,
    blanks and invisible characters."""
    folded = unicodedata.normalize("NFKC", password).casefold()
    text = "".join(letter for letter in folded if not letter.isspace() and unicodedata.category(letter) != "Cf")
    # the least period of a text: "abab" is "ab" twice
    once = text[: (text + text).find(text, 1)]
    texts = {text, once, *(base for base in (_base(text), _base(text[::-1])[::-1], _base(_base(text)[::-1])[::-1]))}
    texts = {each for each in texts if len(each) >= MIN_BASE_LENGTH} | {text}
    return texts | {each.translate(table) for each in texts for table in _LEET_TABLES}


def _base(text: str) -> str:
    """Without the digits and punctuation at its end."""
    end = len(text)
    while end and not text[end - 1].isalpha():
        end -= 1
    return text[:end]


def _words(text: str) -> Iterator[str]:
    """A text about somebody or something as one word, and its parts; of an address all but the top-level domain."""
    text = text[:PERSONAL_TEXT_LIMIT]
    local, at, domain = text.rpartition("@")
    if at:
        text = f"{local} {domain.rpartition('.')[0] or domain}"
    parts = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
    if parts:
        yield "".join(parts)
        yield from parts


def _is_common(variant: str) -> bool:
    estimated = len(variant) <= ESTIMATE_LIMIT and secret_strength.estimated_bits(variant) < MIN_BITS
    return estimated or f"\n{variant}\n" in _common()


def _consists_of(variant: str, words: frozenset[str]) -> bool:
    """Is there nothing much in it but those words, digits and punctuation?"""
    compact = _without_punctuation(variant)
    rest = compact
    for word in sorted(words, key=len, reverse=True):
        if compact == word or _letters(compact) == _letters(word) != "":
            return True
        if len(word) >= MIN_WORD_LENGTH:
            rest = rest.replace(word, "")
    return rest != compact and len(_letters(rest)) < MIN_OTHER_CHARACTERS


def _without_punctuation(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _letters(text: str) -> str:
    return re.sub(r"\d+", "", text)


@cache
def _common() -> str:
    """The common passwords, each between line feeds; 250 kB, read when the first new password is checked."""
    packed = (files("linkauth.login") / "common_passwords.txt.gz").read_bytes()
    return "\n" + gzip.decompress(packed).decode("utf-8")


def from_settings(settings: Settings) -> PasswordPolicy:
    """The rules as the settings say them; raises SettingsError."""
    host = urlsplit(settings.public_url).hostname or ""
    # an address in digits is no word
    name = host.rpartition(".")[0] if re.search("[a-z]", host.rpartition(".")[2]) else ""
    names = (settings.service_name, *(client.name for client in settings.clients.values()))
    words = [*chain.from_iterable(text.values() for text in names), name, *settings.themes]
    leaked = None
    if settings.breached_passwords:
        try:
            leaked = LeakedPasswords(settings.breached_passwords)
        except ValueError as error:
            raise SettingsError([("linkauth.breached_passwords", redact(error))]) from None
    return PasswordPolicy(words, leaked)
