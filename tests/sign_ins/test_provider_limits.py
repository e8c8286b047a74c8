"""Tests of slow providers, of crowds, and of too many sign-ins of one address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.backends import Throttled
from linkauth.config.settings import ThrottleSettings
from linkauth.login import provider_calls, provider_sign_in
from linkauth.login.throttle import Throttle
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY, is_sign_in
from tests.sign_ins.phone import ADA, Phone, error_of, stand_in
from tests.sign_ins.stand_in import code_of

CODE = code_of(**ADA)


@pytest.fixture
def crowded(make_provider_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An app in which one sign-in at a time may wait for a provider."""
    monkeypatch.setattr(provider_calls, "PLACES", 1)
    monkeypatch.setattr(provider_calls, "PLACE_SECONDS", 0.01)
    app = make_provider_app()
    yield app
    stand_in(app).released.set()


def test_a_slow_provider_holds_a_limited_number_of_sign_ins(crowded: Any, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Phone(crowded), Phone(crowded)
    sent, later = first.started(), second.started()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(first.come_back, sent, "slow")
        assert stand_in(crowded).waiting.acquire(timeout=60)
        response = second.come_back(later, CODE, status=503)
        assert response.headers["Retry-After"] == "5"
        second.go(status=503)
        # the other providers and the form for a password are not affected
        second.linked(second.sign_in("corp", sub="1"))
        assert second.alexa.link()
        stand_in(crowded).released.set()
        assert waiting.result().status_int == 403
    assert "too many sign-ins wait for the provider" in caplog.text
    # the answer was not used up, so it can be sent again
    second.linked(second.come_back(later, CODE))


def test_several_slow_providers_leave_threads_for_passwords(
    make_provider_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_sign_in, "ALL_PLACES", 1)
    monkeypatch.setattr(provider_calls, "PLACE_SECONDS", 0.01)
    app = make_provider_app()
    first, second = Phone(app), Phone(app)
    sent, later = first.started("google"), second.started("corp")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(first.come_back, sent, "slow", "google")
        assert stand_in(app).waiting.acquire(timeout=60)
        second.come_back(later, code_of(sub="1"), "corp", status=503)
        assert second.alexa.link()
        stand_in(app).released.set()
        waiting.result()
    second.linked(second.come_back(later, code_of(sub="1"), "corp"))


def test_a_refused_crowd_does_not_use_up_its_answers(provider_app: Any) -> None:
    phone = Phone(provider_app)
    sent, page = phone.started(), phone.alexa.open()
    phone.client.extra_environ[RETRY_AFTER_KEY] = 7  # type: ignore[assignment]
    for response in (phone.come_back(sent, CODE, status=503), phone.go(page=page, status=503)):
        assert response.headers["Retry-After"] == "7"
        assert "Many people" in error_of(response)
    del phone.client.extra_environ[RETRY_AFTER_KEY]
    phone.linked(phone.come_back(sent, CODE))


def test_the_threads_for_sign_ins_wait_for_providers() -> None:
    for prefix in ("", "/path"):
        assert is_sign_in("POST", f"{prefix}/authorize/go/google")
        assert is_sign_in("GET", f"{prefix}/authorize/return/google")
        assert is_sign_in("POST", f"{prefix}/authorize/return/google")
        assert not is_sign_in("GET", f"{prefix}/authorize/go/google")
        assert not is_sign_in("HEAD", f"{prefix}/authorize/return/google")
    assert not is_sign_in("GET", "/authorize")


def test_starts_that_nobody_finishes_are_limited() -> None:
    now = 1_000.0
    throttle = Throttle(ThrottleSettings(address_failures=3, address_window=60), lambda: now)
    for _ in range(3):
        throttle.start_at_provider("203.0.113.1")
    with pytest.raises(Throttled) as throttled:
        throttle.start_at_provider("203.0.113.1")
    assert (throttled.value.retry_after, throttled.value.of) == (60, "address")
    throttle.start_at_provider("203.0.113.2")
    # a sign-in that is finished does not count
    throttle.finish_at_provider("203.0.113.1")
    throttle.start_at_provider("203.0.113.1")
    with pytest.raises(Throttled):
        throttle.start_at_provider("203.0.113.1")
    for _ in range(5):
        throttle.finish_at_provider("203.0.113.3")
    now += 60
    for _ in range(3):
        throttle.start_at_provider("203.0.113.1")


def test_too_many_starts_are_throttled(make_provider_app: Callable[..., Any]) -> None:
    app = make_provider_app(throttle__address_failures="3")
    starting = Phone(app, "203.0.113.1")
    starting.started(), starting.started(), starting.started()
    response = starting.go(status=429)
    assert int(response.headers["Retry-After"]) > 0
    assert "Location" not in response.headers
    assert Phone(app, "203.0.113.3").alexa.link()


def test_images_of_other_sites_do_not_stop_the_sign_ins_of_an_address(make_provider_app: Callable[..., Any]) -> None:
    app = make_provider_app(throttle__address_failures="3")
    attacker, without_cookie = Phone(app, "203.0.113.9"), Phone(app, "203.0.113.9")
    bound, unbound = attacker.started(), without_cookie.started()
    victim = Phone(app, "203.0.113.2")
    for _ in range(5):
        # a page that the victim visits loads it from the victim's address, without cookies
        victim.come_back(bound, CODE, status=403)
        victim.come_back(unbound, "invalid", "corp", status=403)
    assert victim.alexa.link()
    victim.linked(victim.sign_in(**ADA))


def test_a_crowd_that_signs_in_is_not_throttled(make_provider_app: Callable[..., Any]) -> None:
    app = make_provider_app(throttle__address_failures="3")
    phone = Phone(app, "203.0.113.4")
    for _ in range(8):
        phone.linked(phone.sign_in(**ADA))


@pytest.mark.parametrize("failure", ["down", "misconfigured", "bug", "exit"])
def test_a_provider_that_cannot_begin_is_unavailable(
    make_provider_app: Callable[..., Any], caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    caplog.set_level(logging.INFO)
    phone = Phone(make_provider_app(sign_in__google__begin=failure))
    response = phone.go(status=503)
    assert response.headers["Retry-After"] == ("17" if failure == "down" else "30")
    assert any(each.levelno >= logging.WARNING for each in caplog.records)
    assert phone.alexa.link()
