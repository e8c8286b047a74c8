"""Tests of the rules for new passwords on the page for expired passwords."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from linkauth.oauth2.errors import StorageUnavailableError
from tests.backends.outcomes import PASSWORD
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.login.breached_file import write_breached_file
from tests.login.test_password_page import WRONG, WRONG_CURRENT, assert_password_page, change, soup
from tests.protocol.flow import server_of
from tests.web.raw_requests import login, query, redirect_parameters

GUESSABLE = {
    "passw0rd!": "The new password is too easy to guess",
    "Sunshine2026": "The new password is too easy to guess",
    "abababababab": "The new password is too easy to guess",
    "expired-guessed-1": "The new password is too much like a name",
    "Guessed.77": "The new password is too much like a name",
    "Example Rides!": "The new password is too much like a name",
    "link-example-99": "The new password is too much like a name",
}


@pytest.mark.parametrize("new", GUESSABLE)
def test_guessable_new_password_is_refused(changing_app: TestApp, new: str) -> None:
    name = "expired-guessed"
    response = change(changing_app, name, new=new)
    assert_password_page(response, 403, name, GUESSABLE[new])
    assert soup(response).find(id="new_password")["aria-invalid"] == "true"
    assert WRONG in login(changing_app, query(), name, new).text
    assert soup(change(changing_app, name, "wrong", new)).find(role="alert").find("h2").text == WRONG_CURRENT


@pytest.mark.parametrize("new", ["a very new one", "passw0rd!"])
def test_password_that_has_not_expired_is_not_changed(changing_app: TestApp, new: str) -> None:
    """Otherwise a thief of the password could lock out its owner."""
    name = f"fine-taken-{len(new)}"
    assert "access_token" in redirect_parameters(change(changing_app, name, new=new))
    assert "access_token" in redirect_parameters(login(changing_app, query(), name, PASSWORD))
    assert WRONG in login(changing_app, query(), name, new).text


def test_breached_password_is_refused_and_missing_file_refuses_all(
    make_app: Callable[..., Any], backend_plugins: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leaked = "quartz-meadow-lantern"
    path = write_breached_file(tmp_path / "leaked.txt", [leaked, *map(str, range(5000))])
    settings = {"backends": "staff changing", "backend__changing__use": "changing", "breached_passwords": str(path)}
    app = https(make_app(**settings, **HIGH_THROTTLE_LIMITS))
    name = "expired-leaked"
    response = change(app, name, new=leaked)
    assert_password_page(response, 403, name, "The new password is too easy to guess")
    path.rename(tmp_path / "away")
    assert_password_page(change(app, name), 503, name, "We cannot check your password right now")
    assert "linkauth.breached_passwords" in caplog.text
    (tmp_path / "away").rename(path)
    assert "access_token" in redirect_parameters(change(app, name))


def test_failed_link_without_change_does_not_report_change(
    changing_app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> Any:
        raise StorageUnavailableError("down")

    with monkeypatch.context() as patch:
        patch.setattr(server_of(changing_app)._storage, "create", down)
        response = change(changing_app, "fine-lost-link")
    assert_password_page(response, 503, "fine-lost-link", "We cannot check your password right now")
    assert "access_token" in redirect_parameters(login(changing_app, query(), "fine-lost-link", PASSWORD))
