"""Tests that a grant, a reason, a password rule and a platform are each defined in one place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from webtest import TestApp

from linkauth.backends import CHANGEABLE, PASSWORD_RULES, REASONS, PasswordRule, Reason
from linkauth.config import platforms
from linkauth.config.platforms import PLATFORMS, Platform
from linkauth.oauth2 import registry
from linkauth.oauth2.errors import RedirectTarget
from linkauth.oauth2.registry import GRANTS, Grant
from linkauth.themes.states import PASSWORD_ERRORS, SIGN_IN_ERRORS
from tests.alexa import Alexa, query
from tests.conftest import https

TOY = """
import importlib
import json
from linkauth import backends
backends.REASONS += ("toy_reason",)
backends.CHANGEABLE += ("toy_reason",)
backends.PASSWORD_RULES += ("toy_rule",)
from linkauth.login import sign_in
from linkauth.themes import states
for module in (states, sign_in):
    importlib.reload(module)
found = [[state.page, state.name] for state in states.page_states("skill", ())]
print(json.dumps(found), "toy_reason" in sign_in.CHANGEABLE)
"""


def toy_authorize(request: Any, owner: Any, _locale: str, _issuer: Any, _now: int) -> str:
    target: RedirectTarget = request.target
    return target.location({"toy": owner.username})


def toy_exchange(_client: Any, form: Mapping[str, str], _issuer: Any, _now: int) -> dict[str, Any]:
    return {"access_token": form["ticket"], "token_type": "Bearer"}


@pytest.fixture
def toy_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Grant("toy_grant", "toy", authorize=toy_authorize, exchange=toy_exchange)
    monkeypatch.setitem(GRANTS, "toy_grant", toy)


def test_added_grant_works_everywhere(make_app: Callable[..., Any], toy_grant: None) -> None:
    """The settings, both endpoints and the metadata know the grant."""
    app: TestApp = https(make_app(client__home__grants="authorization_code toy_grant"))
    metadata = app.get("/.well-known/oauth-authorization-server").json
    assert "toy" in metadata["response_types_supported"]
    assert metadata["grant_types_supported"] == ["authorization_code", "implicit", "toy_grant", "refresh_token"]
    home = Alexa(app)
    home.parameters = {
        "client_id": "home",
        "response_type": "toy",
        "redirect_uri": "https://layla.amazon.com/api/skill/link/M2HOME0000000",
        "state": "s",
    }
    assert query(home.submit("ada", "lovelace-1815", status=303).location) == {"toy": "ada", "state": "s"}
    assert home.token({"grant_type": "toy_grant", "ticket": "t"}).json == {"access_token": "t", "token_type": "Bearer"}
    refused = home.token({"grant_type": "no_such_grant"}).json
    assert refused["error_description"] == "grant_type is neither authorization_code nor refresh_token nor toy_grant"


def test_unknown_grant_is_refused(make_app: Callable[..., Any]) -> None:
    from linkauth.config.settings import SettingsError

    with pytest.raises(SettingsError, match="grants: knows only: authorization_code, implicit"):
        make_app(client__home__grants="toy_grant")
    assert registry.by_response_type("toy") is None
    assert registry.by_response_type("") is None


def test_literals_equal_the_tuples_of_the_contract() -> None:
    assert get_args(Reason) == REASONS
    assert tuple(rule for part in get_args(PasswordRule) for rule in get_args(part)) == PASSWORD_RULES
    assert set(CHANGEABLE) < set(REASONS) < set(SIGN_IN_ERRORS)
    assert set(PASSWORD_RULES) < set(PASSWORD_ERRORS)


def test_added_reason_and_rule_give_page_states() -> None:
    """Runs in a separate process, because modules read the values when they are imported."""
    completed = subprocess.run([sys.executable, "-c", TOY], capture_output=True, text=True, check=True)
    states, changeable = completed.stdout.strip().rsplit(" ", 1)
    states = [tuple(state) for state in json.loads(states)]
    assert {("login", "toy_reason"), ("login", "toy_reason.change_url")} < set(states)
    assert {("password", "toy_reason"), ("password", "toy_rule")} < set(states)
    assert changeable == "True"


def test_added_platform_works_everywhere(make_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Platform(
        "toy",
        "Toy Platform",
        redirect_uris=("https://toy.example/{id}",),
        id_key="toy_id",
        id_pattern="[a-z]+",
        scopes=("toy_scope",),
    )
    assert isinstance(platforms.PLATFORMS, dict)
    monkeypatch.setitem(platforms.PLATFORMS, "toy", toy)
    app = https(
        make_app(
            clients="alexa other single expiring skill-backend home app overlap toy",
            client__toy__name="A Toy",
            client__toy__platform="toy",
            client__toy__toy_id="shop",
            client__toy__grants="authorization_code",
            client__toy__secret="nNqJ3kUpWx7bTz5rVc9dYh2mLf8gSa4e",
        )
    )
    address = (
        "client_id=toy&redirect_uri=https://toy.example/shop&response_type=code&code_challenge_method=S256&code_challenge="
        + "a" * 43
    )
    page = app.get(f"/authorize?{address}").text
    assert "Link A Toy with Toy Platform" in page
    assert "toy_scope" in app.get("/.well-known/oauth-authorization-server").json["scopes_supported"]


def test_every_platform_except_none_has_label() -> None:
    assert {name for name, platform in PLATFORMS.items() if not platform.label} == {"none"}
    assert replace(PLATFORMS["alexa"]).label == "Alexa"
