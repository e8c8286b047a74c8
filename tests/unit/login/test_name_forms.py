"""Typed names in the core: backends that look up one form at a time, the throttle, recovery and new names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from linkauth.backends import (
    Account,
    CredentialBackend,
    Identity,
    Lookup,
    PasswordRecovery,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.config.settings import ThrottleSettings
from linkauth.login.addressees import find_addressee
from linkauth.login.dispatch import NamedBackend
from linkauth.login.existing_accounts import is_taken
from linkauth.login.sign_in import SignIn
from linkauth.login.throttle import Throttle

ARABIC = "\u0664\u0667\u0661\u0661"
FULL_WIDTH = "\uff14\uff17\uff11\uff11"


@dataclass(frozen=True)
class NoSettings:
    """The settings of a backend that has none."""


class Exact(CredentialBackend, Lookup, PasswordRecovery):
    """Knows names in exactly one spelling. The password of each is its name, and its address is at example.com."""

    Settings = NoSettings

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []

    def _identity(self, username: str) -> Identity:
        self.asked.append(username)
        if username not in self.names:
            raise UnknownUser
        return Identity(username, username, email=f"{username}@example.com")

    def authenticate(self, username: str, password: str) -> Identity:
        identity = self._identity(username)
        if password != username:
            raise WrongPassword
        return identity

    def find(self, username: str) -> Account:
        return Account(self._identity(username))

    def look_up(self, subject: str) -> Account:
        return self.find(subject)

    def recipient(self, username: str) -> Identity:
        return self._identity(username)

    def people_at(self, email: str) -> Sequence[Identity]:
        name, _, domain = email.partition("@")
        return [self._identity(name)] if domain == "example.com" and name in self.names else []

    def reset_password(self, subject: str, new: str) -> None:
        raise AssertionError


def sign_in(*backends: CredentialBackend, accepts: tuple[str, ...] = (), **throttle: int) -> SignIn:
    named = [NamedBackend(f"b{number}", each, accepts) for number, each in enumerate(backends)]
    return SignIn(named, Throttle(ThrottleSettings(**throttle)))


def test_the_forms_are_asked_in_order_until_one_is_known() -> None:
    backend = Exact("4711", "ada")
    signing_in = sign_in(backend)
    for typed in (ARABIC, FULL_WIDTH, "\u200e4711\u200b", f" \u2068{FULL_WIDTH}\u2069\u00a0"):
        backend.asked.clear()
        assert signing_in(typed, "4711", "192.0.2.1").subject == "4711"
        assert backend.asked[-1] == "4711"
        assert not any("\u200e" in name for name in backend.asked)
    backend.asked.clear()
    with pytest.raises(WrongPassword):
        signing_in(FULL_WIDTH, "wrong", "192.0.2.1")
    assert backend.asked == [FULL_WIDTH, "4711"]
    # a name of plain ASCII is asked once, and an invisible one never
    backend.asked.clear()
    with pytest.raises(UnknownUser):
        signing_in("nobody", "x", "192.0.2.1")
    for empty in ("\u200b", " \u2068\u2069 "):
        with pytest.raises(WrongPassword):
            signing_in(empty, "x", "192.0.2.1")
    assert backend.asked == ["nobody"]


def test_each_of_two_names_that_are_forms_is_itself() -> None:
    signing_in = sign_in(Exact("4711", ARABIC))
    for name, other in (("4711", ARABIC), (ARABIC, "4711")):
        assert signing_in(name, name, "192.0.2.1").subject == name
        with pytest.raises(WrongPassword):
            signing_in(name, other, "192.0.2.1")


def test_a_later_backend_is_asked_for_every_form_too() -> None:
    first, second = Exact("ada"), Exact("4711")
    assert sign_in(first, second)(ARABIC, "4711", "192.0.2.1").backend == "b1"
    assert first.asked == [ARABIC, "4711"]


def test_another_form_gives_no_further_attempt() -> None:
    for known in ("4711", "nobody"):
        signing_in = sign_in(Exact(known), account_failures=4)
        for typed in ("4711", ARABIC, FULL_WIDTH, "\u200b4711"):
            with pytest.raises((WrongPassword, UnknownUser)):
                signing_in(typed, "wrong", "192.0.2.1")
        for typed in ("4711", ARABIC, FULL_WIDTH, "\u06f4\u06f7\u06f1\u06f1"):
            with pytest.raises(Throttled):
                signing_in(typed, "4711", "192.0.2.1")


def test_patterns_of_accepted_names_match_every_form() -> None:
    named = NamedBackend("b", Exact(), ("47*", "o'*"))
    for typed in ("4711", ARABIC, FULL_WIDTH, "O\u2019Neil", "\u200bo\uff07neil"):
        assert named.accepts_username(typed), ascii(typed)
    for typed in ("5711", "\u0665\u0667", "neil"):
        assert not named.accepts_username(typed)


def test_recovery_finds_names_and_addresses_in_every_form() -> None:
    backends = [NamedBackend("b", Exact("4711"))]
    address = "4711@example.com"
    typed_address = "".join(chr(ord(each) + 0xFEE0) for each in address)
    for typed in ("4711", ARABIC, f"\u200e{address}", typed_address):
        assert find_addressee(backends, typed).subject == "4711", ascii(typed)
    assert not find_addressee(backends, f"{ARABIC}2").subject


def test_a_name_is_taken_if_one_of_its_forms_is() -> None:
    backends = [NamedBackend("b", Exact("4711"))]
    assert is_taken(backends, ARABIC)
    assert is_taken(backends, FULL_WIDTH)
    assert not is_taken(backends, f"{ARABIC}2")
