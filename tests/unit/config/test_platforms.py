"""Tests of the client that each platform preset gives, and of the settings that a preset refuses."""

from __future__ import annotations

from typing import Any

import pytest

from linkauth.config.platforms import PLATFORMS
from linkauth.config.settings import ClientSettings
from linkauth.oauth2.clients import Client
from linkauth.services.clients import create_clients
from linkauth.testing import settings_of

SECRET = "b7e3a90c51d8f264"
OWN = ("https://c.example/cb",)
BY_CODE: dict[str, Any] = {"name": {"": "x"}, "grants": ("authorization_code",), "secret": SECRET}
IDS = {"alexa": "alexa_vendor_id", "google": "google_project_id", "ifttt": "ifttt_service_id"}
VALUES = {"alexa": "M2AAAAAAAAAAAA", "google": "example-rides-1234", "ifttt": "example_rides"}


def settings(platform: str, **changes: Any) -> ClientSettings:
    values = {"platform_ids": {IDS[platform]: VALUES[platform]}} if platform in IDS else {"redirect_uris": OWN}
    return settings_of(ClientSettings, **{**BY_CODE, "platform": platform, **values, **changes})


def client(platform: str, **changes: Any) -> Client:
    result = settings(platform, **changes)
    assert list(result.faults()) == []
    return next(create_clients({"x": result}))


def faults(platform: str, **changes: Any) -> list[str]:
    return [key for key, _ in settings(platform, **changes).faults()]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_preset_gives_valid_client(platform: str) -> None:
    assert client(platform).grants == {"authorization_code"}


def test_alexa_preset_has_six_redirect_uris() -> None:
    vendor = "M2AAAAAAAAAAAA"
    assert set(client("alexa").redirect_uris) == {
        f"https://pitangui.amazon.com/api/skill/link/{vendor}",
        f"https://layla.amazon.com/api/skill/link/{vendor}",
        f"https://alexa.amazon.co.jp/api/skill/link/{vendor}",
        f"https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId={vendor}",
        f"https://layla.amazon.com/spa/skill/account-linking-status.html?vendorId={vendor}",
        f"https://alexa.amazon.co.jp/spa/skill/account-linking-status.html?vendorId={vendor}",
    }


@pytest.mark.parametrize(
    ("platform", "uris"),
    [
        (
            "google",
            {
                "https://oauth-redirect.googleusercontent.com/r/example-rides-1234",
                "https://oauth-redirect-sandbox.googleusercontent.com/r/example-rides-1234",
            },
        ),
        ("ifttt", {"https://ifttt.com/channels/example_rides/authorize"}),
        ("yandex", {"https://social.yandex.net/broker/redirect", *OWN}),
        ("bixby", set(OWN)),
        ("none", set(OWN)),
    ],
)
def test_other_presets_have_their_redirect_uris(platform: str, uris: set[str]) -> None:
    assert set(client(platform).redirect_uris) == uris


def test_smartthings_preset_has_redirect_uris_of_all_regions() -> None:
    regions = {f"https://c2c-{region}.smartthings.com/oauth/callback" for region in ("us", "eu", "ap")}
    assert regions < set(client("smartthings", redirect_uris=()).redirect_uris)


@pytest.mark.parametrize(("typed", "seconds"), [(None, 3600), (0, None), (1, 360), (359, 360), (360, 360), (361, 361)])
def test_alexa_access_token_lifetime_is_at_least_360_seconds(typed: int | None, seconds: int | None) -> None:
    result = client("alexa", access_token_lifetime=typed, grants=("authorization_code", "implicit"))
    assert result.code_lifetime == seconds
    assert result.implicit_lifetime == (None if typed is None else seconds)


@pytest.mark.parametrize(("typed", "seconds"), [(None, 3600), (1, 1), (2**32, 2**32), (2**32 + 1, 2**32)])
def test_yandex_access_token_lifetime_is_capped(typed: int | None, seconds: int) -> None:
    assert client("yandex", access_token_lifetime=typed).code_lifetime == seconds


def test_ifttt_preset_fixes_scope_and_token_lifetimes() -> None:
    result = client("ifttt")
    assert (result.scopes, result.code_lifetime, result.refresh) == (("ifttt",), None, "stable")
    assert faults("ifttt", scopes=("order_car",)) == ["scopes"]
    assert faults("ifttt", refresh_token_lifetime=86_400) == ["refresh_token_lifetime"]
    assert faults("ifttt", refresh_token_idle=86_400) == ["refresh_token_idle"]


def test_google_code_grant_requires_token_expiry() -> None:
    assert faults("google", access_token_lifetime=0) == ["access_token_lifetime"]
    assert client("google", access_token_lifetime=0, grants=("implicit",)).implicit_lifetime is None


@pytest.mark.parametrize("platform", PLATFORMS)
def test_refresh_tokens_rotate_only_for_public_clients(platform: str) -> None:
    assert client(platform).refresh == "stable"
    assert client(platform, secret="").refresh == "rotate"


@pytest.mark.parametrize(("count", "wrong"), [(15, []), (16, ["scopes"])])
def test_alexa_client_may_have_15_scopes(count: int, wrong: list[str]) -> None:
    assert faults("alexa", scopes=tuple(f"s{number}" for number in range(count))) == wrong


@pytest.mark.parametrize("platform", ["smartthings", "yandex", "ifttt", "bixby"])
def test_implicit_grant_is_refused_for_code_only_platform(platform: str) -> None:
    assert faults(platform, grants=("implicit",)) == ["grants"]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("owner", IDS)
def test_id_of_another_platform_is_refused(platform: str, owner: str) -> None:
    changes = {"platform_ids": {IDS[owner]: VALUES[owner]}, "redirect_uris": OWN}
    assert faults(platform, **changes) == ([] if owner == platform else [IDS[owner]])


@pytest.mark.parametrize(
    ("platform", "platform_id"),
    [
        ("alexa", "m2aaaaaaaaaaaa"),
        ("alexa", "https://layla.amazon.com/api/skill/link/M2AAAAAAAAAAAA"),
        ("alexa", "amzn1.ask.skill.1234"),
        ("google", "Example Rides"),
        ("google", "r/example-rides-1234"),
        ("ifttt", "example/rides"),
        ("ifttt", "Example-Rides"),
    ],
)
def test_malformed_platform_id_is_refused(platform: str, platform_id: str) -> None:
    assert faults(platform, platform_ids={IDS[platform]: platform_id}) == [IDS[platform]]


@pytest.mark.parametrize("platform", sorted(IDS))
def test_client_without_platform_id_and_redirect_uri_is_refused(platform: str) -> None:
    result = list(settings(platform, platform_ids={IDS[platform]: ""}).faults())
    assert [key for key, _ in result] == ["redirect_uris"]
    assert IDS[platform] in result[0][1]


def test_only_bixby_has_another_name_for_s256() -> None:
    assert client("bixby").pkce_methods == {"S256", "SHA256"}
    assert all(client(name).pkce_methods == {"S256"} for name in PLATFORMS if name != "bixby")


def test_iss_is_sent_only_to_client_without_platform() -> None:
    assert [name for name in PLATFORMS if client(name).sends_iss] == ["none"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"token_format": "jwt", "grants": ("implicit",)}, "access_token_lifetime"),
        (
            {"token_format": "jwt", "grants": ("authorization_code",), "access_token_lifetime": 0},
            "access_token_lifetime",
        ),
        ({"token_format": "jwt", "grants": ("authorization_code",), "platform": "yandex"}, "token_format"),
        ({"grants": ("implicit",), "platform": "none", "scopes": tuple(f"{n}{'x' * 64}" for n in range(90))}, "scopes"),
    ],
)
def test_contradictory_client_settings_are_refused(changes: dict[str, Any], key: str) -> None:
    required = {"name": {"": "A"}, "secret": "b7e3a90c51d8f264", "redirect_uris": ("https://a.example.com/cb",)}
    assert [named for named, _ in settings_of(ClientSettings, **{**required, **changes}).faults()] == [key]
