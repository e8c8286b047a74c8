"""Tests of the pages after a sign-in at a provider has failed: each says what happened, and the link goes on there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.services import services_of
from tests.alexa import Alexa, fragment, query
from tests.sign_ins.phone import ADA, OTHER, RETURN, Phone, answer, error_of
from tests.sign_ins.stand_in import code_of

CODE = code_of(**ADA)
STRANGER = code_of(sub="9", email="stranger@example.net", verified=["email"])
DISABLED = code_of(sub="8", email="konrad@example.com", verified=["email"])
OUTCOMES = (
    ("cancelled", 403, "cancelled"),
    ("refused", 403, "did not let you sign in"),
    ("invalid", 403, "Stand-in"),
    ("down", 503, "does not answer right now"),
    ("misconfigured", 503, "does not answer right now"),
    ("bug", 503, "does not answer right now"),
    ("exit", 503, "does not answer right now"),
    (STRANGER, 403, "account"),
    (DISABLED, 403, "Your account is deactivated"),
)


def forms(page: Any) -> list[Any]:
    return list(page.html.find_all("form", {"method": "post"}))


@pytest.mark.parametrize(("code", "status", "text"), OUTCOMES, ids=[str(number) for number in range(len(OUTCOMES))])
@pytest.mark.parametrize("provider", ["google", "apple"])
def test_each_failure_is_explained_and_the_link_goes_on(
    pages_app: Any, provider: str, code: str, status: int, text: str
) -> None:
    phone = Phone(pages_app)
    phone.alexa.parameters["state"] = state = "".join(map(chr, range(33, 127)))
    sent = phone.started(provider)
    page = phone.come_back(sent, code) if provider == "google" else phone.post_back(sent, code, provider)
    assert page.status_int == status
    assert text in error_of(page)
    assert page.headers["Cache-Control"] == "no-store"
    # the URL of this page has the answer, so no request that it causes may name it
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert "location" not in page.headers
    assert all(form["action"].startswith("/authorize") and "?" in form["action"] for form in forms(page))
    if code == DISABLED:
        return
    # with a password
    linked = phone.alexa.submit("ada", "lovelace-1815", page=page, status=303)
    assert fragment(linked.location)["state"] == state
    # with another button, without JavaScript
    action = next(form["action"] for form in forms(page) if form["action"].startswith("/authorize/go/google?"))
    response = phone.client.post(action, {"form_token": phone.form_token(page)}, headers=phone.alexa.headers)
    assert fragment(phone.come_back(query(response.location), CODE).location)["state"] == state
    # by cancelling
    form = forms(page)[0]
    fields = {"form_token": phone.form_token(page), "username": "", "password": "", "cancel": "1"}
    cancelled = phone.client.post(form["action"], fields, headers=phone.alexa.headers, status=303)
    assert fragment(cancelled.location).items() >= {"error": "access_denied", "state": state}.items()


@pytest.fixture(scope="module")
def pages_app(make_provider_app: Callable[..., Any]) -> Any:
    return make_provider_app(sign_in__apple__match="email:staff")


def test_a_used_answer_is_explained_and_keeps_the_request(phone: Phone) -> None:
    sent = phone.started()
    assert phone.come_back(sent, CODE).status_int == 303
    page = phone.come_back(sent, CODE, status=403)
    assert "Stand-in" in page.text
    assert phone.alexa.submit("ada", "lovelace-1815", page=page).status_int == 303


def test_another_browser_is_told_and_can_go_on_there(provider_app: Any, phone: Phone) -> None:
    other = Phone(provider_app)
    page = other.come_back(phone.started(), CODE, status=403)
    assert "browser" in error_of(page)
    assert other.alexa.submit("ada", "lovelace-1815", page=page).status_int == 303


def test_the_page_has_the_language_and_the_client_of_the_request(provider_app: Any, phone: Phone) -> None:
    phone.alexa.parameters |= {"ui_locales": "de", **OTHER}
    page = phone.come_back(phone.started("corp"), "cancelled", "corp")
    assert page.html.html["lang"] == "de"
    assert "Mitarbeiterportal" in page.text
    assert "Other Skill" in page.text
    # also if the phone asks for another one at the way back
    sent = phone.started("corp")
    url = f"{RETURN}corp?{urlencode(answer(sent, 'cancelled'))}&ui_locales=fr&client_id=alexa"
    page = phone.client.get(url, headers={"Accept-Language": "ja"}, status=403)
    assert page.html.html["lang"] == "de"
    assert "Other Skill" in page.text
    # without a preferred language, the script of the page must not request it again
    sent = phone.started("corp")
    assert "data-languages" not in phone.come_back(sent, "cancelled", "corp").text


def test_the_language_menu_leads_to_the_login_page(phone: Phone) -> None:
    page = phone.come_back(phone.started(), "cancelled")
    form = page.html.find("form", id="language")
    assert form["action"].startswith("/authorize")
    fields = {each["name"]: each["value"] for each in form.find_all("input")}
    page = phone.client.get(form["action"].partition("?")[0] + "?" + urlencode({**fields, "ui_locales": "de"}))
    assert page.html.html["lang"] == "de"
    assert phone.alexa.submit("ada", "lovelace-1815", page=page).status_int == 303


def test_the_form_of_an_old_theme_works_at_the_way_back(phone: Phone) -> None:
    sent = phone.started()
    page = phone.come_back(sent, "cancelled")
    fields = {"form_token": phone.form_token(page), "username": "ada", "password": "lovelace-1815"}
    # such a form has no action, so it is sent to the URL of the page
    url = f"{RETURN}google?{urlencode(answer(sent, 'cancelled'))}"
    response = phone.client.post(url, fields, headers=phone.alexa.headers, status=303)
    assert fragment(response.location)["state"] == phone.alexa.parameters["state"]
    wrong = phone.client.post(url, {**fields, "password": "wrong"}, headers=phone.alexa.headers, status=403)
    assert wrong.html.find("form", {"method": "post"})["action"].startswith("/authorize?")
    # the rules for forms apply
    phone.client.post(url, fields, headers={"Origin": "https://evil.example"}, status=400)
    phone.client.post(url, {**fields, "form_token": "1.x"}, headers=phone.alexa.headers, status=400)
    phone.client.post(f"{RETURN}google?state=unknown", fields, headers=phone.alexa.headers, status=400)
    # the same at the way there
    stale = phone.client.post(
        f"/authorize/go/google?{phone.raw_query}", {"form_token": "1.x"}, headers=phone.alexa.headers, status=400
    )
    fields["form_token"] = phone.form_token(stale)
    url = f"/authorize/go/google?{phone.raw_query}"
    assert phone.client.post(url, fields, headers=phone.alexa.headers).status_int == 303


def test_a_reload_of_the_way_there_shows_the_login_page(phone: Phone) -> None:
    response = phone.client.get(f"/authorize/go/google?{phone.raw_query}", status=303)
    assert response.location == f"https://link.example.com/authorize?{phone.raw_query}"
    phone.client.get("/authorize/go/google", status=400)
    phone.client.get(f"/authorize/go/unknown?{phone.raw_query}", status=404)


def test_cancelling_at_the_way_there_goes_back_to_the_client(phone: Phone) -> None:
    fields = {"form_token": phone.form_token(), "cancel": "1"}
    url = f"/authorize/go/google?{phone.raw_query}"
    response = phone.client.post(url, fields, headers=phone.alexa.headers, status=303)
    assert fragment(response.location)["error"] == "access_denied"


def test_a_database_that_is_down_loses_nobody(provider_app: Any, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, page = phone.started(), phone.alexa.open()
    services = services_of(provider_app.registry)

    def fail(*_: object, **__: object) -> Any:
        raise StorageUnavailableError("disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(services.pending, "ended", fail)
        assert "Please return to the Alexa app" in phone.come_back(sent, CODE, status=503).text
    with monkeypatch.context() as broken:
        broken.setattr(services.pending, "take", fail)
        response = phone.come_back(sent, CODE, status=503)
        assert forms(response)[0]["action"].startswith("/authorize?")
        broken.setattr(services.pending, "put", fail)
        assert phone.go(page=page, status=503).headers["Retry-After"]
    # the answer was not used up
    with monkeypatch.context() as broken:
        broken.setattr(services.oauth2, "authorize", fail)
        page = phone.come_back(sent, CODE, status=503)
    assert phone.alexa.submit("ada", "lovelace-1815", page=page).status_int == 303


def test_a_path_in_the_public_url_is_in_every_address(make_provider_app: Callable[..., Any]) -> None:
    phone = Phone(make_provider_app(public_url="https://link.example.com/alexa/link"))
    sent = phone.started()
    assert sent["redirect_uri"] == "https://link.example.com/alexa/link/authorize/return/google"
    page = phone.come_back(sent, "cancelled")
    assert all(form["action"].startswith("/alexa/link/authorize") for form in forms(page))
    response = phone.client.get(f"/authorize/go/google?{phone.raw_query}", status=303)
    assert response.location.startswith("https://link.example.com/alexa/link/authorize?")


def test_without_a_password_form_nobody_signs_in_with_one(make_provider_app: Callable[..., Any]) -> None:
    phone = Phone(make_provider_app(password_form="false", client__single__password_form="true"))
    page = phone.alexa.open()
    assert page.html.find("input", {"name": "password"}) is None
    fields = {"form_token": phone.form_token(page), "username": "ada", "password": "lovelace-1815"}
    for extra in ({}, {"new_password": "another-one-of-1852"}):
        refused = phone.client.post(phone.alexa.url, {**fields, **extra}, headers=phone.alexa.headers, status=403)
        assert refused.html.find("input", {"name": "password"}) is None
        url = f"{RETURN}google?{urlencode(answer(phone.started(), 'x'))}"
        phone.client.post(url, {**fields, **extra}, headers=phone.alexa.headers, status=403)
    cancelled = phone.client.post(phone.alexa.url, {**fields, "cancel": "1"}, headers=phone.alexa.headers)
    assert fragment(cancelled.location)["error"] == "access_denied"
    phone.client.get(phone.alexa.url.replace("/authorize", "/authorize/recover"), status=404)
    phone.client.get(phone.alexa.url.replace("/authorize", "/authorize/register"), status=404)
    phone.linked(phone.sign_in())
    # the other client keeps its form
    single = Alexa(phone.client, {"client_id": "single", "response_type": "token", "state": "s"})
    single.parameters["redirect_uri"] = "https://single.example.com/cb"
    assert single.link()["state"] == "s"


def test_buttons_are_those_of_the_client(phone: Phone) -> None:
    def offered() -> list[str]:
        actions = [form.get("action", "") for form in forms(phone.alexa.open())]
        return [each.partition("?")[0].rpartition("/")[2] for each in actions if "/go/" in each]

    assert offered() == ["google", "corp", "apple"]
    phone.alexa.parameters |= OTHER
    assert offered() == ["corp"]
    phone.alexa.parameters |= {"client_id": "single", "redirect_uri": "https://single.example.com/cb", "scope": ""}
    assert offered() == []
    url = f"/authorize/go/corp?{phone.raw_query}"
    phone.client.post(url, {"form_token": phone.form_token()}, headers=phone.alexa.headers, status=404)


def test_a_client_that_no_longer_offers_the_provider_makes_no_link(
    make_provider_app: Callable[..., Any], provider_app: Any
) -> None:
    phone = Phone(provider_app)
    sent = phone.started()
    removed = [f"sign_in__google__{key}" for key in ("use", "match")]
    removed += [f"sign_in__apple__{key}" for key in ("use", "match", "mode")]
    database = services_of(provider_app.registry).settings.database
    changed = make_provider_app(database=database, sign_ins="corp", **dict.fromkeys(removed))
    phone.client.app = changed
    phone.come_back(sent, CODE, status=404)
