"""The app with a backend `corp` and one on trial, `trial`, both of which answer as names say (`stated`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from webtest import TestApp

from linkauth.services import services_of
from linkauth.storage.tables import comparisons
from tests.alexa import https
from tests.backends.scripted import PASSWORD
from tests.web.raw_requests import Response, login, query

SHADOW_SETTINGS = {
    "backends": "trial corp",
    "backend__corp__use": "scripted",
    "backend__corp__position": "0",
    "backend__trial__use": "scripted",
    "backend__trial__position": "1",
    "backend__trial__shadow": "true",
}
DEADLINE = 20


class ShadowApp:
    """The app with a backend `corp` and a shadow `trial`, which stands before it."""

    def __init__(self, app: Any) -> None:
        self.app: TestApp = https(app)
        self.services = services_of(app.registry)
        self.engine = self.services.engine
        self.shadow = self.services.shadows["trial"]
        opened: dict[str, Any] = {named.name: named.backend for named in self.services.backends}
        self.corp, self.trial = opened["corp"], opened["trial"]

    def login(self, username: str) -> Response:
        return login(self.app, query(), username, PASSWORD)

    def row(self, username: str) -> Any:
        """What is stored about somebody."""
        wanted = select(comparisons).where(comparisons.c.subject == f"id of {username}")
        with self.engine.connect() as connection:
            return connection.execute(wanted).mappings().first()

    def asked(self, username: str, times: int = 1) -> Any:
        """What is stored about somebody once the shadow was asked so often."""
        wait_for(lambda: (self.row(username) or {"asked": 0})["asked"] >= times)
        found = self.row(username)
        assert found["asked"] == times
        return found

    def settled(self) -> None:
        """Wait until everybody about whom the shadow was to be asked was compared, or was not to be."""
        wait_for(lambda: not self.shadow._waiting)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
