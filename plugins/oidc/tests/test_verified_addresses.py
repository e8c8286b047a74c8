"""Tests of the addresses that each preset counts as verified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from linkauth_oidc import OIDCProvider
from linkauth_oidc.claims import person

from .conftest import sign_in
from .provider import Claims, Provider
from .stand_ins import STAND_INS, TENANT, claims_of, microsoft

NOT_TRUE: list[Any] = [False, None, "false", "True", "TRUE", " true", "yes", "", 0, 1, 1.0, [True], {"a": 1}, ["true"]]


@pytest.mark.parametrize("said", NOT_TRUE, ids=repr)
@pytest.mark.parametrize("preset", ["generic", "keycloak", "google", "apple"])
def test_only_true_verifies_an_address(provider: Provider, preset: str, said: Any) -> None:
    made = STAND_INS[preset](provider)
    for true in (True, "true"):
        assert person(made.settings, claims_of(made, email_verified=true)).verified == {"email"}
    found = person(made.settings, {**made.provider.person, "email_verified": said})
    assert found.verified == frozenset()
    assert found.identity.email


@pytest.mark.parametrize("preset", ["amazon", "facebook"])
@pytest.mark.parametrize("claim", ["email_verified", "verified", "xms_edov"])
def test_no_claim_verifies_an_address_of_amazon_or_facebook(provider: Provider, preset: str, claim: str) -> None:
    made = STAND_INS[preset](provider)
    assert person(made.settings, claims_of(made, **{claim: True})).verified == frozenset()


@pytest.mark.parametrize(
    ("claims", "is_verified"),
    [
        ({"email": "ada@gmail.com"}, True),
        ({"email": "Ada@GMail.com"}, True),
        ({"email": "ada@googlemail.com"}, True),
        ({"email": "ada@example.com", "hd": "example.com"}, True),
        ({"email": "ada@example.com"}, False),
        ({"email": "ada@example.com", "hd": ""}, False),
        ({"email": "ada@example.com", "hd": ["example.com"]}, False),
        ({"email": "ada@notgmail.com"}, False),
        ({"email": "ada@gmail.com.example.net"}, False),
    ],
    ids=str,
)
def test_google_vouches_for_its_own_addresses_and_those_of_its_organizations(
    provider: Provider, claims: Claims, is_verified: bool
) -> None:
    made = STAND_INS["google"](provider)
    assert person(made.settings, claims_of(made, **claims)).verified == ({"email"} if is_verified else set())


@pytest.mark.parametrize(
    ("email", "is_verified"),
    [
        *((f"ada@{domain}", True) for domain in ("icloud.com", "me.com", "Mac.com", "privaterelay.appleid.com")),
        *((f"ada@{domain}", False) for domain in ("example.com", "appleid.com", "noticloud.com", "me.com.example.net")),
    ],
)
def test_apple_vouches_for_its_own_addresses(provider: Provider, email: str, is_verified: bool) -> None:
    """Of others, Apple knows only that they were verified once."""
    made = STAND_INS["apple"](provider)
    said = {"email": email, "email_verified": "true", "hd": "example.com"}
    assert person(made.settings, claims_of(made, **said)).verified == ({"email"} if is_verified else set())


@pytest.mark.parametrize(
    ("tenant", "claims", "is_verified"),
    [
        ("common", {}, False),
        ("common", {"email_verified": True}, False),
        ("common", {"xms_edov": True}, True),
        ("common", {"xms_edov": 1}, True),
        ("common", {"xms_edov": "1"}, True),
        ("common", {"xms_edov": "true"}, True),
        ("common", {"xms_edov": False}, False),
        ("common", {"xms_edov": 0}, False),
        ("common", {"xms_edov": "0"}, False),
        ("common", {"xms_edov": [1]}, False),
        ("organizations", {}, False),
        # a guest, if the token has no claim acct
        (TENANT, {}, False),
        (TENANT, {"xms_edov": False}, False),
        (TENANT, {"xms_edov": False, "acct": 0}, False),
        (TENANT, {"xms_edov": True}, True),
        (TENANT, {"idp": "https://sts.windows.net/other/"}, False),
        (TENANT, {"idp": "live.com"}, False),
        (TENANT, {"acct": 1}, False),
        (TENANT, {"acct": 0}, True),
        (TENANT, {"acct": "0"}, True),
        (TENANT, {"acct": False}, False),
        (TENANT, {"acct": None}, False),
        (TENANT, {"acct": 0, "idp": "live.com"}, False),
        (TENANT, {"idp": "live.com", "xms_edov": True}, True),
        (TENANT, {"acct": 0, "email": None}, False),
    ],
    ids=str,
)
def test_microsoft_vouches_by_xms_edov_or_for_members_of_ones_own_tenant(
    provider: Provider,
    open_plugin: Callable[..., OIDCProvider],
    tenant: str,
    claims: Claims,
    is_verified: bool,
) -> None:
    made = microsoft(provider, tenant)
    provider.changes = claims
    found = sign_in(open_plugin(made.settings), provider)
    assert found.verified == ({"email"} if is_verified else set())
