"""Tests of `linkauth throttle`, and of what doctor says about the storage of the throttle."""

from __future__ import annotations

import pytest

from linkauth.cli.resources import load_settings
from linkauth.config.settings import ThrottleSettings
from linkauth.login.throttle import Throttle
from linkauth.login.throttle.buckets import Buckets, throttle_key
from linkauth.login.throttle.redis_counters import RedisCounters
from tests.cli.test_explain_and_doctor import Ini, ini, linkauth  # noqa: F401
from tests.servers import redis as redis_server
from tests.throttle.clocks import fail, wait


def test_the_counts_of_a_name_are_shown_and_cleared(ini: Ini, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    with redis_server.running(password=True) as server:
        path = ini(throttle__storage=server.url.replace("%", "%%"), throttle__storage_milliseconds="60000")
        key, settings = throttle_key(load_settings(str(path)).secret), ThrottleSettings()
        counters = RedisCounters(server.url, Buckets(settings, key).namespace, 60_000)
        throttle = Throttle(settings, counters=counters, key=key)
        linkauth("db", "upgrade", path, expect=0)
        for _ in range(10):
            fail(throttle, "Ada")
        lines = linkauth("throttle", path, "ada", expect=0)
        assert [line.split()[:2] for line in lines if line.startswith("name")] == [["name", "10"]]
        linkauth("throttle", "clear", path, "ada", "--as", "operator", expect=0)
        assert wait(throttle, "ada") == 0
        lines = linkauth("doctor", "--offline", path, expect=0)
        assert [line for line in lines if "redis answers" in line]
        counters._client.config_set("maxmemory-policy", "allkeys-lru")
        lines = linkauth("doctor", "--offline", path, expect=0)
        assert [line for line in lines if "allkeys-lru" in line and line.startswith("warning")]
        counters.close()
        server.stop()
        lines = linkauth("doctor", "--offline", path, expect=1)
        assert [line for line in lines if "does not answer" in line]
        assert redis_server.ENCODED_PASSWORD not in "\n".join(lines)
    monkeypatch.setenv("LINKAUTH_WORKERS", "3")
    lines = linkauth("doctor", "--offline", ini(), expect=0)
    assert [line for line in lines if line.startswith("warning") and "3 worker processes count" in line]
    assert "each server process counts for itself" in "\n".join(linkauth("throttle", ini(), "ada", expect=1))
