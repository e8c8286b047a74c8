"""Tests of people whom a provider knows and no backend does: they create an account, with fields that are filled in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from tests.alexa import https
from tests.recovery.conftest import MAIL_SETTINGS
from tests.recovery.visitor import Site
from tests.sign_ins.phone import OTHER, Phone, error_of

SCHEMA = "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT UNIQUE, email TEXT, hash TEXT, full_name TEXT)"
GRACE = {
    "sub": "g-1",
    "name": "Grace <Hopper>",
    "given_name": "Grace",
    "email": "Grace@new.example",
    "verified": ["email"],
}


@pytest.fixture(scope="module")
def make_app_with(make_provider_app: Callable[..., Any], database_root: Path) -> Callable[..., Any]:
    """`make_app_with(**settings)` returns an app whose backend creates accounts in a table of people."""
    path = Path(mkdtemp(dir=database_root)) / "registering.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(SCHEMA)
    settings = {
        "url": f"sqlite:///{path}",
        "password_column": "hash",
        "name_column": "full_name",
        "active_column": None,
        "registration": "true",
        "registration_fields": "username name email",
    }
    changes: Any = {f"backend__staff__{key}": value for key, value in settings.items()}
    changes |= {**MAIL_SETTINGS, "sign_in__google__registration": "true", "client__single__sign_ins": "google"}
    return lambda **settings: make_provider_app(**{**changes, **settings})


@pytest.fixture(scope="module")
def app(make_app_with: Callable[..., Any]) -> Any:
    return make_app_with()


def prefill_of(page: Any) -> str:
    value: str = page.html.find("input", {"name": "prefill"})["value"]
    return value


def open_form(phone: Phone, prefill: str, page: Any, raw_query: str = "", **fields: str) -> Any:
    form = {"prefill": prefill, "form_token": phone.form_token(page), **fields}
    url = f"/authorize/register?{raw_query or phone.raw_query}"
    return phone.client.post(url, form, headers=phone.alexa.headers, status="*")


def values(page: Any) -> dict[str, str]:
    found = page.html.find_all("input", {"type": ["text", "email"]})
    return {each["name"]: each.get("value", "") for each in found}


def test_somebody_without_an_account_creates_one_and_is_found_later(app: Any) -> None:
    phone = Phone(app)
    page = phone.sign_in(**GRACE)
    assert page.status_int == 403
    assert "account" in error_of(page)
    prefill = prefill_of(page)
    # what the provider said is in the database, encrypted, and not in the page or a URL
    assert "new.example" not in page.text
    page = open_form(phone, prefill, page)
    assert page.status_int == 200
    assert values(page) == {"username": "", "name": "Grace <Hopper>", "email": "Grace@new.example"}
    # reloading the page shows it again
    assert values(open_form(phone, prefill, page))["name"] == "Grace <Hopper>"
    form = next(form for form in page.forms.values() if "page" in form.fields)
    form["username"] = "grace"
    page = form.submit(headers=phone.alexa.headers, status=200)
    # the address is proven by the code, not by the provider
    mail = Site(https(app)).mails("grace@new.example")[-1]
    assert mail.kind == "registration_code"
    for name, value in (("code", mail.code), ("new_password", "compiler-A-0-of-1952")):
        form = next(form for form in page.forms.values() if "challenge" in form.fields)
        form[name] = value
        if name == "new_password":
            form["repeated_password"] = value
        page = form.submit(headers=phone.alexa.headers)
    linked = phone.linked(page)
    assert linked["username"] == "grace"
    assert phone.linked(phone.sign_in(**GRACE))["sub"] == linked["sub"]


def test_values_of_others_and_of_other_requests_fill_nothing(app: Any) -> None:
    phone, other = Phone(app), Phone(app)
    page = phone.sign_in(**{**GRACE, "email": "g2@new.example"})
    prefill = prefill_of(page)
    empty = {"username": "", "name": "", "email": ""}
    for wrong in ("", "x", "A" * 43, phone.started()["state"]):
        assert values(open_form(phone, wrong, page)) == empty
    other.alexa.parameters["state"] = "another-request"
    opened = other.alexa.open()
    assert values(open_form(other, prefill, opened)) == empty
    assert open_form(phone, prefill, page, form_token="1.x").status_int == 400
    phone.alexa.headers = {"Origin": "https://evil.example"}
    assert open_form(phone, prefill, page).status_int == 400


def test_without_the_setting_nobody_is_sent_to_a_registration(provider_app: Any) -> None:
    page = Phone(provider_app).sign_in("google", **GRACE)
    assert page.status_int == 403
    assert page.html.find("input", {"name": "prefill"}) is None


def test_a_registration_is_possible_without_a_form_for_a_password(make_app_with: Callable[..., Any]) -> None:
    phone = Phone(make_app_with(password_form="false", client__other__password_form="false"))
    page = phone.sign_in(**{**GRACE, "email": "g3@new.example"})
    assert values(open_form(phone, prefill_of(page), page))["email"] == "g3@new.example"
    # but not for a client whose providers let nobody register
    phone.alexa.parameters |= OTHER
    phone.client.get(phone.alexa.url.replace("/authorize", "/authorize/register"), status=404)
    page = phone.alexa.open()
    assert open_form(phone, "x", page).status_int == 404
