"""Tests of wrong, old and foreign codes, of forged and repeated forms, and of changed steps.

The names M2, M3, M6 and M7 are those of the rows of the security requirements.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.login.challenges import CODE_SECONDS, CODE_TRIES
from tests.alexa import query
from tests.backends.recovering import FIRST_PASSWORD
from tests.protocol.flow import HOME, PKCE, VERIFIER
from tests.recovery.visitor import NEW, Site, alert, form_of, heading, hidden

RECOVER_HEADING, CODE_HEADING = "Recover your account", "Enter the code from our email"
USED = "Your password has been changed, but nothing is linked yet"
UNKNOWN, EXPIRED = "This code cannot be used any more", "The code has expired"
STALE = "This page was open for too long"
HOURS = 3600


class Clock:
    """The clock of recoveries and of form tokens, which a test sets forward."""

    def __init__(self, site: Site) -> None:
        self.recovery, self.tokens = site.services.recovery, site.app.app.request_factory.form_tokens
        self._real = self.recovery._clock, self.tokens._clock
        self._offset = 0.0
        self.recovery._clock = self.tokens._clock = lambda: self._real[0]() + self._offset

    def forward(self, seconds: float) -> None:
        self._offset += seconds

    def restore(self) -> None:
        self.recovery._clock, self.tokens._clock = self._real


@pytest.fixture
def clock(site: Site) -> Iterator[Clock]:
    clock = Clock(site)
    yield clock
    clock.restore()


def test_m2_wrong_codes_end_the_challenge_and_another_one_begins(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-wrong")
    code = site.code("ada-wrong")
    for left in range(CODE_TRIES - 1, 0, -1):
        page = visitor.send(code="2345-6789", status=403)
        assert (heading(page), alert(page)) == (CODE_HEADING, "This code is wrong")
        assert f"{left}\u00a0more time" in page.text
        assert form_of(page)["code"].value == ""
    code_page = visitor.page
    page = visitor.send(code="2345-6789", status=403)
    assert (heading(page), alert(page)) == (RECOVER_HEADING, "Too many wrong codes")
    assert form_of(page)["username"].value == "ada-wrong"
    # the correct code is too late
    assert alert(visitor.send(page=code_page, code=code, status=403)) == "Too many wrong codes"
    visitor.send(status=200)
    visitor.enter(site.code("ada-wrong"))
    visitor.choose()
    visitor.linked()


def test_m2_code_works_once(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-once")
    code_page, code = visitor.page, site.code("ada-once")
    password_page = visitor.enter(code)
    visitor.choose()
    visitor.linked()
    for page, values in (
        (password_page, {"new_password": "another one 4711", "repeated_password": "another one 4711"}),
        (code_page, {"code": code}),
    ):
        assert alert(visitor.send(page=page, status=409, **values)) == USED
    assert site.backend.password_of("ada-once") == NEW
    # the page is the login page, which works here too
    visitor.send(username="ada-once", password=NEW, status=303)
    visitor.linked()


def test_m2_of_parallel_posts_one_succeeds(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-parallel")
    form = form_of(visitor.enter(site.code("ada-parallel")))
    hidden_fields = [each for each in form.submit_fields() if not each[0].endswith("password")]

    def choose(number: int) -> Any:
        new = f"canary-{number}, one of many"
        fields = [*hidden_fields, ("new_password", new), ("repeated_password", new)]
        headers, environ = visitor.alexa.headers, {"REMOTE_ADDR": visitor.address}
        response = site.app.post(visitor.url, fields, headers=headers, extra_environ=environ, status="*")
        return response.status_int, new

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(choose, range(64)))
    assert sorted(status for status, _ in results) == [303] + [409] * 63
    assert site.backend.password_of("ada-parallel") == next(new for status, new in results if status == 303)


def test_m2_code_expires_after_fifteen_minutes(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    visitor.ask("ada-late")
    code = site.code("ada-late")
    clock.forward(CODE_SECONDS - 60)
    visitor.enter(code)
    # the correct code gives time for the choice of a password, once
    clock.forward(CODE_SECONDS - 60)
    assert heading(visitor.choose("short", 403)) == "Choose a new password"
    clock.forward(120)
    page = visitor.choose(status=403)
    assert (heading(page), alert(page)) == (RECOVER_HEADING, EXPIRED)
    visitor.send(username="ada-late", status=200)
    visitor.enter(site.code("ada-late"))
    visitor.choose()
    visitor.linked()


@pytest.mark.parametrize("step", [0, 1, 2])
def test_page_that_was_open_for_two_hours_is_shown_again(site: Site, clock: Clock, step: int) -> None:
    username = f"ada-open-{step}"
    visitor = site.visitor()
    visitor.open()
    steps: list[dict[str, str]] = [{"username": username}, {}, {"new_password": NEW, "repeated_password": NEW}]
    for number in range(step):
        if number == 1:
            steps[1]["code"] = site.code(username)
        visitor.send(status=200, **steps[number])
    steps[1]["code"] = site.code(username) if step else ""
    clock.forward(2 * HOURS)
    before = heading(visitor.page)
    page = visitor.send(status=400, **steps[step])
    assert (heading(page), alert(page)) == (before, STALE)
    if step:
        page = visitor.send(status=403, **steps[step])
        assert (heading(page), alert(page)) == (RECOVER_HEADING, EXPIRED)
    assert form_of(page)["username"].value == username
    visitor.send(status=200)
    visitor.enter(site.code(username))
    visitor.choose()
    visitor.linked()


def test_m2_change_of_the_password_ends_a_recovery(changing_recovery_site: Site) -> None:
    site = changing_recovery_site
    visitor = site.visitor()
    visitor.ask("must-change")
    code = site.code("must-change")
    page = visitor.alexa.submit("must-change", FIRST_PASSWORD, status=403)
    form = form_of(page)
    form["password"], form["new_password"], form["repeated_password"] = FIRST_PASSWORD, NEW, NEW
    form.submit(headers=visitor.alexa.headers, status=303)
    assert alert(visitor.send(code=code, status=403)) == "This code has been replaced by a newer one"
    assert site.backend.password_of("must-change") == NEW


def test_m3_foreign_challenges_and_codes_are_refused(site: Site) -> None:
    ada, eve = site.visitor(), site.visitor()
    ada.ask("ada-owner")
    eve.ask("eve-other")
    adas, eves = hidden(ada.page, "challenge"), hidden(eve.page, "challenge")
    eves_code = site.code("eve-other")
    code_page = eve.page
    # the code of another challenge, and the name of another person
    assert alert(eve.send(page=code_page, challenge=adas, code=eves_code, status=403)) == "This code is wrong"
    eve.send(page=code_page, username="ada-owner", code=eves_code, status=200)
    password_page = eve.page
    assert form_of(password_page)["username"].value == "eve-other"
    passwords = {"new_password": NEW, "repeated_password": NEW}
    assert eve.send(page=password_page, challenge=adas, status=403, **passwords)
    eve.send(
        page=password_page, challenge=eves, username="ada-owner", subject="id of ada-owner", status=303, **passwords
    )
    assert site.backend.password_of("ada-owner") == FIRST_PASSWORD
    assert site.backend.password_of("eve-other") == NEW
    token = eve.linked()["access_token"]
    assert eve.alexa.introspect(token).json["username"] == "eve-other"


def test_m3_steps_cannot_be_skipped(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-skip")
    passwords = {"new_password": NEW, "repeated_password": NEW}
    assert alert(visitor.send(status=403, code="", **passwords)) == "Please enter the code"
    page = visitor.send(status=403, code="2222-2222", **passwords)
    assert (heading(page), alert(page)) == (CODE_HEADING, "This code is wrong")
    page = visitor.send(status=403, challenge="A" * 43, code=site.code("ada-skip"), **passwords)
    assert (heading(page), alert(page)) == (RECOVER_HEADING, UNKNOWN)
    assert site.backend.password_of("ada-skip") == FIRST_PASSWORD


def test_m3_code_belongs_to_one_authorization_request(site: Site) -> None:
    visitor, other = (
        site.visitor(),
        site.visitor(client_id="other", redirect_uri="https://other.example.com/cb", scope=""),
    )
    visitor.ask("ada-request")
    code, challenge = site.code("ada-request"), hidden(visitor.page, "challenge")
    other.ask("ada-another")
    page = other.send(challenge=challenge, code=code, status=403)
    assert (heading(page), alert(page)) == (RECOVER_HEADING, UNKNOWN)
    visitor.enter(code)
    visitor.choose()
    visitor.linked()


def test_form_token_and_origin_are_required_at_every_step(site: Site) -> None:
    visitor = site.visitor()
    visitor.open()
    for values in ({"username": "ada-token"}, {}, {"new_password": NEW, "repeated_password": NEW}):
        if not values:
            values = {"code": site.code("ada-token")}
        page = visitor.page
        origin = visitor.alexa.headers["Origin"]
        visitor.alexa.headers["Origin"] = "https://evil.example"
        visitor.send(status=400, **values)
        visitor.alexa.headers["Origin"] = origin
        assert alert(visitor.send(page=page, status=400, form_token="1.forged", **values)) == STALE
        visitor.page = page
        visitor.send(status=303 if "new_password" in values else 200, **values)
    visitor.linked()


def test_double_posts_start_one_challenge_and_send_one_mail(site: Site) -> None:
    visitor = site.visitor()
    first_page = visitor.open()
    challenges = {
        hidden(visitor.send(page=first_page, username=name), "challenge") for name in ("ada-twice", " ADA-Twice")
    }
    assert len(challenges) == 1
    assert len(site.mails("ada-twice@mail.example")) == 1
    code_page, code = visitor.page, site.code("ada-twice")
    for _ in range(2):
        password_page = visitor.send(page=code_page, code=code, status=200)
    visitor.choose()
    visitor.linked()
    assert alert(visitor.send(page=password_page, new_password=NEW, repeated_password=NEW, status=409)) == USED


def test_m6_other_fields_of_the_form_are_ignored(site: Site) -> None:
    visitor = site.visitor()
    extra = {"verified": "true", "role": "admin", "backend": "staff", "subject": "1", "email": "eve@evil.example"}
    visitor.open()
    visitor.send(username="ada-extra", status=200, **extra)
    assert [mail.recipient for mail in site.mails() if "evil" in mail.recipient] == []
    visitor.send(code=site.code("ada-extra"), status=200, **extra)
    visitor.send(new_password=NEW, repeated_password=NEW, status=303, **extra)
    claims = visitor.alexa.introspect(visitor.linked()["access_token"]).json
    assert (claims["username"], claims["sub"]) == ("ada-extra", "recovering:id of ada-extra")


def test_m7_code_grant_with_pkce_goes_on_after_the_recovery(site: Site) -> None:
    parameters = {"client_id": "home", "redirect_uri": HOME, "response_type": "code", "scope": "order_car"}
    visitor = site.visitor(**parameters, **PKCE)
    visitor.ask("ada-grant")
    visitor.enter(site.code("ada-grant"))
    response = visitor.choose()
    found = query(response.location)
    assert found["state"] == visitor.alexa.parameters["state"]
    form = {"grant_type": "authorization_code", "code": found["code"], "redirect_uri": HOME, "code_verifier": VERIFIER}
    assert visitor.alexa.token(form).status_int == 200
