"""Tests that people of a provider itself work wherever a link names its backend, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.services import services_of
from tests.alexa import basic, query
from tests.conftest import ROOT
from tests.sign_ins.conftest import PROVIDERS
from tests.sign_ins.phone import Phone, stand_in

JO = {"sub": "7f:3", "preferred_username": "j.doe", "name": "Jo Doe", "email": "jo@example.net", "verified": ["email"]}


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, make_provider_app: Callable[..., Any]) -> Any:
    if request.param == "sqlite":
        return make_provider_app()
    return make_provider_app(database=request.getfixturevalue("postgresql_database"))


def home(phone: Phone) -> None:
    """Lets the phone link the client that uses the authorization code grant."""
    phone.alexa.parameters |= {"client_id": "home", "response_type": "code", "scope": "profile email"}
    phone.alexa.parameters["redirect_uri"] = (
        "https://layla.amazon.com/spa/skill/account-linking-status.html?vendorId=M2HOME0000000"
    )


def test_tokens_of_a_person_of_a_provider(app: Any) -> None:
    phone = Phone(app)
    home(phone)
    response = phone.sign_in("corp", **JO)
    form = {"grant_type": "authorization_code", "code": query(response.location)["code"]}
    form["redirect_uri"] = phone.alexa.parameters["redirect_uri"]
    tokens = phone.alexa.token(form).json
    renewed = phone.alexa.token({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}).json
    active = phone.alexa.introspect(renewed["access_token"], "home", "the-home-clients-secret").json
    assert (active["sub"], active["username"]) == ("corp:7f:3", "j.doe")
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    claims = phone.client.get("/userinfo", headers=headers).json
    assert claims == {"sub": "corp:7f:3", "preferred_username": "j.doe", "name": "Jo Doe", "email": "jo@example.net"}
    phone.client.post("/revoke", {"token": renewed["access_token"]}, headers=basic("home", "the-home-clients-secret"))
    assert phone.alexa.introspect(renewed["access_token"], "home", "the-home-clients-secret").json == {"active": False}


def test_one_of_two_answers_at_the_same_time_makes_a_link(app: Any) -> None:
    phone = Phone(app)
    sent = phone.started("corp")
    provider = stand_in(app, "corp")
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(phone.come_back, sent, "slow", "corp") for _ in range(8)]
        assert provider.waiting.acquire(timeout=60)
        provider.released.set()
        statuses = sorted(each.result().status_int for each in answers)
    assert statuses == [303] + [403] * 7


def test_operators_find_and_end_the_links(app: Any, tmp_path: Path, sign_in_plugin: None) -> None:
    phone = Phone(app)
    token = query(phone.sign_in("corp", **JO).location.replace("#", "?"))["access_token"]
    ini = tmp_path / "linkauth.ini"
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    database = services_of(app.registry).settings.database
    lines = [line for line in text.splitlines() if not line.startswith("linkauth.database = ")]
    lines += [f"linkauth.{key.replace('__', '.')} = {value}" for key, value in PROVIDERS.items()]
    ini.write_text("\n".join([*lines, f"linkauth.database = {database}", ""]), "utf-8")

    def linkauth(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.stdout

    for person in ("corp:7f:3", "j.doe", "J.DOE"):
        rows = json.loads(linkauth("links", "list", str(ini), "--person", person, "--format", "json"))
        assert [(row["backend"], row["subject"], row["username"]) for row in rows] == [("corp", "7f:3", "j.doe")]
    linkauth("links", "end", str(ini), "--person", "corp:7f:3", "--reason", "left", "--yes")
    assert phone.alexa.introspect(token).json == {"active": False}
