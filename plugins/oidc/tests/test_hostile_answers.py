"""Tests of forged answers through the browser, and of answers of the token and userinfo endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.sign_ins import InvalidAnswer, SignInCancelled, SignInRefused, SignInRequest, SignInResponse
from linkauth_oidc import OIDCProvider

from .conftest import REDIRECT_URI, REQUEST, finish, settings_for, sign_in
from .provider import Provider
from .server import Reply


@pytest.mark.parametrize("state", [None, "", "of-another-sign-in", "the-state_of-this-sign-i\u00f1"])
def test_another_state_is_refused(plugin: OIDCProvider, provider: Provider, state: str | None) -> None:
    with pytest.raises(InvalidAnswer, match="state"):
        sign_in(plugin, provider, state=state)
    assert provider.count("/token") == 0


@pytest.mark.parametrize("code", [None, "", "x" * 8193, "a\nb", "a\0"])
def test_an_answer_without_a_usable_code_is_refused(plugin: OIDCProvider, provider: Provider, code: str | None) -> None:
    with pytest.raises(InvalidAnswer, match="no code"):
        sign_in(plugin, provider, code=code)
    assert provider.count("/token") == 0


def test_an_answer_of_another_provider_is_refused(
    serve: Callable[..., Provider], open_plugin: Callable[..., OIDCProvider]
) -> None:
    """The mix-up attack (RFC 9207): the browser was sent to the provider of an attacker, which relays to another."""
    honest, attacker = serve(), serve()
    for each in (honest, attacker):
        each.discovery["authorization_response_iss_parameter_supported"] = True
    at_attacker = open_plugin(settings_for(attacker)).begin(REQUEST)
    answer = {**attacker.authorize(at_attacker.url), "iss": honest.issuer}
    with pytest.raises(InvalidAnswer, match="another issuer"):
        finish(open_plugin(settings_for(attacker)), at_attacker, answer)
    assert attacker.count("/token") == honest.count("/token") == 0


def test_an_announced_issuer_must_be_in_the_answer(plugin: OIDCProvider, provider: Provider) -> None:
    provider.discovery["authorization_response_iss_parameter_supported"] = True
    assert sign_in(plugin, provider).identity.subject == "s-1"
    for changes in (
        {"iss": None},
        {"iss": ""},
        {"iss": provider.issuer + "/"},
        {"iss": None, "error": "access_denied"},
    ):
        with pytest.raises(InvalidAnswer, match="iss"):
            sign_in(plugin, provider, **changes)


def test_an_issuer_that_was_not_announced_must_be_right_too(plugin: OIDCProvider, provider: Provider) -> None:
    assert sign_in(plugin, provider, iss=provider.issuer).identity.subject == "s-1"
    with pytest.raises(InvalidAnswer, match="another issuer"):
        sign_in(plugin, provider, iss="https://attacker.example")


def test_a_code_works_only_in_the_sign_in_that_it_was_issued_for(plugin: OIDCProvider, provider: Provider) -> None:
    """Code injection: PKCE binds the code to the sign-in (RFC 9700 section 4.5)."""
    stolen = provider.authorize(plugin.begin(REQUEST).url)
    with pytest.raises(InvalidAnswer, match="invalid_grant"):
        finish(plugin, plugin.begin(REQUEST), stolen)


def test_a_code_of_another_client_is_refused(plugin: OIDCProvider, provider: Provider) -> None:
    redirect = plugin.begin(REQUEST)
    answer = provider.authorize(redirect.url)
    asked = provider.codes[answer["code"]]
    provider.codes["of-another-client"] = {**asked, "redirect_uri": "https://another.example/return"}
    with pytest.raises(InvalidAnswer, match="another client"):
        finish(plugin, redirect, {**answer, "code": "of-another-client"})


def test_a_code_works_once(plugin: OIDCProvider, provider: Provider) -> None:
    redirect = plugin.begin(REQUEST)
    answer = provider.authorize(redirect.url)
    assert finish(plugin, redirect, answer).identity.subject == "s-1"
    with pytest.raises(InvalidAnswer, match="invalid_grant"):
        finish(plugin, redirect, answer)


@pytest.mark.parametrize("missing", ["verifier", "nonce"])
def test_a_sign_in_without_its_memory_is_refused(plugin: OIDCProvider, provider: Provider, missing: str) -> None:
    redirect = plugin.begin(REQUEST)
    memory = {name: value for name, value in redirect.memory.items() if name != missing}
    with pytest.raises(InvalidAnswer, match="not begun"):
        plugin.finish(SignInResponse(provider.authorize(redirect.url), REQUEST, memory))


def test_another_redirect_uri_is_refused(plugin: OIDCProvider, provider: Provider) -> None:
    redirect = plugin.begin(REQUEST)
    other = SignInRequest(REDIRECT_URI + "/other", REQUEST.state)
    with pytest.raises(InvalidAnswer, match="invalid_grant"):
        plugin.finish(SignInResponse(provider.authorize(redirect.url), other, redirect.memory))


@pytest.mark.parametrize(
    ("error", "expected", "part"),
    [
        ("access_denied", SignInCancelled, "cancelled"),
        ("user_cancelled_authorize", SignInCancelled, "cancelled"),
        ("consent_required", SignInCancelled, "cancelled"),
        ("admin_policy_enforced", SignInRefused, "does not let the person in"),
        ("unmet_authentication_requirements", SignInRefused, "does not let the person in"),
        ("temporarily_unavailable", BackendUnavailable, "now"),
        ("server_error", BackendUnavailable, "now"),
        ("unauthorized_client", BackendMisconfigured, "client_id"),
        ("invalid_scope", BackendMisconfigured, "scopes"),
        ("invalid_request", BackendMisconfigured, "response_mode"),
        ("redirect_uri_mismatch", BackendMisconfigured, "redirect URI"),
        ("login_required", InvalidAnswer, "error=login_required"),
        ("", InvalidAnswer, "error=-"),
        ("<script>alert(1)</script>", InvalidAnswer, "error=-"),
        ("x" * 5000, InvalidAnswer, "error=-"),
        ("a\nlog line", InvalidAnswer, "error=-"),
    ],
)
def test_an_error_in_the_answer_is_an_outcome(
    plugin: OIDCProvider, provider: Provider, error: str, expected: type[Exception], part: str
) -> None:
    with pytest.raises(expected) as caught:
        sign_in(plugin, provider, code=None, error=error, error_description="AADSTS65004: declined, token=abc")
    assert type(caught.value) is expected
    assert part in str(caught.value)
    assert "number=AADSTS65004" in str(caught.value)
    assert "abc" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert provider.count("/token") == 0


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("AADSTS65004: User declined to consent", SignInCancelled),
        ("AADSTS50105: not assigned to a role", SignInRefused),
        ("AADSTS53003: blocked by Conditional Access", SignInRefused),
        ("about AADSTS50105", SignInCancelled),
        ("", SignInCancelled),
    ],
)
def test_microsoft_tells_a_refusal_from_a_person_who_declined(
    plugin: OIDCProvider, provider: Provider, description: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        sign_in(plugin, provider, code=None, error="access_denied", error_description=description)


@pytest.mark.parametrize(
    ("reply", "expected", "part"),
    [
        (Reply({"error": "invalid_client"}, 401), BackendMisconfigured, "client_secret"),
        (Reply({"error": "unauthorized_client"}, 400), BackendMisconfigured, "client_secret"),
        (Reply({"error": "invalid_grant"}, 400), InvalidAnswer, "has expired, or was used"),
        (Reply({"error": "invalid_grant"}, 200), InvalidAnswer, "has expired, or was used"),
        (Reply({"error": "invalid_request"}, 400), InvalidAnswer, "error=invalid_request"),
        (Reply({"error": "redirect_uri_mismatch"}, 400), BackendMisconfigured, "redirect URI"),
        (Reply({"error": "temporarily_unavailable"}, 400), BackendUnavailable, "now"),
        (Reply({"error": "server_error"}, 400), BackendUnavailable, "now"),
        (Reply("Bad Gateway", 502), BackendUnavailable, "status 502"),
        (Reply("Service Unavailable", 503, {"Retry-After": "7"}), BackendUnavailable, "status 503"),
        (Reply({"error": "invalid_grant"}, 500), BackendUnavailable, "status 500"),
        (Reply("", 429, {"Retry-After": "120"}), BackendUnavailable, "status 429"),
        (Reply("", 401), BackendMisconfigured, "client_secret"),
        (Reply("<html>", 200), BackendUnavailable, "no JSON object"),
        (Reply([1], 200), BackendUnavailable, "no JSON object"),
        (Reply("", 404), BackendUnavailable, "status 404"),
        (Reply({}, 200), BackendUnavailable, "no bearer token"),
        (Reply({"access_token": "t", "token_type": "mac"}, 200), BackendUnavailable, "no bearer token"),
        (Reply({"access_token": 7, "token_type": "Bearer"}, 200), BackendUnavailable, "no bearer token"),
        (Reply({"access_token": "a\r\nX: y", "token_type": "Bearer"}, 200), BackendUnavailable, "no bearer token"),
        (Reply({"access_token": "t", "token_type": "Bearer"}, 200), InvalidAnswer, "no ID token"),
        (Reply({"access_token": "t", "token_type": "Bearer", "id_token": 1}, 200), InvalidAnswer, "no ID token"),
        (Reply('{"access_token": "t", "access_token": "u"}', 200), BackendUnavailable, "no JSON object"),
        (Reply("", 302, {"Location": "https://attacker.example/"}), BackendMisconfigured, "redirect"),
        (
            Reply({"error": {"message": "Error validating client secret.", "code": 1}}, 400),
            BackendMisconfigured,
            "secret",
        ),
        (Reply({"error": {"message": "x", "code": 101}}, 400), BackendMisconfigured, "client_id"),
        (Reply({"error": {"message": "x", "code": 100}}, 400), InvalidAnswer, "code=100"),
        (Reply({"error": {"message": "x", "code": 4}}, 400), BackendUnavailable, "code=4"),
        (Reply({"error": {"message": ["x"], "code": ["y"]}}, 400), InvalidAnswer, "code=-"),
        (Reply({"error": 5}, 400), BackendUnavailable, "status 400"),
    ],
    ids=lambda value: str(value.body)[:40] if isinstance(value, Reply) else "",
)
def test_an_answer_of_the_token_endpoint_is_an_outcome(
    plugin: OIDCProvider, provider: Provider, reply: Reply, expected: type[Exception], part: str
) -> None:
    provider.replies["/token"] = lambda _: reply
    with pytest.raises(expected) as caught:
        sign_in(plugin, provider)
    assert type(caught.value) is expected
    assert part in str(caught.value)


def test_a_provider_may_ask_for_a_pause(plugin: OIDCProvider, provider: Provider) -> None:
    provider.replies["/token"] = lambda _: Reply("", 429, {"Retry-After": "120"})
    with pytest.raises(BackendUnavailable) as caught:
        sign_in(plugin, provider)
    assert caught.value.retry_after == 120


@pytest.mark.parametrize(
    ("reply", "expected", "part"),
    [
        (Reply({"sub": "s-2", "name": "Another"}), InvalidAnswer, "another person"),
        (Reply({"sub": ["s-1"]}), InvalidAnswer, "another person"),
        (Reply({"name": "Nobody"}), InvalidAnswer, "another person"),
        (Reply('{"sub": "s-2", "sub": "s-1"}'), BackendUnavailable, "no JSON object"),
        (Reply("eyJhbGciOiJub25lIn0.e30."), BackendUnavailable, "no JSON object"),
        (Reply("", 401), InvalidAnswer, "refuses the access token"),
        (Reply("", 403), InvalidAnswer, "refuses the access token"),
        (Reply("", 500), BackendUnavailable, "status 500"),
        (Reply("", 307, {"Location": "https://attacker.example/"}), BackendUnavailable, "redirect"),
    ],
    ids=lambda value: str(value.body)[:30] if isinstance(value, Reply) else "",
)
def test_an_answer_of_the_userinfo_endpoint_is_an_outcome(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], reply: Reply, expected: type[Exception], part: str
) -> None:
    provider.replies["/userinfo"] = lambda _: reply
    with pytest.raises(expected) as caught:
        sign_in(open_plugin(settings_for(provider, userinfo="always")), provider)
    assert type(caught.value) is expected
    assert part in str(caught.value)


def test_plain_oauth_without_an_issuer_refuses_one_in_the_answer(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    provider.is_openid = False
    endpoints: dict[str, Any] = {
        name: provider.discovery[name] for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
    }
    common: dict[str, Any] = {**endpoints, "protocol": "oauth2"}
    with pytest.raises(InvalidAnswer, match="set issuer"):
        sign_in(open_plugin(settings_for(**common)), provider, iss="https://attacker.example")
    plugin = open_plugin(settings_for(**common, issuer="https://login.example.com"))
    assert sign_in(plugin, provider, iss="https://login.example.com").identity.subject == "s-1"
    with pytest.raises(InvalidAnswer, match="another issuer"):
        sign_in(plugin, provider, iss="https://attacker.example")
