"""Tests of /metrics: what is counted, that no request can make a label, and who may read it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from linkauth.config.settings import SettingsError
from linkauth.events import types
from linkauth.events.sink import Record
from linkauth.services import services_of
from linkauth.web.forwarded import IS_FORWARDED_KEY, SOURCE_KEY, RequestSource
from linkauth.web.metrics_access import may_read
from tests.alexa import Alexa, https
from tests.events.test_audit_log import FORGED, walk
from tests.events.test_event_documents import event_classes

TOKEN = "b0c5e2f49d1a7738"
LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:6543", "SERVER_PROTOCOL": "HTTP/1.1"}
HTTP = {"wsgi.url_scheme": "http"}
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+)")


@pytest.fixture(scope="module")
def web(make_app: Callable[..., Any], backend_plugins: Path) -> TestApp:
    """An application with a backend of which names beginning with `down` make an outage."""
    return https(make_app(backends="staff", metrics="loopback", trusted_proxies="127.0.0.1"))


def scrape(web: TestApp) -> dict[str, float]:
    """Returns the samples without comments, by name and labels, once all events are counted."""
    events = services_of(web.app.registry).events
    while events.waiting():
        pass
    # of a program on this machine, not through the proxy
    response = TestApp(web.app).get("/metrics", extra_environ=LOCAL | HTTP)
    assert response.content_type == "text/plain"
    found = {}
    for line in response.text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            found[f"{match[1]}{{{match[2]}}}" if match[2] else match[1]] = float(match[3])
    return found


def test_everything_is_counted_once_and_by_configured_names_only(web: TestApp) -> None:
    alexa = Alexa(web)
    web.extra_environ |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}
    before = scrape(web)
    assert before['linkauth_sign_ins_total{backend="staff",outcome="succeeded"}'] == 0
    walk(alexa)
    alexa.introspect("not a token")
    found = scrape(web)
    assert {
        'linkauth_sign_ins_total{backend="staff",outcome="succeeded"}': 2,
        'linkauth_sign_ins_total{backend="none",outcome="unknown_user"}': 1,
        'linkauth_links_created_total{client="alexa",grant="implicit"}': 2,
        'linkauth_links_created_total{client="home",grant="authorization_code"}': 1,
        'linkauth_links_ended_total{client="home"}': 1,
        'linkauth_tokens_issued_total{client="alexa",grant="implicit"}': 2,
        'linkauth_tokens_issued_total{client="home",grant="authorization_code"}': 1,
        'linkauth_tokens_issued_total{client="home",grant="refresh_token"}': 1,
        'linkauth_tokens_introspected_total{active="true",client="alexa"}': 1,
        'linkauth_tokens_introspected_total{active="false",client="none"}': 1,
        'linkauth_tokens_refused_total{client="home",error="invalid_grant"}': 4,
        'linkauth_clients_refused_total{endpoint="token",error="invalid_client"}': 2,
        'linkauth_backend_calls_total{backend="staff",outcome="answered"}': 3,
        'linkauth_backend_seconds_count{backend="staff"}': 3,
        'linkauth_backend_up{backend="staff"}': 1,
        'linkauth_links{state="active"}': 2,
        'linkauth_links{state="ended"}': 1,
        "linkauth_hashes_running": 0,
        "linkauth_hashes_waiting": 0,
        'linkauth_events_dropped_total{sink="audit"}': 0,
        'linkauth_events_total{event="token.introspected"}': 2,
    }.items() <= (found | _links(web)).items()
    names = {value for key in found for value in re.findall('"(.*?)"', key)}
    assert not {name for name in names if FORGED[:3] in name or "guess" in name or "ada" in name}


def _links(web: TestApp) -> dict[str, float]:
    """Returns the links by state; the metrics may be up to a minute older."""
    metrics = services_of(web.app.registry).metrics
    assert metrics is not None
    metrics._links._counted_at = float("-inf")
    return {key: value for key, value in scrape(web).items() if key.startswith("linkauth_links{")}


def test_texts_in_events_cannot_become_labels(web: TestApp) -> None:
    metrics = services_of(web.app.registry).metrics
    assert metrics is not None
    odd = 'x"} 1\nlinkauth_forged 1'
    for cls in event_classes().values():
        values = {name: 1 if name in ("seconds", "retry_after", "attempts", "link") else odd for name in cls.__slots__}
        metrics.write([Record(cls(**values), 0, {"client": odd})])
    text = metrics.render().decode()
    assert "forged" not in text
    assert 'event="challenge.completed"' in text


def test_an_outage_of_a_backend_and_of_the_storage_is_shown(web: TestApp) -> None:
    services = services_of(web.app.registry)
    metrics = services.metrics
    assert metrics is not None
    metrics.write([Record(types.BackendCalled("staff", "sign-in", "unavailable", 1.5), 0)])
    assert scrape(web)['linkauth_backend_up{backend="staff"}'] == 0
    metrics.write([Record(types.BackendCalled("staff", "sign-in", "answered", 0.1), 0)])
    assert scrape(web)['linkauth_backend_up{backend="staff"}'] == 1
    counting, metrics._links._count = metrics._links._count, lambda: 1 / 0  # type: ignore[assignment, return-value]
    assert _links(web) == {}
    metrics._links._count = counting
    assert set(_links(web)) == {f'linkauth_links{{state="{state}"}}' for state in ("active", "pending", "ended")}


@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_X_FORWARDED_FOR": "198.51.100.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_FORWARDED_HOST": "link.example.com"},
        {"HTTP_FORWARDED": "for=198.51.100.1"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_HOST": "link.example.com"},
        {"HTTP_HOST": ""},
        {"HTTP_HOST": "127.0.0.1.evil.example"},
        {"HTTP_HOST": "[::1"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        {"REMOTE_ADDR": "198.51.100.1"},
        {"REMOTE_ADDR": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_request_through_a_proxy_on_this_machine_is_not_from_this_machine(
    changed: dict[str, str], trusted: bool, make_app: Callable[..., Any], web: TestApp
) -> None:
    app = web.app if trusted else _untrusting(make_app)
    assert TestApp(app).get("/metrics", extra_environ=LOCAL | HTTP).status_int == 200
    TestApp(app).get("/metrics", extra_environ=LOCAL | HTTP | changed, status=404)


_apps: list[Any] = []


def _untrusting(make_app: Callable[..., Any]) -> Any:
    """Returns an application without trusted proxies, the same for all tests."""
    if not _apps:
        _apps.append(make_app(metrics="loopback"))
    return _apps[0]


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1", "[::1]:6543", "127.8.0.1"])
def test_a_program_on_this_machine_may_use_each_name_of_it(host: str, web: TestApp) -> None:
    TestApp(web.app).get("/metrics", extra_environ=LOCAL | HTTP | {"HTTP_HOST": host, "REMOTE_ADDR": "::1"})


def test_without_the_setting_there_are_no_metrics(app: TestApp) -> None:
    TestApp(app.app).get("/metrics", extra_environ=LOCAL | HTTP, status=404)
    assert services_of(app.app.registry).metrics is None


def test_with_a_token_only_the_token_counts(make_app: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", "ascii")
    app = TestApp(make_app(metrics=f"token:file:{file}"))
    elsewhere = {"REMOTE_ADDR": "198.51.100.1", **HTTP}
    for presented in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        app.get("/metrics", headers={"Authorization": presented}, extra_environ=elsewhere)
    for presented in ("", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"):
        app.get("/metrics", headers={"Authorization": presented}, extra_environ=elsewhere, status=404)
    app.get("/metrics", extra_environ=LOCAL | HTTP, status=404)


def test_an_empty_token_permits_nobody() -> None:
    source = RequestSource("198.51.100.1", "198.51.100.1")
    environ = {IS_FORWARDED_KEY: False, SOURCE_KEY: source, "HTTP_AUTHORIZATION": "Bearer "}
    assert not may_read("token", "", environ)
    assert not may_read("off", "", environ)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"metrics": "on"}, "linkauth.metrics"),
        ({"metrics": "token"}, "linkauth.metrics: is token, but there is no token"),
        ({"metrics": "token:short"}, "linkauth.metrics_token: is shorter than 16 characters"),
        ({"metrics": "token:file:/does/not/exist"}, "linkauth.metrics_token: names the file"),
        ({"metrics": "loopback", "metrics_token": TOKEN}, "linkauth.metrics_token: applies only"),
    ],
)
def test_wrong_settings_stop_the_start(make_app: Callable[..., Any], settings: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(problem)) as caught:
        make_app(**settings)
    assert TOKEN not in str(caught.value)


def test_the_library_is_loaded_only_for_metrics() -> None:
    code = "import sys, linkauth.services, linkauth.events.opening; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0
