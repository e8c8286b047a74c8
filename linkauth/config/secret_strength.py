"""Estimates how hard a secret is to guess, from its repetitions, sequences, keyboard rows and words.

The estimate serves to refuse secrets that no random generator produces. It does not prove that a secret is strong.
"""

from __future__ import annotations

import math
import re

CLIENT_MIN_LENGTH, CLIENT_MIN_BITS = 16, 42
"""Minimum length and minimum estimated bits of a client secret."""
SERVER_MIN_LENGTH, SERVER_MIN_BITS = 32, 64
"""The same for `linkauth.secret`. It encrypts the signing keys, so a copy of the database allows offline guessing."""
SECRET_COMMAND = "openssl rand -hex 32"
REMEDY = f"generate one with: {SECRET_COMMAND}"
PUBLISHED_SECRETS = frozenset({"for development only, known to everybody", "the demo skill's secret"})
"""The secrets in development.ini, which is public."""
ANALYSED_LENGTH = 300
"""Number of characters of a secret that the estimate reads."""

_MIN_RUN = 3
"""Minimum length of a repetition or sequence; a whole one counts as a single character."""
_KEYBOARD_ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop"),
    *("yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/"),
    *("qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "!@#$%^&*()_+"),
)
_SEQUENCES = (*_KEYBOARD_ROWS, *(row[::-1] for row in _KEYBOARD_ROWS))
_WORDS = (
    *("password", "passwort", "passphrase", "secret", "geheim", "geheimnis", "changeme", "change", "replace"),
    *("example", "sample", "placeholder", "default", "admin", "root", "test", "testing", "demo", "dummy", "insert"),
    *("enter", "your", "here", "this", "please", "value", "string", "random", "token", "linkauth", "oauth", "letmein"),
    *("welcome", "foobar", "foo", "bar", "lorem", "ipsum", "todo", "fixme", "unknown", "something", "anything"),
    *("whatever", "with", "dev", "prod", "production", *(str(year) for year in range(2015, 2040))),
    *("my", "correct", "horse", "battery", "staple", "deadbeef", "cafebabe"),
    *("thequickbrownfox", "jumpsoverthelazydog", "abcd", "qwerty", "iloveyou", "monkey", "dragon", "summer", "winter"),
)
"""Words from configuration examples and from lists of common passwords."""
_WORDS_BY_LETTER = {
    letter: tuple(each for each in _WORDS if each[0] == letter) for letter in {each[0] for each in _WORDS}
}
"""The same words by their first letter."""
_LEET = str.maketrans("013457@$!", "oieastasi")
"""Digits and symbols that commonly replace letters."""
_LETTERS = re.compile(r"[A-Z]?[a-z]{4,}|[A-Z]{5,}")
_COMMON_PAIRS = (
    "th he in er an re nd on en at ou ed ha to or it is hi es ng st nt te ti as se ar al le ve ne me de co ro "
    "ri io ra ic el li la ce ho om ma ut un no ta ec em ai ge ch ei ie di us ur na il ss tr ac ca am ns pr po "
    "pe so wo ow ke ki ly ll lo ol ot ir et su si sh sk bi be bl ab ad id ev iv vi fo fi ni mi mo pl op up ul "
    "um im pa ee oo ea gr ag ig go gh ht ct ts rs rd rt rn ld ry ty ay ey sp sc cl cr cu br bo bu ba fe fr wi "
    "we wa os od ex ap mp da "
)
"""The most frequent letter pairs of English words; most are frequent in other languages too."""
_COMMON_PAIRS_RATIO = 0.7
"""Letters of one case are treated as words if at least this share of their pairs is common."""
_WORD_LENGTH, _WORD_BITS, _LETTER_BITS = 24, 20, 2
"""Up to _WORD_LENGTH letters count as one word out of a million (20 bits); more letters count 2 bits each."""


def weakness(secret: str, min_length: int, min_bits: int) -> str | None:
    """Returns why a secret is too weak, or None if it is not.

    The text is the predicate of a sentence; it does not contain the secret.
    """
    if len(secret) < min_length:
        return f"is shorter than {min_length} characters; {REMEDY}"
    if estimated_bits(secret) < min_bits:
        return f"is easy to guess: it consists of repetitions, sequences or words; {REMEDY}"
    return None


def estimated_bits(secret: str) -> float:
    """Returns the estimated number of guesses for `secret`, as a logarithm to base 2."""
    secret = secret[:ANALYSED_LENGTH]
    if not secret:
        return 0
    per_character = math.log2(max(2, len(set(secret))))
    # a1b2c3d4 consists of two interleaved sequences
    return min(_estimate(secret, per_character), sum(_estimate(secret[start::2], per_character) for start in (0, 1)))


def _estimate(secret: str, per_character: float) -> float:
    """Returns the sum of the bits of all parts: known patterns, word-like letters and single characters."""
    bits, index = 0.0, 0
    lowered = secret.lower()
    unleeted = lowered.translate(_LEET)
    while index < len(secret):
        repeated, sequence = _repeated(secret, index), _sequence(lowered, index)
        pattern = max(repeated, sequence, _known_word(lowered, index), _known_word(unleeted, index))
        if pattern:
            bits, index = bits + per_character, index + pattern
        elif letters := _letter_run(secret, unleeted, index):
            letter_bits = _LETTER_BITS * min(letters, 2 * len(set(lowered[index : index + letters])))
            bits += min(_WORD_BITS, letter_bits) if letters <= _WORD_LENGTH else letter_bits
            index += letters
        else:
            bits, index = bits + per_character, index + 1
    return bits


def _repeated(secret: str, start: int) -> int:
    """Returns how many characters from `start` on repeat earlier ones; 0 if fewer than _MIN_RUN."""
    length = 0
    while start + length < len(secret) and secret.find(secret[start : start + length + 1], 0, start + length) >= 0:
        length += 1
    return length if length >= _MIN_RUN else 0


def _sequence(lowered: str, start: int) -> int:
    """Returns how many characters from `start` on are a sequence such as abc or qwe; 0 if fewer than _MIN_RUN."""
    length = 0
    while start + length < len(lowered) and any(lowered[start : start + length + 1] in row for row in _SEQUENCES):
        length += 1
    return length if length >= _MIN_RUN else 0


def _known_word(text: str, start: int) -> int:
    """Returns the length of the longest known word at `start`, or 0."""
    words = _WORDS_BY_LETTER.get(text[start : start + 1], ())
    return max((len(word) for word in words if text.startswith(word, start)), default=0)


def _letter_run(secret: str, unleeted: str, start: int) -> int:
    """Returns the number of word-like letters from `start` on, up to the next known word; 0 if they are random."""
    match = _LETTERS.match(secret, start)
    if not match:
        return 0
    positions = range(start + 1, match.end())
    ends = (each for each in positions if _known_word(unleeted, each) > 2 or _repeated(secret, each) > _MIN_RUN)
    end = next(ends, match.end())
    pairs = [secret[index : index + 2].lower() in _COMMON_PAIRS for index in range(start, end - 1)]
    return end - start if sum(pairs) >= _COMMON_PAIRS_RATIO * len(pairs) else 0
