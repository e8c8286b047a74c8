"""Tests of several backends: their order, `accepts`, and no fallback to a later backend if one is down.

The username lists the outcome of each backend (tests/backends/scripted.py).
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
OUTCOMES = ("good", *(outcome for outcome in ERRORS if outcome != "expired"))
RESPONSES = {
    **dict.fromkeys(("unknown", "wrong", "locked"), (403, "The name or the password is wrong")),
    "disabled": (403, "deactivated"),
    **dict.fromkeys(("down", "misconfigured", "crash"), (503, "cannot")),
}


class ThreeBackends:
    """The app with three scripted backends, which record their calls."""

    def __init__(self, app: Any) -> None:
        self.app: TestApp = https(app)
        entries = services_of(app.registry).backends
        self.backends: dict[str, Any] = {named.name: named.backend for named in entries}

    def called(self, username: str) -> list[str]:
        return [name for name, backend in self.backends.items() if username in backend.usernames]

    def sub(self, response: Response) -> str:
        token = redirect_parameters(response)["access_token"]
        sub: str = Alexa(self.app).introspect(token).json["sub"]
        return sub


def make_three(make_app: Callable[..., Any], **changes: str) -> ThreeBackends:
    return ThreeBackends(make_app(**dict.fromkeys(STAFF_SETTINGS), **THREE, **HIGH_THROTTLE_LIMITS, **changes))


@pytest.fixture(scope="module")
def three(make_app: Callable[..., Any], backend_plugins: Path) -> ThreeBackends:
    return make_three(make_app)


@pytest.fixture(scope="module")
def routed(make_app: Callable[..., Any], backend_plugins: Path) -> ThreeBackends:
    return make_three(make_app, **ROUTED)


def deciding_outcome(outcomes: tuple[str, ...]) -> tuple[str, int]:
    """Returns the first outcome that is not `unknown`, and the index of its backend."""
    return next(((outcome, index) for index, outcome in enumerate(outcomes) if outcome != "unknown"), ("unknown", 2))


def assert_response(three: ThreeBackends, response: Response, username: str, outcome: str, owner: str) -> None:
    if outcome in ("good", "expired"):
        assert three.sub(response) == f"{owner}:id of {username}"
        return
    status, sentence = RESPONSES[outcome]
    assert response.status == status, username
    assert sentence in response.text
    assert "access_token" not in str(response.headers)
    assert (response.get("Retry-After") is not None) == (status == 503)


@pytest.mark.parametrize("first", OUTCOMES)
def test_first_backend_that_knows_name_decides(three: ThreeBackends, first: str) -> None:
    for outcomes in itertools.product((first,), OUTCOMES, OUTCOMES):
        username = ".".join(outcomes)
        outcome, index = deciding_outcome(outcomes)
        response = login(three.app, query(), username, PASSWORD)
        assert_response(three, response, username, outcome, NAMES[index])
        assert three.called(username) == list(NAMES[: index + 1])


@pytest.mark.parametrize("first", ["expired", "good", "unknown", "wrong", "disabled", "down", "crash"])
def test_password_change_uses_first_backend_that_knows_name(three: ThreeBackends, first: str) -> None:
    for outcomes in itertools.product(
        (first,), ("expired", "good", "unknown", "wrong", "down"), ("expired", "unknown")
    ):
        username = ".".join(outcomes) + "@change"
        outcome, index = deciding_outcome(outcomes)
        fields = {"username": username, "password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
        response = post(three.app, query(), {"form_token": form_token(three.app, query()), **fields})
        if outcome in ("unknown", "wrong"):
            assert response.status == 403
            assert "access_token" not in str(response.headers)
        else:
            assert_response(three, response, username, outcome, NAMES[index])
        assert three.called(username) == list(NAMES[: index + 1])


def test_expired_password_is_changed_in_its_backend(three: ThreeBackends) -> None:
    response = login(three.app, query(), "unknown.expired.good", PASSWORD)
    assert response.status == 403
    assert "Choose a new password" in response.text
    assert three.called("unknown.expired.good") == ["corp", "partners"]


@pytest.mark.parametrize(
    ("username", "outcome", "called"),
    [
        # a backend that does not accept the name is not called
        ("down.down.good", "good", ["legacy"]),
        ("down.good.good@partners.größe.example", "good", ["partners"]),
        ("good.good.unknown", "unknown", ["legacy"]),
        # unknown there: a later backend that accepts the name is called
        ("unknown.good.good@corp.example", "good", ["corp", "legacy"]),
        ("unknown.unknown.wrong@partners.größe.example", "wrong", ["partners", "legacy"]),
        # no later backend is called if the one that accepts the name is down
        ("down.good.good@corp.example", "down", ["corp"]),
        ("good.crash.good@partners.größe.example", "crash", ["partners"]),
        ("CORP\\misconfigured.good.good", "misconfigured", ["corp"]),
        # the spelling of the name does not matter
        ("down.good.good@CORP.Example", "down", ["corp"]),
        ("corp\\down.good.good", "down", ["corp"]),
        ("down.good.good＠corp．example", "down", ["corp"]),
        ("down.good.good@corp.exam\u200bple", "down", ["corp"]),
        ("good.down.good@partners.gro\u0308ße.example", "down", ["partners"]),
        ("good.down.good@PARTNERS.GRÖSSE.EXAMPLE", "down", ["partners"]),
        # a similar name is not accepted
        ("down.good.good@corp.example.evil", "good", ["legacy"]),
        ("down.good.good@notcorp\\example", "good", ["legacy"]),
    ],
)
def test_accepts_selects_backends_and_prevents_fallback(
    routed: ThreeBackends, username: str, outcome: str, called: list[str]
) -> None:
    response = login(routed.app, query(), username, PASSWORD)
    assert_response(routed, response, username, outcome, called[-1])
    assert routed.called(username) == called


def test_backend_is_used_again_after_outage(three: ThreeBackends) -> None:
    username = "down.good.good@again"
    assert login(three.app, query(), username, PASSWORD).status == 503
    three.backends["corp"].overrides[username] = "good"
    assert three.sub(login(three.app, query(), username, PASSWORD)) == f"corp:id of {username}"
    assert three.called(username) == ["corp"]


def explain(ini: Path, username: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["explain", str(ini), username])
    return result.exit_code, result.output.splitlines()[-1]


def test_explain_predicts_sign_in(tmp_path: Path, backend_plugins: Path) -> None:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    text = re.sub(r"^linkauth\.backends? .*\n|^linkauth\.backends?\..*\n", "", text, flags=re.MULTILINE)
    text = text.replace("linkauth.backends = staff\n", "")
    text += "".join(f"linkauth.{key.replace('__', '.')} = {value}\n" for key, value in THREE.items())
    ini = tmp_path / "three.ini"
    ini.write_text(text, "utf-8")
    for outcomes in itertools.product(("good", "unknown", "disabled", "down", "crash"), repeat=3):
        outcome, index = deciding_outcome(outcomes)
        sentence = {
            "good": f"{NAMES[index]} would check the password",
            "unknown": "no backend knows the name, so it would be refused",
            "disabled": f"{NAMES[index]} would refuse it: disabled",
        }.get(
            outcome,
            f"{NAMES[index]} may own the name but is not available, so the sign-in would end with “try again later”",
        )
        assert explain(ini, ".".join(outcomes)) == (int(outcome != "good"), f"sign-in: {sentence}")
