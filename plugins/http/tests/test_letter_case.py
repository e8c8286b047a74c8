"""Tests that the case of a value does not matter in rules of refusals."""

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
LOCKED_SPELLINGS = ("locked", "Locked", "LOCKED", " locked ", "Locked\n")


def respond_with(api: API, state: Any) -> None:
    body = {"ok": True, "id": 7, "state": state, "token": jwt({"state": state})}
    headers = (*JSON, ("X-State", state.strip())) if isinstance(state, str) else JSON
    api.handler = lambda request: Reply(200, json.dumps(body), headers)


@pytest.mark.parametrize("selector", ["/state", "header:X-State", "jwt:/token /state"])
def test_refusal_ignores_case(api: API, backend_on: Make, selector: str) -> None:
    for rule in (f"{selector} = locked", f"{selector} = lock*", f"/ok = true and {selector} = locked"):
        backend = backend_on(api.url, locked=rule)
        for state in LOCKED_SPELLINGS:
            respond_with(api, state)
            assert outcome(backend) == "locked"
        for state in ("active", "unlocked", "", None, 7):
            respond_with(api, state)
            assert outcome(backend) == "7"
    assert any("treated as locked" in check.detail for check in backend.check())


def test_negated_condition_of_success_ignores_case(api: API, backend_on: Make) -> None:
    backend = backend_on(api.url, success="/ok = true and not /state = locked")
    for state in LOCKED_SPELLINGS:
        respond_with(api, state)
        assert outcome(backend) is BackendUnavailable
    respond_with(api, "active")
    assert outcome(backend) == "7"


def test_comparison_of_success_is_case_sensitive(api: API, backend_on: Make) -> None:
    """Codes that differ only in case."""
    backend = backend_on(api.url, success="/ok = true and /state = A", disabled="/state = a")
    for state, expected in (("A", "7"), ("a", "disabled"), ("B", BackendUnavailable)):
        respond_with(api, state)
        assert outcome(backend) == expected
