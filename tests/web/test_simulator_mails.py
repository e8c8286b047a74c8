"""Tests of the page of the simulator that shows the mails in the folder `linkauth.mail.sink`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from linkauth.mail.compose import compose
from linkauth.mail.sink import Sink
from linkauth.simulator.views import MAIL_LIMIT
from linkauth.testing.theme import HOSTILE, Elements
from tests.mail.mails import SENDER, outgoing, render, stored

URL = "http://127.0.0.1:6543"
SETTINGS = {
    "public_url": URL,
    "simulator__client": "single",
    "client__single__redirect_uris": f"{URL}/simulator/pitangui/spa/skill/account-linking-status.html",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mails"


@pytest.fixture
def app(make_app: Callable[..., Any], folder: Path) -> TestApp:
    return TestApp(make_app(**SETTINGS, mail__sink=str(folder)), extra_environ={"HTTP_HOST": "127.0.0.1:6543"})


def test_the_newest_mails_come_first_with_text_and_html(app: TestApp, folder: Path) -> None:
    assert "There are no mails yet." in app.get("/simulator/mails")
    for number in range(MAIL_LIMIT + 1):
        Sink(str(folder)).send(outgoing(f"ada{number}@example.com", number))
        # the files of one second are in the order of their times, which a test may set
        (file,) = folder.glob(f"*{number:020}.eml")
        os.utime(file, (number, number))
    page = Elements(app.get("/simulator/mails").text)
    texts = "".join(page.texts)
    assert "ada0@example.com" not in texts
    recipients = [f"ada{number}@example.com" for number in range(MAIL_LIMIT, 0, -1)]
    assert sorted(recipients, key=texts.index) == recipients
    assert texts.count("7KQ4-MXRW") == MAIL_LIMIT
    frames = page.all("iframe")
    assert [frame["srcdoc"].strip() for frame in frames] == [render(stored().mail).html] * MAIL_LIMIT
    # a mail runs no script, opens no window and reads nothing of this page
    assert [frame["sandbox"] for frame in frames] == [""] * MAIL_LIMIT


def test_a_mail_with_markup_stays_text_and_its_frame_stays_closed(app: TestApp, folder: Path) -> None:
    given = stored(names=(HOSTILE,))
    Sink(str(folder)).send(compose(given, render(given.mail), SENDER))
    response = app.get("/simulator/mails")
    page = Elements(response.text)
    assert not [name for name in ("script", "img") if page.all(name)]
    assert HOSTILE in "".join(page.texts)
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'none'" in policy
    assert "default-src 'self'" in policy


def test_the_front_page_leads_to_the_mails(app: TestApp, make_app: Callable[..., Any]) -> None:
    (link,) = [link for link in Elements(app.get("/").text).all("a") if "/simulator/mails?" in link["href"]]
    assert app.get(link["href"]).status_int == 200
    without = TestApp(make_app(**SETTINGS), extra_environ={"HTTP_HOST": "127.0.0.1:6543"})
    assert "simulator/mails" not in without.get("/")
    assert "linkauth.mail.sink is not set" in without.get("/simulator/mails")


def test_texts_of_a_right_to_left_language_are_aligned_to_the_right(app: TestApp) -> None:
    """Only what always has a direction of its own, such as a name of OAuth, is aligned to one side."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", app.get("/simulator/static/simulator.css").text)
    aligned = [selector for selector, body in rules if re.search("text-align: (left|right)", body)]
    assert aligned
    assert [selector for selector in aligned if "[dir=ltr]" not in selector] == []
