"""The user names of new accounts: which are allowed, and which look like others.

The rules are those of RFC 8265 section 3.4 (UsernameCasePreserved) and the "highly restrictive" level of Unicode
Technical Standard 39 section 5.2. The look-alikes come from the data of that standard, and from a few ASCII sequences.
People who have such names already can sign in with them; the rules concern new accounts only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, combinations, islice, product

NAME_LIMIT = 64
"""Maximum length of a new user name in characters."""
LOOK_ALIKE_LIMIT = 32
"""Maximum number of look-alikes of one name. For each, every backend is asked once whether it is taken."""
MARKS_LIMIT = 4
"""Maximum number of nonspacing marks of one letter in a new user name."""
_NEUTRAL_SCRIPTS = frozenset({"COMMON", "INHERITED"})
_SCRIPTS_TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)
"""Scripts that people write together, in Japanese, Chinese and Korean."""
_ALPHABETS = ("LATIN", "GREEK", "CYRILLIC")
"""The scripts that have many letters in common."""
_SAME_SHAPES = {"0": ("o",), "o": ("0",), "O": ("0",), "1": ("l", "i"), "|": ("l", "i"), "l": ("1", "i")} | {
    **{"I": ("l", "1"), "rn": ("m",), "m": ("rn",), "vv": ("w",), "w": ("vv",)}
}
"""ASCII texts that look like others in common fonts. A small i stands for its capital, because case is ignored."""
_DIGITS = frozenset("01|")
_SUBSTITUTIONS = (("ss", "ß"), ("i", "ı"))
"""ASCII texts, and letters that differ from them only for some readers."""
_DIGIT_FORMS = 12
"""How many names are tried in which letters take the place of digits."""


class NameNotAllowed(ValueError):
    """A user name that nobody may get."""


def new_name(typed: str) -> str:
    """Returns a typed user name in the form in which it is stored. Raises NameNotAllowed.

    Refused are white space, control, format and bidi characters, symbols, compatibility forms such as ligatures, marks
    without a letter, names in several scripts, and names that break the rule for right-to-left text (RFC 5893).
    Full-width forms, which the keyboards of phones produce, are converted.
    """
    if not 0 < len(typed) <= NAME_LIMIT:
        raise NameNotAllowed("its length")
    # only a sign-up needs it
    from precis_i18n import get_profile

    profile = get_profile("UsernameCasePreserved")
    try:
        name: str = profile.enforce(typed)
        # the profile is not idempotent for every name (RFC 8265 section 3.3)
        is_stable = profile.enforce(name) == name
    except UnicodeError:
        raise NameNotAllowed("its characters") from None
    if not is_stable or len(name) > NAME_LIMIT or not _are_used_together(_scripts(name)):
        raise NameNotAllowed("its scripts")
    if any(unicodedata.category(letter) in ("Cf", "Cc", "Cn", "Co", "Cs") for letter in name):
        raise NameNotAllowed("its characters")
    if _are_marks_misused(name):
        raise NameNotAllowed("its marks")
    return name


def look_alikes(name: str) -> tuple[str, ...]:
    """Returns other names that look like `name`, most likely ones first; at most LOOK_ALIKE_LIMIT.

    `name` is a result of `new_name`. The number depends on the name only, so that the time of the look-ups does not
    show whether it is taken. A name with many similar letters has more look-alikes than these.
    """
    found = {name.lower(): ""}
    for other in chain([name.casefold()], _in_other_scripts(name), _with_other_letters(name)):
        found.setdefault(other.lower(), other)
        if len(found) > LOOK_ALIKE_LIMIT:
            break
    return tuple(filter(None, found.values()))


def _are_marks_misused(name: str) -> bool:
    """Returns whether a mark would combine with the text before the name, or marks hide each other (UTS 39 5.4)."""
    if unicodedata.category(name[0]).startswith("M"):
        return True
    marks = "".join(each if unicodedata.category(each) == "Mn" else " " for each in unicodedata.normalize("NFD", name))
    return any(len(each) > MARKS_LIMIT or len(set(each)) < len(each) for each in marks.split())


def _scripts(name: str) -> frozenset[str]:
    from confusable_homoglyphs import categories

    return frozenset(map(categories.alias, name)) - _NEUTRAL_SCRIPTS


def _are_used_together(scripts: frozenset[str]) -> bool:
    if "Unknown" in scripts:
        return False
    return len(scripts) <= 1 or any(scripts <= together for together in _SCRIPTS_TOGETHER)


def _in_other_scripts(name: str) -> Iterator[str]:
    """Yields the name in other alphabets, if each of its letters looks like one of theirs; then ASCII look-alikes."""
    for script in _ALPHABETS:
        # a capital may look like a letter that the small one does not look like: lower-case palochka, and l
        for recased in dict.fromkeys((name, name.lower(), name.upper())):
            letters = [_letter_in(script, letter) for letter in recased]
            if all(letters):
                other = "".join(letters)
                yield other
                if other.isascii() and not name.isascii():
                    yield from _with_other_letters(other)
    if _scripts(name) & {"HAN", "KATAKANA"}:
        for script in ("KATAKANA", "HAN"):
            yield "".join(_letter_in(script, letter) or letter for letter in name)


def _letter_in(script: str, letter: str) -> str:
    """Returns the letter of a script that looks like `letter`, or `letter` if no script owns it; "" without any."""
    from confusable_homoglyphs import categories

    own = categories.alias(letter)
    if own in _NEUTRAL_SCRIPTS or (own == script and (letter.isascii() or script != "LATIN")):
        return letter
    in_script = [each for each in _shapes(letter) if all(categories.alias(part) == script for part in each)]
    if in_script:
        return min(in_script, key=lambda each: (not each.isascii(), len(each), not each.islower(), each))
    return letter if own == script else ""


@lru_cache(4096)
def _shapes(letter: str) -> frozenset[str]:
    """Returns the texts that look like `letter`: its prototype in the data of UTS 39, and the others with it."""
    from confusable_homoglyphs.confusables import confusables_data

    def neighbours(text: str) -> set[str]:
        return {each["c"].strip("\u200e") for each in confusables_data.get(text, ())}

    found = neighbours(letter)
    shapes = found.union(*map(neighbours, found)) - {letter}
    # new names contain neither compatibility forms nor symbols
    return frozenset(each for each in shapes if each.isalpha() and unicodedata.is_normalized("NFKC", each))


def _with_other_letters(name: str) -> Iterator[str]:
    """Yields names with other letters and sequences of the same shape, those with the fewest changes first."""
    for plain, special in _SUBSTITUTIONS:
        yield name.replace(plain, special)
        yield name.replace(special, plain)
    parts = list(_parts(name))
    choices = {part: _SAME_SHAPES[part] for part in parts if part in _SAME_SHAPES}
    # somebody who imitates a name often writes digits in place of its letters
    letters = product(*(choices[part] if part in _DIGITS else (part,) for part in parts))
    yield from map("".join, islice(letters, _DIGIT_FORMS))
    positions = [index for index, part in enumerate(parts) if part in choices]
    for index in positions:
        for shape in choices[parts[index]]:
            yield "".join([*parts[:index], shape, *parts[index + 1 :]])
    for count in range(1, len(choices) + 1):
        for changed in combinations(choices, count):
            for shapes in product(*(choices[part] for part in changed)):
                by_part = dict(zip(changed, shapes, strict=True))
                yield "".join(by_part.get(part, part) for part in parts)


def _parts(name: str) -> Iterator[str]:
    """Yields the letters of a name; two letters that look like one are one part."""
    index = 0
    while index < len(name):
        length = 2 if name[index : index + 2] in _SAME_SHAPES else 1
        yield name[index : index + length]
        index += length
