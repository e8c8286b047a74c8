"""A client of the code grant that gets codes without the login page and calls every OAuth endpoint."""

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
    """A person who has just signed in."""

    backend: str = "staff"
    subject: str = "1"
    username: str = "ada"
    claims: Mapping[str, str] = field(default_factory=lambda: {"name": "Ada Lovelace", "email": "ada@example.com"})


class Clock:
    """A clock that the test sets, in seconds since 1970."""

    def __init__(self, now: float = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def server_of(app: TestApp) -> AuthorizationServer:
    """Returns the authorization server of the app."""
    return services_of(app.app.registry).oauth2


def engine_of(app: TestApp) -> Any:
    return services_of(app.app.registry).engine


def set_clock(app: TestApp) -> Clock:
    """Makes the authorization server of the app use a clock that the test sets; returns the clock."""
    clock = Clock()
    server_of(app)._clock = clock
    return clock


@dataclass
class Skill:
    """A client of the code grant; it is a public client if `secret` is None."""

    app: TestApp
    client: str = "home"
    secret: str | None = "the-home-clients-secret"
    redirect_uri: str = HOME
    pkce: bool = False
    address: str = "198.51.100.7"

    def code(self, **parameters: str) -> str:
        """Returns an authorization code for Ada without hashing a password."""
        request = {"client_id": self.client, "redirect_uri": self.redirect_uri, "response_type": "code", "state": "S"}
        request |= {**(PKCE if self.pkce else {}), **parameters}
        server = server_of(self.app)
        return query(server.authorize(server.parse(request.items()), Person(), "en"))["code"]

    def post(self, path: str, form: Mapping[str, str]) -> Any:
        """Posts a form with the credentials of the client; returns the response."""
        headers = basic(self.client, self.secret) if self.secret else {}
        form = {**form} if self.secret else {"client_id": self.client, **form}
        return self.app.post(path, form, headers=headers, status="*", extra_environ={"REMOTE_ADDR": self.address})

    def redeem(self, code: str, **changes: str | None) -> Any:
        """Redeems a code; a change of None removes that field. Returns the response."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        form |= {"code_verifier": VERIFIER} if self.pkce else {}
        return self.post("/token", {name: value for name, value in {**form, **changes}.items() if value is not None})

    def link(self, **parameters: str) -> Any:
        """Returns a new access token response (RFC 6749 section 5.1)."""
        response = self.redeem(self.code(**parameters))
        assert response.status_int == 200, response.text
        return response.json

    def refresh(self, token: str, **changes: str) -> Any:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token, **changes})

    def revoke(self, token: str, **changes: str) -> Any:
        return self.post("/revoke", {"token": token, **changes})

    def active(self, token: str) -> bool:
        """Returns whether /userinfo accepts the access token."""
        headers = {"Authorization": f"Bearer {token}"}
        response = self.app.get("/userinfo", headers=headers, status="*")
        assert response.status_int in (200, 401), response.text
        return bool(response.status_int == 200)


def app_skill(app: TestApp) -> Skill:
    """Returns the public client of testing.ini."""
    return Skill(app, "app", None, APP, pkce=True)


def overlap_skill(app: TestApp) -> Skill:
    return Skill(app, "overlap", "the-overlapping-clients-secret", OVERLAP, pkce=True)


def assert_refused(response: Any, status: int, error: str) -> None:
    """Checks that the response is an error as in RFC 6749 section 5.2."""
    assert (response.status_int, response.json["error"]) == (status, error), response.text
    assert set(response.json) == {"error", "error_description"}
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", response.json["error_description"])
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Location" not in response.headers
    if status == 401:
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
