"""Tests of the steps of a registration: form, code, password, account, sign-in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from linkauth.backends import NameTaken, PasswordRefused, Throttled
from linkauth.config.registration import RegistrationField
from linkauth.login.challenges import CODE_SECONDS, CODE_TRIES, ChallengeOver, StartThrottled, WrongCode
from linkauth.login.dispatch import NamedBackend
from linkauth.login.sign_in import Person
from tests.backends.registering import RegisteringBackend, RegisteringSettings
from tests.registration.desk import FIELDS, NEW, Desk


def test_the_code_of_the_mail_leads_to_an_account_and_a_sign_in(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer(username="Fred", email="Fred@Example.com")
    mail = fred.start()
    assert (mail.kind, mail.recipient, mail.names, mail.minutes) == (
        "registration_code",
        "Fred@example.com",
        ("Fred",),
        15,
    )
    assert (mail.client_id, mail.language, len(desk.wakes)) == ("alexa", "de", 1)
    assert backend.accounts == {}
    assert fred.check(fred.code.lower()) == "Fred"
    assert backend.accounts == {}
    person = fred.finish()
    assert (person.backend, person.username, person.changed) == ("staff", "Fred", False)
    account = backend.accounts["fred"]
    assert account.identity == person.identity
    assert account.password == NEW
    assert account.profile == {"name": "Fred Example", "email": "Fred@example.com"}
    assert desk.mails() == []


def test_the_form_that_is_posted_twice_sends_one_mail(desk: Desk) -> None:
    fred = desk.newcomer()
    fred.start()
    assert desk.sign_up.start(fred.visit, fred.page, "", fred.typed) == fred.challenge
    assert desk.mails() == []
    fred.typed = {**fred.typed, "name": "Another"}
    assert desk.sign_up.start(fred.visit, fred.page, "", fred.typed) != fred.challenge
    assert len(desk.mails()) == 1


def test_a_posted_form_is_filled_again(desk: Desk) -> None:
    fred = desk.newcomer(name="  Fred   Example ")
    fred.start()
    typed = desk.sign_up.typed(fred.visit, fred.challenge)
    fields = {each.name: each.value for each in desk.sign_up.fields("en", typed)}
    assert fields == {**fred.typed, "name": "Fred Example"}
    assert desk.sign_up.typed(replace(fred.visit, query="other"), fred.challenge) == {}
    assert desk.sign_up.typed(fred.visit, "unknown") == {}


def test_without_a_field_for_it_the_address_is_the_user_name(make_desk: Callable[..., Desk]) -> None:
    backend = RegisteringBackend()
    desk = make_desk(NamedBackend("staff", backend, registration_fields=FIELDS[1:]))
    fred = desk.newcomer(email="l0l@example.com")
    person = fred.sign_up()
    assert person.username == "l0l@example.com"
    # a proven address has no look-alikes
    assert {name for call, name in backend.calls if call == "is_taken"} == {"l0l@example.com"}


def test_a_full_name_is_made_of_its_parts(make_desk: Callable[..., Desk]) -> None:
    backend = RegisteringBackend(RegisteringSettings(("name", "family_name", "email")))
    names = (RegistrationField("given_name"), RegistrationField("family_name"), *FIELDS[2:])
    desk = make_desk(NamedBackend("staff", backend, registration_fields=names))
    desk.newcomer(given_name="Fred", family_name="Example", email="parts@example.com").sign_up()
    profile = backend.accounts["parts@example.com"].profile
    assert profile == {"name": "Fred Example", "family_name": "Example", "email": "parts@example.com"}


def test_other_fields_of_a_form_are_ignored(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer(verified="true", role="admin", active="1", groups="admins", username="mallory-x")
    fred.sign_up()
    assert backend.accounts["mallory-x"].profile.keys() == {"name", "email"}


def test_a_refused_field_starts_nothing(desk: Desk, backend: RegisteringBackend) -> None:
    assert desk.newcomer(email="fred", name="", accept_terms="").errors() == {
        "email": "invalid",
        "name": "missing",
        "accept_terms": "missing",
    }
    assert desk.newcomer(username="pаypal").errors() == {"username": "name_not_allowed"}
    assert (desk.mails(), backend.calls, desk.wakes) == ([], [], [])


def test_the_address_of_somebody_else_is_no_user_name(desk: Desk) -> None:
    assert desk.newcomer(username="victim@example.com").errors() == {"username": "name_not_allowed"}
    fred = desk.newcomer(username="Own@example.com", email="own@example.com")
    assert fred.sign_up().username == "Own@example.com"


def test_a_name_of_another_backend_is_refused(make_desk: Callable[..., Desk]) -> None:
    corp = NamedBackend("corp", RegisteringBackend(), ("*@corp.example", "corp-*"))
    home = NamedBackend("home", RegisteringBackend(), registration_fields=FIELDS)
    desk = make_desk(corp, home)
    assert desk.newcomer(username="corp-fred").errors() == {"username": "name_not_allowed"}
    assert desk.newcomer(username="freddy").sign_up().backend == "home"


def test_it_is_offered_with_fields_and_a_backend_that_creates_accounts(make_desk: Callable[..., Desk]) -> None:
    plain = RegisteringBackend()
    for backends, is_offered in (
        ([NamedBackend("a", plain, registration_fields=FIELDS)], True),
        ([NamedBackend("a", plain)], False),
        ([NamedBackend("a", plain), NamedBackend("b", plain, registration_fields=FIELDS)], True),
        ([NamedBackend("a", plain, registration_fields=FIELDS, shadow=True)], False),
    ):
        desk = make_desk(*backends)
        assert desk.sign_up.is_offered() is is_offered
        assert bool(desk.sign_up.fields("en")) is is_offered
        assert desk.sign_up.minimum_length() == (10 if is_offered else 0)


def test_wrong_codes_use_up_the_tries_and_count_for_the_address(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer()
    fred.start()
    for left in range(CODE_TRIES - 1, 0, -1):
        with pytest.raises(WrongCode) as wrong:
            fred.check("WRONG234")
        assert wrong.value.tries_left == left
    with pytest.raises(ChallengeOver, match="tries"):
        fred.check("WRONG234")
    with pytest.raises(ChallengeOver, match="tries"):
        fred.finish()
    assert backend.accounts == {}
    with pytest.raises(Throttled):
        for _ in range(desk.throttle.settings.address_failures + 1):
            with pytest.raises(ChallengeOver):
                desk.sign_up.check(fred.visit, "unknown", fred.code)


def test_an_old_foreign_or_unknown_code_is_over(desk: Desk) -> None:
    fred = desk.newcomer()
    fred.start()
    other = replace(fred.visit, query="client_id=other")
    with pytest.raises(ChallengeOver, match="unknown"):
        fred.finish(visit=other)
    desk.now += CODE_SECONDS
    with pytest.raises(ChallengeOver, match="expired"):
        fred.check()
    # the fields are still there, also two hours later
    for seconds in (0, 7_200):
        desk.now += seconds
        assert desk.sign_up.typed(fred.visit, fred.challenge)["name"] == "Fred Example"


def test_a_new_code_for_the_same_address_replaces_the_old_one(desk: Desk) -> None:
    first = desk.newcomer(email="replaced@example.com")
    first.start()
    second = desk.newcomer(email="Replaced@example.com")
    second.start()
    with pytest.raises(ChallengeOver, match="replaced"):
        first.check()
    assert second.check() == second.typed["username"]


@pytest.mark.parametrize(
    ("new", "repeated", "rule"),
    [
        (NEW, "other", "mismatch"),
        ("", "", "too_short"),
        ("a" * 1025, "a" * 1025, "policy"),
        ("password123", "password123", "too_common"),
        ("fredexample1", "fredexample1", "personal"),
        ("examplerides!", "examplerides!", "personal"),
        ("Qu4-mead", "Qu4-mead", "too_short"),
    ],
)
def test_a_refused_password_does_not_use_up_the_code(
    desk: Desk, backend: RegisteringBackend, new: str, repeated: str, rule: str
) -> None:
    fred = desk.newcomer()
    fred.start()
    with pytest.raises(PasswordRefused) as refused:
        fred.finish(new, repeated)
    assert refused.value.rule == rule
    assert backend.accounts == {}
    assert fred.finish().username == fred.typed["username"]


def test_a_name_that_is_taken_meanwhile_keeps_the_fields(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer(username="wanted")
    fred.start()
    backend.add("wanted")
    with pytest.raises(NameTaken):
        fred.finish()
    assert desk.sign_up.typed(fred.visit, fred.challenge)["username"] == "wanted"


def test_a_second_post_of_the_last_step_is_over(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer(username="once")
    fred.sign_up()
    with pytest.raises(ChallengeOver, match="used"):
        fred.finish()
    with pytest.raises(ChallengeOver, match="used"):
        fred.check()
    assert [each for each in backend.calls if each[0] == "register"] == [("register", "once")]


def test_of_many_parallel_posts_one_creates_the_account(desk: Desk, backend: RegisteringBackend) -> None:
    fred = desk.newcomer(username="parallel")
    fred.start()

    def post(_: int) -> Person | str:
        try:
            return fred.finish()
        except ChallengeOver as over:
            return over.reason

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(post, range(32)))
    assert [each.username for each in results if isinstance(each, Person)] == ["parallel"]
    assert [each for each in results if not isinstance(each, Person)] == ["used"] * 31
    assert [each for each in backend.calls if each[0] == "register"] == [("register", "parallel")]


def test_starts_above_the_limit_wait(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(starts=1)
    fred = desk.newcomer()
    fred.start()
    fred.page = fred.page[::-1]
    with pytest.raises(StartThrottled) as throttled:
        fred.start()
    assert desk.mails() == []
    desk.now += throttled.value.retry_after
    # a correction of another field does not begin the wait again
    fred.typed = {**fred.typed, "name": "Fred B. Example"}
    assert fred.start(throttled.value.wait).kind == "registration_code"
