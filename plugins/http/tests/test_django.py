"""Tests of the html-form preset with the login page of a real Django."""

from __future__ import annotations

import json
import sqlite3
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linkauth.backends import BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend
from tests.servers.development_server import free_port
from tests.servers.process import Process

Make = Callable[..., HTTPBackend]
PEOPLE = {"ada": "Grün-Tür 7 %&+<>\"'é", "Müller": "x" * 100, "山田": " spaces at both ends "}
FORM = {
    "preset": "html-form",
    "success": "location:/accounts/profile/ and cookie:sessionid",
    "subject": "username",
    "username_case": "sensitive",
}


PAGE = """<!doctype html><title>Sign in</title><form method="post">{% csrf_token %}{{ form.as_p }}
<input type="hidden" name="next" value="{{ next }}"><button>Sign in</button></form>"""


@pytest.fixture(scope="module")
def django_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("django"), free_port()
    (folder / "login.html").write_text(PAGE, "utf-8")
    url = f"http://127.0.0.1:{port}/accounts/login/"
    (folder / "people.json").write_text(json.dumps(PEOPLE), "utf-8")
    command = [sys.executable, str(Path(__file__).with_name("django_site.py")), str(port), str(folder)]

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                return bool(page.status == 200)
        except OSError:
            return False

    process = Process("Django", lambda: command, folder / "django.log")
    process.start(is_ready)
    yield url
    process.stop()
    with sqlite3.connect(folder / "people.sqlite") as database:
        # every successful sign-in has created a session of Django
        assert database.execute("SELECT count(*) FROM django_session").fetchone()[0] >= len(PEOPLE)
    database.close()


@pytest.mark.parametrize("name", PEOPLE)
def test_correct_password(django_url: str, backend_on: Make, name: str) -> None:
    backend = backend_on(django_url, **FORM, receive_timeout=5)
    assert backend.authenticate(name, PEOPLE[name]).subject == name
    for wrong in (PEOPLE[name] + "x", PEOPLE[name].swapcase() if name != "山田" else "山田", PEOPLE[name][:-1]):
        with pytest.raises(WrongPassword):
            backend.authenticate(name, wrong)


@pytest.mark.parametrize("name", ["nobody", "' OR 1=1--", "<script>alert(1)</script>", "a\r\nb"])
def test_unknown_name_and_wrong_password(django_url: str, backend_on: Make, name: str) -> None:
    with pytest.raises(WrongPassword):
        backend_on(django_url, **FORM, receive_timeout=5).authenticate(name, PEOPLE["ada"])


def test_csrf_token_by_selector(django_url: str, backend_on: Make) -> None:
    template = "username={username}&password={password}&csrfmiddlewaretoken={csrf}"
    value = {"csrf": "html:input[name=csrfmiddlewaretoken]"}
    token = {"hidden_fields": False, "prefetch_value": value, "body_template": template}
    backend = backend_on(django_url, **FORM, **token, receive_timeout=5)
    assert backend.authenticate("ada", PEOPLE["ada"]).subject == "ada"


def test_missing_csrf_token_is_an_outage(django_url: str, backend_on: Make) -> None:
    backend = backend_on(django_url, **FORM, hidden_fields=False, receive_timeout=5)
    with pytest.raises(BackendUnavailable, match="status 403"):
        backend.authenticate("ada", PEOPLE["ada"])


def test_check_finds_the_login_form(django_url: str, backend_on: Make) -> None:
    assert all(check.ok for check in backend_on(django_url, **FORM, receive_timeout=5).check())
