"""Tests of the fields of the sign-up page: which typed texts become which values or errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from babel import Locale
from hypothesis import given, settings
from hypothesis import strategies as st

from linkauth.config.registration import FIELD_KINDS, RegistrationField
from linkauth.login import countries
from linkauth.login.registration_fields import (
    FIELD_ERRORS,
    SHOWN_LIMIT,
    FormField,
    form_fields,
)

COUNTRY = RegistrationField("country", "country")


def result(
    kind: Any, typed: str, *others: RegistrationField, name: str = "x", language: str = "en", **more: Any
) -> Any:
    """Returns (value, error) of a field. `more` are its settings and the typed texts of `others`, as `typed_<name>`."""
    texts = {key.removeprefix("typed_"): more.pop(key) for key in list(more) if key.startswith("typed_")}
    declared = RegistrationField(name, kind, **more)
    (field, *_) = form_fields([declared, *others], language, {name: typed, **texts})
    return field.value, field.error


VALID: list[tuple[str, str, str, dict[str, Any]]] = [
    ("text", "  Ada \u00a0 King\u3000Lovelace ", "Ada King Lovelace", {}),
    ("text", "Jose\u0301", "José", {}),
    ("text", "نام\u200cخانوادگی", "نام\u200cخانوادگی", {}),
    ("email", "  Ada.L+x@Example.COM ", "Ada.L+x@example.com", {}),
    ("email", "ada＠example．com", "ada@example.com", {}),
    ("email", "ada@münchen.example", "ada@xn--mnchen-3ya.example", {}),
    ("phone", "030 1234567", "+49301234567", {"country": "DE"}),
    ("phone", "030 1234567", "+49301234567", {"language": "de"}),
    ("phone", "+49 (0)30 / 123 45 67", "+49301234567", {"language": "ja"}),
    ("phone", "０９０ー１２３４ー５６７８", "+819012345678", {"language": "ja"}),
    ("phone", "٠١٠٠١٢٣٤٥٦٧", "+201001234567", {"language": "ar"}),
    ("phone", "(201) 555-0123", "+12015550123", {}),
    # copied from a list of contacts, or typed in a right-to-left language
    ("phone", "\u202a+49 30 1234567\u202c", "+49301234567", {}),
    ("phone", "\u2068+49\u200e301234567\u2069", "+49301234567", {}),
    ("postal_code", "12345 \u200f", "12345", {"country": "US"}),
    ("date", "\u200f1990\u200f-12-31", "1990-12-31", {}),
    ("text", "\u3164\u200b", "", {"required": False}),
    ("country", "de", "DE", {}),
    ("postal_code", " sw1a 1aa", "SW1A 1AA", {"country": "GB"}),
    ("postal_code", "〒１５４－００２３", "154-0023", {"country": "JP"}),
    ("postal_code", "12345-6789", "12345-6789", {"country": "US"}),
    ("date", "1990-12-31", "1990-12-31", {}),
    ("date", "31.12.1990", "1990-12-31", {}),
    ("date", "1990/2/3", "1990-02-03", {}),
    ("date", "２０２４-０２-２９", "2024-02-29", {}),
    ("choice", " plus ", "plus", {"choices": ("basic", "plus")}),
    ("checkbox", "on", "true", {}),
    ("checkbox", "", "", {"required": False}),
    ("checkbox", "off", "", {"required": False}),
    ("username", " ada.l ", "ada.l", {}),
    ("text", "AB12", "AB12", {"pattern": "[A-Z]{2}[0-9]{2}"}),
    *((kind, "", "", {"required": False, "choices": ("a",)}) for kind in FIELD_KINDS),
]


@pytest.mark.parametrize(("kind", "typed", "value", "more"), VALID, ids=ascii)
def test_a_typed_text_becomes_a_value(kind: str, typed: str, value: str, more: Mapping[str, Any]) -> None:
    assert result(kind, typed, **more) == (value, "")
    assert result(kind, value, **more) == (value, "")


INVALID: list[tuple[str, str, str, dict[str, Any]]] = [
    *((kind, "  ", "missing", {"choices": ("a",)}) for kind in FIELD_KINDS),
    # nothing of it is visible
    *((kind, "\u200b \ufeff", "missing", {"choices": ("a",)}) for kind in FIELD_KINDS),
    *(("text", text, "missing", {}) for text in ("\u061c", "\u3164", "\u2800 \u115f", "\u0308", "\U000e0041")),
    ("text", "a" * 256, "too_long", {}),
    ("text", "a\0b", "invalid", {}),
    ("text", "a\u202eb", "invalid", {}),
    ("text", "\ud800", "invalid", {}),
    *(("email", text, "invalid", {}) for text in ("ada", "@example.com", "ada@", "ada@localhost", "a b@example.com")),
    *(
        ("email", text, "invalid", {})
        for text in ("a@b@example.com", "ada@-x.example", "ada@example.com.", "a@1.2.3.4")
    ),
    *(("email", text, "invalid", {}) for text in ("ada@ex\u200bample.c\u200d", "аda@example.com", "a..b@example.com")),
    *(
        ("email", text, "invalid", {})
        for text in ("a@x\r\nBcc: b@example.com", "a@x.example,b@x.example", '"a"@x.example')
    ),
    ("email", "a" * 65 + "@example.com", "invalid", {}),
    ("email", "a@" + "b" * 300 + ".example", "too_long", {}),
    *(
        ("phone", text, "invalid", {})
        for text in ("123", "abc", "+49", "+999 123456", "+49 30 1234567 ext. 5", "1" * 30)
    ),
    ("phone", "1" * 200, "too_long", {}),
    *(("country", text, "not_chosen", {}) for text in ("Germany", "XX", "EU", "ZZ")),
    ("country", "FR", "not_chosen", {"choices": ("DE", "AT")}),
    *(("postal_code", text, "invalid", {"country": "DE"}) for text in ("1234", "123456", "ABCDE", "1234\n5")),
    *(("date", text, "invalid", {}) for text in ("1990-02-30", "12/31/1990", "1899-12-31", "2101-01-01", "yesterday")),
    *(("date", text, "invalid", {}) for text in ("0000-00-00", "99999-01-01", "1990-1", "31.12.90")),
    ("choice", "Plus", "not_chosen", {"choices": ("plus",)}),
    ("checkbox", "off", "missing", {}),
    ("username", "pаypal", "name_not_allowed", {}),
    ("username", "a\u202eb", "name_not_allowed", {}),
    ("username", "a" * 65, "too_long", {}),
    ("text", "ab12", "pattern", {"pattern": "[A-Z]{2}[0-9]{2}"}),
    ("text", "AB123", "pattern", {"pattern": "[A-Z]{2}[0-9]{2}"}),
    ("email", "a@other.example", "pattern", {"pattern": r".*@example\.com"}),
]


@pytest.mark.parametrize(("kind", "typed", "error", "more"), INVALID, ids=ascii)
def test_a_typed_text_is_an_error(kind: str, typed: str, error: str, more: Mapping[str, Any]) -> None:
    assert result(kind, typed, **more)[1] == error


def test_the_chosen_country_decides_on_the_phone_number_and_the_postal_code() -> None:
    numbers = {"DE": ("030 1234567", "+49301234567", "10115"), "AT": ("01 5120000", "+4315120000", "1010")}
    for country, (typed, number, code) in numbers.items():
        assert result("postal_code", code, COUNTRY, typed_country=country) == (code, "")
        assert result("phone", typed, COUNTRY, typed_country=country) == (number, "")
    assert result("postal_code", "1010", COUNTRY, typed_country="DE")[1] == "invalid"
    # the chosen country has precedence over the settings and the language
    assert result("phone", "030 1234567", COUNTRY, country="US", typed_country="DE", language="ja")[0] == "+49301234567"


def test_a_wrong_country_is_an_error_at_the_country_only() -> None:
    assert result("postal_code", "1010", COUNTRY, typed_country="XX") == ("1010", "")


def test_a_country_without_postal_codes_needs_none() -> None:
    assert result("postal_code", "", COUNTRY, typed_country="HK") == ("", "")
    assert result("postal_code", "", COUNTRY, typed_country="DE") == ("", "missing")


def test_a_birthdate_is_in_the_past() -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    assert result("date", tomorrow) == (tomorrow, "")
    assert result("date", tomorrow, name="birthdate")[1] == "invalid"


def test_countries_are_those_of_iso_3166_in_the_language_of_the_page() -> None:
    territories = {code for code in Locale("en").territories if re.fullmatch("[A-Z]{2}", str(code))}
    # regions of CLDR to which ISO 3166-1 assigns no code
    regions = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
    assert territories - regions == countries.CODES
    assert dict(countries.names("ja"))["DE"] == "ドイツ"
    assert dict(countries.names("pt-BR"))["DE"] == "Alemanha"
    german = [name for _, name in countries.names("de")]
    assert german.index("Österreich") < german.index("Palau")
    assert countries.names("de", ("DE", "AT")) == (("DE", "Deutschland"), ("AT", "Österreich"))
    assert countries.names("xx-invalid-") == countries.names("en")


def test_a_field_has_its_labels_choices_and_example() -> None:
    plan = RegistrationField(
        "plan",
        "choice",
        False,
        choices=("basic", "plus"),
        choice_labels={"plus": {"": "Plus", "de": "Mehr"}},
        label={"": "Plan", "de": "Tarif"},
        example="basic",
    )
    (field,) = form_fields([plan], "de")
    choices = (("basic", (("", "basic"),)), ("plus", (("", "Plus"), ("de", "Mehr"))))
    assert field == FormField("plan", "choice", (("", "Plan"), ("de", "Tarif")), False, choices, example="basic")
    assert hash(field)


def test_a_page_with_an_error_shows_what_was_typed_without_control_characters() -> None:
    assert result("email", " a\0d\ud800a@ ") == ("a d a@", "invalid")
    value, error = result("text", "é" * 5_000)
    assert (len(value), error) == (SHOWN_LIMIT, "too_long")


def test_unknown_names_are_ignored() -> None:
    (field,) = form_fields([RegistrationField("name")], "en", {"name": "Ada", "role": "admin", "verified": "true"})
    assert (field.name, field.value) == ("name", "Ada")


DECLARED = [
    *(RegistrationField(f"{kind}_field", kind, choices=("a",) if kind == "choice" else ()) for kind in FIELD_KINDS),
    RegistrationField("birthdate", "date"),
    RegistrationField("coded", "text", pattern=r"[a-z]+\d*"),
]
TYPED = (
    st.text(max_size=40)
    | st.text("0123456789+-()./ extEXT٠１", max_size=45)
    | st.text("ab.@-é＠ẞß漢", max_size=300)
    | st.sampled_from(sorted(countries.CODES))
    | st.emails()
    | st.dates().map(str)
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({each.name: TYPED for each in DECLARED}), st.sampled_from(["en", "de", "ja", "ar", "", "x"])
)
def test_no_text_raises_and_a_value_stays_as_it_is(typed: dict[str, str], language: str) -> None:
    fields = form_fields(DECLARED, language, typed)
    assert [field.name for field in fields] == [each.name for each in DECLARED]
    assert all(field.error in FIELD_ERRORS and len(field.value) <= SHOWN_LIMIT for field in fields)
    values = {field.name: typed[field.name] if field.error else field.value for field in fields}
    again = form_fields(DECLARED, language, values)
    for before, after in zip(fields, again, strict=True):
        assert after == before
        before.value.encode("utf-8")
