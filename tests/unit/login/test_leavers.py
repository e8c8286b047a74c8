"""Tests of the decision table of leaver sweeps: what the answer of a backend means for the links of a person."""

from __future__ import annotations

from typing import Any

import pytest

from linkauth.backends import REASONS, Account, Identity
from linkauth.login.leavers import ENDING, OPTIONAL, decide

ADA = Identity("7", "ada")


def verdict(**properties: Any) -> tuple[str, str]:
    found = decide("7", Account(ADA, **properties))
    return found.kind, found.reason


def test_an_unknown_subject_is_gone() -> None:
    found = decide("7", None)
    assert (found.kind, found.reason) == ("leaving", "gone")


def test_an_account_that_may_sign_in_is_present() -> None:
    for reasons in (None, ()):
        for complete in (True, False):
            assert verdict(reasons=reasons, complete=complete)[0] == "present"


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_account_leaves_only_for_reasons_that_do_not_pass_by_themselves(reason: Any) -> None:
    expected = "leaving" if reason in ("disabled", "account_expired", "not_entitled") else "kept"
    for reasons in (None, (reason,)):
        for complete in (True, False):
            assert verdict(refused=reason, reasons=reasons, complete=complete) == (expected, reason)


def test_every_reason_is_ending_or_optional() -> None:
    assert sorted((*ENDING, *OPTIONAL)) == sorted(REASONS)


def test_a_reason_that_is_not_the_first_one_ends_links_too() -> None:
    assert verdict(refused="locked", reasons=("locked", "account_expired")) == ("leaving", "account_expired")
    assert verdict(refused="password_expired", reasons=("password_expired", "not_entitled"))[1] == "not_entitled"
    assert verdict(refused="locked", reasons=("locked", "password_expired")) == ("kept", "locked")


@pytest.mark.parametrize(
    ("refused", "reasons"),
    [
        ("disabled", ()),
        ("not_entitled", ("locked",)),
        (None, ("disabled",)),
        ("dismissed", None),
        ("disabled", ("disabled", "dismissed")),
    ],
)
def test_what_is_not_understood_is_doubtful(refused: Any, reasons: Any) -> None:
    assert verdict(refused=refused, reasons=reasons)[0] == "doubtful"


def test_a_stated_reason_beside_one_that_is_not_understood_ends_links() -> None:
    assert verdict(refused="disabled", reasons=("account_expired",)) == ("leaving", "account_expired")


def test_another_person_is_doubtful() -> None:
    assert decide("8", Account(ADA)).kind == decide("8", Account(ADA, "disabled")).kind == "doubtful"


def test_the_operator_can_add_reasons() -> None:
    account = Account(ADA, "locked")
    assert decide("7", account, ENDING | {"locked"}).kind == "leaving"
    assert decide("7", account, frozenset()).kind == "kept"
