"""Tests of the settings of requests about accounts, and of their checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import PASSWORD_RULES, PasswordRecovery, Registration
from linkauth.testing import settings_of
from linkauth_http import HTTPBackend, HTTPSettings

from .accounts_api import KEY, AccountsAPI, answer
from .api import API, Reply
from .test_account_contract import documented_settings
from .test_accounts import ADA, account_settings, always

Make = Callable[..., HTTPBackend]
URL = "https://api.example.com/login"
OFF = {"find": None, "search": None, "reset": None, "register": None}
TAKEN = {"taken_url": "/taken?n={username}", "taken_yes": "/taken = true", "taken_no": "/taken = false"}


def settings_with(**changes: Any) -> HTTPSettings:
    values = {"url": (URL,), **documented_settings(), **changes}
    return settings_of(HTTPSettings, **{key: value for key, value in values.items() if value is not None})


def without(*calls: str) -> dict[str, None]:
    """Returns changes that remove all settings of these requests."""
    return {key: None for key in documented_settings() if key.split("_")[0] in calls}


NO_CALLS = without("find", "search", "reset", "register")
REQUIRED = (
    *("find_found", "find_not_found", "find_subject", "find_email", "search_list", "search_subject", "search_username"),
    *("search_email", "reset_success", "reset_not_found", "register_success", "register_taken"),
)
UNKNOWN_FIELD = '{"p": {password}, "e": {email}}'


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, {}),
        # half-declared powers
        ({"reset_url": None}, {"reset_url": "reset_method belongs to it"}),
        ({"find_url": None}, {"find_url": "is missing"}),
        (without("find"), {"find_url": "reset_url needs it", "taken_url": "register_url needs it"}),
        (without("find") | TAKEN, {"find_url": "reset_url needs it"}),
        (without("find", "reset"), {"taken_url": "register_url needs it, or find_url"}),
        (without("find", "reset") | TAKEN, {}),
        (without("search"), {"search_url": "needs it"}),
        (without("reset"), {}),
        (without("register"), {}),
        (without("reset", "register"), {"reset_url": "needs it"}),
        (without("register") | TAKEN, {"register_url": "taken_url needs it"}),
        (NO_CALLS, {"account_header": "has no effect"}),
        (NO_CALLS | {"account_header": None}, {}),
        (NO_CALLS | {"account_header": None, "account_url": (URL,)}, {"account_url": "no effect"}),
        *(({key: ""}, {key: "is missing"}) for key in REQUIRED),
        ({"reset_body_template": None}, {"reset_body_template": "does not send the password"}),
        ({"register_body_template": None}, {"register_body_template": "does not send the password"}),
        (
            {"find_not_found": "", "reset_not_found": ""},
            {"find_not_found": "is missing", "reset_not_found": "is missing"},
        ),
        # URLs
        ({"find_url": "https://other.example.com/a?n={username}"}, {"find_url": "is not on every server"}),
        ({"find_url": f"{URL}/a?n={{username}}"}, {}),
        ({"find_url": "//[::1/{username}"}, {"find_url": "is not on every server"}),
        ({"find_url": "/a"}, {"find_url": "does not send the username"}),
        ({"find_url": "/a?n={username}&e={email}"}, {"find_url": "valid are {client_id}, {username}"}),
        ({"find_url": "/a?n={user name}"}, {"find_url": "unknown placeholder"}),
        ({"reset_url": "/a/{subject}?p={password}"}, {"reset_url": "servers and proxies log URLs"}),
        ({"register_url": "/a?e={email}"}, {"register_url": "does not support"}),
        ({"search_url": "/a?k={client_secret}"}, {"search_url": "servers and proxies log URLs"}),
        ({"account_url": ("http://api.example.com/",)}, {"account_url": "clear text", "find_url": "clear text"}),
        ({"account_url": ("https://{username}/",)}, {"account_url": "other than https"}),
        ({"account_url": ("https://one.example.com/", "https://two.example.com:8443/v2/")}, {}),
        ({"url": ("https://{x/",)}, {"url": "other than https"}),
        # templates
        ({"search_body_template": '{"mail": "{email}"}'}, {"search_body_template": "is not json"}),
        ({"search_body_template": '{"mail": {mail}}'}, {"search_body_template": "{mail}"}),
        ({"search_method": None}, {"search_method": "GET"}),
        (
            {"reset_body_template": '{"p": {password}, "e": {email}}'},
            {"reset_body_template": "unknown placeholder {email}"},
        ),
        ({"register_body_template": UNKNOWN_FIELD}, {"register_body_template": "{username}"}),
        (
            {"register_body_template": "[{username}, {password}, {favourite_colour}, {client_id}]"},
            {"client_id": "is missing"},
        ),
        ({"account_body": "form"}, {"reset_body_template": "is not form"}),
        # headers
        ({"account_header": {"Authorization": "Basic {password}"}}, {"account_header.Authorization": "own credential"}),
        ({"account_header": {"X-Name": "{username}"}}, {"account_header.X-Name": "own credential"}),
        ({"account_header": {"X-Key": "{client_secret}"}}, {}),
        ({"account_header": {"Host": "x"}}, {"account_header.Host": "not the name"}),
        # rules and selectors
        ({"find_found": "/ok=true"}, {"find_found": "="}),
        ({"find_subject": "id"}, {"find_subject": "not a selector"}),
        ({"find_subject": "username"}, {}),
        ({"find_email": "username"}, {"find_email": "not a selector"}),
        ({"search_list": "body"}, {}),
        ({"search_list": "header:X-People"}, {"search_list": "is neither"}),
        ({"search_list": "xpath:.//p/@id"}, {"search_list": "attributes"}),
        ({"search_email": "xpath:.//mail"}, {"search_email": "same kind"}),
        ({"search_email": "header:X-Mail"}, {"search_email": "same kind"}),
        ({"reset_success": "status:200"}, {"reset_success": "an error may match"}),
        ({"reset_success": "status:200 204"}, {"reset_success": "an error may match"}),
        ({"reset_success": "status:204\nstatus:200 and /done = true"}, {}),
        ({"register_success": "not /error"}, {"register_success": "an error may match"}),
        ({"password_refused": {"short": "/error = short"}}, {"password_refused.short": "is not one of"}),
        ({"password_refused": {"policy": "error"}}, {"password_refused.policy": "not a selector"}),
        ({"password_refused": dict.fromkeys(PASSWORD_RULES, "/error = x")}, {}),
        ({"password_min_length": -1}, {"password_min_length": "between"}),
    ],
)
def test_contradicting_settings_are_reported(changes: dict[str, Any], faults: dict[str, str]) -> None:
    found: dict[str, str] = {}
    for key, problem in settings_with(**changes).faults():
        found[key] = found.get(key, "") + problem
    for key, text in faults.items():
        assert text in found.get(key, ""), found
    if not faults:
        assert found == {}


def test_only_a_complete_power_is_offered() -> None:
    expected: dict[tuple[str, ...], set[type]] = {
        (): {PasswordRecovery, Registration},
        ("register",): {PasswordRecovery},
        ("reset",): {Registration},
        ("find",): set(),
        ("search",): set(),
    }
    for calls, powers in expected.items():
        backend = HTTPBackend(settings_with(**without(*calls)))
        assert backend.offers == powers, calls
        backend.close()


def test_the_credentials_are_not_shown() -> None:
    settings = settings_with(account_header={"X-Key": "s3cret-key"}, register_body_template='{"k": "s3cret-too"}')
    assert "s3cret" not in repr(settings)


def names_of(backend: HTTPBackend) -> dict[str, str]:
    return {check.name.split(" ")[0]: check.detail for check in backend.check() if not check.ok}


def test_the_checks_look_for_nobody_and_change_nothing(api: API, backend_on: Make, tmp_path: Path) -> None:
    api.handler = AccountsAPI(tmp_path / "accounts.sqlite")
    backend = backend_on(api.url + "/login", **account_settings(**TAKEN | {"taken_url": "/accounts/taken/{username}"}))
    lines = [check for check in backend.check() if check.name.endswith(f" at {api.url}/")]
    assert [(check.name.split()[0], check.ok) for check in lines] == [
        ("find", True),
        ("search", True),
        ("taken", False),
    ]
    assert {request.method for request in api.requests} == {"HEAD", "GET", "POST"}
    assert {request.path for request in api.requests if request.method == "POST"} == {"/accounts/search"}
    assert {request.headers["Authorization"] for request in api.requests if request.path != "/login"} == {KEY}


def test_the_checks_report_an_api_that_knows_everybody(api: API, backend_on: Make) -> None:
    always(api, answer(200, account=ADA, accounts=[ADA]))
    backend = backend_on(api.url + "/login", **account_settings())
    assert names_of(backend) == {"find": "find: the API knows a random name"}
    backend = backend_on(api.url + "/login", **account_settings(**without("find", "reset") | TAKEN))
    assert names_of(backend) == {"search": "search: the API knows a random name"}


def test_the_checks_report_a_wrong_key_and_a_stopped_server(api: API, backend_on: Make) -> None:
    always(api, answer(401))
    backend = backend_on(api.url + "/login", **account_settings())
    assert "refuses the credentials of linkauth" in names_of(backend)["find"]
    other = API(lambda request: Reply(404))
    other.stop()
    backend = backend_on(api.url + "/login", **account_settings(account_url=(other.url + "/",)))
    assert names_of(backend) == {"find": "no connection: Connection refused"}


def test_the_checks_report_rules_that_accept_a_new_state(api: API, backend_on: Make) -> None:
    settings = account_settings(find_found="/account/id", find_disabled="/account/state = blocked")
    backend = backend_on(api.url + "/login", **settings)
    (line,) = [check.detail for check in backend.check() if "find_disabled" in check.detail]
    assert "find_found accepts every value that no rule lists" in line
