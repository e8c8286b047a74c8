"""Tests of the signed value in the cookie of a remembered device."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linkauth.login.factors import SecondFactor
from linkauth.login.remembered_devices import RememberedDevices
from linkauth.web.device_cookie import DeviceCookie

NOW, DAY = 1_900_000_000, 86_400
FACTOR = SecondFactor("corp", "7", "a.smith", "e" * 22, "SECRET", bytes(32), 0, NOW)


def devices(secret: str = "secret", previous: tuple[str, ...] = (), days: int = 30) -> RememberedDevices:
    return RememberedDevices(secret, previous, days)


def test_a_device_is_remembered_until_it_expires() -> None:
    value = devices().value(FACTOR, NOW)
    ages = (0, DAY, 30 * DAY - 1, 30 * DAY, 300 * DAY)
    assert [devices().is_remembered(value, FACTOR, NOW + age) for age in ages] == [True, True, True, False, False]


@pytest.mark.parametrize("change", [{"backend": "other"}, {"subject": "8"}, {"enrolment": "f" * 22}])
def test_a_device_is_bound_to_the_person_and_the_enrolment(change: dict[str, str]) -> None:
    value = devices().value(FACTOR, NOW)
    assert not devices().is_remembered(value, replace(FACTOR, **change), NOW)


def test_a_shorter_setting_also_ends_older_cookies() -> None:
    value = devices().value(FACTOR, NOW)
    assert not devices(days=7).is_remembered(value, FACTOR, NOW)
    assert devices(days=7).is_remembered(value, FACTOR, NOW + 24 * DAY)
    assert not devices(days=0).is_remembered(value, FACTOR, NOW)


def test_a_device_is_remembered_during_the_rotation_of_the_secret_and_no_longer() -> None:
    value = devices("former").value(FACTOR, NOW)
    assert devices("new", ("former",)).is_remembered(value, FACTOR, NOW)
    assert not devices("new").is_remembered(value, FACTOR, NOW)


def test_forged_values_are_refused() -> None:
    value = devices().value(FACTOR, NOW)
    expiry, _, signature = value.partition(".")
    later = f"{int(expiry) - 1}.{signature}"
    for forged in (
        "",
        ".",
        value + "x",
        later,
        f"{expiry}.",
        f"{expiry}.{'A' * 43}",
        value.replace(".", ".."),
        "\u0661" * 9,
    ):
        assert not devices().is_remembered(forged, FACTOR, NOW)


def test_the_cookie_contains_no_name_and_belongs_to_this_host_only() -> None:
    name, header = DeviceCookie(https=True).header(devices().value(FACTOR, NOW), 30 * DAY)
    assert name == "Set-Cookie"
    value, *attributes = header.split("; ")
    assert value.startswith("__Host-linkauth-device=")
    assert attributes == ["Max-Age=2592000", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    assert "smith" not in header
    assert "corp" not in header


def test_the_cookie_is_found_among_others() -> None:
    cookie = DeviceCookie(https=True)
    sent = {"HTTP_COOKIE": "x=1; linkauth-device=no; __Host-linkauth-device=yes; __Host-linkauth-device=later"}
    assert (cookie.value(sent), cookie.value({}), cookie.value({"HTTP_COOKIE": ";=;;"})) == ("yes", "", "")
    assert DeviceCookie(https=False).value(sent) == "no"
