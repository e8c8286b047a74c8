"""Refuses weak new passwords, before the backend applies its own rules.

A new password is compared with lists of common and leaked passwords, and with words of its context, such as the name of
the service or the user (NIST SP 800-63B section 3.1.1.2).
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
from linkauth.login.dispatch import is_valid_text
from linkauth.redaction import reason, redact

log = logging.getLogger(__name__)

PASSWORD_LIMIT = 1024
MIN_WORD_LENGTH = 3
"""Minimum length of a context word that is searched within a password."""
PERSONAL_TEXT_LIMIT = 254
"""Maximum length of a personal text: normalization of long runs of combining marks takes quadratic time."""
MIN_OTHER_LETTERS = 4
"""Minimum number of letters that must remain after the context words are removed from a password."""
MIN_DISTINCT = 4
"""Minimum number of distinct characters in a password."""
MIN_BASE_LENGTH = 4
"""Minimum length of a variant without leading and trailing digits and punctuation."""
MIN_BITS, ESTIMATE_LIMIT = 5, 64
"""Minimum estimated bits of a variant of up to ESTIMATE_LIMIT characters. A single repetition, sequence or keyboard row
has fewer."""
SAMPLED_LINES = 200
"""Number of lines of the file of leaked hashes that are validated at the start."""
LINE_LIMIT = 80
_LINE = re.compile(rb"([0-9A-Fa-f]{40}):[0-9]{1,19}\r?\n?")
_LEET_TABLES = [str.maketrans("@4831!0$57", letters) for letters in ("aabeiiosst", "aabellosst")]


class PasswordPolicy:
    """The rules for new passwords.

    `words` are names of this service, such as its title and host. `leaked` is the file of leaked passwords.
    """

    def __init__(self, words: Iterable[str] = (), leaked: LeakedPasswords | None = None) -> None:
        self._words = frozenset(chain.from_iterable(map(_words, words)))
        self._leaked = leaked

    def check(self, new: str, personal: Iterable[str] = ()) -> None:
        """Raises PasswordRefused if `new` breaks a rule; `personal` are the user name, email address and full name.

        The rule is "personal" if the password consists of words of the service or the person. It is "too_common" if the
        password is common or leaked. Raises BackendUnavailable if the file of leaked passwords cannot be read.
        """
        variants = _variants(new)
        words = self._words.union(*map(_words, personal))
        if any(_consists_of(variant, words) for variant in variants):
            raise PasswordRefused("personal")
        if len(set(new)) < MIN_DISTINCT or any(map(_is_common, variants)):
            raise PasswordRefused("too_common")
        if self._leaked is not None and new in self._leaked:
            raise PasswordRefused("too_common")


def require_usable(new: str, repeated: str) -> None:
    """Raises PasswordRefused if a typed password must not be passed on: not repeated, empty, too long or invalid."""
    if new != repeated:
        raise PasswordRefused("mismatch")
    if not new:
        raise PasswordRefused("too_short")
    if not is_valid_text(new, PASSWORD_LIMIT):
        raise PasswordRefused("policy")


class LeakedPasswords:
    """A sorted file of SHA-1 hashes of leaked passwords, with lines `HASH:COUNT`.

    The Pwned Passwords downloader of Have I Been Pwned writes this format. The file may have tens of gigabytes, so each
    lookup is a binary search on disk. It opens the file anew, so that the file may be replaced while the server runs.
    """

    def __init__(self, path: str) -> None:
        """Validates a sample of the lines. Raises ValueError with a message for operators if the file is invalid."""
        self._path = Path(path)
        if not self._path.is_absolute():
            raise ValueError("is not an absolute path: write one, or begin it with %(here)s/")
        try:
            if os.path.isdir(self._path):
                raise ValueError("names a folder: write the path of the file in it")
            if not os.path.isfile(self._path):
                raise ValueError("does not name a file")
            with self._path.open("rb") as file:
                self._validate(file)
        except OSError as error:
            raise ValueError(f"names a file that cannot be read: {reason(error)}") from None

    def __contains__(self, password: str) -> bool:
        """Returns whether the password has leaked. Raises BackendUnavailable if the file cannot be read."""
        wanted = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
        try:
            with self._path.open("rb") as file:
                return self._find(file, wanted.encode("ascii"))
        except (OSError, ValueError) as error:
            # a password that cannot be checked must not be set
            message = "password change refused: linkauth.breached_passwords cannot be read: %s"
            log.error(message, reason(error))
            raise BackendUnavailable("the file of leaked passwords cannot be read") from None

    @staticmethod
    def _find(file: IO[bytes], wanted: bytes) -> bool:
        # binary search: the line of `wanted` begins in [low, high)
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
            # then every line at the end, where an interrupted download is cut off
            offset = max(end, min(offset + step, size - LINE_LIMIT))


def _next_line(file: IO[bytes], offset: int) -> tuple[int, bytes, int]:
    """Returns (begin, hash, end) of the first line that begins at or after `offset`.

    The hash is b"" at the end of the file. Raises ValueError if the line is malformed.
    """
    begin = max(0, offset - 1)
    file.seek(begin)
    if offset:
        # skip the rest of the previous line
        begin += len(file.readline(LINE_LIMIT))
    line = file.readline(LINE_LIMIT)
    match = _LINE.fullmatch(line)
    if line and not match:
        raise ValueError("has a line that is not HASH:COUNT with a SHA-1 hash of 40 hexadecimal digits")
    return begin, match[1].upper() if match else b"", begin + len(line)


def _variants(password: str) -> set[str]:
    """Returns the forms of a password that an attacker tries together.

    They ignore case, white space, invisible characters, repetitions, digits in place of letters, and digits or
    punctuation at both ends.
    """
    folded = unicodedata.normalize("NFKC", password).casefold()
    text = "".join(letter for letter in folded if not letter.isspace() and unicodedata.category(letter) != "Cf")
    # the shortest period of the text, "ab" for "abab"
    period = text[: (text + text).find(text, 1)]
    without_end, without_start = _strip_end(text), _strip_end(text[::-1])[::-1]
    texts = {text, period, without_end, without_start, _strip_end(without_end[::-1])[::-1]}
    texts = {each for each in texts if len(each) >= MIN_BASE_LENGTH} | {text}
    return texts | {each.translate(table) for each in texts for table in _LEET_TABLES}


def _strip_end(text: str) -> str:
    """Removes trailing digits and punctuation."""
    end = len(text)
    while end and not text[end - 1].isalpha():
        end -= 1
    return text[:end]


def _words(text: str) -> Iterator[str]:
    """Yields a text as one word and then each of its words. The top-level domain of an email address is ignored."""
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
    """Returns whether a variant consists of `words`, digits, punctuation and at most a few other letters."""
    compact = _without_punctuation(variant)
    rest = compact
    for word in sorted(words, key=len, reverse=True):
        if compact == word or _without_digits(compact) == _without_digits(word) != "":
            return True
        if len(word) >= MIN_WORD_LENGTH:
            rest = rest.replace(word, "")
    return rest != compact and len(_without_digits(rest)) < MIN_OTHER_LETTERS


def _without_punctuation(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _without_digits(text: str) -> str:
    return re.sub(r"\d+", "", text)


@cache
def _common() -> str:
    """Returns the common passwords, each between line feeds (250 kB). Read when the first new password is checked."""
    packed = (files("linkauth.login") / "common_passwords.txt.gz").read_bytes()
    return "\n" + gzip.decompress(packed).decode("utf-8")


def from_settings(settings: Settings) -> PasswordPolicy:
    """Returns the rules for `settings`. Raises SettingsError."""
    host = urlsplit(settings.public_url).hostname or ""
    # the digits of an IP address are not words
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
