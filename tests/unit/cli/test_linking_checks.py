"""Tests of what `linkauth doctor` says about redirect URLs and lifetimes."""

from __future__ import annotations

from typing import Any

import pytest

from linkauth.cli.linking_checks import lifetime_findings, redirect_findings
from linkauth.config.clients import ClientSettings

CODE = "https://{}/api/skill/link/{}"
IMPLICIT = "https://{}/spa/skill/account-linking-status.html?vendorId={}"
HOSTS = ("pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp")
ALL_CODE = tuple(CODE.format(host, "M2AAAAAAAAAAAA") for host in HOSTS)
ALL_IMPLICIT = tuple(IMPLICIT.format(host, "M2AAAAAAAAAAAA") for host in HOSTS)
BOTH = ("authorization_code", "implicit")


def client(**settings: Any) -> ClientSettings:
    values = {"name": {"": "Skill"}, "grants": ("authorization_code",), "secret": "s" * 32, "refresh": "stable"}
    return ClientSettings(**{**values, **settings})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"platform_ids": {"alexa_vendor_id": "M2AAAAAAAAAAAA"}},
            "ok alexa_vendor_id gives all redirect URLs of Alexa",
        ),
        ({"redirect_uris": ALL_CODE}, "ok contains all redirect URLs of Alexa for M2AAAAAAAAAAAA"),
        ({"redirect_uris": ALL_IMPLICIT, "grants": ("implicit",)}, "ok contains all redirect URLs of Alexa for"),
        (
            {"redirect_uris": ALL_CODE[:2]},
            "warning lacks https://alexa.amazon.co.jp/api/skill/link/M2AAAAAAAAAAAA (Far East), so people there cannot "
            "link. Set alexa_vendor_id = M2AAAAAAAAAAAA, which gives all redirect URLs of Alexa",
        ),
        # the URLs of the code do not serve the implicit grant
        ({"redirect_uris": ALL_CODE, "grants": ("implicit",)}, f"warning lacks {ALL_IMPLICIT[0]} (North America), "),
        ({"redirect_uris": ALL_CODE, "grants": BOTH}, f"warning lacks {ALL_IMPLICIT[0]} (North America), "),
        ({"redirect_uris": (*ALL_CODE, *ALL_IMPLICIT), "grants": BOTH}, "ok contains all redirect URLs of Alexa"),
        (
            {"redirect_uris": ("https://app.example.com/cb",)},
            "warning contains no redirect URL of Alexa in the expected",
        ),
        ({"redirect_uris": (f"{ALL_CODE[0]}/",)}, "warning contains no redirect URL of Alexa in the expected form"),
        ({"redirect_uris": ("https://pitangui.amazon.com/api/skill/link/",)}, "warning contains no redirect URL"),
        (
            {"platform": "google", "redirect_uris": ("https://oauth-redirect.googleusercontent.com/r/example",)},
            "warning lacks https://oauth-redirect-sandbox.googleusercontent.com/r/example, ",
        ),
    ],
)
def test_redirect_urls_of_missing_regions_are_named(settings: dict[str, Any], expected: str) -> None:
    (finding,) = redirect_findings("skill", client(**settings))
    assert finding.subject == "linkauth.client.skill.redirect_uris"
    assert f"{finding.severity} {finding.detail}".startswith(expected)


def test_each_vendor_must_have_all_regions() -> None:
    other = CODE.format(HOSTS[1], "M2BBBBBBBBBBBB")
    first, second = redirect_findings("skill", client(redirect_uris=(*ALL_CODE, other)))
    assert (first.severity, second.severity) == ("ok", "warning")
    assert "alexa_vendor_id = M2BBBBBBBBBBBB" in second.detail


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [("ok", "", "access tokens are valid for 3600 s, and refresh tokens do not expire (refresh = stable)")]),
        ({"access_token_lifetime": 0}, [("ok", "", "access tokens do not expire and refresh tokens do not expire")]),
        ({"access_token_lifetime": 360}, [("ok", "", "access tokens are valid for 360 s")]),
        ({"access_token_lifetime": 300}, [("warning", ".access_token_lifetime", "is 300 s, and linkauth uses 360 s")]),
        ({"grants": ("implicit",)}, [("ok", "", "access tokens do not expire")]),
        (
            {"grants": ("implicit",), "access_token_lifetime": 86400},
            [
                (
                    "warning",
                    ".access_token_lifetime",
                    "is 86400 s: the implicit grant has no refresh tokens, so people must",
                )
            ],
        ),
        (
            {"refresh_token_lifetime": 60, "refresh_token_idle": 50},
            [
                ("warning", ".refresh_token_lifetime", "is 60 s: people must link again after it. Amazon advises"),
                (
                    "warning",
                    ".refresh_token_idle",
                    "is 50 s: people must link again if they do not use the skill for so",
                ),
            ],
        ),
        ({"refresh": "overlap"}, [("ok", "", "access tokens are valid for 3600 s")]),
        (
            {"refresh": "rotate"},
            [("warning", ".refresh", "is rotate, but Amazon asks not to invalidate old refresh tok")],
        ),
        ({"refresh": "rotate", "grants": ("implicit",)}, [("ok", "", "access tokens do not expire")]),
    ],
)
def test_lifetimes_that_do_not_suit_alexa_are_named(
    settings: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    findings = list(lifetime_findings("skill", client(**settings)))
    assert len(findings) == len(expected)
    for finding, (severity, key, words) in zip(findings, expected, strict=True):
        assert finding.severity == severity
        assert finding.subject == f"linkauth.client.skill{key}"
        assert finding.detail.startswith(words)


def test_the_remedy_for_rotation_fits_the_client() -> None:
    (finding,) = lifetime_findings("skill", client(refresh="rotate"))
    assert finding.detail.endswith("use refresh = stable or overlap")
    (finding,) = lifetime_findings("skill", client(refresh="rotate", secret=""))
    assert finding.detail.endswith("give the client a secret and refresh = stable")
