"""Tests of the settings of the sign-up page's fields: what is read, and which faults stop the start."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import CredentialBackend
from linkauth.config.plugins import settings_class
from linkauth.config.registration import RegistrationField
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.login.opening import opened_backends

ROOT = Path(__file__).parents[2]
VALID = {
    "linkauth.public_url": "https://link.example.com",
    "linkauth.service_name": "Example Rides",
    "linkauth.database": "sqlite:////tmp/nothing-is-opened.sqlite",
    "linkauth.secret": "b7e3a90c51d8f264e09d17c5a3b86f42",
    "linkauth.backends": "staff",
    "linkauth.backend.staff.use": "sql",
    "linkauth.backend.staff.url": "sqlite:////tmp/nothing-is-opened.sqlite",
    "linkauth.backend.staff.table": "people",
    "linkauth.backend.staff.subject_column": "id",
    "linkauth.backend.staff.username_columns": "login email",
    "linkauth.backend.staff.password_column": "hash",
    "linkauth.backend.staff.name_column": "full_name",
    "linkauth.backend.staff.email_column": "email",
    "linkauth.backend.staff.registration": "true",
    "linkauth.clients": "alexa",
    "linkauth.client.alexa.name": "Ride Hailer",
    "linkauth.client.alexa.secret": "b7e3a90c51d8f264",
}
LIST = "linkauth.backend.staff.registration_fields"


def settings(registration_fields: str, changes: dict[str, str] | None = None, **keys: str) -> Settings:
    """Returns the settings with the list of fields; `keys` are below it, `__` stands for a dot."""
    ini = {**VALID, LIST: registration_fields, **(changes or {})}
    ini |= {f"{LIST}.{key.replace('__', '.')}": value for key, value in keys.items()}
    return read(ini, settings_class)


def field_of(registration_fields: str, name: str, **keys: str) -> RegistrationField:
    (backend,) = settings(registration_fields, **keys).backends
    return next(each for each in backend.registration_fields if each.name == name)


def faults(registration_fields: str, changes: dict[str, str] | None = None, **keys: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        settings(registration_fields, changes, **keys)
    return {key.removeprefix(LIST).removeprefix("."): problem for key, problem in caught.value.faults}


def test_kinds_follow_from_names_and_the_order_is_kept() -> None:
    names = "accept_terms username name email phone country postal_code birthdate plan"
    (backend,) = settings(names, plan__choices="a b", plan__label="Plan").backends
    assert [(each.name, each.kind) for each in backend.registration_fields] == [
        ("accept_terms", "checkbox"),
        ("username", "username"),
        ("name", "text"),
        ("email", "email"),
        ("phone", "phone"),
        ("country", "country"),
        ("postal_code", "postal_code"),
        ("birthdate", "date"),
        ("plan", "choice"),
    ]
    assert all(each.required for each in backend.registration_fields)


def test_a_backend_without_fields_has_none() -> None:
    assert read(VALID, settings_class).backends[0].registration_fields == ()


def test_labels_and_choices_have_translations_and_count_as_texts() -> None:
    keys = {"plan__label": "Plan", "plan__label__de": "Tarif", "plan__choices": "basic plus"}
    keys |= {"plan__choices__basic": "Basic", "plan__choices__basic__ja": "基本"}
    read_settings = settings("email plan", **keys)
    plan = read_settings.backends[0].registration_fields[1]
    assert plan.label == {"": "Plan", "de": "Tarif"}
    assert plan.choice_labels == {"basic": {"": "Basic", "ja": "基本"}}
    texts = dict(read_settings.texts())
    assert texts["backend.staff.registration_fields.plan.label"] == plan.label
    assert texts["backend.staff.registration_fields.plan.choices.basic"] == {"": "Basic", "ja": "基本"}


def test_an_option_of_a_field_is_read() -> None:
    phone = field_of("email phone", "phone", phone__required="no", phone__country="DE", phone__example="030 123456")
    assert (phone.required, phone.country, phone.example) == (False, "DE", "030 123456")
    assert field_of("email username", "username", username__pattern="[a-z]{3,}").pattern == "[a-z]{3,}"
    mail = field_of("email second", "second", second__kind="email", second__label="Second address")
    assert mail.kind == "email"


WRONG: list[tuple[str, dict[str, str], str, str]] = [
    ("name", {}, "", "does not contain email"),
    ("email Name", {"Name__label": "N"}, "", "small letter"),
    ("email first-name", {"first-name__label": "N"}, "", "hyphens"),
    ("email email", {}, "", "twice"),
    ("email challenge", {"challenge__label": "C"}, "", "other values"),
    ("email password", {"password__label": "P"}, "", "other values"),
    ("email " + " ".join(f"f{n}" for n in range(24)), {}, "", "more than 24 fields"),
    ("email", {"fax__label": "Fax"}, "fax", "does not list it"),
    ("email phone", {"phone__requird": "no"}, "phone.requird", "nearest known key"),
    ("email phone", {"phone__required": "maybe"}, "phone.required", "neither true nor false"),
    ("email phone", {"phone__kind": "fax"}, "phone.kind", "is not one of"),
    ("email", {"email__kind": "text"}, "email.kind", "must be"),
    ("email nick", {"nick__kind": "username", "nick__label": "N"}, "nick.kind", "must be"),
    ("email", {"email__required": "false"}, "email.required", "must be true"),
    ("username email", {"username__required": "false"}, "username.required", "must be true"),
    ("email size", {"size__kind": "choice", "size__label": "S"}, "size.choices", "is missing"),
    ("email size", {"size__kind": "text", "size__choices": "a", "size__label": "S"}, "size.choices", "only for"),
    ("email size", {"size__choices": "a a", "size__label": "S"}, "size.choices", "twice"),
    ("email size", {"size__choices": "a/b", "size__label": "S"}, "size.choices", "characters other than"),
    ("email country", {"country__choices": "de"}, "country.choices", "ISO 3166"),
    ("email postal_code", {}, "postal_code.country", "no field for a country"),
    ("email postal_code", {"postal_code__country": "Germany"}, "postal_code.country", "ISO 3166"),
    ("email name", {"name__country": "DE"}, "name.country", "only for the kinds"),
    ("email size", {}, "size.label", "is missing"),
    ("email size", {"size__label__de": "Größe"}, "size.label", "without a language"),
    ("email name", {"name__pattern": "("}, "name.pattern", "not a regular expression"),
    ("email name", {"name__pattern": "(a+)+"}, "name.pattern", "within a repetition"),
    ("email name", {"name__pattern": "(a|aa)*"}, "name.pattern", "within a repetition"),
    ("email name", {"name__pattern": "((a?){99}b)*"}, "name.pattern", "within a repetition"),
    ("email name", {"name__pattern": "(?:a?){24}a{24}"}, "name.pattern", "within a repetition"),
    ("email name", {"name__pattern": r"(?:\w+\s?){1,20}"}, "name.pattern", "within a repetition"),
    ("email name", {"name__pattern": "(?=(a|aa){40})a++"}, "name.pattern", "within a repetition"),
    ("email name", {"name__pattern": ".*a.*b.*c.*"}, "name.pattern", "more than three parts of any length"),
    ("email name", {"name__pattern": "a" * 301}, "name.pattern", "longer than 300"),
    ("email accept_it", {"accept_it__pattern": "a", "accept_it__label": "I"}, "accept_it.pattern", "is not for"),
]


@pytest.mark.parametrize(("names", "keys", "key", "problem"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_is_a_fault_that_names_the_key(
    names: str, keys: dict[str, str], key: str, problem: str
) -> None:
    assert problem in faults(names, **keys)[key]


FLAT = r"(?:\+\d{1,3} ?)?.+@.+\..*"


def test_a_flat_pattern_is_permitted() -> None:
    for pattern in (r"[A-Z]{2}\d{4}", r"\+?[0-9 ]+", r"(?:ab|cd)\d*", r"\d{3}(-\d{3}){2}", r"(a|b)+", FLAT):
        assert field_of("email name", "name", name__pattern=pattern).pattern == pattern


def test_a_shadow_backend_has_no_sign_up_page() -> None:
    changes = {"linkauth.backend.staff.shadow": "true", "linkauth.backends": "staff"}
    assert "shadow" in faults("email", changes)[""]


def start_problem(registration_fields: str, key: str = LIST, changes: dict[str, str] | None = None, **keys: str) -> str:
    with pytest.raises(SettingsError) as caught, opened_backends(settings(registration_fields, changes, **keys)):
        pass
    ((found, problem),) = caught.value.faults
    assert found == key
    return problem


def test_a_field_that_the_user_store_does_not_keep_stops_the_start() -> None:
    problem = start_problem("email name size accept_terms", size__label="Size")
    place = "give each one a place in the template of new accounts of the plugin sql"
    assert problem == f"contains fields that the user store does not keep: size; {place}"


def test_a_code_that_no_country_has_stops_the_start() -> None:
    problem = "is not a country code of ISO 3166 such as DE"
    changes = {"linkauth.backend.staff.new_account": "tel={phone} land={country}"}
    assert start_problem("email phone", f"{LIST}.phone.country", changes, phone__country="UK") == problem
    problem = start_problem("email country", f"{LIST}.country.choices", changes, country__choices="DE UK")
    assert problem == "contains a value that is not a country code of ISO 3166 such as DE"


def test_fields_of_a_backend_that_creates_no_accounts_stop_the_start() -> None:
    assert "does not create accounts" in start_problem(
        "email", changes={"linkauth.backend.staff.registration": "false"}
    )


def test_an_opened_backend_has_its_fields() -> None:
    with opened_backends(settings("email name accept_terms")) as (named,):
        assert isinstance(named.backend, CredentialBackend)
        assert [each.name for each in named.registration_fields] == ["email", "name", "accept_terms"]


def test_every_option_of_a_field_is_in_production_ini() -> None:
    text = (ROOT / "production.ini").read_text("utf-8")
    options: dict[str, Any] = {each.name: each for each in fields(RegistrationField)}
    for name in options.keys() - {"name", "choice_labels"}:
        assert re.search(rf"^#linkauth\.backend\.staff\.registration_fields\.\w+\.{name} = ", text, re.MULTILINE), name
