"""Attempts to get a token without the second factor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from linkauth.login.second_steps import derived_value
from linkauth.storage import SecondFactorAdmin
from tests.alexa import Alexa, https
from tests.backends.recovering import FIRST_PASSWORD
from tests.conftest import HIGH_THROTTLE_LIMITS, ROOT
from tests.recovery.conftest import RECOVERING, STAFF
from tests.recovery.visitor import NEW, Visitor
from tests.recovery.visitor import Site as RecoverySite
from tests.second_factor.browser import Browser, Site, field_of

ACTION = "/authorize/second-factor"
OVERLAP = {"client_id": "overlap", "redirect_uri": "https://overlap.example.com/cb", "scope": ""}


def test_only_the_end_of_every_sign_in_creates_links() -> None:
    callers = [
        path.name for path in (ROOT / "linkauth").rglob("*.py") if ".oauth2.authorize(" in path.read_text("utf-8")
    ]
    assert callers == ["completion.py"]


def fields(browser: Browser, **changes: str) -> dict[str, str]:
    form = {name: field_of(browser.page, name) for name in ("challenge", "form_token")}
    return {**form, "code": browser.code() if browser.secret else "", "method": "totp", **changes}


def action(browser: Browser) -> str:
    return browser.alexa.url.replace("/authorize", ACTION, 1)


def test_no_field_of_the_form_replaces_the_code(site: Site) -> None:
    browser = site.browser().enrol()
    for extra in ({"skip": "1"}, {"saved": "1"}, {"stage": "passed"}, {"remember": "1"}, {"method": "passkey"}):
        browser.sign_in()
        browser.post(fields(browser, **{"code": "", **extra}), action(browser))
        assert browser.shown() == "second_factor"
    assert site.links() == 1


@pytest.mark.parametrize("method", ["mail", "passkey", "", "TOTP", "\0", "x" * 10_000])
def test_methods_that_are_not_offered_are_taken_for_that_of_the_app(site: Site, method: str) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    browser.post(fields(browser, method=method, code=browser.wrong_code()), action(browser))
    assert browser.shown() == "second_factor"
    browser.post(fields(browser, method=method), action(browser))
    assert browser.shown() == "linked"


@pytest.mark.parametrize(
    "change",
    [{"state": "other"}, {"scope": "order_car"}, {"client_id": "overlap"}, {"redirect_uri": "https://e.example"}],
)
def test_a_sign_in_belongs_to_one_authorization_request(site: Site, change: dict[str, str]) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    form = fields(browser)
    browser.alexa.parameters |= OVERLAP if "client_id" in change else change
    # a form token of the other request, as an attacker gets it
    other = site.browser(**browser.alexa.parameters)
    page = other.alexa.open(status="*")
    if page.status_int == 200:
        form["form_token"] = field_of(page, "form_token")
    browser.post(form, action(browser))
    assert browser.shown() != "linked"
    assert site.links() == 1


def test_a_lenient_client_gives_no_token_for_a_strict_one(site: Site) -> None:
    """`overlap` may be linked without a second factor; its pending sign-in is of no use for `alexa`."""
    browser = site.browser(**OVERLAP)
    assert browser.sign_in() == "second_factor_setup"
    challenge = field_of(browser.page, "challenge")
    strict = site.browser()
    page = strict.alexa.open()
    form = {"challenge": challenge, "form_token": field_of(page, "form_token"), "skip": "1"}
    strict.post(form, action(strict))
    assert strict.shown() == "second_factor"
    assert site.links() == 0
    assert browser.send("skip") == "linked"


def test_a_reset_also_ends_a_sign_in_that_has_just_enrolled(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    assert browser.set_up() == "recovery_codes"
    admin = SecondFactorAdmin(site.services.engine, site.services.settings.secret)
    assert admin.remove("staff", "1", "operator")
    assert browser.send("saved") == "second_factor_setup"
    assert site.links() == 0


def test_values_of_other_steps_are_no_pending_sign_ins(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    challenge = field_of(browser.page, "challenge")
    token = field_of(browser.page, "form_token")
    for value in ("", "x", "\0", challenge[:-1], challenge + "x", derived_value(challenge, "passed"), "x" * 10_000):
        browser.post(fields_of(value, token, browser), action(browser))
        assert (browser.shown(), browser.page.status_int) == ("second_factor", 403)
    assert site.links() == 1


def fields_of(challenge: str, token: str, browser: Browser) -> dict[str, str]:
    return {"challenge": challenge, "form_token": token, "code": browser.code(), "method": "totp", "saved": "1"}


def test_forms_of_other_sites_and_stale_forms_are_refused(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    form = fields(browser)
    response = browser.alexa.app.post(action(browser), form, headers={"Origin": "https://evil.example"}, status="*")
    assert response.status_int == 400
    page = browser.page
    browser.post({**form, "form_token": "1.x"}, action(browser))
    assert (browser.shown(), browser.page.status_int) == ("second_factor", 400)
    # the page that is shown again has a new token
    assert browser.send(code=browser.code()) == "linked"
    assert page is not browser.page


def test_the_code_of_another_person_is_wrong(site: Site) -> None:
    ada, grace = site.browser().enrol("ada"), site.browser().enrol("grace")
    ada.sign_in("ada")
    assert ada.send(code=grace.code()) == "second_factor"
    for code in grace.codes[:2]:
        assert ada.send(code=code, method="recovery_code") == "second_factor"
    assert site.links() == 2


def test_a_page_that_was_reloaded_begins_again(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    response = browser.alexa.app.get(action(browser), status=303)
    assert response.location == "https://link.example.com/authorize?" + urlencode(browser.alexa.parameters)


def test_without_a_client_that_asks_there_is_no_such_page(app: Any) -> None:
    assert app.get(Alexa(app).url.replace("/authorize", ACTION, 1), status="*").status_int == 404


def test_people_of_other_backends_are_not_asked(make_site: Callable[..., Site], backend_plugins: Any) -> None:
    settings = {"backends": "staff recovering", "backend__recovering__use": "recovering"}
    mail = {"mail__host": "127.0.0.1", "mail__port": "1", "mail__security": "none", "mail__sender": "a@example.com"}
    site = make_site(second_factor__backends="recovering", **settings, **mail)
    assert site.browser().sign_in() == "linked"


def test_a_form_that_many_threads_send_links_once(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    form, url, headers = fields(browser), action(browser), browser.alexa.headers

    def post(number: int) -> int:
        environ = {"REMOTE_ADDR": f"198.51.100.{number}"}
        return int(browser.alexa.app.post(url, form, headers=headers, extra_environ=environ, status="*").status_int)

    with ThreadPoolExecutor(8) as threads:
        found = sorted(threads.map(post, range(16)))
    assert found.count(303) == 1
    assert set(found) <= {303, 403, 429}
    assert site.links() == 2


@pytest.fixture
def recovery_site(make_app: Callable[..., Any], backend_plugins: Any) -> RecoverySite:
    settings = {**STAFF, **RECOVERING, **HIGH_THROTTLE_LIMITS, "client__alexa__second_factor": "required"}
    changing = {"backend__recovering__change": "true", "backend__recovering__registration": "true"}
    fields = {"backend__recovering__registration_fields": "username email"}
    mails = {"second_factor__mail_codes": "true"}
    return RecoverySite(https(make_app(**settings, **changing, **fields, **mails)))


def links_of(site: RecoverySite) -> int:
    return Site(site.app).links()


def test_a_recovered_password_does_not_replace_the_second_factor(recovery_site: RecoverySite) -> None:
    site = Site(recovery_site.app)
    browser = site.browser()
    owner = "alice-second"
    assert browser.sign_in(owner, FIRST_PASSWORD) == "second_factor_setup"
    assert browser.set_up() == "recovery_codes"
    assert browser.send("saved") == "linked"
    thief = recovery_site.visitor()
    thief.ask(owner)
    thief.enter(recovery_site.code(owner))
    page = thief.choose(status=200)
    assert 'name="method"' in page.text
    assert "mail" not in [each.get("value") for each in page.html.find_all(attrs={"name": "switch"})]
    assert site.links() == 1
    # the password is a new one, and the second factor is still the old one
    site.clock.ahead += 30
    browser.page = page
    assert browser.send(code=browser.code()) == "linked"


def test_a_changed_password_does_not_replace_the_second_factor(recovery_site: RecoverySite) -> None:
    visitor: Visitor = recovery_site.visitor()
    page = visitor.alexa.submit("must-second", FIRST_PASSWORD, status="*")
    form = next(form for form in page.forms.values() if "new_password" in form.fields)
    form["password"], form["new_password"], form["repeated_password"] = FIRST_PASSWORD, NEW, NEW
    response = form.submit(headers=visitor.alexa.headers, status=200)
    assert "otpauth://totp/" in response.text
    assert links_of(recovery_site) == 0


def test_a_new_account_sets_the_second_factor_up(recovery_site: RecoverySite) -> None:
    newcomer = recovery_site.newcomer()
    newcomer.open()
    newcomer.send(username="newcomer", email="newcomer@example.com", status=200)
    newcomer.enter(recovery_site.mails("newcomer@example.com")[-1].code)
    page = newcomer.choose(status=200)
    assert "otpauth://totp/" in page.text
    assert links_of(recovery_site) == 0
