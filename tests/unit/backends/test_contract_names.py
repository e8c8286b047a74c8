"""Tests of the contract tests for the forms of a name: each kind of defect makes one fail."""

from __future__ import annotations

from contextlib import suppress

import pytest

from linkauth.backends import Account, CredentialBackend, Identity, UnknownUser, WrongPassword, name_forms
from linkauth.testing import BackendContract
from tests.unit.backends.test_contract_powers import ADA, FullBackend, People, TestWithPowers


class AtOnce(FullBackend):
    """Looks up all forms itself."""

    finds_name_forms = True

    @staticmethod
    def best(username: str) -> str:
        forms = name_forms(username)
        return "ada" if "ada" in [form.casefold() for form in forms] else forms[0]

    def authenticate(self, username: str, password: str) -> Identity:
        return super().authenticate(self.best(username), password)

    def find(self, username: str) -> Account:
        return super().find(self.best(username))

    def change_password(self, username: str, current: str, new: str) -> None:
        super().change_password(self.best(username), current, new)


class ForgetsFormsAtSignIn(AtOnce):
    def authenticate(self, username: str, password: str) -> Identity:
        return FullBackend.authenticate(self, username, password)


class ForgetsFormsInPower(AtOnce):
    def find(self, username: str) -> Account:
        return FullBackend.find(self, username)


class GuardsEachForm(AtOnce):
    def guard(self, account: str, spend: object = None) -> None:
        super().guard(self._typed)

    def authenticate(self, username: str, password: str) -> Identity:
        self._typed = username
        return super().authenticate(username, password)


class WorksMoreForUnknownForms(AtOnce):
    def authenticate(self, username: str, password: str) -> Identity:
        try:
            return super().authenticate(username, password)
        except UnknownUser:
            for _ in name_forms(username)[1:]:
                with suppress(UnknownUser, WrongPassword):
                    super().authenticate("nobody", password)
            raise


class TestAtOnce(TestWithPowers):
    @pytest.fixture
    def store(self) -> People:
        return People(AtOnce)


def fails(test: str, defect: type[CredentialBackend]) -> bool:
    backend = People(defect).backend()
    contract = BackendContract()
    newcomer = BackendContract.newcomer.__wrapped__(contract) if "power" in test else None  # type: ignore[attr-defined]
    try:
        getattr(contract, test)(*filter(None, (backend, ADA, newcomer)))
    except (AssertionError, UnknownUser, WrongPassword):
        return True
    return False


@pytest.mark.parametrize(
    ("test", "defect"),
    [
        ("test_a_name_signs_in_however_it_is_typed", ForgetsFormsAtSignIn),
        ("test_every_power_finds_a_name_however_it_is_typed", ForgetsFormsInPower),
        ("test_the_forms_of_a_name_are_one_account_for_the_throttle", GuardsEachForm),
        ("test_unknown_and_wrong_do_the_same_work_for_every_form", WorksMoreForUnknownForms),
    ],
)
def test_defect_is_found(test: str, defect: type[CredentialBackend]) -> None:
    assert fails(test, defect)
    assert not fails(test, AtOnce)
