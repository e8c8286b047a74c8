"""Contract tests for AddressSearch, which a backend with PasswordRecovery or Registration has too."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from linkauth.backends import (
    PEOPLE_LIMIT,
    AddressSearch,
    BackendUnavailable,
    CredentialBackend,
    NameTaken,
    PasswordRecovery,
    Registration,
    UnknownUser,
    is_same_address,
)
from linkauth.testing.powers import PowersContract, lookup
from linkauth.testing.store import Known, Store, wait_for_recovery

NOBODY = (
    *("nobody-of-that-name@example.com", "*@*", "%@%", "_@_", "a@*)(uid=*", "admin)(|(mail=*@example.com", "\\2a@\\2a"),
    *("' OR 1=1--@example.com", "a@' OR '1'='1", "a\0b@example.com", "\ud800@example.com", "{0.__class__}@example.com"),
    *("a@b\r\nBcc: c", "х" * 64 + "@example.com", "a@" + "b" * 252, "../../@example.com", '"a b"@example.com', "1@2"),
)
"""Email addresses that nobody has. They contain the syntax of queries, filters and headers."""
LOOK_ALIKES = {"k": "\u212a", "s": "\u017f", "i": "\u0131", "o": "\u03bf\u00f6", "a": "\u0430\u00e4\u00aa"}
"""Letters, and further letters that a user store may equate with them."""


@dataclass(frozen=True)
class Newcomer:
    """A person who has no account yet. `profile` has the field names and values of the registration form."""

    username: str
    password: str
    profile: Mapping[str, str] = field(default_factory=dict)


def password_recovery(backend: CredentialBackend) -> PasswordRecovery | None:
    """Returns the backend if it offers PasswordRecovery, otherwise None."""
    return backend if PasswordRecovery in backend.offers and isinstance(backend, PasswordRecovery) else None


def registration(backend: CredentialBackend) -> Registration | None:
    """Returns the backend if it offers Registration, otherwise None."""
    return backend if Registration in backend.offers and isinstance(backend, Registration) else None


def address_search(backend: CredentialBackend) -> AddressSearch | None:
    """Returns the backend if it offers a power that searches addresses, otherwise None."""
    offered = {AddressSearch, PasswordRecovery, Registration} & backend.offers
    return backend if offered and isinstance(backend, AddressSearch) else None


def address_of_account(backend: CredentialBackend, username: str) -> str:
    """Returns the email address of an account, or "" if it has none or no power shows it."""
    if resetting := password_recovery(backend):
        return resetting.recipient(username).email
    directory = lookup(backend)
    return directory.find(username).identity.email if directory else ""


def kept_profile(registering: Registration, newcomer: Newcomer) -> Mapping[str, str]:
    """Returns the fields of the newcomer's profile that the user store keeps."""
    return {name: value for name, value in newcomer.profile.items() if name in registering.profile_fields}


def address_of(newcomer: Newcomer, profile: Mapping[str, str]) -> str:
    """Returns the address of a new account. It is the user name in a store that keeps no other address."""
    return profile.get("email", newcomer.username)


class AddressesContract(PowersContract):
    """The tests of BackendContract for AddressSearch."""

    @pytest.fixture
    def newcomer(self) -> Newcomer:
        """A person that the user store accepts as a new account. The name is different in every test."""
        name = f"newcomer-{secrets.token_hex(6)}"
        profile = {"given_name": "New", "family_name": "Comer", "name": "New Comer", "email": f"{name}@example.com"}
        return Newcomer(name, "Copper-31-harbour-Violet", profile)

    def test_people_are_found_by_their_address(self, backend: CredentialBackend, changeable: Known) -> None:
        search = address_search(backend)
        if search and (email := address_of_account(backend, changeable.username)):
            for spelling in (email, email.upper(), email.swapcase()):
                people = search.people_at(spelling)
                assert changeable.subject in [person.subject for person in people]
                assert all(person.username and is_same_address(person.email, email) for person in people)

    def test_a_similar_address_is_somebody_elses(self, backend: CredentialBackend, changeable: Known) -> None:
        """A code for a look-alike address would reach a stranger who owns that address."""
        search = address_search(backend)
        if search and (email := address_of_account(backend, changeable.username)):
            fullwidth = chr(ord(email[0]) + 0xFEE0) if "!" <= email[0] <= "~" else ""
            similar = [email + "m", email[:-1], "x" + email, fullwidth + email[1:], f"{email[0]}\u0301{email[1:]}"]
            similar += [
                email.lower().replace(plain, other) for plain, others in LOOK_ALIKES.items() for other in others
            ]
            for address in similar:
                if address not in (email, email.lower()):
                    assert changeable.subject not in [person.subject for person in search.people_at(address)]

    def test_nobody_is_found_at_an_address_of_nobody(self, backend: CredentialBackend, changeable: Known) -> None:
        if search := address_search(backend):
            for email in NOBODY:
                assert list(search.people_at(email)) == []

    def test_people_with_one_address_are_listed_up_to_the_limit(
        self, backend: CredentialBackend, newcomer: Newcomer
    ) -> None:
        if registering := registration(backend):
            profile = kept_profile(registering, newcomer)
            if "email" not in profile:
                # the address is the user name, which is given once
                return
            email = profile["email"]
            subjects = {registering.register(newcomer.username, newcomer.password, profile).subject}
            for number in range(PEOPLE_LIMIT):
                try:
                    made = registering.register(f"{newcomer.username}-{number}", newcomer.password, profile)
                except NameTaken:
                    # the user store allows an address only once
                    break
                subjects.add(made.subject)
                found = [person.subject for person in registering.people_at(email)]
                assert len(set(found)) == len(found) == min(len(subjects), PEOPLE_LIMIT)
                assert set(found) <= subjects
            if len(subjects) > 1 and (resetting := password_recovery(backend)):
                with pytest.raises(UnknownUser):
                    resetting.recipient(email)

    def test_an_address_in_a_broken_store_is_unavailable(self, store: Store, known: Known) -> None:
        backend = store.backend()
        if search := address_search(backend):
            wait_for_recovery(backend, known)
            store.breaks()
            try:
                with pytest.raises(BackendUnavailable):
                    search.people_at("nobody-of-that-name@example.com")
            finally:
                store.returns()
            wait_for_recovery(backend, known)
            assert list(search.people_at("nobody-of-that-name@example.com")) == []
        backend.close()
