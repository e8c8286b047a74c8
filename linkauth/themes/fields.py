"""The fields of the registration page. Templates get them as `fields`; they are hashable, so that pages can be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

FieldKind = Literal["text", "username", "email", "phone", "postal_code", "country", "date", "choice", "checkbox"]
FieldProblem = Literal["", "missing", "invalid", "too_long", "not_chosen", "name_not_allowed", "pattern"]
FIELD_KINDS: tuple[FieldKind, ...] = get_args(FieldKind)
FIELD_ERRORS: tuple[FieldProblem, ...] = tuple(error for error in get_args(FieldProblem) if error)
"""`invalid`: not possible for the kind of the field. `pattern`: does not match the pattern of the deployer."""
KNOWN_FIELDS = (
    *("username", "name", "given_name", "family_name", "email", "phone", "phone_number", "postal_code", "country"),
    *("birthdate", "accept_terms"),
)
"""The names for which the theme has a label in every language."""
Texts = tuple[tuple[str, str], ...]
"""A text with translations: pairs of a language tag and a text. The tag "" is the default."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the registration page.

    `label` is (): the theme's own label; a field whose name is not in KNOWN_FIELDS must have a label. `choices` are the
    values of the kinds choice and country with their labels; an empty label shows the value. `value` is what the person
    typed; it is "true" for a checked box. `example` is a correct value.
    """

    name: str
    kind: FieldKind = "text"
    label: Texts = ()
    required: bool = True
    choices: tuple[tuple[str, Texts], ...] = ()
    value: str = ""
    error: FieldProblem = ""
    example: str = ""
