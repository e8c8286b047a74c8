"""Tests of a registration on its pages, from the login page to the Alexa app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from linkauth.backends import BackendUnavailable, NameTaken
from tests.alexa import https
from tests.backends.recovering import MINIMUM
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.recovery.conftest import RECOVERING, STAFF
from tests.recovery.test_failures import without_table
from tests.recovery.visitor import NEW, Site, Visitor, alert, form_of, heading, hidden, without_random

FIELDS = {
    "backend__recovering__registration": "true",
    "backend__recovering__registration_fields": "username name email accept_terms",
}
REGISTER_HEADING, CODE_HEADING = "Create an account", "Enter the code from our email"
CREATED = "Your account has been created, but nothing is linked yet"
UNAVAILABLE = "This does not work right now"


@pytest.fixture(scope="module")
def shared_site(make_app: Callable[..., Any], backend_plugins: Path) -> Site:
    return Site(https(make_app(**{**STAFF, **RECOVERING, **HIGH_THROTTLE_LIMITS, **FIELDS})))


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    yield shared_site
    shared_site.backend.faults.clear()


def fields(username: str, **changes: str) -> dict[str, str]:
    values = {"username": username, "name": "Fred Example", "email": f"{username}@new.example"}
    return {**values, "accept_terms": "true", **changes}


def registered(site: Site, username: str, **changes: str) -> Visitor:
    """Returns a newcomer who has sent the form."""
    newcomer = site.newcomer()
    newcomer.open()
    newcomer.send(**fields(username, **changes), status=200)
    return newcomer


def field_errors(page: Any) -> set[str]:
    soup = BeautifulSoup(page.text, "html.parser")
    return {each["name"] for each in soup.find_all(["input", "select"]) if each.get("aria-invalid") == "true"}


def test_newcomer_creates_an_account_and_the_link_completes(site: Site) -> None:
    newcomer = site.newcomer(ui_locales="en")
    newcomer.page = newcomer.alexa.open()
    assert heading(newcomer.follow("Create an account")) == REGISTER_HEADING
    assert heading(newcomer.send(**fields("fred"), status=200)) == CODE_HEADING
    (mail,) = site.mails("fred@new.example")
    assert (mail.kind, mail.names, mail.minutes) == ("registration_code", ("fred",), 15)
    page = newcomer.enter(mail.code.lower())
    assert heading(page) == "Choose a password"
    assert f"at least {MINIMUM}\u00a0characters" in page.text
    assert form_of(page)["username"].value == "fred"
    for new in ("short", "fred", "qwertyuiop"):
        assert heading(newcomer.choose(new, 403)) == "Choose a password"
    newcomer.choose()
    token = newcomer.linked()["access_token"]
    claims = newcomer.alexa.introspect(token).json
    assert (claims["username"], claims["sub"]) == ("fred", "recovering:id of fred")
    assert site.backend.authenticate("fred", NEW).name == "Fred Example"


def test_invalid_fields_are_marked_and_keep_their_values(site: Site) -> None:
    newcomer = site.newcomer()
    newcomer.open()
    page = newcomer.send(username="", name="Fred", email="nowhere", status=400)
    assert alert(page) == "Please correct these fields"
    assert field_errors(page) == {"username", "email", "accept_terms"}
    assert (form_of(page)["name"].value, form_of(page)["email"].value) == ("Fred", "nowhere")
    page = newcomer.send(**fields("fred2"), status=200)
    assert len(site.mails("fred2@new.example")) == 1


def test_page_does_not_tell_what_is_taken(site: Site) -> None:
    pages, kinds = {}, {}
    for username, email in (
        ("free11", "free11@new.example"),
        ("ada-11", "taken1@new.example"),
        ("free12", "ada-12@mail.example"),
    ):
        newcomer = registered(site, username, email=email)
        wrong = newcomer.send(code="ABCD2345", status=403)
        texts = [
            without_random(page.text).replace(username, "U" * 6).replace(email, "E" * len(email))
            for page in (newcomer.history[1], wrong)
        ]
        pages[username] = [newcomer.history[1].status_int, *texts]
        kinds[username] = site.mails()[-1].kind
    assert pages["ada-11"] == pages["free11"]
    assert [len(text) for text in pages["free12"][1:]] == [len(text) + 1 for text in pages["free11"][1:]] or (
        pages["free12"] == pages["free11"]
    )
    assert kinds == {"free11": "registration_code", "ada-11": "name_taken", "free12": "account_exists"}


def test_details_can_be_changed_before_the_account_exists(site: Site) -> None:
    newcomer = registered(site, "fred3", name="Fredd")
    page = newcomer.send("restart", status=200)
    assert heading(page) == REGISTER_HEADING
    form = form_of(page)
    assert (form["username"].value, form["name"].value) == ("fred3", "Fredd")
    assert form["accept_terms"].checked
    newcomer.send(name="Fred", status=200)
    newcomer.enter(site.mails("fred3@new.example")[-1].code)
    newcomer.choose()
    newcomer.linked()
    assert site.backend.authenticate("fred3", NEW).name == "Fred"


def test_forms_that_are_sent_twice_make_one_account(site: Site) -> None:
    newcomer = site.newcomer()
    page = newcomer.open()
    challenges = {hidden(newcomer.send(page=page, **fields("fred4"), status=200), "challenge") for _ in range(2)}
    assert len(challenges) == 1
    (mail,) = site.mails("fred4@new.example")
    password_page = newcomer.enter(mail.code)
    newcomer.choose()
    newcomer.linked()
    page = newcomer.send(page=password_page, new_password=NEW, repeated_password=NEW, status=409)
    assert alert(page) == CREATED
    newcomer.send(username="fred4", password=NEW, status=303)
    newcomer.linked()


def test_backend_that_is_down_loses_nothing(site: Site) -> None:
    newcomer = site.newcomer()
    newcomer.open()
    site.backend.faults.set("is_taken", BackendUnavailable("down"))
    page = newcomer.send(**fields("fred5"), status=503)
    assert (heading(page), alert(page)) == (REGISTER_HEADING, UNAVAILABLE)
    assert form_of(page)["username"].value == "fred5"
    site.backend.faults.clear()
    newcomer.send(status=200)
    newcomer.enter(site.mails("fred5@new.example")[-1].code)
    site.backend.faults.set("register", BackendUnavailable("down"))
    assert alert(newcomer.choose(status=503)) == UNAVAILABLE
    site.backend.faults.clear()
    newcomer.choose()
    newcomer.linked()


def test_failed_sign_in_after_the_registration_is_said(site: Site) -> None:
    newcomer = registered(site, "fred6")
    newcomer.enter(site.mails("fred6@new.example")[-1].code)
    site.backend.faults.set("accepted", BackendUnavailable("down"))
    assert alert(newcomer.choose(status=503)) == CREATED
    site.backend.faults.clear()
    newcomer.send(username="fred6", password=NEW, status=303)
    newcomer.linked()


def test_link_that_cannot_be_stored_is_said(site: Site) -> None:
    newcomer = registered(site, "fred7")
    newcomer.enter(site.mails("fred7@new.example")[-1].code)
    with without_table(site, "links"):
        assert alert(newcomer.choose(status=503)) == CREATED


def test_storage_that_is_down_is_said_and_the_form_works_later(site: Site) -> None:
    newcomer = site.newcomer()
    newcomer.open()
    with without_table(site, "challenges"):
        assert alert(newcomer.send(**fields("fred8"), status=503)) == UNAVAILABLE
    newcomer.send(status=200)
    code = site.mails("fred8@new.example")[-1].code
    with without_table(site, "challenges"):
        assert alert(newcomer.send(code=code, status=503)) == UNAVAILABLE
        # the typed fields cannot be read now
        page = newcomer.send("restart", status=200)
        assert form_of(page)["username"].value == ""
    newcomer.send(page=newcomer.history[-2], code=code, status=200)
    newcomer.choose()
    newcomer.linked()


def test_name_that_was_taken_meanwhile_is_said_and_the_fields_are_kept(site: Site) -> None:
    newcomer = registered(site, "fred9")
    newcomer.enter(site.mails("fred9@new.example")[-1].code)
    site.backend.faults.set("register", NameTaken())
    page = newcomer.choose(status=403)
    assert (heading(page), alert(page)) == (REGISTER_HEADING, "This user name is already taken")
    assert form_of(page)["email"].value == "fred9@new.example"
    site.backend.faults.clear()
    newcomer.send(username="fred9b", status=200)
    newcomer.enter(site.mails("fred9@new.example")[-1].code)
    newcomer.choose()
    newcomer.linked()


def test_m6_fields_that_are_not_declared_are_ignored(site: Site) -> None:
    newcomer = registered(site, "fred10", verified="true", role="admin", given_name="Eve", subject="1")
    newcomer.enter(site.mails("fred10@new.example")[-1].code)
    newcomer.send(new_password=NEW, repeated_password=NEW, status=303, role="admin", username="ada-1")
    claims = newcomer.alexa.introspect(newcomer.linked()["access_token"]).json
    assert (claims["username"], claims["sub"]) == ("fred10", "recovering:id of fred10")


def test_codes_of_a_recovery_and_a_registration_are_not_mixed(site: Site) -> None:
    newcomer, visitor = registered(site, "fred11"), site.visitor()
    visitor.ask("ada-mixed")
    challenge, code = hidden(visitor.page, "challenge"), site.code("ada-mixed")
    page = newcomer.send(challenge=challenge, code=code, status=403)
    assert (heading(page), alert(page)) == (REGISTER_HEADING, "This code cannot be used any more")


def test_registration_that_no_backend_offers_is_not_found(make_app: Callable[..., Any], backend_plugins: Path) -> None:
    site = Site(https(make_app(**{**STAFF, **RECOVERING})))
    newcomer = site.newcomer()
    newcomer.alexa.app.get(newcomer.url, status=404)
    assert "Create an account" not in newcomer.alexa.open().text
