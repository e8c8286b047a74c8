"""Tests of /userinfo, of the recorded use of a link, and of the sweep of expired rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from webtest import TestApp

from linkauth.oauth2.tokens import Code, Link, Token, digest
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.tables import links
from linkauth.storage.usage import LINKS_PER_TRANSACTION, USES_PER_TRANSACTION, UsageWriter, sweep
from tests.conftest import https
from tests.protocol.flow import Skill, engine_of, server_of, set_clock
from tests.servers.postgresql import running


@pytest.fixture
def home(app: TestApp) -> Skill:
    return Skill(app)


def userinfo(app: TestApp, authorization: str) -> Any:
    return app.get("/userinfo", headers={"Authorization": authorization}, status="*")


def introspection_of(skill: Skill, token: str) -> Any:
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
def test_userinfo_has_claims_of_scopes(home: Skill, scope: str, claims: dict[str, str]) -> None:
    token_response = home.link(scope=scope)
    response = userinfo(home.app, f"Bearer {token_response['access_token']}")
    assert response.json == {"sub": "staff:1", "preferred_username": "ada", **claims}
    assert response.headers["Cache-Control"] == "no-store"
    narrow = home.refresh(token_response["refresh_token"], scope=scope.split(" ")[0]).json["access_token"]
    claims_of_narrow = userinfo(home.app, f"Bearer {narrow}").json
    assert set(claims_of_narrow) == {
        "sub",
        "preferred_username",
        *({"email": ["email"], "profile": ["name"]}.get(scope.split()[0], [])),
    }


def used_at(skill: Skill) -> Any:
    """Returns the times of the first and last use of the newest link, after pending uses are written."""
    store: LinkStore = server_of(skill.app)._storage  # type: ignore[assignment]
    store._usage.close()
    store._usage._thread = None
    newest = select(links.c.first_used_at, links.c.last_used_at).order_by(links.c.id.desc()).limit(1)
    with engine_of(skill.app).connect() as connection:
        return tuple(connection.execute(newest).one())


def test_use_is_recorded_once_per_hour_after_response(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app(client__home__access_token_lifetime="86400")))
    clock = set_clock(home.app)
    start = int(clock.now)
    token = home.link()["access_token"]
    assert used_at(home) == (None, None)
    for seconds, last_use in ((10, 10), (3000, 10), (3600, 10), (3610, 3610), (7000, 3610), (7210, 7210)):
        clock.now = start + seconds
        assert introspection_of(home, token)["active"] is True
        assert home.active(token)
        assert used_at(home) == (start + 10, start + last_use)


def test_use_that_cannot_be_recorded_does_not_fail_request(make_app: Callable[..., Any]) -> None:
    home = Skill(https(make_app()))
    token = home.link()["access_token"]
    with engine_of(home.app).begin():
        # the lock of the only writer is held during these requests
        assert introspection_of(home, token)["active"] is True
        assert home.active(token)
    assert used_at(home)[1] is not None


def test_sweep_deletes_only_unusable_rows(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    day, now = 86_400, 1_700_000_000
    store = LinkStore(engine)
    old, recent = now - 2 * day, now - 60

    def link(created: int) -> Link:
        return Link("staff", "1", "ada", "home", (), "authorization_code", "en", created)

    valid = [Token(digest(name), "access", old, expires) for name, expires in (("a", None), ("b", now + 60))]
    expired = Token(digest("c"), "access", old, old + 60)
    refresh = Token(digest("d"), "refresh", old, old + 60)
    store.create(link(old), (*valid, expired, refresh))
    store.create(link(old), (Token(digest("e"), "access", old),))
    ended = store.find(digest("e"), "access")
    assert ended
    store.end(ended[0], "test", old)
    store.create(link(old), code=Code(digest("f"), None, None, old + 60))
    store.create(link(recent), code=Code(digest("g"), None, None, recent + 60))
    sweep(engine, now)
    result = {name: store.find(digest(name), "access") is not None for name in "abce"}
    assert result == {"a": True, "b": True, "c": False, "e": False}
    assert store.find(digest("d"), "refresh") is not None
    assert [store.find_code(digest(name)) is not None for name in "fg"] == [False, True]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM links")).scalar() == 3
    store.close()
    engine.dispose()


def test_uses_of_many_links_are_recorded(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    count = 2 * USES_PER_TRANSACTION + 1
    row = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
    with engine.begin() as connection:
        connection.execute(insert(links), [{**row, "grant": "implicit", "created_at": 1}] * count)
        ids = list(connection.execute(select(links.c.id)).scalars())
    with closing(UsageWriter(engine)) as usage:
        for number, link_id in enumerate(ids):
            usage.record_use(link_id, 10 + number)
    with engine.connect() as connection:
        used = {row.id: row.last_used_at for row in connection.execute(select(links.c.id, links.c.last_used_at))}
    assert used == {link_id: 10 + number for number, link_id in enumerate(ids)}
    engine.dispose()


def test_uses_are_recorded_if_commits_to_postgresql_are_slow() -> None:
    with running() as server:
        engine = open_engine(server.url, for_operator=True)
        upgrade(engine)
        row = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
        with engine.begin() as connection:
            connection.execute(insert(links), [{**row, "grant": "implicit", "created_at": 1}] * 4)
            ids = list(connection.execute(select(links.c.id)).scalars())
            for statement in (
                "CREATE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END'",
                "CREATE TRIGGER delay BEFORE UPDATE ON links FOR EACH ROW EXECUTE FUNCTION delay()",
            ):
                connection.execute(text(statement))
        request_engine = open_engine(server.url)
        with closing(UsageWriter(request_engine)) as usage:
            for link_id in ids:
                usage.record_use(link_id, 10)
        with engine.connect() as connection:
            assert list(connection.execute(select(links.c.last_used_at)).scalars()) == [10] * len(ids)
        request_engine.dispose()
        engine.dispose()


def test_sweep_examines_all_links_until_it_is_stopped(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    now = 1_700_000_000
    count = 2 * LINKS_PER_TRANSACTION + 1
    old = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
    with engine.begin() as connection:
        connection.execute(insert(links), [{**old, "grant": "authorization_code", "created_at": 1}] * count)
    remaining = select(func.count()).select_from(links)
    answers = iter([False, True])
    sweep(engine, now, lambda: next(answers))
    with engine.connect() as connection:
        assert connection.execute(remaining).scalar() == count - LINKS_PER_TRANSACTION
    sweep(engine, now)
    with engine.connect() as connection:
        assert connection.execute(remaining).scalar() == 0
    sweep(engine, now)
    engine.dispose()


def test_sweep_is_run_if_uses_cannot_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    sweeps: list[int] = []
    monkeypatch.setattr("linkauth.storage.usage.sweep", lambda _engine, now, _is_stopped: sweeps.append(now))
    # there are no tables
    with closing(UsageWriter(engine)) as usage:
        usage.record_use(1, 7200)
        usage.sweep(7200)
    assert sweeps == [7200]
    engine.dispose()


def test_new_links_and_tokens_start_sweep_at_most_hourly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    upgrade(engine)
    sweeps: list[int] = []
    monkeypatch.setattr("linkauth.storage.usage.sweep", lambda _engine, now, _is_stopped: sweeps.append(now))
    store = LinkStore(engine)
    refresh = Token(digest("r"), "refresh", 7200)
    for created in (7200, 7300, 10_799):
        store.create(Link("staff", "1", "ada", "home", (), "implicit", "en", created), (refresh,) * (created == 7200))
    found = store.find(refresh.digest, "refresh")
    assert found
    store.close()
    with closing(LinkStore(engine)) as store:
        for number, now in enumerate((10_800, 14_399)):
            assert store.renew(*found, None, (Token(digest(f"{number}"), "access", now),), now, consume=False)
    assert sweeps == [7200, 10_800]
    engine.dispose()
