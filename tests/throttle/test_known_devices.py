"""Tests of known devices: strangers cannot keep the owner out, and a cookie gives no unlimited guesses."""

from __future__ import annotations

import time

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.known_devices import DAY_SECONDS, MAX_ENTRIES, KnownDevices
from tests.throttle.clocks import HERE, Clock, fail, succeed, wait

SECRET = "s" * 40
NOW = 1_800_000_000


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    settings = ThrottleSettings(account_failures=3, address_failures=4, network_failures=6, service_failures=20)
    return clock.throttle(settings, KnownDevices(SECRET, (), 180))


def test_strangers_cannot_keep_the_owner_of_a_known_device_out(throttle: Throttle) -> None:
    cookie = succeed(throttle)
    assert cookie
    for number in range(3):
        fail(throttle, address=f"198.51.100.{number}")
    assert wait(throttle) == 900
    assert wait(throttle, device=cookie) == 0
    # neither can people at the same address
    for number in range(4):
        fail(throttle, f"somebody {number}")
    assert wait(throttle, "konrad") > 0
    assert wait(throttle, device=cookie) == 0
    # the success of the owner does not help the strangers
    succeed(throttle, device=cookie)
    assert wait(throttle, address="198.51.100.9") == 900


def test_a_known_device_has_a_limit_of_its_own(throttle: Throttle) -> None:
    cookie, other = succeed(throttle), succeed(throttle)
    for _ in range(3):
        fail(throttle, device=cookie)
    # it is now like any other device, which the owner of another one does not notice
    assert wait(throttle, device=cookie) == 0
    for _ in range(3):
        fail(throttle, device=cookie, address="198.51.100.1")
    assert wait(throttle, device=cookie) == 900
    assert wait(throttle, device=other) == 0
    # its failures count for its address too
    assert wait(throttle, "konrad") == 0
    fail(throttle, "konrad")
    assert wait(throttle, "konrad", HERE) > 0


def test_a_cookie_is_of_no_use_for_another_name_or_deployment(throttle: Throttle) -> None:
    cookie = succeed(throttle, "eve")
    for number in range(3):
        fail(throttle, address=f"198.51.100.{number}", device=cookie)
    assert wait(throttle, device=cookie) == 900
    foreign = KnownDevices("t" * 40, (), 180).renewed("", ["ada"], int(time.time()))
    assert wait(throttle, device=foreign) == 900


def test_the_limit_of_a_48_network_counts_its_64_networks(throttle: Throttle) -> None:
    for number in range(6):
        fail(throttle, f"name {number}", f"2001:db8:1:{number}::1")
    assert wait(throttle, "ada", "2001:db8:1:ff::1") > 0
    assert wait(throttle, "ada", "2001:db8:2::1") == 0


def test_the_budget_of_the_service_stops_strangers_but_no_known_device(clock: Clock, throttle: Throttle) -> None:
    cookie = succeed(throttle)
    for number in range(20):
        fail(throttle, f"name {number}", f"198.51.100.{number}")
    with pytest.raises(Throttled) as throttled, throttle.attempt("konrad", "203.0.113.1"):
        raise AssertionError("no password may be checked")
    assert (throttled.value.of, throttled.value.retry_after) == ("service", 60)
    assert wait(throttle, device=cookie) == 0
    clock.now += 60
    assert wait(throttle, "konrad", "203.0.113.1") == 0


@pytest.mark.parametrize("value", ["", "x", "." * 40, "a" * 16 + ".1-x", "a" * 5000, "é" * 16 + ".5-" + "a" * 22])
def test_foreign_values_are_no_known_device(value: str) -> None:
    devices = KnownDevices(SECRET, (), 180)
    assert devices.find(value, "ada", NOW) == ""
    assert devices.find(devices.renewed(value, ["ada"], NOW), "ada", NOW) != ""


def test_a_cookie_expires_is_renewed_and_survives_a_new_secret() -> None:
    old, new = KnownDevices(SECRET, (), 180), KnownDevices("n" * 40, (SECRET,), 180)
    cookie = old.renewed("", ["ada", "\0corp\x007"], NOW)
    assert "ada" not in cookie
    assert old.renewed(cookie, ["ada"], NOW + DAY_SECONDS - 1) == ""
    assert old.find(cookie, "ada", NOW + 180 * DAY_SECONDS) == ""
    device = new.find(cookie, "ada", NOW + 100 * DAY_SECONDS)
    assert device
    renewed = new.renewed(cookie, ["ada"], NOW + 100 * DAY_SECONDS)
    assert new.find(renewed, "ada", NOW + 200 * DAY_SECONDS) == device
    assert KnownDevices(SECRET, (), 30).find(cookie, "ada", NOW) == ""
    assert KnownDevices(SECRET, (), 0).renewed("", ["ada"], NOW) == ""


def test_several_people_share_a_device() -> None:
    devices, cookie = KnownDevices(SECRET, (), 180), ""
    for number in range(MAX_ENTRIES + 2):
        cookie = devices.renewed(cookie, [f"name {number}"], NOW)
    known = [number for number in range(MAX_ENTRIES + 2) if devices.find(cookie, f"name {number}", NOW)]
    assert known == list(range(2, MAX_ENTRIES + 2))
