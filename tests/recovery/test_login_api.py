"""Tests of recoveries at a login API, from the page to the Alexa app, with the settings of docs/backends.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plugins.http.tests.accounts_api import KEY, MINIMUM, AccountsAPI
from plugins.http.tests.api import API
from plugins.http.tests.protocols import MUELLER
from plugins.http.tests.test_account_contract import documented_settings
from tests.alexa import https
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.recovery.conftest import MAIL_SETTINGS, STAFF
from tests.recovery.visitor import NEW, Site, alert, heading
from tests.web.raw_requests import login, query

PASSWORD_HEADING = "Choose a new password"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[API]:
    api = API(AccountsAPI(tmp_path_factory.mktemp("api") / "accounts.sqlite"))
    yield api
    api.stop()


@pytest.fixture(scope="module")
def api_site(make_app: Callable[..., Any], api: API) -> Site:
    settings: dict[str, Any] = {"use": "http", "url": api.url + "/login"}
    for key, value in documented_settings().items():
        # headers and rules for passwords have names of their own
        parts = {f"{key}.{name}": text for name, text in value.items()} if isinstance(value, dict) else {key: value}
        settings |= {name: str(text) for name, text in parts.items() if text is not None}
    keys = {f"backend__legacy__{key}": text for key, text in settings.items()}
    return Site(https(make_app(**STAFF, backends="legacy", **keys, **MAIL_SETTINGS, **HIGH_THROTTLE_LIMITS)))


def test_forgotten_password_is_replaced_in_the_api_and_the_link_completes(api_site: Site, api: API) -> None:
    for typed in ("MÜLLER", "M@Example.com"):
        visitor = api_site.visitor()
        visitor.ask(typed)
        mail = api_site.mails("m@example.com")[-1]
        assert (mail.kind, mail.names) == ("recovery_code", ("müller",))
        visitor.enter(mail.code)
        visitor.choose(NEW + typed)
        visitor.linked()
    assert login(api_site.app, query(), MUELLER.username, MUELLER.password).status == 403
    assert login(api_site.app, query(), MUELLER.username, NEW + typed).status == 303
    changes = [request for request in api.requests if request.path == f"/accounts/{MUELLER.subject}/password"]
    assert [request.headers["Authorization"] for request in changes] == [KEY, KEY]


@pytest.mark.parametrize("typed", ["blocked", "nobody-of-that-name", "nobody@example.com"])
def test_blocked_and_unknown_people_get_no_code(api_site: Site, typed: str) -> None:
    visitor = api_site.visitor()
    visitor.ask(typed)
    assert api_site.outcomes()[-1] == "nobody"


def test_an_api_that_is_down_leaves_the_code_usable(api_site: Site, api: API) -> None:
    visitor = api_site.visitor()
    visitor.ask(MUELLER.username)
    visitor.enter(api_site.code(MUELLER.username))
    api.stop()
    page = visitor.choose(status=503)
    assert (heading(page), bool(alert(page))) == (PASSWORD_HEADING, True)
    api.start()
    assert heading(visitor.choose("x" * (MINIMUM - 1), status=403)) == PASSWORD_HEADING
    visitor.choose()
    visitor.linked()
