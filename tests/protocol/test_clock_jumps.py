"""Tests that a clock that is set forward and back again makes nothing valid that has expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from webtest import TestApp

from linkauth.services import services_of
from tests.alexa import Alexa
from tests.conftest import https
from tests.protocol.flow import Skill, assert_refused, set_clock


class Machine:
    def __init__(self) -> None:
        self.time, self.monotonic = 1_800_000_000.0, 100.0


@pytest.fixture
def machine_app(make_app: Callable[..., Any]) -> tuple[Machine, TestApp]:
    """An app, and the clocks of its machine."""
    machine, app = Machine(), https(make_app())
    clock = services_of(app.app.registry).clock
    clock._machine, clock._monotonic = lambda: machine.time, lambda: machine.monotonic
    clock._offset = machine.time - machine.monotonic
    return machine, app


def test_expired_code_and_token_stay_expired(machine_app: tuple[Machine, TestApp]) -> None:
    machine, app = machine_app
    home = Skill(app)
    unused, used, token = home.code(), home.code(), home.link()["access_token"]
    machine.time += 7_200
    machine.monotonic += 7_200
    assert not home.active(token)
    # `unused` was not presented in the time when it had expired
    assert_refused(home.redeem(used), 400, "invalid_grant")
    machine.time -= 7_200
    assert_refused(home.redeem(used), 400, "invalid_grant")
    assert_refused(home.redeem(unused), 400, "invalid_grant")
    assert not home.active(token)
    # people link as before
    assert home.active(home.link()["access_token"])


def test_form_stays_expired(machine_app: tuple[Machine, TestApp]) -> None:
    machine, app = machine_app
    alexa = Alexa(app)
    page = alexa.open()
    machine.time += 86_400
    machine.monotonic += 86_400
    machine.time -= 86_400
    response = alexa.submit("ada", "lovelace-1815", page, status="*")
    assert response.status_int != 303
    assert alexa.submit("ada", "lovelace-1815", response.forms and response, status=303)


def test_code_from_the_future_is_refused_after_restart(make_app: Callable[..., Any]) -> None:
    """The clock was set back while no server was running, so nothing remembers the former time."""
    app = https(make_app())
    home, clock = Skill(app), set_clock(app)
    code = home.code()
    clock.now -= 301
    assert_refused(home.redeem(code), 400, "invalid_grant")
    clock.now += 2
    assert home.redeem(code).status_int == 200
