"""Tests of codes by mail as a second factor, with a real SMTP server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkauth.login.challenges import CODE_TRIES, MAILS_PER_RECIPIENT
from tests.mail.smtp_server import SMTPServer, running
from tests.second_factor.browser import Browser, Site, form_of

MAILING = {"second_factor__mail_codes": "true"}


@pytest.fixture
def smtp_server() -> Iterator[SMTPServer]:
    with running() as server:
        yield server


@pytest.fixture
def mailing_site(make_site: Callable[..., Site], smtp_server: SMTPServer) -> Site:
    mail = {f"mail__{key}": str(value) for key, value in smtp_server.settings.items()}
    return make_site(**MAILING, **mail)


def methods(browser: Browser) -> set[str]:
    """Returns the other methods that the page offers."""
    return {str(each["value"]) for each in browser.page.html.find_all("button", attrs={"name": "switch"})}


def mailed_code(server: SMTPServer, count: int) -> str:
    """Returns the code of the mail with this number, when it has arrived."""
    server.wait_for(count)
    body = server.mails[count - 1].message.get_body(("plain",))
    assert body is not None
    (code,) = set(re.findall(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", body.get_content()))
    return str(code)


def test_the_code_from_the_mail_that_arrives_links_once(mailing_site: Site, smtp_server: SMTPServer) -> None:
    browser = mailing_site.browser().enrol()
    browser.sign_in()
    assert methods(browser) == {"recovery_code", "mail"}
    page = browser.page
    for _ in range(2):
        # the form was sent twice
        browser.page = page
        assert browser.send("switch", "mail") == "second_factor"
    assert form_of(browser.page)["method"].value == "mail"
    code = mailed_code(smtp_server, 1)
    assert smtp_server.mails[0].recipients == ("ada@example.com",)
    before_code = browser.page
    assert browser.send(code=code.lower().replace("-", " ")) == "linked"
    browser.page = before_code
    assert browser.send(code=code) == "second_factor"
    assert mailing_site.links() == 2
    assert len(smtp_server.mails) == 1


def test_a_mailed_code_belongs_to_one_sign_in(mailing_site: Site, smtp_server: SMTPServer) -> None:
    first, second = mailing_site.browser().enrol(), mailing_site.browser()
    for number, browser in enumerate((first, second), 1):
        browser.sign_in()
        browser.send("switch", "mail")
        mailed_code(smtp_server, number)
    # the newer code replaces the older one
    assert first.send(code=mailed_code(smtp_server, 1)) == "second_factor"
    assert first.send(code=mailed_code(smtp_server, 2)) == "second_factor"
    assert second.send(code=mailed_code(smtp_server, 1)) == "second_factor"
    assert second.send(code=mailed_code(smtp_server, 2)) == "linked"


def test_wrong_codes_end_the_sign_in(mailing_site: Site, smtp_server: SMTPServer) -> None:
    browser = mailing_site.browser().enrol()
    browser.sign_in()
    browser.send("switch", "mail")
    code = mailed_code(smtp_server, 1)
    form = dict(form_of(browser.page).submit_fields())
    for _ in range(CODE_TRIES):
        browser.post({**form, "code": "2222-2222"}, form_of(browser.page).action or browser.page.request.url)
    browser.post({**form, "code": code}, browser.page.request.url)
    assert (browser.shown(), browser.page.status_int) == ("second_factor", 403)
    assert mailing_site.links() == 1


def test_a_person_gets_a_limited_number_of_mails_and_the_page_is_the_same(
    mailing_site: Site, smtp_server: SMTPServer
) -> None:
    browser = mailing_site.browser().enrol()
    for _ in range(MAILS_PER_RECIPIENT + 1):
        browser.sign_in()
        assert browser.send("switch", "mail") == "second_factor"
        assert browser.page.status_int == 200
    smtp_server.wait_for(MAILS_PER_RECIPIENT)
    code = mailed_code(smtp_server, MAILS_PER_RECIPIENT)
    assert browser.send(code=code) == "second_factor"
    # the app still works
    browser.send("switch", "totp")
    assert browser.send(code=browser.code()) == "linked"
    assert len(smtp_server.mails) == MAILS_PER_RECIPIENT


def test_people_without_a_second_factor_can_use_the_mail_in_place_of_an_app(
    mailing_site: Site, smtp_server: SMTPServer
) -> None:
    browser = mailing_site.browser()
    assert browser.sign_in() == "second_factor_setup"
    assert browser.send("switch", "mail") == "second_factor"
    assert browser.send(code="2222-2222") == "second_factor"
    assert browser.send(code=mailed_code(smtp_server, 1)) == "linked"
    assert mailing_site.enrolled() == 0


def test_without_the_setting_no_code_is_mailed(make_site: Callable[..., Site], smtp_server: SMTPServer) -> None:
    mail = {f"mail__{key}": str(value) for key, value in smtp_server.settings.items()}
    site = make_site(**mail)
    browser = site.browser().enrol()
    browser.sign_in()
    assert methods(browser) == {"recovery_code"}
    browser.send("switch", "mail")
    assert form_of(browser.page)["method"].value == "totp"
    assert site.services.worker is not None
    assert smtp_server.mails == []


def test_people_who_recover_their_password_by_mail_get_no_code_by_mail(
    make_app: Callable[..., Any], smtp_server: SMTPServer, backend_plugins: Any
) -> None:
    from tests.alexa import https
    from tests.backends.recovering import FIRST_PASSWORD
    from tests.recovery.conftest import RECOVERING, STAFF

    mail = {f"mail__{key}": str(value) for key, value in smtp_server.settings.items()}
    asking = {"client__alexa__second_factor": "required", **MAILING}
    site = Site(https(make_app(**{**STAFF, **RECOVERING, **mail, **asking})))
    browser = site.browser()
    assert browser.sign_in("alice-mail", FIRST_PASSWORD) == "second_factor_setup"
    assert browser.send("switch", "mail") == "second_factor_setup"
    assert browser.set_up() == "recovery_codes"
    assert browser.send("saved") == "linked"
    browser.sign_in("alice-mail", FIRST_PASSWORD)
    assert methods(browser) == {"recovery_code"}
