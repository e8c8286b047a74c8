"""The fields of the sign-up page (`linkauth.backend.<name>.registration_fields`), and their validation."""

from __future__ import annotations

import re
import re._constants as constants  # type: ignore[import-not-found,unused-ignore]
import re._parser as parser  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from linkauth.config.reader import NAME, Keys, Text
from linkauth.config.values import convert
from linkauth.redaction import redact

FieldKind = Literal["text", "username", "email", "phone", "country", "postal_code", "date", "choice", "checkbox"]
FIELD_KINDS: tuple[FieldKind, ...] = get_args(FieldKind)
FIELD_LIMIT = 24
"""Maximum number of fields of a sign-up page."""
PATTERN_LIMIT = 300
"""Maximum length of a pattern in characters."""
VALUE_LIMIT = 255
"""Maximum length of a value in characters. User names, email addresses and others are shorter."""
LENGTHS_LIMIT = 64
"""How many lengths of a repetition count. There may be more, but several repetitions share the length of a value."""
WAYS_LIMIT = 8 * LENGTHS_LIMIT**3
"""In how many ways a pattern may match a value: three parts of any length, as in `.+@.+[.].+`, and a few options. To
try all of them takes less than a second."""
_REPETITIONS = frozenset({constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT})
_KINDS_BY_NAME: Mapping[str, FieldKind] = {
    **{"username": "username", "email": "email", "phone": "phone", "phone_number": "phone", "country": "country"},
    **{"postal_code": "postal_code", "birthdate": "date"},
}
_RESERVED_NAMES = frozenset(
    {
        *("form_token", "page", "wait", "challenge", "code", "restart", "cancel", "language", "subject"),
        *("password", "current_password", "new_password", "repeated_password"),
    }
)
"""Names that the forms of linkauth's pages use for other values."""
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LABELLED = ("name", "given_name", "family_name", "username", "email", "phone", "phone_number", "country")
THEME_LABELS = frozenset({*_LABELLED, "postal_code", "birthdate", "accept_terms"})
"""Fields for which themes have a label."""


@dataclass(frozen=True)
class RegistrationField:
    """A field of the sign-up page (`linkauth.backend.<name>.registration_fields.<field>.*`).

    `pattern` must match the whole value; "" permits any. `choices` are the values of a choice, or the ISO 3166 codes of
    the countries that are offered (empty: all). `choice_labels` are their labels by value. `label` is empty for the
    label of the theme. `country` is the ISO 3166 code for numbers without a country code and for postal codes, if the
    page has no field with a country.
    """

    name: str
    kind: FieldKind = "text"
    required: bool = True
    pattern: str = ""
    choices: tuple[str, ...] = ()
    choice_labels: Mapping[str, Text] = field(default_factory=dict)
    label: Text = field(default_factory=dict)
    example: str = ""
    country: str = ""

    @property
    def is_consent(self) -> bool:
        """Whether this is the checkbox of a consent, which a backend need not store."""
        return self.kind == "checkbox" and self.name.startswith("accept_")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each violated rule."""
        expected = _KINDS_BY_NAME.get(self.name) if self.name in ("username", "email") else None
        if (expected and self.kind != expected) or (self.kind == "username" and self.name != "username"):
            yield "kind", "must be username for the field username, email for the field email, and neither for others"
        if (self.name == "email" or self.kind == "username") and not self.required:
            yield "required", "must be true: every account has a user name, and the code is sent to the email address"
        if self.kind == "choice" and not self.choices:
            yield "choices", "is missing: a field of the kind choice needs a list of values"
        elif self.choices and self.kind not in ("choice", "country"):
            yield "choices", f"is only for the kinds choice and country, and this field has the kind {self.kind}"
        elif self.kind == "country" and not all(map(_COUNTRY.fullmatch, self.choices)):
            yield "choices", "contains a value that is not a country code of ISO 3166 such as DE"
        elif not all(map(NAME.fullmatch, self.choices)):
            yield "choices", "contains a value with characters other than letters, digits, _ and -"
        elif len(set(self.choices)) < len(self.choices):
            yield "choices", "contains a value twice"
        if self.pattern and (problem := pattern_problem(self.pattern)):
            yield "pattern", problem
        if self.pattern and self.kind in ("choice", "checkbox", "country"):
            yield "pattern", f"is not for a field of the kind {self.kind}"
        if self.country and self.kind not in ("phone", "postal_code"):
            yield "country", f"is only for the kinds phone and postal_code, and this field has the kind {self.kind}"
        elif self.country and not _COUNTRY.fullmatch(self.country):
            yield "country", "is not a country code of ISO 3166 such as DE"
        if not self.label and self.name not in THEME_LABELS:
            yield "label", "is missing: the themes have no label for a field of this name"


def read_fields(keys: Keys, prefix: str) -> tuple[RegistrationField, ...]:
    """Returns the fields of the backend whose keys begin with `prefix`, in the order of the page; () without any."""
    list_key = prefix + "registration_fields"
    found = keys.names(list_key, 64)
    problems = [
        ("contains a name that does not begin with a small letter, or has capitals or hyphens", _is_malformed),
        ("contains a name that linkauth's forms use for other values", _RESERVED_NAMES.__contains__),
    ]
    for problem, is_wrong in problems:
        if any(map(is_wrong, found)):
            keys.add_fault(list_key, problem)
    if found and "email" not in found:
        keys.add_fault(list_key, "does not contain email, to which the code is sent")
    if len(found) > FIELD_LIMIT:
        keys.add_fault(list_key, f"contains more than {FIELD_LIMIT} fields")
    begin = list_key + "."
    for name in sorted({key.removeprefix(begin).split(".")[0] for key in keys.remaining if key.startswith(begin)}):
        if name not in found:
            keys.add_fault(begin + name, f"has keys, but {keys.prefix}{list_key} does not list it")
            keys.discard(f"{begin}{name}.")
    result = tuple(_field(keys, f"{begin}{name}.", name) for name in found)
    has_country = any(each.kind == "country" for each in result)
    for each in result:
        if each.kind == "postal_code" and not each.country and not has_country:
            problem = "is missing: postal codes depend on the country, and the page has no field for a country"
            keys.add_fault(f"{begin}{each.name}.country", problem)
    return result


def _is_malformed(name: str) -> bool:
    return not _FIELD_NAME.fullmatch(name)


def _field(keys: Keys, prefix: str, name: str) -> RegistrationField:
    """Returns the field `name`, and adds its faults."""
    values: dict[str, Any] = {}
    for key, kind in (
        *(("kind", FieldKind), ("required", bool), ("pattern", str), ("choices", tuple[str, ...])),
        *(("example", str), ("country", str)),
    ):
        raw = keys.pop(prefix + key)
        try:
            if raw is not None:
                values[key] = convert(raw, kind)
        except ValueError as error:
            keys.add_fault(prefix + key, redact(error))
    values["label"] = _text(keys, prefix + "label")
    choices = values.get("choices", ())
    labels = {value: _text(keys, f"{prefix}choices.{value}") for value in choices if NAME.fullmatch(value)}
    values["choice_labels"] = {value: text for value, text in labels.items() if text}
    default: FieldKind = "checkbox" if name.startswith("accept_") else "choice" if choices else "text"
    result = RegistrationField(name, **{"kind": _KINDS_BY_NAME.get(name, default), **values})
    for key, problem in result.faults():
        keys.add_fault(prefix + key, problem)
    return result


def _text(keys: Keys, key: str) -> Text:
    """Returns the text of a key by language; empty if the ini has none."""
    text, texts = keys.pop(key), keys.texts(key)
    if text is None and texts:
        keys.add_fault(key, "is missing; a text also needs a line without a language")
    return {} if text is None else {"": text, **texts}


def pattern_problem(pattern: str) -> str | None:
    """Returns why a pattern of the ini cannot be used, or None.

    A pattern that can match a text in many ways, such as `(a+)+`, can take a time that grows exponentially with it.
    """
    if len(pattern) > PATTERN_LIMIT:
        return f"is longer than {PATTERN_LIMIT} characters"
    try:
        re.compile(pattern)
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return "is not a regular expression"
    if _ways(parsed) > WAYS_LIMIT:
        return (
            "can take very long: it has a repetition or an alternative within a repetition, or more than three parts "
            "of any length"
        )
    return None


def _ways(parsed: Any) -> int:
    """Returns an upper bound of the number of ways in which a parsed pattern can match the begin of a value.

    A search that fails tries all of them. Numbers above WAYS_LIMIT are not exact.
    """
    found = 1
    for operation, arguments in parsed:
        if operation in _REPETITIONS:
            least, most, repeated = arguments
            ways, counts = _ways(repeated), range(min(least, VALUE_LIMIT), min(most, VALUE_LIMIT) + 1)
            found *= sum(ways**count for count in counts) if ways > 1 else min(len(counts), LENGTHS_LIMIT)
        elif operation is constants.BRANCH:
            found *= sum(map(_ways, arguments[1]))
        else:
            # a group, a look-around or a condition, whose last arguments are patterns; a letter or a set has none
            parts = arguments if isinstance(arguments, tuple | list) else (arguments,)
            for part in parts:
                if isinstance(part, parser.SubPattern):
                    found *= _ways(part)
        found = min(found, WAYS_LIMIT + 1)
    return found


def label_texts(registration_fields: tuple[RegistrationField, ...]) -> Iterator[tuple[str, Text]]:
    """Yields (key below the list of fields, text by language) for each label that the ini sets."""
    for each in registration_fields:
        if each.label:
            yield f"{each.name}.label", each.label
        yield from ((f"{each.name}.choices.{value}", text) for value, text in each.choice_labels.items())
