"""Runs the contracts of recovery and registration with the example of docs/backends.md, on an API with a database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from linkauth.backends import PasswordRecovery, Registration
from linkauth.testing import Known
from linkauth_http import HTTPBackend

from . import accounts_api
from .accounts_api import AccountsAPI
from .api import API, Handler
from .conftest import settings_for
from .test_contract import APIStore, HTTPContract

DOCUMENT = Path(__file__).parents[3] / "docs/backends.md"


def documented_settings() -> dict[str, Any]:
    """Returns the settings of the backend `legacy` in docs/backends.md, with the key of the test API and no URL."""
    values: dict[str, Any] = {"preset": None, "success": None, "subject": None}
    lines = re.findall(r"^linkauth\.backend\.legacy\.(\S+) = (.+)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    for key, text in lines:
        name, dot, part = key.partition(".")
        if dot:
            values.setdefault(name, {})[part] = text
        elif name not in ("use", "url"):
            values[name] = int(text) if text.isdecimal() else text
    values["account_header"] = {"Authorization": accounts_api.KEY}
    return values


class TestDocumentedAPI(HTTPContract):
    """The API is stopped and does not hang. A hung API may process a request after the caller has given up."""

    settings: ClassVar[dict[str, Any]] = documented_settings()

    def handler(self) -> Handler:
        raise AssertionError("the store has its own handler")

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[APIStore]:
        api = API(AccountsAPI(tmp_path / "accounts.sqlite"))
        yield APIStore(api, self.path, self.settings)
        api.stop()

    @pytest.fixture
    def refused(self) -> Known:
        return accounts_api.BLOCKED


def test_the_documented_settings_offer_both_powers(backend_on: Callable[..., HTTPBackend]) -> None:
    backend = backend_on("http://127.0.0.1:9/login", **documented_settings())
    assert backend.offers == {PasswordRecovery, Registration}
    assert backend.profile_fields == {"email"}
    assert backend.minimum_length() == accounts_api.MINIMUM
    assert settings_for("http://127.0.0.1:9/login").calls == ()
    assert backend_on("http://127.0.0.1:9/login").offers == frozenset()
