"""Tests of a start whose database cannot be used: an unreachable server does not stop it, and wrong settings do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linkauth.config.settings import SettingsError
from linkauth.services import services_of
from linkauth.storage import UnreachableDatabaseError, open_engine, revision
from tests.conftest import https
from tests.deployment.planted_settings import UNREACHABLE
from tests.deployment.secret_leaks import encoded, leaked_parts, password
from tests.protocol.flow import Skill, assert_refused
from tests.servers.development_server import DevelopmentServer
from tests.servers.postgresql import running


def test_a_start_without_its_database_logs_no_secret(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://reader:{encoded(password(3))}@{UNREACHABLE}/x"
    server = DevelopmentServer(tmp_path, {"database": url.replace("%", "%%")})
    server.start()
    server.stop()
    log = server.log.read_text("utf-8")
    assert "linkauth.database: cannot be reached: " in log
    assert not leaked_parts(log, password(3))


def test_only_a_server_that_does_not_answer_is_unreachable(
    make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with running() as server:
        for url, unreachable in (
            (server.url, None),
            (server.url.replace("linkauth@", "nobody@"), False),
            (server.url.replace("/postgres", "/no_such_database"), False),
            (server.url + "?sslmode=require", False),
            (server.url.replace("127.0.0.1", "no-such-host.invalid"), False),
        ):
            engine = open_engine(url)
            if unreachable is None:
                assert revision(engine) is None
            else:
                with pytest.raises(SettingsError, match=r"linkauth\.database: cannot be opened: ") as raised:
                    revision(engine)
                assert not isinstance(raised.value, UnreachableDatabaseError)
            engine.dispose()
        with pytest.raises(SettingsError, match="no_such_database"):
            make_app(database=server.url.replace("/postgres", "/no_such_database"))
        server.stop()
        engine = open_engine(server.url)
        with pytest.raises(UnreachableDatabaseError, match=r"linkauth\.database: cannot be reached: "):
            revision(engine)
        engine.dispose()
        with caplog.at_level(logging.ERROR):
            app = https(make_app(database=server.url, client__home__token_format="jwt"))
        (message,) = [record.getMessage() for record in caplog.records]
        assert "the server starts without it" in message
        home = Skill(app)
        assert_refused(home.redeem("x"), 503, "temporarily_unavailable")
        assert app.get("/health/ready", status=503).json == {"ready": False}
        server.start()
        services = services_of(app.app.registry)
        # the settings need a signing key, and the tables are created now
        with pytest.raises(SettingsError, match="create one with: linkauth keys rotate"):
            services.preparation()
        services.keys.rotate(1, 2**40)
        services.preparation()
        assert services.preparation.is_done
        assert home.link()["token_type"] == "Bearer"
