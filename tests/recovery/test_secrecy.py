"""Tests that a recovery tells nobody who has an account, sends few mails, and logs no code and no address.

The names M1, M4, M5 and M8 are those of the rows of the security requirements.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from linkauth.identities import shown_name
from linkauth.login.challenges import StartThrottled
from linkauth.login.visit import Visit
from linkauth.storage.tables import challenges, outbox
from tests.backends.recovering import FIRST_PASSWORD
from tests.recovery.visitor import NEW, Site, Visitor, alert, hidden, without_random

KINDS = {
    "known name": "ada-known01",
    "unknown name": "ada known01",
    "refused account": "off-known01",
    "account without an address": "mute-knwn01",
    "known address": "ada-know02@mail.example",
    "address that is a user name": "both-kno02@mail.example",
    "unknown address": "ghost-kn02@mail.example",
    "address of several accounts": "twin-kno02@mail.example",
}
"""What is typed; the texts with the same ending have the same length."""


def comparable(response: Any, typed: str) -> tuple[int, list[tuple[str, str]], str]:
    """Returns the status, headers and text of a page without its random values and without the typed text."""
    headers = [(name, value) for name, value in response.headerlist if name != "Date"]
    return response.status_int, headers, without_random(response.text).replace(typed, "T" * len(typed))


def row_counts(site: Site) -> tuple[int, ...]:
    with site.services.engine.connect() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(each)).scalar_one() for each in (challenges, outbox)
        )


def answers(site: Site, typed: str) -> list[Any]:
    """Returns all pages that a person sees who cannot read the mails."""
    visitor = site.visitor()
    visitor.open()
    visitor.send(username=typed)
    code_page = visitor.page
    for number in range(6):
        visitor.send(page=code_page, code=f"ABCD234{number}")
    visitor.send(page=code_page, new_password=NEW, repeated_password=NEW, code="ABCD2345")
    visitor.send("restart", page=code_page)
    visitor.send()
    return [comparable(page, typed) for page in visitor.history[1:]]


@pytest.mark.parametrize("length", [len("ada-known01"), len("ada-know02@mail.example")])
def test_m1_answers_are_the_same_whether_or_not_an_account_exists(site: Site, length: int) -> None:
    typed = {kind: text for kind, text in KINDS.items() if len(text) == length}
    assert len(typed) >= 3
    found = {}
    for kind, text in typed.items():
        before = row_counts(site)
        found[kind] = answers(site, text)
        # two starts: each stores one challenge and one mail
        assert [after - each for after, each in zip(row_counts(site), before, strict=True)] == [2, 2]
    first, *others = found.values()
    assert len(first) == 10
    for other in others:
        assert other == first


def test_m1_backend_gets_the_same_calls_whether_or_not_an_account_exists(site: Site) -> None:
    calls = {}
    for kind, text in KINDS.items():
        site.backend.calls.clear()
        site.visitor().ask(text)
        calls[kind] = [call for call in site.backend.calls if call in ("recipient", "people_at")]
    assert {tuple(calls[kind]) for kind in ("known name", "refused account", "account without an address")} == {
        ("recipient",)
    }
    # the two accounts of an address are two entries of this backend
    assert {tuple(dict.fromkeys(calls[kind])) for kind in calls if "@" in KINDS[kind]} == {("recipient", "people_at")}


def test_m1_wrong_codes_for_an_address_do_not_show_whose_it_is(make_site: Callable[..., Site]) -> None:
    site = make_site(throttle__account_failures="3")
    answers = []
    for address, username in (
        ("ada-owner@mail.example", "ada-owner"),
        ("ada-owner@other.example", "ada-other"),
    ):
        visitor = site.visitor()
        visitor.ask(address)
        for _ in range(4):
            visitor.send(code="ABCD2345")
        response = site.visitor().alexa.submit(username, "wrong", status="*")
        answers.append((response.status_int, alert(response)))
    assert answers == [(403, "The name or the password is wrong")] * 2
    # the account is locked nevertheless, and only a person with the correct password could see it
    assert site.visitor().alexa.submit("ada-owner", FIRST_PASSWORD, status="*").status_int == 403


def test_m4_forged_host_does_not_reach_the_mail(site: Site) -> None:
    visitor = site.visitor()
    visitor.alexa.headers |= {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    visitor.ask("ada-host")
    (mail,) = site.mails("ada-host@mail.example")
    assert "evil" not in repr(mail)
    values = {"client_id": mail.client_id, "names": mail.names, "code": mail.code, "minutes": mail.minutes}
    parts = site.services.themes["default"].mail(mail.kind, mail.language, **values)
    # a code, no link that could be opened elsewhere
    assert not re.findall(r"https?://\S+", parts.text)
    assert "href=" not in parts.html
    assert mail.code not in parts.subject


def test_m5_pages_leak_nothing_by_their_url_and_codes_are_used_by_post_only(site: Site) -> None:
    visitor = site.visitor()
    visitor.ask("ada-scan")
    code = site.code("ada-scan")
    challenge = hidden(visitor.page, "challenge")
    query = f"&challenge={challenge}&code={code}&new_password={NEW}&repeated_password={NEW}"
    for _ in range(3):
        page = visitor.alexa.app.get(visitor.url + query.replace(" ", "%20"), status=200)
        assert alert(page) == ""
        assert code not in page.text
    visitor.enter(code)
    visitor.choose()
    for page in visitor.history:
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in page.headers
        loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="([^"]*)"', page.text)
        assert all(url.startswith("/static/") for url in loaded)
        assert code not in page.request.url


def start(site: Site, typed: str, address: str) -> None:
    services = site.services
    services.recovery.start(Visit("q", "alexa", "en", address), services.page_values.new_page(), "", typed)


def test_m8_ten_thousand_starts_for_one_victim_send_three_mails(make_site: Callable[..., Site]) -> None:
    site = make_site()
    for number in range(10_000):
        typed = ("ada-victim", "ADA-victim@mail.example")[number % 2]
        start(site, typed, f"10.{number // 1280}.{number // 5 % 256}.1")
    assert len(site.mails("ada-victim@mail.example")) == 3
    assert site.outcomes().count("limited") == 9_997


def test_m8_one_address_causes_ten_mails_in_an_hour(make_site: Callable[..., Site]) -> None:
    site = make_site(throttle__start_limit="1000")
    for number in range(40):
        start(site, f"ada-many-{number}", "198.51.100.77")
    assert len(site.mails()) == 10
    start(site, "ada-many-41", "198.51.100.78")
    assert len(site.mails()) == 11


def test_starts_above_the_limit_of_an_address_wait_on_the_same_page(make_site: Callable[..., Site]) -> None:
    site = make_site(throttle__start_limit="2")
    clock = Clock()
    site.services.recovery._starts._clock = clock
    visitor = site.visitor()
    for number in range(2):
        visitor.ask(f"ada-wait-{number}")
    for seconds in (15, 30):
        visitor.open()
        page = visitor.send(username=f"ada-wait-{seconds}", status=429)
        assert alert(page) == "Too many attempts"
        assert page.headers["Retry-After"] == str(seconds)
        assert f"{seconds}\N{NO-BREAK SPACE}seconds" in page.text
    assert visitor.send(status=429).headers["Retry-After"] == "30"
    clock.now += 30
    visitor.send(status=200)
    assert len(site.mails("ada-wait-30@mail.example")) == 1
    with pytest.raises(StartThrottled):
        start(site, "ada-wait-x", visitor.address)


class Clock:
    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


def whole_way(visitor: Visitor, site: Site, username: str, address: str) -> set[str]:
    """Recovers an account with every kind of error on the way; returns the secrets of the recovery."""
    visitor.open()
    visitor.send(username=address)
    code = site.code(username)
    visitor.send(code="2222-2222")
    visitor.enter(code)
    password_page = visitor.page
    visitor.choose("short", 403)
    site.backend.faults.set("reset_password", RuntimeError(f"{username} {NEW} {address}"))
    visitor.choose(status=503)
    site.backend.faults.clear()
    visitor.choose()
    visitor.send(page=password_page, new_password=NEW, repeated_password=NEW)
    return {code, f"{code[:4]}-{code[4:]}", username, address, NEW, hidden(password_page, "challenge")}


def test_no_code_address_name_or_password_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(logging.DEBUG, logger="sqlalchemy"):
        private = whole_way(site.visitor(), site, "ada-logged", "ada-logged@mail.example")
        private |= {"ghost-logged@mail.example"}
        site.visitor().ask("ghost-logged@mail.example")
    lines = [record.getMessage() + str(record.exc_text or "") for record in caplog.records]
    messages = [line for record, line in zip(caplog.records, lines, strict=True) if record.name.startswith("linkauth")]
    # the name as it was typed, and then that of the account
    for message, name in (("recovery started", "ada-logged@mail.example"), ("password recovered", "ada-logged")):
        (line,) = [line for line in messages if line.startswith(message) and f"name={shown_name(name)}" in line]
        assert all(f" {field}=" in line for field in ("client", "request", "address"))
    (wrong,) = [line for line in messages if line.startswith("wrong code: ")]
    assert f"name={shown_name('ada-logged@mail.example')}" in wrong
    assert [line for line in messages if any(secret.lower() in line.lower() for secret in private)] == []
