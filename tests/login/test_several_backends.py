"""Several backends at once: the order, `accepts`, and nobody of a later one in the place of one that is down.

The names say what each backend answers (tests/backends/scripted.py).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from webtest import TestApp

from linkauth.cli import main
from linkauth.services import services_of
from tests.alexa import Alexa
from tests.backends.scripted import ERRORS, NEW, PASSWORD
from tests.conftest import HIGH_THROTTLE_LIMITS, ROOT, STAFF_SETTINGS, https
from tests.web.raw_requests import Response, form_token, login, post, query, redirect_parameters

NAMES = ("corp", "partners", "legacy")
THREE = {"backends": " ".join(NAMES)}
for number, each in enumerate(NAMES):
    THREE |= {f"backend__{each}__use": "scripted", f"backend__{each}__position": str(number)}
ROUTED = {"backend__corp__accepts": "*@corp.example CORP\\*", "backend__partners__accepts": "*@partners.größe.example"}
WORDS = ("good", *(word for word in ERRORS if word != "expired"))
ENDS = {
    **dict.fromkeys(("unknown", "wrong", "locked"), (403, "The name or the password is wrong")),
    "disabled": (403, "deactivated"),
    **dict.fromkeys(("down", "misconfigured", "crash"), (503, "cannot")),
}


class Several:
    """The app, and what its backends were asked."""

    def __init__(self, app: Any) -> None:
        self.app: TestApp = https(app)
        opened = services_of(app.registry).backends
        self.backends: dict[str, Any] = {named.name: named.backend for named in opened}

    def asked(self, username: str) -> list[str]:
        return [name for name, backend in self.backends.items() if username in backend.asked]

    def sub(self, response: Response) -> str:
        token = redirect_parameters(response)["access_token"]
        told: str = Alexa(self.app).introspect(token).json["sub"]
        return told


def without_staff(make_app: Callable[..., Any], **changes: str) -> Several:
    return Several(make_app(**dict.fromkeys(STAFF_SETTINGS), **THREE, **HIGH_THROTTLE_LIMITS, **changes))


@pytest.fixture(scope="module")
def several(make_app: Callable[..., Any], backend_plugins: Path) -> Several:
    return without_staff(make_app)


@pytest.fixture(scope="module")
def routed(make_app: Callable[..., Any], backend_plugins: Path) -> Several:
    return without_staff(make_app, **ROUTED)


def expected(words: tuple[str, ...]) -> tuple[str, int]:
    """What ends the search, and where: only `nobody of that name` goes on to the next backend."""
    return next(((word, place) for place, word in enumerate(words) if word != "unknown"), ("unknown", 2))


def assert_ends(several: Several, response: Response, username: str, word: str, owner: str) -> None:
    if word in ("good", "expired"):
        assert several.sub(response) == f"{owner}:id of {username}"
        return
    status, sentence = ENDS[word]
    assert response.status == status, username
    assert sentence in response.text
    assert "access_token" not in str(response.headers)
    assert (response.get("Retry-After") is not None) == (status == 503)


@pytest.mark.parametrize("first", WORDS)
def test_every_combination_of_three(several: Several, first: str) -> None:
    for words in itertools.product((first,), WORDS, WORDS):
        username = ".".join(words)
        word, place = expected(words)
        response = login(several.app, query(), username, PASSWORD)
        assert_ends(several, response, username, word, NAMES[place])
        assert several.asked(username) == list(NAMES[: place + 1])


@pytest.mark.parametrize("first", ["expired", "good", "unknown", "wrong", "disabled", "down", "crash"])
def test_a_change_of_the_password_goes_the_same_way(several: Several, first: str) -> None:
    for words in itertools.product((first,), ("expired", "good", "unknown", "wrong", "down"), ("expired", "unknown")):
        username = ".".join(words) + "@change"
        word, place = expected(words)
        fields = {"username": username, "password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
        response = post(several.app, query(), {"form_token": form_token(several.app, query()), **fields})
        if word in ("unknown", "wrong"):
            assert response.status == 403
            assert "access_token" not in str(response.headers)
        else:
            assert_ends(several, response, username, word, NAMES[place])
        assert several.asked(username) == list(NAMES[: place + 1])


def test_an_expired_password_is_changed_where_it_was_right(several: Several) -> None:
    response = login(several.app, query(), "unknown.expired.good", PASSWORD)
    assert response.status == 403
    assert "Choose a new password" in response.text
    assert several.asked("unknown.expired.good") == ["corp", "partners"]


@pytest.mark.parametrize(
    ("username", "word", "asked"),
    [
        # who cannot own the name is not even asked, down or not
        ("down.down.good", "good", ["legacy"]),
        ("down.good.good@partners.größe.example", "good", ["partners"]),
        ("good.good.unknown", "unknown", ["legacy"]),
        # nobody there: a later one that may own the name is asked
        ("unknown.good.good@corp.example", "good", ["corp", "legacy"]),
        ("unknown.unknown.wrong@partners.größe.example", "wrong", ["partners", "legacy"]),
        # whose own backend is down has no namesake in a later one
        ("down.good.good@corp.example", "down", ["corp"]),
        ("good.crash.good@partners.größe.example", "crash", ["partners"]),
        ("CORP\\misconfigured.good.good", "misconfigured", ["corp"]),
        # in whatever spelling
        ("down.good.good@CORP.Example", "down", ["corp"]),
        ("corp\\down.good.good", "down", ["corp"]),
        ("down.good.good＠corp．example", "down", ["corp"]),
        ("down.good.good@corp.exam\u200bple", "down", ["corp"]),
        ("good.down.good@partners.gro\u0308ße.example", "down", ["partners"]),
        ("good.down.good@PARTNERS.GRÖSSE.EXAMPLE", "down", ["partners"]),
        # and others' names that only look alike are not its own
        ("down.good.good@corp.example.evil", "good", ["legacy"]),
        ("down.good.good@notcorp\\example", "good", ["legacy"]),
    ],
)
def test_accepts_routes_and_nobody_is_shadowed(routed: Several, username: str, word: str, asked: list[str]) -> None:
    response = login(routed.app, query(), username, PASSWORD)
    assert_ends(routed, response, username, word, asked[-1])
    assert routed.asked(username) == asked


def test_when_it_is_back_it_answers_again(several: Several) -> None:
    username = "down.good.good@again"
    assert login(several.app, query(), username, PASSWORD).status == 503
    several.backends["corp"].now[username] = "good"
    assert several.sub(login(several.app, query(), username, PASSWORD)) == f"corp:id of {username}"
    assert several.asked(username) == ["corp"]


def explained(ini: Path, username: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["explain", str(ini), username])
    return done.exit_code, done.output.splitlines()[-1]


def test_explain_tells_what_a_sign_in_would_do(tmp_path: Path, backend_plugins: Path) -> None:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    text = re.sub(r"^linkauth\.backends? .*\n|^linkauth\.backends?\..*\n", "", text, flags=re.MULTILINE)
    text = text.replace("linkauth.backends = staff\n", "")
    text += "".join(f"linkauth.{key.replace('__', '.')} = {value}\n" for key, value in THREE.items())
    ini = tmp_path / "three.ini"
    ini.write_text(text, "utf-8")
    for words in itertools.product(("good", "unknown", "disabled", "down", "crash"), repeat=3):
        word, place = expected(words)
        sentence = {
            "good": f"{NAMES[place]} would check the password",
            "unknown": "no backend knows the name, so it would be refused",
            "disabled": f"{NAMES[place]} would refuse it: disabled",
        }.get(
            word,
            f"{NAMES[place]} may own the name but is not available, so the sign-in would end with “try again later”",
        )
        assert explained(ini, ".".join(words)) == (int(word != "good"), f"sign-in: {sentence}")
