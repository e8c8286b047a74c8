"""A word that is against the person is so in capital letters too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import BackendUnavailable
from linkauth_http import HTTPBackend

from .api import API, Reply
from .protocols import JSON, jwt
from .test_outcomes import outcome

Make = Callable[..., HTTPBackend]
NEARLY = ("locked", "Locked", "LOCKED", " locked ", "Locked\n")


def says(api: API, state: Any) -> None:
    body = {"ok": True, "id": 7, "state": state, "token": jwt({"state": state})}
    headers = (*JSON, ("X-State", state.strip())) if isinstance(state, str) else JSON
    api.answers = lambda asked: Reply(200, json.dumps(body), headers)


@pytest.mark.parametrize("selector", ["/state", "header:X-State", "jwt:/token /state"])
def test_of_a_rule_against_the_person(api: API, backend_on: Make, selector: str) -> None:
    for rule in (f"{selector} = locked", f"{selector} = lock*", f"/ok = true and {selector} = locked"):
        backend = backend_on(api.url, locked=rule)
        for state in NEARLY:
            says(api, state)
            assert outcome(backend) == "locked"
        for state in ("active", "unlocked", "", None, 7):
            says(api, state)
            assert outcome(backend) == "7"
    assert any("treated as locked" in check.detail for check in backend.check())


def test_of_what_success_must_not_say(api: API, backend_on: Make) -> None:
    backend = backend_on(api.url, success="/ok = true and not /state = locked")
    for state in NEARLY:
        says(api, state)
        assert outcome(backend) is BackendUnavailable
    says(api, "active")
    assert outcome(backend) == "7"


def test_what_success_names_is_taken_as_it_names_it(api: API, backend_on: Make) -> None:
    """Codes that differ in their capitals only."""
    backend = backend_on(api.url, success="/ok = true and /state = A", disabled="/state = a")
    for state, expected in (("A", "7"), ("a", "disabled"), ("B", BackendUnavailable)):
        says(api, state)
        assert outcome(backend) == expected
