"""Tests of who a person of a provider is: only by claims that the provider vouches for, and if the backend agrees."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from linkauth.backends import (
    REASONS,
    Account,
    AccountRefused,
    AddressSearch,
    AmbiguousName,
    BackendUnavailable,
    CredentialBackend,
    Identity,
    Lookup,
    UnknownUser,
    WrongPassword,
)
from linkauth.config.sign_ins import SignInSettings, parse_match
from linkauth.login.dispatch import NamedBackend
from linkauth.login.matching import Unmatched, find_person
from linkauth.login.providers import NamedProvider
from linkauth.login.sign_in import Person
from linkauth.sign_ins import ProvidedIdentity
from tests.sign_ins.stand_in import StandIn, StandInSettings

ADA = Identity("1", "ada", "Ada Lovelace", "ada@corp.example")
GRACE = Identity("2", "grace", "Grace Hopper", "grace@corp.example")


class Directory(Lookup, AddressSearch, CredentialBackend):
    """People by subject. `failure` is raised by every call."""

    Settings: ClassVar[type] = StandInSettings

    def __init__(self, *accounts: Account, failure: BaseException | None = None) -> None:
        self.accounts = {account.identity.subject: account for account in accounts}
        self.failure = failure
        self.extra: list[Identity] = []

    offers = frozenset({Lookup, AddressSearch})

    def authenticate(self, username: str, password: str) -> Identity:
        raise UnknownUser

    def find(self, username: str) -> Account:
        return self._first(lambda account: account.identity.username == username.lower())

    def look_up(self, subject: str) -> Account:
        return self._first(lambda account: account.identity.subject == subject)

    def people_at(self, email: str) -> Sequence[Identity]:
        if self.failure:
            raise self.failure
        # as a collation that ignores accents and case does
        plain = email.lower().replace("ä", "a")
        return [*(a.identity for a in self.accounts.values() if a.identity.email.lower() == plain), *self.extra]

    def _first(self, wanted: Any) -> Account:
        if self.failure:
            raise self.failure
        for account in self.accounts.values():
            if wanted(account):
                return account
        raise UnknownUser


def named(match: str) -> NamedProvider:
    return NamedProvider("google", StandIn(StandInSettings()), SignInSettings("google", "stand-in", parse_match(match)))


def find(match: str, directory: Directory, verified: str = "email", **claims: Any) -> Person:
    email = claims.pop("email", "")
    identity = Identity("sub-7", "someone", "Some One", email, claims=claims)
    backends = [NamedBackend("corp", directory, accepts=claims.pop("accepts", ()))]
    return find_person(named(match), ProvidedIdentity(identity, frozenset(verified.split())), backends)


@pytest.fixture
def directory() -> Directory:
    return Directory(Account(ADA), Account(GRACE))


def test_own_people_need_no_backend() -> None:
    person = find_person(named("own"), ProvidedIdentity(Identity("7", "jo")), [])
    assert person == Person("google", Identity("7", "jo"))


def test_each_attribute_finds_its_person(directory: Directory) -> None:
    expected = Person("corp", ADA)
    assert find("email:corp", directory, email="ADA@corp.example") == expected
    assert find("login:username:corp", directory, "login", login="ada") == expected
    assert find("employee:subject:corp", directory, "employee", employee="1") == expected
    assert find("employee:subject:corp", directory, "employee", employee=1) == expected
    assert find("upn:email:corp", directory, "upn", upn="ada@corp.example") == expected
    # the provider's own identifier needs no word of it
    assert find("sub:subject:corp", Directory(Account(replace(ADA, subject="sub-7"))), "").subject == "sub-7"


@pytest.mark.parametrize(
    ("match", "verified", "claims", "reason"),
    [
        ("email:corp", "", {"email": "ada@corp.example"}, "it is not verified"),
        ("email:corp", "name", {"email": "ada@corp.example"}, "it is not verified"),
        # a claim of this name is not the address of the identity
        ("email:corp", "email", {}, "empty, too long or not a text"),
        ("email:corp", "", {}, "has not sent it"),
        ("login:username:corp", "email", {"login": "ada"}, "it is not verified"),
        ("login:username:corp", "login", {}, "not a text"),
        ("login:username:corp", "login", {"login": ""}, "not a text"),
        ("login:username:corp", "login", {"login": True}, "not a text"),
        ("login:username:corp", "login", {"login": ["ada"]}, "not a text"),
        ("login:username:corp", "login", {"login": "ada\0"}, "not a text"),
        ("login:username:corp", "login", {"login": "\ud800"}, "not a text"),
        ("login:username:corp", "login", {"login": "a" * 255}, "not a text"),
        ("login:username:corp", "login", {"login": "nobody"}, "has no account"),
        ("employee:subject:corp", "employee", {"employee": "9"}, "has no account"),
        ("email:corp", "email", {"email": "nobody@corp.example"}, "has no account"),
        ("email:corp", "email", {"email": "ada"}, "not an email address"),
        ("email:corp", "email", {"email": "ada@corp.example, eve@evil.example"}, "not an email address"),
        # the search finds Ada for it, but this is the address of somebody else
        ("email:corp", "email", {"email": "ädä@corp.example"}, "has no account"),
    ],
)
def test_whatever_is_not_proven_finds_nobody(
    directory: Directory,
    caplog: pytest.LogCaptureFixture,
    match: str,
    verified: str,
    claims: dict[str, Any],
    reason: str,
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(Unmatched):
        find(match, directory, verified, **claims)
    (line,) = [each.getMessage() for each in caplog.records if "sign-in at a provider refused" in each.getMessage()]
    assert reason in line
    assert "provider=google" in line
    assert "ada@corp" not in line


def test_an_address_of_two_people_finds_neither(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    twins = Directory(Account(ADA), Account(replace(GRACE, email="Ada@Corp.example")))
    with pytest.raises(Unmatched):
        find("email:corp", twins, email="ada@corp.example")
    assert "several accounts" in caplog.text
    # one person with two rows of the same subject is one person
    same = Directory(Account(ADA))
    same.extra = [ADA]
    assert find("email:corp", same, email="ada@corp.example").subject == "1"


@pytest.mark.parametrize("reason", REASONS)
def test_an_account_that_may_not_sign_in_is_refused(reason: Any) -> None:
    refusing = Directory(Account(ADA, reason))
    for match in ("email:corp", "login:username:corp", "employee:subject:corp"):
        with pytest.raises(AccountRefused) as refused:
            find(match, refusing, "email login employee", email="ada@corp.example", login="ada", employee="1")
        # the provider has proven who it is, so the person is told; the password form could not help
        assert (refused.value.reason, refused.value.revealed) == (reason, True)
        assert not refused.value.changeable


def test_an_account_with_a_hidden_lock_is_let_in_only_if_the_deployer_says_so() -> None:
    provided = ProvidedIdentity(Identity("sub-7", "someone", email="ada@corp.example"), frozenset({"email"}))
    accepting = replace(named("email:corp").settings, accept_hidden_locks=True)
    provider = replace(named("email:corp"), settings=accepting)
    backends = [NamedBackend("corp", Directory(Account(ADA, complete=False)))]
    assert find_person(provider, provided, backends) == Person("corp", ADA)
    with pytest.raises(BackendUnavailable):
        find_person(named("email:corp"), provided, backends)
    # what the backend shows counts in any case
    backends = [NamedBackend("corp", Directory(Account(ADA, "disabled", complete=False)))]
    with pytest.raises(AccountRefused):
        find_person(provider, provided, backends)


@pytest.mark.parametrize(
    "failing",
    [
        Directory(Account(ADA, complete=False)),
        Directory(failure=AmbiguousName("two entries")),
        Directory(failure=BackendUnavailable("down")),
        Directory(failure=WrongPassword()),
        Directory(failure=KeyError("bug")),
        Directory(Account(replace(ADA, subject=""))),
        Directory(Account(Identity("1", "", email="ada@corp.example"))),
    ],
)
def test_what_the_backend_cannot_tell_means_no(failing: Directory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for match in ("email:corp", "login:username:corp"):
        caplog.clear()
        with pytest.raises((BackendUnavailable, Unmatched)):
            find(match, failing, "email login", email="ada@corp.example", login="ada")
        assert caplog.text


def test_backends_that_cannot_look_up_are_no_match() -> None:
    class Other(Directory):
        offers = frozenset()

    for match in ("email:corp", "login:username:corp", "email:gone"):
        with pytest.raises(BackendUnavailable):
            find(match, Other(Account(ADA)), "email login", email="ada@corp.example", login="ada")
    with pytest.raises(BackendUnavailable):
        backends = [NamedBackend("corp", Directory(Account(ADA)), shadow=True)]
        find_person(named("sub:subject:corp"), ProvidedIdentity(Identity("1", "ada")), backends)


def test_names_that_the_backend_does_not_accept_find_nobody(directory: Directory) -> None:
    with pytest.raises(Unmatched):
        find("login:username:corp", directory, "login", login="ada", accepts=("*@corp.example",))


def test_a_name_in_another_spelling_finds_nobody() -> None:
    class Forgiving(Directory):
        def find(self, username: str) -> Account:
            return replace(self.accounts["1"], form="ada")

    forgiving = Forgiving(Account(ADA))
    assert find("login:username:corp", forgiving, "login", login="Ada").subject == "1"
    with pytest.raises(Unmatched):
        find("login:username:corp", forgiving, "login", login="a-d-a")


def test_claims_for_a_registration_are_texts(directory: Directory) -> None:
    claims = {"given_name": "Some", "family_name": "O" * 300, "nickname": "so"}
    with pytest.raises(Unmatched) as unmatched:
        find("email:corp", directory, email="new@corp.example", **claims)
    assert unmatched.value.claims == {"name": "Some One", "given_name": "Some", "email": "new@corp.example"}
    assert unmatched.value.prefill == ""
