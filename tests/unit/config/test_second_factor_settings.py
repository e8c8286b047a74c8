"""Tests of the settings of the second factor."""

from __future__ import annotations

import pytest

from linkauth.config.second_factor import SecondFactorSettings
from tests.unit.config.test_sign_in_settings import NO_BACKENDS, fault, settings

MAIL: dict[str, str | None] = {"mail.host": "127.0.0.1", "mail.sender": "no-reply@example.com"}
ON: dict[str, str | None] = {"client.alexa.second_factor": "optional"}


def test_the_second_factor_is_off_unless_a_client_asks_for_it() -> None:
    assert settings().clients["alexa"].second_factor == "off"
    assert settings().second_factor == SecondFactorSettings()
    assert not settings().passkeys
    assert settings({"client.alexa.second_factor": "required"}).clients["alexa"].second_factor == "required"
    assert fault({"client.alexa.second_factor": "on"}) == (
        "client.alexa.second_factor",
        "is not one of: off, optional, required",
    )
    assert fault({"client.server.second_factor": "required"})[0] == "client.server.second_factor"


def test_it_applies_to_all_people_or_to_those_of_named_backends() -> None:
    assert settings().second_factor.applies_to("staff")
    assert settings().second_factor.applies_to("google")
    named = settings({"second_factor.backends": "google"}).second_factor
    assert named.applies_to("google")
    assert not named.applies_to("staff")
    assert settings({"second_factor.backends": "staff google"}).second_factor.backends == ("staff", "google")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"second_factor.backends": "stuff"}, "contains a name that is in neither linkauth.backends nor linkauth.sign"),
        (
            {"second_factor.backends": "google", "sign_in.google.match": "email:staff"},
            "contains a provider whose people belong to the backend",
        ),
        ({"second_factor.backends": "staff", **NO_BACKENDS}, "contains a name that is in neither"),
    ],
)
def test_names_without_people_are_refused(changes: dict[str, str | None], problem: str) -> None:
    key, found = fault(changes)
    assert (key, found[: len(problem)]) == ("second_factor.backends", problem)


@pytest.mark.parametrize("days", ["-1", "91", "x"])
def test_a_device_is_remembered_for_90_days_at_most(days: str) -> None:
    assert fault({"second_factor.remember_days": days})[0] == "second_factor.remember_days"
    assert settings({"second_factor.remember_days": "90"}).second_factor.remember_days == 90


def test_codes_by_mail_need_a_mail_server() -> None:
    key, problem = fault({"second_factor.mail_codes": "true"})
    assert key == "second_factor.mail_codes"
    assert "linkauth.mail.host is missing" in problem
    assert settings({"second_factor.mail_codes": "true", **MAIL}).second_factor.mail_codes


def test_passkeys_need_a_client_with_a_second_factor_and_a_host_name() -> None:
    key, problem = fault({"passkeys": "true"})
    assert key == "passkeys"
    assert "no client has second_factor" in problem
    assert settings({"passkeys": "true", **ON}).passkeys
    key, problem = fault({"passkeys": "true", "public_url": "http://127.0.0.1:6543", **ON})
    assert key == "passkeys"
    assert "needs a host name" in problem
    assert settings({"passkeys": "true", "public_url": "http://localhost:6543", **ON}).passkeys
