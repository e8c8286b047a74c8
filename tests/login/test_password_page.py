"""Tests of the page on which an expired password is changed during a link."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from webtest import TestApp

from linkauth.oauth2.errors import StorageUnavailableError
from tests.alexa import Alexa
from tests.backends.outcomes import NEW, PASSWORD, RULES
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.protocol.flow import HOME, Skill, server_of
from tests.web.raw_requests import Response, form_token, login, post, query, redirect_parameters

HEADING = "Choose a new password"
WRONG = "The name or the password is wrong"
WRONG_CURRENT = "The current password is wrong"


def soup(response: Response) -> Any:
    return BeautifulSoup(response.text, "html.parser")


def change(
    app: TestApp, username: str, current: str = PASSWORD, new: str = NEW, repeated: str = "", **more: str
) -> Response:
    """Fills in and posts the form of the password page."""
    fields = {"username": username, "password": current, "new_password": new, "repeated_password": repeated or new}
    return post(app, query(), {"form_token": form_token(app, query()), **fields, **more})


def assert_password_page(response: Response, status: int, username: str, alert: str | None = None) -> None:
    assert response.status == status, response.text
    page = soup(response)
    assert page.find("h1").text == HEADING
    assert page.find(id="username")["value"] == username
    assert page.find(id="username").has_attr("readonly")
    assert [each.get("value") for each in page.find_all("input", type="password")] == [None, None, None]
    assert response.get("Set-Cookie") is None
    assert response.get("Cache-Control") == "no-store"
    result = page.find(role="alert")
    assert (result and result.find("h2").text) == alert
    for secret in (PASSWORD, NEW):
        assert secret not in response.text


@pytest.mark.parametrize(("kind", "sentence"), [("expired", "it has expired"), ("must", "you must change it first")])
def test_expired_password_is_changed_and_link_completes(changing_app: TestApp, kind: str, sentence: str) -> None:
    name = f"{kind}-whole-way"
    alexa = Alexa(changing_app)
    page = alexa.submit(f" {name} ", PASSWORD, status=403)
    assert_password_page(Response(403, tuple(page.headers.items()), page.body), 403, name)
    assert sentence in page.text
    form = page.forms[0]
    # the form posts to the URL of the page, so the query is unchanged
    assert form.action == ""
    assert page.request.url.endswith(alexa.url)
    form["password"], form["new_password"], form["repeated_password"] = PASSWORD, NEW, NEW
    result = form.submit(headers=alexa.headers, status=303)
    tokens = redirect_parameters(Response(303, tuple(result.headers.items()), result.body))
    assert tokens["state"] == alexa.parameters["state"]
    assert alexa.introspect(tokens["access_token"]).json["username"] == name
    # the old password is refused
    assert WRONG in login(changing_app, query(), name, PASSWORD).text
    assert "access_token" in redirect_parameters(login(changing_app, query(), name, NEW))


@pytest.mark.parametrize("new", RULES)
def test_broken_password_rule_is_shown_and_retry_succeeds(changing_app: TestApp, new: str) -> None:
    name = f"expired-rule-{list(RULES).index(new)}"
    response = change(changing_app, name, new=new)
    heading = soup(response).find(role="alert").find("h2").text
    if new == "forbidden":
        # nothing on the page can help, so it has no fields
        assert soup(response).find(id="username") is None
        assert [button.text for button in soup(response).main.find_all("button")] == ["Back to sign-in", "Cancel"]
    else:
        assert_password_page(response, 403, name, heading)
    assert ("12\u00a0characters" in soup(response).find(role="alert").text) == (new == "short")
    others = [soup(change(changing_app, name, new=each)).find(role="alert").text for each in RULES if each != new]
    assert soup(response).find(role="alert").text not in others
    assert "access_token" in redirect_parameters(change(changing_app, name))


def test_wrong_input_is_shown_at_its_field(changing_app: TestApp) -> None:
    name = "expired-typing"
    response = change(changing_app, name, repeated=NEW + "x")
    assert_password_page(response, 403, name, "The two new passwords do not match")
    assert soup(response).find(id="repeated_password")["aria-invalid"] == "true"
    assert_password_page(change(changing_app, name, new=PASSWORD), 403, name, "You have used this password before")
    assert_password_page(change(changing_app, name, "wrong"), 403, name, WRONG_CURRENT)
    assert_password_page(change(changing_app, "ghost"), 403, "ghost", WRONG_CURRENT)
    assert_password_page(change(changing_app, name, ""), 403, name, WRONG_CURRENT)
    assert soup(change(changing_app, name, "wrong")).find(id="password")["aria-invalid"] == "true"


def test_empty_new_password_is_too_short(changing_app: TestApp) -> None:
    fields = {"username": "expired-empty", "password": PASSWORD, "new_password": "", "repeated_password": ""}
    response = post(changing_app, query(), {"form_token": form_token(changing_app, query()), **fields})
    assert_password_page(response, 403, "expired-empty", "The new password is too short")
    del fields["repeated_password"]
    response = post(
        changing_app, query(), {"form_token": form_token(changing_app, query()), **fields, "new_password": NEW}
    )
    assert_password_page(response, 403, "expired-empty", "The two new passwords do not match")


def test_each_wrong_current_password_gets_same_response(changing_app: TestApp) -> None:
    """This includes accounts that are refused without a password check, so that accounts cannot be found."""
    names = ("expired-oracle", "fine-oracle", "ghost", "inert", "stuck", "stale", "locked", "secret-oracle")
    pages = {str(soup(change(changing_app, name, "wrong")).find("main")).replace(name, "") for name in names}
    secret = soup(change(changing_app, "secret-oracle", PASSWORD))
    pages.add(str(secret.find("main")).replace("secret-oracle", ""))
    assert len({re.sub(r'value="\d+\.[^"]+"', "", page) for page in pages}) == 1
    assert WRONG in login(changing_app, query(), "secret-oracle", PASSWORD).text


def test_stale_page_keeps_name(changing_app: TestApp) -> None:
    response = change(changing_app, "expired-stale", form_token="1.old")
    assert_password_page(response, 400, "expired-stale", "This page was open for too long")
    assert "access_token" in redirect_parameters(change(changing_app, "expired-stale"))


def test_cancel_gives_access_denied_and_changes_nothing(changing_app: TestApp) -> None:
    parameters = redirect_parameters(change(changing_app, "expired-cancel", cancel="1"))
    assert (parameters["error"], parameters["state"]) == ("access_denied", "S")
    assert_password_page(login(changing_app, query(), "expired-cancel", PASSWORD), 403, "expired-cancel")


def test_post_from_other_origin_changes_nothing(changing_app: TestApp) -> None:
    fields = {"username": "expired-csrf", "password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
    token = form_token(changing_app, query())
    response = post(changing_app, query(), {"form_token": token, **fields}, {"Origin": "https://evil.example"})
    assert response.status == 400
    assert_password_page(login(changing_app, query(), "expired-csrf", PASSWORD), 403, "expired-csrf")


def test_unavailable_backend_is_shown_on_same_page(changing_app: TestApp) -> None:
    for name in ("down-1", "crash-1"):
        response = change(changing_app, name)
        assert_password_page(response, 503, name, "We cannot check your password right now")
        assert response.get("Retry-After") == ("17" if name == "down-1" else "30")


def test_throttled_attempt_is_shown_on_same_page(make_app: Callable[..., Any], backend_plugins: Any) -> None:
    app = https(
        make_app(
            backends="staff changing",
            backend__changing__use="changing",
            **{**HIGH_THROTTLE_LIMITS, "throttle__account_failures": "2"},
        )
    )
    name = "expired-throttled"
    for new in (NEW, NEW, "short", "short"):
        # a new password that the backend refuses does not count as a failed attempt
        change(app, name, PASSWORD if new == "short" else "wrong", new)
    response = change(app, name)
    assert_password_page(response, 429, name, "Too many attempts")
    assert 0 < int(response.get("Retry-After") or 0) <= 900
    assert login(app, query(), name, PASSWORD).status == 429


def test_page_after_change_requests_only_new_password(changing_app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "Your password has been changed, but nothing is linked yet"
    response = change(changing_app, "lost-1")
    assert (response.status, response.get("Retry-After")) == (503, "30")
    assert soup(response).find(role="alert").find("h2").text == message
    assert not soup(response).find(id="new_password")
    assert soup(response).find(id="username")["value"] == "lost-1"

    def down(*_: Any) -> Any:
        raise StorageUnavailableError("down")

    with monkeypatch.context() as patch:
        patch.setattr(server_of(changing_app)._storage, "create", down)
        response = change(changing_app, "expired-lost-link")
        assert (response.status, response.get("Retry-After")) == (503, "10")
        assert soup(response).find(role="alert").find("h2").text == message
        assert not soup(response).find(id="new_password")
        # an ordinary sign-in does not show that message
        assert message not in login(changing_app, query(), "expired-lost-link", NEW).text
    assert "access_token" in redirect_parameters(login(changing_app, query(), "expired-lost-link", NEW))


def test_refusal_after_change_shows_its_reason(changing_app: TestApp) -> None:
    response = change(changing_app, "off-1")
    assert response.status == 403
    assert soup(response).find(role="alert").find("h2").text == "Your account is deactivated"


def test_expired_password_is_shown_if_backend_cannot_change_it(changing_app: TestApp) -> None:
    """The backend `outcomes` cannot change passwords."""
    for submit in (login, change):
        response = (
            submit(changing_app, query(), "password_expired", PASSWORD)
            if submit is login
            else submit(changing_app, "password_expired")
        )
        assert response.status == 403
        assert soup(response).find(role="alert").find("h2").text == "Your password has expired"
        assert not soup(response).find(id="new_password")
        assert not soup(response).find(role="alert").find("a")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://password.example.com/?a=1&b=2", True),
        ("http://intranet/password", True),
        ("javascript:alert(1)", False),
        ("//evil.example/", False),
    ],
)
def test_change_url_is_shown_as_link_if_valid(
    make_app: Callable[..., Any], backend_plugins: Any, url: str, shown: bool
) -> None:
    app = https(
        make_app(
            backends="staff changing",
            backend__changing__use="changing",
            backend__changing__change_url=url,
            **HIGH_THROTTLE_LIMITS,
        )
    )
    response = login(app, query(), "elsewhere-1", PASSWORD)
    alert = soup(response).find(role="alert")
    assert alert.find("h2").text == "Your password has expired"
    assert [link["href"] for link in alert.find_all("a")] == [url] * shown
    assert not soup(response).find(id="new_password")
    assert WRONG in login(app, query(), "elsewhere-1", "wrong").text


def test_password_page_is_translated(changing_app: TestApp) -> None:
    german = query(ui_locales="de")
    response = login(changing_app, german, "expired-german", PASSWORD)
    assert soup(response).find("h1").text == "Neues Passwort wählen"
    fields = {"username": "expired-german", "password": PASSWORD, "new_password": "short", "repeated_password": "short"}
    response = post(changing_app, german, {"form_token": form_token(changing_app, german), **fields})
    assert "Es muss mindestens 12\u00a0Zeichen lang sein." in response.text


def test_claims_of_backend_are_returned_to_client_that_requests_them(changing_app: TestApp) -> None:
    alexa = Alexa(changing_app)
    alexa.parameters |= {"client_id": "home", "redirect_uri": HOME}
    code = alexa.code("fine-claims", PASSWORD)
    home = Skill(changing_app)
    tokens = home.redeem(code).json
    expected = {"groups": ["drivers", "staff"], "department": "Wörk", "level": 7, "name": "A Name"}
    response = home.post("/introspect", {"token": tokens["access_token"]}).json
    assert {name: response.get(name) for name in expected} == expected
    assert not {"odd", "unasked", "email"} & set(response)
    assert response["sub"] == "changing:of fine-claims"
    userinfo = changing_app.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json
    assert {name: userinfo.get(name) for name in expected} == expected
    assert userinfo["preferred_username"] == "fine-claims"
    # neither the requested scope nor the setting `claims` includes the e-mail address
    assert "email" not in userinfo
    # the claims are those of the client that linked, and other clients get none
    token = Alexa(changing_app).link("fine-claims", PASSWORD)["access_token"]
    assert Alexa(changing_app).introspect(token).json["department"] == "Wörk"
    assert "groups" not in Alexa(changing_app).introspect(token).json
    other = home.post("/introspect", {"token": token})
    assert other.json == {"active": False}
