"""Tests of the clock of a server, and that everything that expires uses it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import linkauth
from linkauth.services.clock import SteadyClock

CLOCKS: dict[str, set[str]] = {
    "login": {
        # times that operators read, and the time between two comparisons
        "leaver_sweep.py",
        "watching.py",
        "shadows.py",
        # known devices, whose cookies are valid for months
        "throttle.py",
    },
    "storage": {
        # the methods for operators, leases that their holders renew, and keys that are published in time
        *("outbox.py", "leases.py", "leavers.py", "keys.py", "watches.py"),
        # windows that begin again if the clock was set back
        "throttle_counters.py",
        # a refresh token that seems to have expired is read again
        "links.py",
    },
    "oauth2": set(),
    "views": set(),
}
"""The modules of these rooms that read the clock of the machine."""


class Machine:
    """The two clocks of a machine."""

    def __init__(self) -> None:
        self.time, self.monotonic = 1_800_000_000.0, 100.0

    def passes(self, seconds: float) -> None:
        self.time += seconds
        self.monotonic += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> SteadyClock:
    return SteadyClock(lambda: machine.time, lambda: machine.monotonic)


def test_clock_follows_the_machine(clock: SteadyClock, machine: Machine) -> None:
    machine.passes(5)
    assert clock() == 1_800_000_005
    # the machine was suspended
    machine.time += 3_600
    assert clock() == 1_800_003_605


def test_clock_that_is_set_back_goes_on(clock: SteadyClock, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.passes(700)
    machine.time -= 86_400
    assert clock() == 1_800_000_700
    machine.passes(10)
    assert clock() == 1_800_000_710
    (record,) = caplog.records
    assert "set back by 86400 s" in record.getMessage()
    # a time server corrects the clock
    machine.time += 86_400
    assert clock() == 1_800_000_710


def readers_of_machine_clock(room: str) -> set[str]:
    """Returns the modules of a room that call time.time(). As a default argument it is not called."""
    found = set()
    for path in (Path(linkauth.__file__).parent / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.time":
                found.add(path.name)
    return found


@pytest.mark.parametrize("room", CLOCKS)
def test_nothing_else_reads_the_clock_of_the_machine(room: str) -> None:
    assert readers_of_machine_clock(room) == CLOCKS[room]


def clocks(value: Any, path: str, seen: set[int]) -> dict[str, Any]:
    """Returns every clock of seconds since 1970 in a tree of objects, by its path."""
    if id(value) in seen or not type(value).__module__.startswith("linkauth."):
        return {}
    seen.add(id(value))
    found: dict[str, Any] = {}
    names = {**getattr(value, "__dict__", {})}
    for name, part in names.items():
        if name.lstrip("_") == "clock":
            found[f"{path}.{name}"] = part
        found |= clocks(part, f"{path}.{name}", seen)
    return found


def test_whatever_expires_has_the_clock_of_the_server(make_app: Callable[..., Any]) -> None:
    from linkauth.services import services_of

    mail = {"mail__host": "127.0.0.1", "mail__sender": "links@example.com", "second_factor__mail_codes": "true"}
    services = services_of(make_app(client__home__second_factor="optional", passkeys="true", **mail).registry)
    found: dict[str, Any] = {}
    for name in ("recovery", "sign_up", "provider_sign_in", "confirmations", "second_step", "oauth2"):
        found |= clocks(getattr(services, name), name, set())
    monotonic = {path for path in found if "throttle" in path or "admission" in path or "clients" in path}
    others = {path: clock for path, clock in found.items() if path not in monotonic}
    assert {path for path, clock in others.items() if clock is not services.clock} == set()
    assert {path.partition(".")[0] for path in others} == {
        *("recovery", "sign_up", "provider_sign_in", "confirmations", "second_step", "oauth2")
    }
