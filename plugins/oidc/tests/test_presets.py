"""The table of presets and outcomes: each preset with a provider that behaves like the one it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.sign_ins import InvalidAnswer, SignInCancelled
from linkauth_oidc import OIDCProvider
from linkauth_oidc.claims import person as person_of
from linkauth_oidc.presets import PRESETS

from .conftest import REDIRECT_URI, REQUEST, settings_for, sign_in
from .provider import Provider
from .server import Reply
from .stand_ins import APPLE_USER, STAND_INS, StandIn, claims_of, forge, microsoft


def refuse_code(made: StandIn) -> None:
    made.provider.codes = Forgetful()


class Forgetful(dict[str, dict[str, str]]):
    """Codes that nobody may use."""

    def pop(self, *_: Any) -> Any:
        return None


def change_secret(made: StandIn) -> None:
    made.provider.client_secret = "another secret"
    if made.settings.preset == "apple":
        made.provider.replies["/token"] = lambda _: Reply({"error": "invalid_client"}, 400)


def fail_with(status: int) -> Callable[[StandIn], None]:
    def fail(made: StandIn) -> None:
        made.provider.replies[made.token_path] = lambda _: Reply("", status)

    return fail


def answer_with(**parameters: str) -> Callable[[StandIn], None]:
    return lambda made: made.answer.update(parameters)


def lose_person(made: StandIn) -> None:
    """The answer has no identifier of the person."""
    made.provider.person = {name: value for name, value in made.provider.person.items() if name not in SUBJECTS}


SUBJECTS = ("sub", "id", "user_id")
OUTCOMES: dict[str, tuple[Callable[[StandIn], None], type[Exception] | None]] = {
    "success": (lambda _: None, None),
    "the person cancels": (answer_with(error="access_denied"), SignInCancelled),
    "the provider is busy": (answer_with(error="temporarily_unavailable"), BackendUnavailable),
    "the client is unknown": (answer_with(error="unauthorized_client"), BackendMisconfigured),
    "the scopes are unknown": (answer_with(error="invalid_scope"), BackendMisconfigured),
    "the state is another": (answer_with(state="another"), InvalidAnswer),
    "the issuer is another": (answer_with(iss="https://attacker.example"), InvalidAnswer),
    "the code is refused": (refuse_code, InvalidAnswer),
    "the client secret is wrong": (change_secret, BackendMisconfigured),
    "the token endpoint is down": (fail_with(503), BackendUnavailable),
    "the token endpoint is overloaded": (fail_with(429), BackendUnavailable),
    "the token endpoint fails": (fail_with(500), BackendUnavailable),
    "the person is forged": (forge, InvalidAnswer),
    "the person has no identifier": (lose_person, InvalidAnswer),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("preset", STAND_INS)
def test_preset_and_outcome(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str, outcome: str
) -> None:
    made = STAND_INS[preset](provider)
    change, expected = OUTCOMES[outcome]
    plugin = open_plugin(made.settings)
    change(made)
    if expected is None:
        person = sign_in(plugin, provider, **made.answer)
        assert person.identity.subject == made.subject
        assert person.identity.name == "Ada Lovelace"
        return
    with pytest.raises(expected) as caught:
        sign_in(plugin, provider, **made.answer)
    assert type(caught.value) is expected


VERIFIED = {
    "generic": {"email"},
    "keycloak": {"email"},
    "google": {"email"},
    "microsoft": set[str](),
    "apple": {"email"},
    "amazon": set[str](),
    "facebook": set[str](),
}


@pytest.mark.parametrize("preset", STAND_INS)
def test_what_a_preset_vouches_for(provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str) -> None:
    made = STAND_INS[preset](provider)
    person = sign_in(open_plugin(made.settings), provider, **made.answer)
    assert person.identity.email in ("ada@example.com", "ada@gmail.com")
    assert person.verified == VERIFIED[preset]


@pytest.mark.parametrize("preset", STAND_INS)
def test_what_a_preset_may_vouch_for(provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str) -> None:
    settings = STAND_INS[preset](provider).settings
    plugin = open_plugin(settings)
    assert plugin.may_verify("email") is (preset not in ("amazon", "facebook"))
    assert not plugin.may_verify("upn")
    assert open_plugin(replace(settings, verified_claims=("upn",))).may_verify("upn")


@pytest.mark.parametrize("preset", ["generic", "keycloak", "google", "microsoft", "apple"])
def test_only_the_claim_email_is_verified_by_the_claims_about_it(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str
) -> None:
    """Somebody could choose the address of another person as user name, and verify an address of their own."""
    made = STAND_INS[preset](provider)
    settings = replace(made.settings, email_claim="preferred_username")
    verified = {"email": "eve@gmail.com", "email_verified": True, "xms_edov": True}
    claims = claims_of(made, **verified, preferred_username="ada@gmail.com")
    assert person_of(made.settings, claims).verified == {"email"}
    found = person_of(settings, claims)
    assert (found.identity.email, found.verified) == ("ada@gmail.com", frozenset())
    assert not open_plugin(settings).may_verify("email")


def test_every_preset_has_a_stand_in() -> None:
    assert set(STAND_INS) == set(PRESETS) == set(VERIFIED)


@pytest.mark.parametrize(
    ("preset", "brand_name", "refuses", "mode"),
    [
        ("generic", "", False, "query"),
        ("keycloak", "", False, "query"),
        ("google", "Google", True, "query"),
        ("microsoft", "Microsoft", False, "query"),
        ("apple", "Apple", False, "form_post"),
        ("amazon", "Amazon", False, "query"),
        ("facebook", "Facebook", True, "query"),
    ],
)
def test_the_button_and_the_way_back(
    provider: Provider,
    open_plugin: Callable[..., OIDCProvider],
    preset: str,
    brand_name: str,
    refuses: bool,
    mode: str,
) -> None:
    plugin = open_plugin(STAND_INS[preset](provider).settings)
    assert (plugin.brand, plugin.brand_name) == (preset if brand_name else "", brand_name)
    assert plugin.refuses_embedded_browsers is refuses
    assert plugin.response_mode == mode
    asked = dict(parse_qsl(urlsplit(plugin.begin(REQUEST).url).query))
    assert asked.get("response_mode") == (mode if mode == "form_post" else None)
    assert asked["code_challenge_method"] == "S256"
    assert ("nonce" in asked) == ("openid" in asked["scope"].split())


@pytest.mark.parametrize("preset", STAND_INS)
def test_what_to_enter_at_the_provider(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str
) -> None:
    fields = open_plugin(STAND_INS[preset](provider).settings).registration(REDIRECT_URI)
    name, value = next(iter(fields.items()))
    assert value == REDIRECT_URI
    assert "redirect" in name.lower() or "return urls" in name.lower()
    assert all(fields.values())


@pytest.mark.parametrize("preset", ["amazon", "apple", "facebook", "google", "microsoft"])
def test_a_preset_needs_few_settings(preset: str) -> None:
    """`settings_for` checks that there is no fault."""
    from .stand_ins import APPLE, TENANT

    changes: dict[str, Any] = {"apple": APPLE, "microsoft": {"tenant": TENANT}}.get(preset, {})
    settings = settings_for(preset=preset, **changes)
    assert all(port == 443 for _, port in settings.allowed_hosts)
    assert not settings.is_openid or settings.discovery_url.startswith("https://")


def test_the_name_in_the_form_of_apple_is_used_the_first_time(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    made = STAND_INS["apple"](provider)
    plugin = open_plugin(made.settings)
    person = sign_in(plugin, provider, user=APPLE_USER)
    # the browser could have changed it: neither the name nor the address in it is verified
    assert (person.identity.name, person.identity.email) == ("Ada Lovelace", "ada@example.com")
    assert person.verified == {"email"}
    assert sign_in(plugin, provider).identity.name == ""


@pytest.mark.parametrize(
    "user",
    [
        "",
        "{",
        "[]",
        '{"name": "Ada"}',
        '{"name": {"firstName": 7}}',
        '{"name": {"firstName": "A\\u0000"}}',
        '{"name": {"firstName": "A", "firstName": "B"}}',
        '{"name": {"firstName": "' + "x" * 300 + '"}}',
        '{"name": {"firstName": "' + "x" * 5000 + '"}}',
        "[" * 3000,
    ],
    ids=lambda value: value[:30],
)
def test_an_unusable_form_of_apple_has_no_name(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], user: str
) -> None:
    made = STAND_INS["apple"](provider)
    assert sign_in(open_plugin(made.settings), provider, user=user).identity.name == ""


def test_only_apple_has_a_name_in_the_form(plugin: OIDCProvider, provider: Provider) -> None:
    provider.changes = {"name": None}
    provider.userinfo = {"sub": "s-1"}
    assert sign_in(plugin, provider, user=APPLE_USER).identity.name == ""


@pytest.mark.parametrize("preset", ["generic", "keycloak", "microsoft"])
def test_email_verified_says_nothing_of_another_claim(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], preset: str
) -> None:
    """A person may change the other claim at the provider, which verifies only `email`."""
    made = microsoft(provider, "common") if preset == "microsoft" else STAND_INS[preset](provider)
    settings = replace(made.settings, email_claim="contact")
    claims = claims_of(made, email_verified=True, xms_edov=True, contact="victim@example.com")
    found = person_of(settings, claims)
    assert (found.identity.email, found.verified) == ("victim@example.com", frozenset())
    assert not open_plugin(settings).may_verify("email")
