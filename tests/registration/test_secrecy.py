"""Tests that a stranger does not learn which names and addresses have accounts, and that the mail says it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import pytest

from linkauth.login import registration
from linkauth.login.challenges import ChallengeOver, WrongCode
from linkauth.login.dispatch import NamedBackend
from linkauth.login.names import look_alikes
from tests.backends.registering import RegisteringBackend
from tests.registration.desk import FIELDS, NEW, Desk, Newcomer

CODE = "ABCD2345"


@pytest.fixture(autouse=True)
def known_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every code CODE, so that a code which is not mailed can be tried too."""
    monkeypatch.setattr(registration, "new_code", lambda: CODE)


def assert_no_code_matches(fred: Newcomer) -> None:
    with pytest.raises(WrongCode):
        fred.check(CODE)


def test_the_code_of_a_free_name_matches(desk: Desk) -> None:
    fred = desk.newcomer()
    fred.start()
    assert fred.check(CODE) == fred.typed["username"]


@pytest.mark.parametrize("existing", ["taken-name", "TAKEN-NAME", "taken-narne"])
def test_a_taken_name_or_look_alike_is_answered_by_mail(desk: Desk, backend: RegisteringBackend, existing: str) -> None:
    backend.add(existing, "owner@example.com")
    fred = desk.newcomer(username="taken-name")
    mail = fred.start()
    assert (mail.kind, mail.recipient, mail.names, mail.code) == (
        "name_taken",
        fred.typed["email"],
        ("taken-name",),
        "",
    )
    assert_no_code_matches(fred)
    assert desk.sign_up.typed(fred.visit, fred.challenge)["username"] == "taken-name"


@pytest.mark.parametrize("username", ["https://evil.example/prize", "www.evil.example", "evil.example", "evil:8080/x"])
@pytest.mark.parametrize("is_taken", [False, True])
def test_a_name_that_mail_programs_would_make_a_link_of_is_not_mailed_to_strangers(
    desk: Desk, backend: RegisteringBackend, username: str, is_taken: bool
) -> None:
    if is_taken:
        backend.add(username, "owner@example.com")
    mail = desk.newcomer(username=username).start()
    assert (mail.kind, mail.names) == ("name_taken" if is_taken else "registration_code", ())


def test_an_address_with_accounts_is_answered_with_their_names_at_the_stored_address(
    desk: Desk, backend: RegisteringBackend
) -> None:
    backend.add("ada", "Ada@Example.com")
    backend.add("ada2", "ada@example.com")
    fred = desk.newcomer(username="ada", email="ADA@example.com")
    mail = fred.start()
    assert (mail.kind, mail.recipient, mail.names, mail.code) == (
        "account_exists",
        "Ada@Example.com",
        ("ada", "ada2"),
        "",
    )
    assert_no_code_matches(fred)


def test_an_account_of_a_look_alike_address_gets_no_mail(
    desk: Desk, backend: RegisteringBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.add("mike", "mike@example.com")
    identity = backend.accounts["mike"].identity
    # the collation of a user store may equate more than case
    monkeypatch.setattr(backend, "people_at", lambda email: [identity])
    mail = desk.newcomer(email="mıke@example.com".replace("ı", "i-")).start()
    assert (mail.kind, mail.recipient) == ("registration_code", "mi-ke@example.com")


def test_free_and_taken_names_and_addresses_cost_the_same_calls(desk: Desk, backend: RegisteringBackend) -> None:
    def calls_of_start(**typed: str) -> Counter[str]:
        backend.calls.clear()
        desk.newcomer(**typed).start()
        return Counter(name for name, _ in backend.calls)

    free = calls_of_start(username="modern-lily")
    assert free["is_taken"] == 1 + len(look_alikes("modern-lily"))
    assert free["people_at"] == 1
    backend.add("modem-lily", "lily@example.com")
    assert calls_of_start(username="modern-lily") == free
    assert calls_of_start(username="modern-lily", email="lily@example.com") == free
    assert calls_of_start(username="modern-lily", email="lily2@example.com") == free


def test_a_name_of_a_backend_behind_is_taken(make_desk: Callable[..., Desk]) -> None:
    home, behind = RegisteringBackend(), RegisteringBackend()
    behind.add("old-ada", "ada@old.example")
    desk = make_desk(
        NamedBackend("home", home, registration_fields=FIELDS),
        NamedBackend("behind", behind),
        NamedBackend("elsewhere", RegisteringBackend(), ("*@elsewhere.example",)),
    )
    assert desk.newcomer(username="old-ada").start().kind == "name_taken"
    mail = desk.newcomer(email="ada@old.example").start()
    assert (mail.kind, mail.names) == ("account_exists", ("old-ada",))


def test_mails_to_one_address_are_limited_silently(desk: Desk) -> None:
    kinds = []
    for _ in range(5):
        fred = desk.newcomer(email="victim@example.com")
        fred.challenge = desk.sign_up.start(fred.visit, fred.page, "", fred.typed)
        kinds += [mail.kind for mail in desk.mails()]
        with pytest.raises(WrongCode):
            fred.check("WRONG234")
    assert kinds == ["registration_code"] * 3


def test_nothing_personal_is_logged_or_shown_in_messages(
    desk: Desk, backend: RegisteringBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fred = desk.newcomer(username="logged-name", email="logged@example.com", name="Logged Person")
    fred.start()
    errors = []
    with pytest.raises(WrongCode) as wrong:
        fred.check("WRONG234")
    fred.finish()
    with pytest.raises(ChallengeOver) as over:
        fred.finish()
    errors += [repr(wrong.value), repr(over.value)]
    text = caplog.text + "".join(errors)
    assert "registration started" in text
    assert "account created: backend=staff" in text
    assert fred.code
    secrets = ("logged", "Logged", fred.code, NEW, fred.challenge, fred.page)
    assert [each for each in secrets if each in text] == []
