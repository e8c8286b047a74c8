"""Tests that a provider which violates its contract signs nobody in, and that its log has no secret."""

from __future__ import annotations

from dataclasses import replace
from threading import BoundedSemaphore
from typing import Any

import pytest

from linkauth.backends import Identity
from linkauth.config.sign_ins import SignInSettings, parse_match
from linkauth.login.provider_calls import ProviderCalls, ProviderUnavailable
from linkauth.login.providers import NamedProvider
from linkauth.sign_ins import MEMORY_LIMIT, ProvidedIdentity, Redirect, SignInRequest, SignInResponse
from tests.sign_ins.stand_in import CANARY, StandIn, StandInSettings

REQUEST = SignInRequest("https://link.example.com/authorize/return/google", "state")
JO = Identity("1", "jo")


class Scripted(StandIn):
    """Returns `result` from each method."""

    result: Any = None

    def begin(self, request: SignInRequest) -> Redirect:
        found: Redirect = self.result
        return found

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        found: ProvidedIdentity = self.result
        return found


def calls(result: Any) -> ProviderCalls:
    provider = Scripted(StandInSettings())
    provider.result = result
    named = NamedProvider("google", provider, SignInSettings("google", "x", parse_match("own")))
    return ProviderCalls(named, BoundedSemaphore(1))


@pytest.mark.parametrize(
    "result",
    [
        None,
        "https://login.example.net/",
        Redirect(""),
        Redirect("/authorize"),
        Redirect("javascript:alert(1)"),
        Redirect(f"https://login.example.net/\r\nSet-Cookie: {CANARY}"),
        Redirect("https://login.example.net/a b"),
        Redirect("https://login.example.net/ü"),
        Redirect("https://login.example.net/?" + "x" * 16_384),
        Redirect("https://login.example.net/", {"nonce": "x" * MEMORY_LIMIT}),
        Redirect("https://login.example.net/", {"nonce": 1}),  # type: ignore[dict-item]
    ],
)
def test_people_are_sent_only_to_urls(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProviderUnavailable):
        calls(result).begin(REQUEST)
    assert "violated its contract" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "result",
    [
        None,
        JO,
        ProvidedIdentity(None),  # type: ignore[arg-type]
        ProvidedIdentity(replace(JO, subject="")),
        ProvidedIdentity(replace(JO, subject="1" * 256)),
        ProvidedIdentity(replace(JO, subject="a\0b")),
        ProvidedIdentity(replace(JO, subject=7)),  # type: ignore[arg-type]
        ProvidedIdentity(replace(JO, username="\ud800")),
        ProvidedIdentity(replace(JO, username=None)),  # type: ignore[arg-type]
        ProvidedIdentity(replace(JO, email=["jo@example.net"])),  # type: ignore[arg-type]
        ProvidedIdentity(replace(JO, claims=["email"])),  # type: ignore[arg-type]
        # "mail" would be in it
        ProvidedIdentity(JO, "email"),  # type: ignore[arg-type]
    ],
)
def test_only_valid_identities_sign_in(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProviderUnavailable):
        calls(result).finish(SignInResponse({}, REQUEST))
    assert "violated its contract" in caplog.text


def test_what_is_valid_is_passed_on() -> None:
    redirect = Redirect("http://127.0.0.1:8080/login?a=%C3%BC", {"nonce": "x" * (MEMORY_LIMIT - 5)})
    assert calls(redirect).begin(REQUEST) is redirect
    provided = ProvidedIdentity(replace(JO, username=""), frozenset({"email"}))
    assert calls(provided).finish(SignInResponse({}, REQUEST)) == replace(provided, identity=replace(JO, username="1"))


def test_secrets_are_not_in_a_repr() -> None:
    assert CANARY not in repr(SignInResponse({"code": CANARY}, REQUEST, {"nonce": CANARY}))
    assert CANARY not in repr(Redirect(CANARY, {"nonce": CANARY}))
    assert CANARY not in repr(SignInRequest("uri", CANARY))
