"""What a token tells of its person, and what its uses leave behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from webtest import TestApp

from linkauth.oauth2.tokens import Code, Link, Token, digest
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.engine import Writer
from linkauth.storage.tables import links
from linkauth.storage.usage import sweep
from tests.conftest import https
from tests.protocol.flow import Skill, engine_of, server_of, set_clock


@pytest.fixture
def home(app: TestApp) -> Skill:
    return Skill(app)


def userinfo(app: TestApp, authorization: str) -> Any:
    return app.get("/userinfo", headers={"Authorization": authorization}, status="*")


def state(skill: Skill, token: str) -> Any:
    return skill.post("/introspect", {"token": token}).json


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("order_car", {}),
        ("profile", {"name": "Ada Lovelace"}),
        ("email order_car", {"email": "ada@example.com"}),
        ("email profile", {"name": "Ada Lovelace", "email": "ada@example.com"}),
    ],
)
def test_userinfo_says_what_the_scopes_allow(home: Skill, scope: str, claims: dict[str, str]) -> None:
    got = home.link(scope=scope)
    answer = userinfo(home.app, f"Bearer {got['access_token']}")
    assert answer.json == {"sub": "staff:1", "preferred_username": "ada", **claims}
    assert answer.headers["Cache-Control"] == "no-store"
    narrow = home.refresh(got["refresh_token"], scope=scope.split(" ")[0]).json["access_token"]
    told = userinfo(home.app, f"Bearer {narrow}").json
    assert set(told) == {
        "sub",
        "preferred_username",
        *({"email": ["email"], "profile": ["name"]}.get(scope.split()[0], [])),
    }


def used_at(skill: Skill) -> Any:
    """When the newest link was first and last used, once everything noted is written."""
    store: LinkStore = server_of(skill.app)._storage  # type: ignore[assignment]
    store._usage.close()
    store._usage._thread = None
    newest = select(links.c.first_used_at, links.c.last_used_at).order_by(links.c.id.desc()).limit(1)
    with engine_of(skill.app).connect() as connection:
        return tuple(connection.execute(newest).one())


def test_a_use_is_noted_once_an_hour_and_behind_the_answer(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app(client__home__access_token_lifetime="86400")))
    clock = set_clock(home.app)
    start = int(clock.now)
    token = home.link()["access_token"]
    assert used_at(home) == (None, None)
    for seconds, noted in ((10, 10), (3000, 10), (3600, 10), (3610, 3610), (7000, 3610), (7210, 7210)):
        clock.now = start + seconds
        assert state(home, token)["active"] is True
        assert home.active(token)
        assert used_at(home) == (start + 10, start + noted)


def test_a_use_that_cannot_be_noted_is_not_in_the_way(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    token = home.link()["access_token"]
    with engine_of(home.app).begin():
        # the one writer of the file is busy for as long as this takes
        assert state(home, token)["active"] is True
        assert home.active(token)
    assert used_at(home)[1] is not None


def test_a_sweep_deletes_only_what_nobody_can_use(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    day, now = 86_400, 1_700_000_000
    store = LinkStore(engine)
    old, young = now - 2 * day, now - 60

    def link(created: int) -> Link:
        return Link("staff", "1", "ada", "home", (), "authorization_code", "en", created)

    kept = [Token(digest(name), "access", old, expires) for name, expires in (("a", None), ("b", now + 60))]
    gone = Token(digest("c"), "access", old, old + 60)
    refresh = Token(digest("d"), "refresh", old, old + 60)
    store.create(link(old), (*kept, gone, refresh))
    store.create(link(old), (Token(digest("e"), "access", old),))
    ended = store.find(digest("e"), "access")
    assert ended
    store.end(ended[0], "test", old)
    store.create(link(old), code=Code(digest("f"), None, None, old + 60))
    store.create(link(young), code=Code(digest("g"), None, None, young + 60))
    sweep(Writer(engine), now)
    found = {name: store.find(digest(name), "access") is not None for name in "abce"}
    assert found == {"a": True, "b": True, "c": False, "e": False}
    assert store.find(digest("d"), "refresh") is not None
    assert [store.find_code(digest(name)) is not None for name in "fg"] == [False, True]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM links")).scalar() == 3
    store.close()
    engine.dispose()


def test_a_new_link_starts_a_sweep_at_most_hourly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    swept: list[int] = []
    monkeypatch.setattr("linkauth.storage.usage.sweep", lambda _engine, now: swept.append(now))
    store = LinkStore(engine)
    for created in (7200, 7300, 10_799, 10_800):
        store.create(Link("staff", "1", "ada", "home", (), "implicit", "en", created))
    store.close()
    assert swept == [7200, 10_800]
    engine.dispose()
