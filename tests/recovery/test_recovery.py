"""Tests of a recovery from the login page to the Alexa app, and of what a person may do in between."""

from __future__ import annotations

import pytest

from linkauth.backends import AccountRefused
from tests.backends.recovering import FIRST_PASSWORD, MINIMUM
from tests.recovery.visitor import NEW, Site, alert, form_of, heading, hidden

CODE_HEADING = "Enter the code from our email"
RECOVER_HEADING = "Recover your account"
PASSWORD_HEADING = "Choose a new password"


def test_forgotten_password_is_replaced_and_the_link_completes(site: Site) -> None:
    visitor = site.visitor()
    page = visitor.alexa.open()
    assert "recover" in page.text
    assert heading(visitor.open()) == RECOVER_HEADING
    assert heading(visitor.send(username=" ada-whole ", status=200)) == CODE_HEADING
    (mail,) = site.mails("ada-whole@mail.example")
    assert (mail.kind, mail.names, mail.minutes, mail.language) == ("recovery_code", ("ada-whole",), 15, "en")
    assert mail.client_id == "alexa"
    assert heading(visitor.enter(f" {mail.code[:4].lower()}-{mail.code[4:]} ")) == PASSWORD_HEADING
    form = form_of(visitor.page)
    assert form["username"].value == "ada-whole"
    assert "readonly" in form["username"].attrs
    assert f"at least {MINIMUM}\u00a0characters" in visitor.page.text
    visitor.choose()
    assert visitor.linked()["token_type"].lower() == "bearer"
    assert site.backend.password_of("ada-whole") == NEW
    _, notice = site.mails("ada-whole@mail.example")
    assert (notice.kind, notice.code, notice.names) == ("password_changed", "", ("ada-whole",))


def test_login_page_offers_recovery_only_if_a_backend_does(site: Site, app: object) -> None:
    assert "authorize/recover" in site.visitor().alexa.open().text
    other = Site(app)  # type: ignore[arg-type]
    visitor = other.visitor()
    assert "authorize/recover" not in visitor.alexa.open().text
    page = visitor.alexa.app.get(visitor.url, status=404)
    assert heading(page) == heading(visitor.alexa.app.get("/authorize/other", status=404))
    assert heading(visitor.post([("page", "x" * 22), ("username", "ada")], 404)) == heading(page)


def test_every_page_leads_back_to_the_login_page(site: Site) -> None:
    visitor = site.visitor(ui_locales="en")
    for step in range(4):
        visitor.open()
        if step > 0:
            visitor.send(username=f"ada-back-{step}", status=200)
        if step > 1:
            visitor.enter(site.code(f"ada-back-{step}"))
        if step > 2:
            page = visitor.page
            visitor.choose()
            # a login page at the URL of the recovery
            visitor.send(page=page, new_password=NEW, repeated_password=NEW, status=409)
        else:
            visitor.follow("Back to sign-in")
        assert "Sign in with your" in visitor.page.text
        assert heading(visitor.follow("Forgot your password?")) == RECOVER_HEADING
        assert visitor.page.request.path == "/authorize/recover"


def test_forgotten_names_are_in_the_mail(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("Ada-Named@Mail.example")
    (mail,) = site.mails("ada-named@mail.example")
    assert (mail.kind, mail.names) == ("recovery_code", ("ada-named",))
    assert form_of(visitor.enter(mail.code))["username"].value == "ada-named"
    visitor.choose()
    visitor.linked()


def test_address_of_several_accounts_gets_their_names_without_a_code(site: Site) -> None:
    visitor = site.visitor()
    assert heading(visitor.ask("twin-1@mail.example")) == CODE_HEADING
    (mail,) = site.mails("twin-1@mail.example")
    assert (mail.kind, mail.names, mail.code) == ("user_names", ("twin-1-a", "twin-1-b"), "")
    assert alert(visitor.send(code="ABCD2345", status=403)) == "This code is wrong"
    # the name from the mail selects one of them
    visitor.ask("twin-1-b")
    mail = site.mails("twin-1@mail.example")[-1]
    assert (mail.kind, mail.names) == ("recovery_code", ("twin-1-b",))
    visitor.enter(mail.code)
    visitor.choose()
    visitor.linked()
    assert site.backend.password_of("twin-1-a") == FIRST_PASSWORD


def test_link_has_the_parameters_of_the_first_page(site: Site) -> None:
    visitor = site.visitor(state="other state", scope="order_car", ui_locales="de")
    visitor.ask("ada-parameters")
    (mail,) = site.mails("ada-parameters@mail.example")
    assert mail.language == "de"
    visitor.enter(mail.code)
    visitor.choose()
    token = visitor.linked()["access_token"]
    assert visitor.alexa.introspect(token).json["scope"] == "order_car"


def test_cancel_returns_to_the_client_at_every_step(site: Site) -> None:
    visitor = site.visitor()
    visitor.open()
    for step in range(3):
        page = visitor.page
        response = visitor.send("cancel", status=303)
        assert "error=access_denied" in response.location
        visitor.page = page
        if step == 0:
            visitor.send(username="ada-cancel")
        elif step == 1:
            visitor.enter(site.code("ada-cancel"))


def test_new_code_is_sent_on_request_and_replaces_the_old_one(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-again")
    old = site.code("ada-again")
    code_page = visitor.page
    page = visitor.send("restart", status=200)
    assert heading(page) == RECOVER_HEADING
    assert form_of(page)["username"].value == "ada-again"
    visitor.send(status=200)
    new = site.code("ada-again")
    assert new != old
    assert alert(visitor.send(code=old, status=403)) == "This code is wrong"
    visitor.enter(new)
    new_page = visitor.page
    # the page that still shows the first challenge
    assert alert(visitor.send(page=code_page, code=old, status=403)) == "This code has been replaced by a newer one"
    visitor.page = new_page
    visitor.choose()
    visitor.linked()


@pytest.mark.parametrize("typed", ["", "   "])
def test_empty_fields_are_named(site: Site, typed: str) -> None:
    visitor = site.visitor()
    visitor.open()
    assert alert(visitor.send(username=typed, status=403)) == "Please enter your user name or your email address"
    visitor.send(username="ada-empty", status=200)
    assert alert(visitor.send(code=typed, status=403)) == "Please enter the code"
    # an empty field is no try
    for tries in (4, 3):
        assert f"{tries}\u00a0more time" in visitor.send(code="wrong", status=403).text


def test_refused_password_is_shown_at_its_field_and_the_code_stays_valid(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-rules")
    visitor.enter(site.code("ada-rules"))
    for new, repeated, expected in (
        ("qwertyuiop", None, "The new password is too easy to guess"),
        ("ada-rules-1", None, "The new password is too much like a name"),
        (NEW, "another", "The two new passwords do not match"),
        ("", "", "The new password is too short"),
        ("vexed owl", None, "The new password is too short"),
        (FIRST_PASSWORD, None, "You have used this password before"),
        ("x\0y" * 5, None, "The new password was not accepted"),
    ):
        page = visitor.choose(new, 403, repeated)
        assert heading(page) == PASSWORD_HEADING
        assert alert(page) == expected
        assert form_of(page)["username"].value == "ada-rules"
        assert f"at least {MINIMUM}\u00a0characters" in page.text
        assert new not in page.text or not new
    assert site.backend.password_of("ada-rules") == FIRST_PASSWORD
    visitor.choose()
    visitor.linked()


def test_account_that_may_not_sign_in_gets_the_reason_after_the_recovery(site: Site) -> None:
    site.backend.faults.set("accepted", AccountRefused("disabled"), "ada-disabled")
    site.backend.faults.set("reset_password", AccountRefused("locked"), "ada-locked")
    for username, expected in (("ada-disabled", "deactivated"), ("ada-locked", "locked")):
        visitor = site.visitor()
        visitor.ask(username)
        visitor.enter(site.code(username))
        assert expected in alert(visitor.choose(status=403)).lower()
        # the page is the login page, which works here too
        visitor.send(username="ada-else", password=FIRST_PASSWORD, status=303)
        visitor.linked()


def test_failed_sign_ins_do_not_block_the_recovery_and_are_forgotten_after_it(make_site: object) -> None:
    site: Site = make_site(throttle__account_failures="3")  # type: ignore[operator]
    visitor = site.visitor()
    for _ in range(4):
        response = visitor.alexa.submit("ada-tried", "wrong", status="*")
    assert response.status_int == 429
    visitor.ask("ada-tried")
    visitor.enter(site.code("ada-tried"))
    visitor.choose()
    visitor.linked()
    assert visitor.alexa.submit("ada-tried", NEW, status=303)


def test_page_value_of_another_form_is_not_used(site: Site) -> None:
    visitor = site.visitor()
    visitor.open()
    first = hidden(visitor.page, "page")
    fields = [("form_token", hidden(visitor.page, "form_token")), ("page", "<script>"), ("username", "ada-page")]
    page = visitor.post(fields, 400)
    assert alert(page) == "This page was open for too long"
    assert hidden(page, "page") not in (first, "<script>")
    assert heading(visitor.send(status=200)) == CODE_HEADING
