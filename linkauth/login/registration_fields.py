"""The fields of the sign-up page: typed texts become values, or errors that the page shows at the field.

No text that can be typed raises an exception. A value that is typed again stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal, get_args

from linkauth.config.reader import Text
from linkauth.config.registration import VALUE_LIMIT, FieldKind, RegistrationField
from linkauth.login import countries
from linkauth.login.names import NAME_LIMIT, NameNotAllowed, new_name
from linkauth.mail.addresses import MAX_LENGTH as EMAIL_LIMIT
from linkauth.mail.addresses import InvalidAddress, parse_address

FieldFault = Literal["", "missing", "invalid", "too_long", "not_chosen", "name_not_allowed", "pattern"]
FIELD_ERRORS: tuple[FieldFault, ...] = get_args(FieldFault)
"""`missing`: nothing was typed or chosen in a required field. `not_chosen`: the value is not one of the choices.
`pattern`: the pattern of the ini does not match; the example of the field shows what is expected."""
SHOWN_LIMIT = 1_000
"""Number of typed characters that a page with an error shows again."""
EARLIEST, LATEST = date(1900, 1, 1), date(2100, 12, 31)
"""The range of dates. A birthdate must also be in the past."""
_LIMITS: Mapping[FieldKind, int] = {"username": NAME_LIMIT, "email": EMAIL_LIMIT, "phone": 40, "postal_code": 20}
_CHECKED = frozenset({"true", "on", "yes", "1"})
_DASHES = re.compile("[\u2010-\u2015\u2212\u30fc\uff0d\uff70]")
"""Characters that a keyboard may produce for a hyphen."""
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVALID_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn"})
_FORMATTED: frozenset[FieldKind] = frozenset({"phone", "postal_code", "date"})
"""Kinds of which phones copy texts together with invisible marks of the direction, which their values do not have."""
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that look like a space."""
_DATES = (
    re.compile(r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})"),
    re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})"),
)


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as a page shows it. `label` and the labels of `choices` are pairs (language, text), see `config.Text`.

    `value` is the value if `error` is "", otherwise what was typed.
    """

    name: str
    kind: FieldKind
    label: tuple[tuple[str, str], ...]
    required: bool
    choices: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    value: str = ""
    error: FieldFault = ""
    example: str = ""


class _Wrong(Exception):
    """A typed text is not valid. `error` is a FieldFault."""

    def __init__(self, error: FieldFault) -> None:
        super().__init__(error)
        self.error: FieldFault = error


def form_fields(
    declared: Sequence[RegistrationField], language: str, typed: Mapping[str, str] | None = None
) -> tuple[FormField, ...]:
    """Returns the fields of a page in `language`, with the values and errors of `typed`, by name; empty fields if None.

    Names in `typed` that are not declared are ignored.
    """
    if typed is None:
        return tuple(_form_field(each, language, "", "") for each in declared)
    country = _country(declared, typed)
    found = []
    for each in declared:
        text = typed.get(each.name, "")
        error: FieldFault = ""
        try:
            value = _value(each, text, country or each.country, language)
        except _Wrong as wrong:
            value, error = _shown(text), wrong.error
        found.append(_form_field(each, language, value, error))
    return tuple(found)


def _form_field(declared: RegistrationField, language: str, value: str, error: FieldFault) -> FormField:
    choices: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    if declared.kind == "country":
        choices = tuple((code, (("", name),)) for code, name in countries.names(language, declared.choices))
    else:
        labels = declared.choice_labels
        choices = tuple((each, _pairs(labels.get(each) or {"": each})) for each in declared.choices)
    label = _pairs(declared.label)
    return FormField(declared.name, declared.kind, label, declared.required, choices, value, error, declared.example)


def _pairs(text: Text) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(text.items()))


def _country(declared: Sequence[RegistrationField], typed: Mapping[str, str]) -> str:
    """Returns the ISO code that was chosen in the first field for a country, or "" if none was."""
    for each in declared:
        if each.kind == "country":
            code = _tidy(typed.get(each.name, "")[:SHOWN_LIMIT]).upper()
            return code if code in (each.choices or countries.CODES) else ""
    return ""


def _value(declared: RegistrationField, typed: str, country: str, language: str) -> str:
    """Returns the value of a typed text. Raises _Wrong."""
    limit = _LIMITS.get(declared.kind, VALUE_LIMIT)
    if len(typed) > 4 * limit:
        # normalization of a long text takes long
        raise _Wrong("too_long")
    text = _tidy(_without_format(typed) if declared.kind in _FORMATTED else typed)
    is_valid = not any(each in _BIDI_CONTROLS or unicodedata.category(each) in _INVALID_CATEGORIES for each in text)
    if is_valid and not any(map(_is_visible, text)):
        if declared.required and not (declared.kind == "postal_code" and country and not countries.has_codes(country)):
            raise _Wrong("missing")
        return ""
    if not is_valid:
        raise _Wrong("name_not_allowed" if declared.kind == "username" else "invalid")
    if declared.kind == "phone":
        value = _phone(text, country or countries.of_language(language))
    elif declared.kind == "postal_code":
        value = _postal_code(text, country)
    else:
        value = _CONVERTERS[declared.kind](declared, text)
    if len(value) > limit:
        raise _Wrong("too_long")
    if value and declared.pattern and not _matches(declared.pattern, value):
        raise _Wrong("pattern")
    if not value and declared.required:
        raise _Wrong("missing")
    return value


def _tidy(typed: str) -> str:
    return " ".join(unicodedata.normalize("NFC", typed).split())


def _without_format(typed: str) -> str:
    return "".join(letter for letter in typed if unicodedata.category(letter) != "Cf")


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNPS" and letter not in _BLANKS


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None


def _text(_: RegistrationField, text: str) -> str:
    return text


def _username(_: RegistrationField, text: str) -> str:
    if len(text) > NAME_LIMIT:
        raise _Wrong("too_long")
    try:
        return new_name(text)
    except NameNotAllowed:
        raise _Wrong("name_not_allowed") from None


def _email(_: RegistrationField, text: str) -> str:
    """Returns an address whose domain is in ASCII and lower case.

    A local part with other letters is refused: few servers deliver mail to it (RFC 6531).
    """
    try:
        address = parse_address(unicodedata.normalize("NFKC", text))
    except InvalidAddress:
        raise _Wrong("too_long" if len(text) > EMAIL_LIMIT else "invalid") from None
    if address.needs_utf8 or "." not in address.domain:
        raise _Wrong("invalid")
    return str(address)


def _phone(text: str, country: str) -> str:
    """Returns a number with its country code and without punctuation (ITU-T E.164)."""
    import phonenumbers

    try:
        number = phonenumbers.parse(_ascii_digits(text), country or None)
    except phonenumbers.NumberParseException:
        raise _Wrong("invalid") from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise _Wrong("invalid")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _postal_code(text: str, country: str) -> str:
    code = _ascii_digits(text).upper().removeprefix("〒").strip()
    if country and not countries.is_postal_code(country, code):
        raise _Wrong("invalid")
    return code


def _country_code(declared: RegistrationField, text: str) -> str:
    code = text.upper()
    if code not in (declared.choices or countries.CODES):
        raise _Wrong("not_chosen")
    return code


def _date(declared: RegistrationField, text: str) -> str:
    """Returns a date as YYYY-MM-DD. Also accepts 31.12.1990, but no slashes, whose order differs between countries."""
    compact = _ascii_digits(text).replace(" ", "")
    match = next(filter(None, (pattern.fullmatch(compact) for pattern in _DATES)), None)
    try:
        found = date(int(match["year"]), int(match["month"]), int(match["day"])) if match else None
    except ValueError:
        found = None
    latest = datetime.now(UTC).date() if declared.name == "birthdate" else LATEST
    if found is None or not EARLIEST <= found <= latest:
        raise _Wrong("invalid")
    return found.isoformat()


def _choice(declared: RegistrationField, text: str) -> str:
    if text not in declared.choices:
        raise _Wrong("not_chosen")
    return text


def _checkbox(_: RegistrationField, text: str) -> str:
    return "true" if text.lower() in _CHECKED else ""


_CONVERTERS: Mapping[str, Callable[[RegistrationField, str], str]] = {
    **{"text": _text, "username": _username, "email": _email, "country": _country_code, "date": _date},
    **{"choice": _choice, "checkbox": _checkbox},
}


@lru_cache(1)
def _digit_table() -> Mapping[int, str]:
    """Returns a table that converts the decimal digits of all scripts."""
    decimals = (chr(code) for code in range(0x660, 0x1FBFA) if chr(code).isdecimal())
    return {ord(each): str(unicodedata.decimal(each)) for each in decimals}


def _ascii_digits(text: str) -> str:
    """Returns a text with ASCII digits and hyphens, as far as they were typed in other forms."""
    return _DASHES.sub("-", unicodedata.normalize("NFKC", text).translate(_digit_table()))


def _shown(typed: str) -> str:
    """Returns what a page shows of a text that was not accepted."""
    letters = typed[:SHOWN_LIMIT]
    # not without a substitute: a text of two parts could become a valid one
    return "".join(" " if unicodedata.category(each) in ("Cc", "Cs") else each for each in letters).strip()
