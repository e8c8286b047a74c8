"""The app with a backend `corp` and a shadow `trial`, which are both scripted (tests/backends/scripted.py)."""

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
DEADLINE = 60


class ShadowApp:
    """The app with a shadow `trial` before a backend `corp`."""

    def __init__(self, app: Any) -> None:
        self.app: TestApp = https(app)
        self.services = services_of(app.registry)
        self.engine = self.services.engine
        self.shadow = self.services.shadows["trial"]
        entries: dict[str, Any] = {named.name: named.backend for named in self.services.backends}
        self.corp, self.trial = entries["corp"], entries["trial"]

    def login(self, username: str) -> Response:
        return login(self.app, query(), username, PASSWORD)

    def row(self, username: str) -> Any:
        """Returns the stored comparison of the user, or None."""
        statement = select(comparisons).where(comparisons.c.subject == f"id of {username}")
        with self.engine.connect() as connection:
            return connection.execute(statement).mappings().first()

    def comparison(self, username: str, times: int = 1) -> Any:
        """Waits until the user was compared `times` times; returns the stored comparison."""
        wait_for(lambda: (self.row(username) or {"asked": 0})["asked"] >= times)
        row = self.row(username)
        assert row["asked"] == times
        return row

    def wait_until_idle(self) -> None:
        """Waits until no comparison is queued or in progress."""
        wait_for(lambda: not self.shadow._waiting)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
