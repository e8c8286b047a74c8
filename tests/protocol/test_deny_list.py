"""Tests of the entries of the deny list of JWT access tokens; test_deny_list_served.py tests how it is served."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, insert, inspect, text, update

from linkauth.oauth2.tokens import Link, Token, digest, new_token
from linkauth.storage import LinkStore, open_engine, upgrade
from linkauth.storage.schema import HEAD
from linkauth.storage.tables import links, tokens
from linkauth.storage.usage import sweep
from tests.protocol.flow import DAY
from tests.protocol.histories import STEPS, History
from tests.servers.postgresql import running

SECRET = "only for tests, 32 characters or more"
DENIED = "/.well-known/revoked-tokens"
NOW = 1_800_000_000
LINK = Link("staff", "1", "ada", "home", ("order_car",), "authorization_code", "en", NOW)
FEW_EXAMPLES = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('list')}/links.sqlite")
        yield engine
        engine.dispose()
    else:
        with running() as server:
            # without the time limit of requests, which a busy machine exceeds
            engine = open_engine(server.url, for_operator=True)
            yield engine
            engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Iterator[LinkStore]:
    upgrade(engine)
    with closing(LinkStore(engine)) as store:
        yield store


@FEW_EXAMPLES
@given(steps=STEPS)
def test_list_has_revoked_tokens_until_they_expire(engine: Engine, store: LinkStore, steps: list[Any]) -> None:
    """This holds for every way to end a link, for sweeps, and for a clock that is set."""
    history = History(engine, store)
    for step in steps:
        history.step(*step)
        history.check()


@pytest.mark.parametrize("days", [1, 2, 39])
def test_sweep_keeps_jwt_of_ended_link_until_it_expires(engine: Engine, store: LinkStore, days: int) -> None:
    jti = new_token()
    opaque, signed = Token(b"o" * 31 + b"%c" % days, "access", NOW), digest(jti)
    store.create(LINK, (opaque, Token(signed, "access", NOW, NOW + 40 * DAY, jti=jti)))
    result = store.find(signed, "access")
    assert result
    version = store.deny_list_version()
    assert version is not None
    store.end(result[0], "left", NOW)
    assert store.deny_list_version() == version + 1
    # the link has already ended
    store.end(result[0], "left again", NOW)
    assert store.deny_list_version() == version + 1
    sweep(engine, NOW + days * DAY + 1)
    assert jti in store.revoked_tokens(NOW + days * DAY)
    # the opaque token of the ended link was deleted
    assert store.find(opaque.digest, "access") is None
    sweep(engine, NOW + 41 * DAY + 1)
    assert store.find(signed, "access") is None


def test_schema_upgrade_preserves_the_list(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/links.sqlite")
    config = Config()
    config.set_main_option("script_location", "linkauth.storage:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    assert "deny_list" not in inspect(engine).get_table_names()
    row = {"backend": "staff", "subject": "1", "username": "ada", "client_id": "home", "scope": "", "locale": "en"}
    with engine.begin() as connection:
        link = {**row, "id": 7, "grant": "implicit", "created_at": NOW, "ended_at": NOW, "end_reason": "left"}
        connection.execute(insert(links).values(link))
        token = {"link_id": 7, "kind": "access", "issued_at": NOW, "expires_at": NOW + DAY, "jti": "j"}
        connection.execute(insert(tokens).values(digest=b"d" * 32, **token))
    assert upgrade(engine) == ("0003", HEAD)
    with closing(LinkStore(engine)) as store:
        assert store.revoked_tokens(NOW) == {"j": NOW + DAY}
        assert store.deny_list_version() == 0
    engine.dispose()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_refresh_during_end_of_link_issues_no_token(engine: Engine) -> None:
    """The refresh waits for the transaction that ends the link, and then finds the link ended."""
    upgrade(engine)
    patient = open_engine(engine.url.render_as_string(hide_password=False), for_operator=True)
    refresh, access = Token(digest(new_token()), "refresh", NOW), Token(digest(new_token()), "access", NOW, jti="late")
    with closing(LinkStore(patient)) as store, ThreadPoolExecutor(1) as thread:
        store.create(LINK, (refresh,))
        link_and_token = store.find(refresh.digest, "refresh")
        assert link_and_token
        with engine.connect() as ending:
            transaction = ending.begin()
            ending.execute(update(links).where(links.c.id == link_and_token[0].id).values(ended_at=NOW))
            renewed = thread.submit(store.renew, link_and_token[0], refresh, None, (access,), NOW, False)
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            with engine.connect() as monitor:
                while not (renewed.done() or monitor.execute(waiting).scalar_one()):
                    monitor.rollback()
            transaction.commit()
        assert renewed.result(30) is False
        assert store.find(access.digest, "access") is None
    patient.dispose()
