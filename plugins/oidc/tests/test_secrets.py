"""Tests that no secret, code or token appears in a message, a log or a repr, whatever the provider answers."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import BackendError
from linkauth.sign_ins import SignInFailed, SignInResponse
from linkauth_oidc import OIDCProvider

from .conftest import REQUEST, finish
from .provider import Provider
from .server import Received, Reply
from .stand_ins import APPLE, STAND_INS


def echo(status: int, error: str) -> Callable[[Received], Reply]:
    """Returns an answer that repeats the whole request."""

    def answer(request: Received) -> Reply:
        said = f"{request.target} {dict(request.headers)} {request.body.decode()}"
        return Reply({"error": error, "error_description": said, "message": said}, status)

    return answer


def answers(status: int) -> list[Callable[[Received], Reply]]:
    return [echo(status, each) for each in ("invalid_grant", "invalid_client", "server_error", "other", "x" * 100)]


@pytest.mark.parametrize("preset", STAND_INS)
def test_no_secret_appears_in_a_message_or_a_log(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = STAND_INS[preset](provider)
    plugin = open_plugin(made.settings)
    working = dict(provider.replies)
    seen: list[str] = []
    secrets = {made.settings.client_secret, APPLE["private_key"].splitlines()[1], provider.access_token} - {""}
    broken = [made.token_path, *([made.person_path] if made.person_path else ["/keys"])]
    for path in broken:
        for reply in (*answers(400), *answers(200), *answers(500), *answers(503), lambda _: Reply(raw=lambda _: None)):
            provider.replies = {**working, path: reply}
            plugin = open_plugin(made.settings)
            redirect = plugin.begin(REQUEST)
            parameters = provider.authorize(redirect.url, **made.answer)
            secrets |= {parameters["code"], *redirect.memory.values(), REQUEST.state}
            with pytest.raises((SignInFailed, BackendError)) as caught:
                finish(plugin, redirect, parameters)
            seen.append("".join(traceback.format_exception(caught.value)))
            seen.append(repr(caught.value))
            seen += [repr(redirect), repr(SignInResponse(parameters, REQUEST, redirect.memory)), repr(made.settings)]
    seen += [f"{check}" for check in plugin.check()]
    text = "\n".join([*seen, caplog.text])
    assert len(seen) > 100
    assert [secret for secret in secrets if secret in text] == []


def test_no_secret_appears_in_the_address(plugin: OIDCProvider, provider: Provider) -> None:
    url = plugin.begin(REQUEST).url
    assert provider.client_secret not in url
    assert "secret" not in url


@pytest.mark.parametrize("error", ["access_denied", "server_error", "other"])
def test_an_error_description_is_not_repeated(plugin: OIDCProvider, provider: Provider, error: str) -> None:
    redirect = plugin.begin(REQUEST)
    description: dict[str, Any] = {"error": error, "error_description": "a description of ada@example.com"}
    with pytest.raises((SignInFailed, BackendError)) as caught:
        finish(plugin, redirect, {"state": REQUEST.state, **description})
    assert "ada" not in str(caught.value)
