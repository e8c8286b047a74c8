"""Behind a proxy: only the one that [server:main] trusts is believed, under waitress and under granian alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import plaster
import pytest
from webtest import TestApp

from linkauth.starting import Loaded, behind_proxy
from tests.alexa import Alexa

SERVER = """
[server:main]
use = egg:waitress#main
trusted_proxy = 10.0.0.1
trusted_proxy_headers = x-forwarded-for x-forwarded-proto
"""


@pytest.fixture
def loader(tmp_path: Path) -> Any:
    (tmp_path / "server.ini").write_text(SERVER)
    return plaster.get_loader(str(tmp_path / "server.ini"), protocols=["wsgi"])


def client(app: Any, loader: Any, peer: str, **headers: str) -> TestApp:
    return TestApp(behind_proxy(Loaded(app, loader)), extra_environ={"REMOTE_ADDR": peer, **headers})


def test_https_is_what_the_trusted_proxy_says(make_app: Callable[..., Any], loader: Any) -> None:
    app = make_app()
    trusted = client(app, loader, "10.0.0.1", HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_FOR="203.0.113.7")
    assert Alexa(trusted).open().status_int == 200
    assert Alexa(client(app, loader, "10.0.0.1", HTTP_X_FORWARDED_PROTO="http")).open(status=403)
    assert Alexa(client(app, loader, "203.0.113.9", HTTP_X_FORWARDED_PROTO="https")).open(status=403)


def test_failures_are_counted_for_the_address_that_the_trusted_proxy_names(
    make_app: Callable[..., Any], loader: Any
) -> None:
    app = make_app(throttle__address_failures="2")

    def tries(peer: str, forwarded: str) -> int:
        headers = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": forwarded, "wsgi.url_scheme": "https"}
        answer: int = Alexa(client(app, loader, peer, **headers)).submit("nobody", "wrong", status="*").status_int
        return answer

    assert [tries("10.0.0.1", "203.0.113.7") for _ in range(3)] == [403, 403, 429]
    assert tries("10.0.0.1", "203.0.113.8") == 403
    # what the phone itself says in front of the proxy's word does not count
    assert tries("10.0.0.1", "203.0.113.99, 203.0.113.7") == 429
    # a stranger cannot choose another address for each try
    assert [tries("198.51.100.1", f"203.0.113.{number}") for number in (20, 21, 22)] == [403, 403, 429]
