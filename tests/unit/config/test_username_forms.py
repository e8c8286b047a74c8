"""Tests of username_form and phone_region."""

from __future__ import annotations

from tests.unit.config.test_settings import faults, settings

PREFIX = "backend__staff__"


def fault(**values: str) -> tuple[str, str]:
    """Returns (key, problem) of the only fault."""
    ((key, problem),) = faults(**{PREFIX + key: value for key, value in values.items()}).items()
    return key.removeprefix("backend.staff."), problem


def region(**values: str) -> str:
    return settings(**{PREFIX + key: value for key, value in values.items()}).backends[0].phone_region


def test_the_region_of_telephone_numbers() -> None:
    assert region() == region(username_form="any") == ""
    assert region(username_form="phone", phone_region="DE") == region(username_form="phone", phone_region="de") == "DE"


def test_a_wrong_region_is_refused_with_the_nearest_one() -> None:
    for given, nearest in (
        ("UK", "GB"),
        ("DEU", "DE"),
        ("USA", "US"),
        ("DX", "DZ"),
        ("germny", "DE"),
        ("Austria", "AT"),
    ):
        key, problem = fault(username_form="phone", phone_region=given)
        assert key == "phone_region"
        assert problem.endswith(f"the nearest known region is {nearest}"), problem
    # digits are near no region
    assert "nearest" not in fault(username_form="phone", phone_region="49")[1]


def test_settings_that_do_not_belong_together_are_refused() -> None:
    assert fault(username_form="phone")[1].startswith("is missing: set the region")
    assert fault(username_form="email") == ("username_form", "is neither any nor phone")
    assert fault(phone_region="DE")[1] == "applies only to username_form = phone, which is not set"
    assert fault(username_form="any", phone_region="DE")[0] == "phone_region"
