"""Tests of which backends take part in a recovery or registration."""

from __future__ import annotations

from collections.abc import Sequence

from linkauth.backends import AddressSearch, CredentialBackend, Identity, PasswordRecovery, UnknownUser
from linkauth.login.dispatch import NamedBackend
from linkauth.login.existing_accounts import people_at
from linkauth.login.powers import candidates, is_offered, minimum_length, participants, searches_addresses


class Plain(CredentialBackend):
    def __init__(self, settings: object = None, minimum: int = 0) -> None:
        self._minimum = minimum

    def authenticate(self, username: str, password: str) -> Identity:
        raise UnknownUser

    def minimum_length(self) -> int:
        return self._minimum


class Recovering(Plain, PasswordRecovery):
    def recipient(self, username: str) -> Identity:
        raise UnknownUser

    def people_at(self, email: str) -> Sequence[Identity]:
        return ()

    def reset_password(self, subject: str, new: str) -> None:
        raise UnknownUser


class Disabled(Recovering):
    @property
    def offers(self) -> frozenset[type]:
        return frozenset()


class ReadOnly(Plain, AddressSearch):
    """A user store that is only read, with one person."""

    def people_at(self, email: str) -> Sequence[Identity]:
        return (Identity("7", "ada", email="Ada@Example.com"),)


def names(found: object) -> list[str]:
    return [named.name for named in found]  # type: ignore[attr-defined]


SHADOW = NamedBackend("shadow", Recovering(), shadow=True)
PLAIN, PLAIN_AT_X = NamedBackend("plain", Plain()), NamedBackend("plain-x", Plain(), ("*@x.example",))
FIRST, SECOND = NamedBackend("first", Recovering(minimum=8)), NamedBackend("second", Recovering(minimum=12))
AT_Y = NamedBackend("y", Recovering(), ("*@y.example",))
DISABLED = NamedBackend("disabled", Disabled())


def test_backend_without_the_power_ends_the_search_unless_it_accepts_other_names() -> None:
    for order, expected in (
        ((), []),
        ((SHADOW,), []),
        ((PLAIN, FIRST), []),
        ((DISABLED, FIRST), []),
        ((FIRST, PLAIN, SECOND), ["first"]),
        ((FIRST, SECOND), ["first", "second"]),
        ((PLAIN_AT_X, FIRST), ["first"]),
        ((AT_Y, PLAIN, FIRST), ["y"]),
    ):
        assert names(participants(order, PasswordRecovery)) == expected
        assert is_offered(order, PasswordRecovery) == bool(expected)


def test_candidates_of_a_name_are_the_backends_that_may_own_it() -> None:
    order = (SHADOW, PLAIN_AT_X, AT_Y, FIRST, SECOND, PLAIN, NamedBackend("behind", Recovering()))
    assert names(candidates(order, "ada", PasswordRecovery)) == ["first", "second"]
    assert names(candidates(order, "ada@x.example", PasswordRecovery)) == []
    assert names(candidates(order, "ADA@Y.example", PasswordRecovery)) == ["y", "first", "second"]


def test_shown_minimum_length_satisfies_every_participating_backend() -> None:
    assert minimum_length((FIRST, SECOND), PasswordRecovery) == 12
    assert minimum_length((FIRST, PLAIN, SECOND), PasswordRecovery) == 8
    assert minimum_length((PLAIN,), PasswordRecovery) == 0


def test_a_backend_that_only_reads_tells_whose_an_address_is() -> None:
    readers = (NamedBackend("reader", ReadOnly()), NamedBackend("trial", ReadOnly(), shadow=True))
    assert [searches_addresses(each) for each in (*readers, FIRST, PLAIN, DISABLED)] == [True, True, True, False, False]
    # nobody can sign in at a shadow
    assert [each.subject for each in people_at((PLAIN, DISABLED, FIRST, *readers), "ada@example.com")] == ["7"]
    assert people_at(readers, "ada@example.org") == []
