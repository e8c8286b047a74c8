"""Tests of the page that sets a second factor up, and of the recovery codes."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from bs4 import BeautifulSoup

from tests.second_factor.browser import Browser, Site, error_of, field_of, form_of, recovery_codes

OPTIONAL = {"client__alexa__second_factor": "optional"}


def test_people_without_a_second_factor_enrol_and_are_asked_from_then_on(site: Site) -> None:
    browser = site.browser()
    assert browser.sign_in() == "second_factor_setup"
    assert (site.links(), site.enrolled()) == (0, 0)
    assert browser.set_up() == "recovery_codes"
    assert (site.links(), site.enrolled()) == (0, 1)
    assert len(set(browser.codes)) == 10
    assert browser.send("saved") == "linked"
    assert site.links() == 1
    site.clock.ahead += 30
    other = site.browser()
    other.secret = browser.secret
    assert other.sign_in() == "second_factor"
    assert other.send(code=other.code()) == "linked"
    assert other.page.location.count("access_token") == 1
    assert site.links() == 2


def test_the_page_shows_the_secret_as_text_as_a_link_and_as_a_qr_code(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    soup = BeautifulSoup(browser.page.text, "html.parser")
    uri = str(soup.find("a", href=lambda text: text and text.startswith("otpauth:"))["href"])
    secret = parse_qs(urlsplit(uri).query)["secret"][0]
    assert unquote(urlsplit(uri).path) == "/Example Rides:ada"
    assert secret in soup.text.replace(" ", "")
    assert len(soup.find_all("svg")) >= 1
    assert "no-store" in browser.page.headers["Cache-Control"]


def test_each_sign_in_has_a_secret_of_its_own_and_it_is_not_in_the_form(site: Site) -> None:
    secrets = set()
    for _ in range(2):
        browser = site.browser()
        browser.sign_in()
        soup = BeautifulSoup(browser.page.text, "html.parser")
        uri = str(soup.find("a", href=lambda text: text and text.startswith("otpauth:"))["href"])
        secrets.add(parse_qs(urlsplit(uri).query)["secret"][0])
        assert not {value for _, value in form_of(browser.page).submit_fields()} & secrets
    assert len(secrets) == 2


def test_a_wrong_first_code_enrols_nobody_and_the_page_keeps_its_secret(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    browser.secret = "A" * 32
    before = field_of(browser.page, "challenge")
    assert browser.send(code=browser.wrong_code()) == "second_factor_setup"
    assert error_of(browser.page)
    assert browser.page.status_int == 403
    assert field_of(browser.page, "challenge") == before
    assert browser.send(code="") == "second_factor_setup"
    assert site.enrolled() == 0
    assert browser.set_up() == "recovery_codes"


def test_required_means_that_nobody_can_skip(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    assert "skip" not in form_of(browser.page).fields
    for button in ("skip", "saved"):
        assert browser.send(button) == "second_factor_setup"
    assert (site.links(), site.enrolled()) == (0, 0)


def test_optional_people_can_skip_and_are_offered_it_again(make_site: Callable[..., Site]) -> None:
    site = make_site(**OPTIONAL)
    browser = site.browser()
    for _ in range(2):
        assert browser.sign_in() == "second_factor_setup"
        assert browser.send("skip") == "linked"
    assert site.enrolled() == 0


def test_optional_people_who_have_enrolled_cannot_skip(make_site: Callable[..., Site]) -> None:
    site = make_site(**OPTIONAL)
    browser = site.browser().enrol()
    assert browser.sign_in() == "second_factor"
    assert browser.send("skip") == "second_factor"
    assert site.links() == 1
    assert browser.send(code=browser.code()) == "linked"


def test_recovery_codes_are_shown_again_only_in_the_same_sign_in(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    first = browser.page
    assert browser.set_up() == "recovery_codes"
    shown = browser.codes
    # the form was sent twice, or the answer was lost
    browser.page = first
    assert browser.send(code=browser.code()) == "recovery_codes"
    assert recovery_codes(browser.page) == shown
    assert browser.send("saved") == "linked"
    browser.page = first
    assert browser.send(code=browser.code()) == "second_factor"
    assert site.links() == 1


def test_who_does_not_confirm_the_recovery_codes_is_enrolled_but_not_linked(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    browser.set_up()
    assert browser.send() in ("recovery_codes", "linked")
    site.clock.ahead += 30
    again = site.browser()
    again.secret = browser.secret
    assert again.sign_in() == "second_factor"
    assert again.send(code=again.code()) == "linked"


def test_the_first_code_cannot_be_used_again(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    browser.set_up()
    code = browser.code()
    assert browser.send("saved") == "linked"
    assert browser.sign_in() == "second_factor"
    assert browser.send(code=code) == "second_factor"
    assert site.links() == 1


def test_two_sign_ins_of_one_person_enrol_one_second_factor(site: Site) -> None:
    first, second = site.browser(), site.browser()
    assert (first.sign_in(), second.sign_in()) == ("second_factor_setup", "second_factor_setup")
    assert first.set_up() == "recovery_codes"
    # the second page has another secret, which is not accepted in place of the enrolled one
    assert second.set_up() == "second_factor"
    assert site.enrolled() == 1
    site.clock.ahead += 30
    second.secret = first.secret
    assert second.send(code=second.code()) == "linked"


def test_a_recovery_code_works_once_in_any_spelling(site: Site) -> None:
    browser = site.browser().enrol()
    first, second = browser.codes[:2]
    for typed in (first.lower(), first, second.replace("-", " ")):
        assert browser.sign_in() == "second_factor"
        browser.send("switch", "recovery_code")
        browser.send(code=typed, method="recovery_code")
    assert browser.shown() == "linked"
    assert site.links() == 3


def test_other_people_are_not_affected(site: Site) -> None:
    browser: Browser = site.browser().enrol("ada")
    other = site.browser()
    assert other.sign_in("grace") == "second_factor_setup"
    other.secret = browser.secret
    assert other.send(code=browser.codes[0], method="recovery_code") == "second_factor_setup"
