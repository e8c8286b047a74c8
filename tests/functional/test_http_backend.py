"""A login API behind the whole app: a link, a wrong password, and an outage that is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plugins.http.tests.api import API, Reply
from plugins.http.tests.protocols import MUELLER, json_api
from tests.alexa import Alexa
from tests.conftest import https
from tests.functional.conftest import STAFF
from tests.functional.wire import answered, login, query

API_SETTINGS = {
    "use": "http",
    "preset": "json",
    "success": "/ok = true",
    "subject": "/id",
    "groups": "/roles",
    "receive_timeout": "5",
}


def test_people_of_an_api_are_linked(make_app: Callable[..., Any]) -> None:
    api = API(json_api)
    try:
        settings = {f"backend__legacy__{key}": value for key, value in API_SETTINGS.items()}
        changes = {**dict.fromkeys(STAFF), **settings, "backends": "legacy", "backend__legacy__url": f"{api.url}/login"}
        app = https(make_app(**changes))
        told = answered(login(app, query(), MUELLER.username, MUELLER.password))
        assert Alexa(app).introspect(told["access_token"]).json["sub"] == "legacy:4711"
        assert login(app, query(), MUELLER.username, "wrong").status == 403
        api.answers = lambda asked: Reply(500, "down")
        unavailable = login(app, query(), MUELLER.username, MUELLER.password)
        assert unavailable.status == 503
        assert "We cannot check your password right now" in unavailable.text
    finally:
        api.stop()
