"""The code grant in few words: a client that gets codes without the login page, and asks every door as it does."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from webtest import TestApp

from linkauth.oauth2.endpoints import AuthorizationServer
from linkauth.services import services_of
from tests.alexa import basic, query

HOME = "https://layla.amazon.com/api/skill/link/M2HOME0000000"
APP = "https://app.example.com/cb?tenant=1"
OVERLAP = "https://overlap.example.com/cb"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
INACTIVE = {"active": False}
DAY = 86_400


@dataclass(frozen=True)
class Person:
    """Somebody who has just signed in."""

    backend: str = "staff"
    subject: str = "1"
    username: str = "ada"
    claims: Mapping[str, str] = field(default_factory=lambda: {"name": "Ada Lovelace", "email": "ada@example.com"})


class Clock:
    """Seconds since 1970, as a test wants them."""

    def __init__(self, now: float = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def server_of(app: TestApp) -> AuthorizationServer:
    """The authorization server of the app."""
    return services_of(app.app.registry).oauth2


def engine_of(app: TestApp) -> Any:
    return services_of(app.app.registry).engine


def set_clock(app: TestApp) -> Clock:
    """The app's protocol, on a clock that the test sets."""
    clock = Clock()
    server_of(app)._clock = clock
    return clock


@dataclass
class Skill:
    """A client of the code grant; a `secret` of None is a public one."""

    app: TestApp
    client: str = "home"
    secret: str | None = "the-home-clients-secret"
    redirect_uri: str = HOME
    pkce: bool = False
    address: str = "198.51.100.7"

    def code(self, **parameters: str) -> str:
        """A code for Ada, with no password to hash on the way."""
        asked = {"client_id": self.client, "redirect_uri": self.redirect_uri, "response_type": "code", "state": "S"}
        asked |= {**(PKCE if self.pkce else {}), **parameters}
        server = server_of(self.app)
        return query(server.authorize(server.parse(asked.items()), Person(), "en"))["code"]

    def post(self, path: str, form: Mapping[str, str]) -> Any:
        """The answer to a form that comes with the client's credentials."""
        headers = basic(self.client, self.secret) if self.secret else {}
        form = {**form} if self.secret else {"client_id": self.client, **form}
        return self.app.post(path, form, headers=headers, status="*", extra_environ={"REMOTE_ADDR": self.address})

    def redeem(self, code: str, **changes: str | None) -> Any:
        """The answer to a code; a change of None leaves that field out."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        form |= {"code_verifier": VERIFIER} if self.pkce else {}
        return self.post("/token", {name: value for name, value in {**form, **changes}.items() if value is not None})

    def link(self, **parameters: str) -> Any:
        """Fresh tokens."""
        answer = self.redeem(self.code(**parameters))
        assert answer.status_int == 200, answer.text
        return answer.json

    def refresh(self, token: str, **changes: str) -> Any:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token, **changes})

    def revoke(self, token: str, **changes: str) -> Any:
        return self.post("/revoke", {"token": token, **changes})

    def active(self, token: str) -> bool:
        """Is it a living access token? The person's endpoint says so to anybody who holds one."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.app.get("/userinfo", headers=headers, status="*")
        assert answer.status_int in (200, 401), answer.text
        return bool(answer.status_int == 200)


def app_skill(app: TestApp) -> Skill:
    """The public client of testing.ini."""
    return Skill(app, "app", None, APP, pkce=True)


def overlap_skill(app: TestApp) -> Skill:
    return Skill(app, "overlap", "the-overlapping-clients-secret", OVERLAP, pkce=True)


def assert_refused(answer: Any, status: int, error: str) -> None:
    """JSON as RFC 6749 section 5.2 wants it."""
    assert (answer.status_int, answer.json["error"]) == (status, error), answer.text
    assert set(answer.json) == {"error", "error_description"}
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", answer.json["error_description"])
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Location" not in answer.headers
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
