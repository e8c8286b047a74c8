"""Tests of the claims: which of them count as verified, and what becomes of unusable ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from linkauth.sign_ins import InvalidAnswer, SignInRefused
from linkauth_oidc import OIDCProvider
from linkauth_oidc.claims import merged, person

from .conftest import REQUEST, settings_for, sign_in
from .provider import Claims, Provider
from .stand_ins import OTHER_TENANT, STAND_INS, TENANT, claims_of, microsoft

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
ISSUER = "https://login.example.com"
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
        (TENANT, {}, True),
        (TENANT, {"xms_edov": False}, True),
        (TENANT, {"idp": "https://sts.windows.net/other/"}, False),
        (TENANT, {"idp": "live.com"}, False),
        (TENANT, {"acct": 1}, False),
        (TENANT, {"acct": 0}, True),
        (TENANT, {"acct": "0"}, False),
        (TENANT, {"idp": "live.com", "xms_edov": True}, True),
        (TENANT, {"email": None}, False),
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


@pytest.mark.parametrize("tenant", [OTHER_TENANT, "common", "", None, 5, "{tenantid}", TENANT + "/x", "../" + TENANT])
def test_the_tenant_of_a_template_must_be_the_one_of_the_issuer(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], tenant: Any
) -> None:
    made = microsoft(provider, "common")
    plugin = open_plugin(made.settings)
    assert sign_in(plugin, provider).identity.subject == "s-1"
    provider.changes = {"tid": tenant}
    with pytest.raises(InvalidAnswer, match=r"tenant|issuer"):
        sign_in(plugin, provider)


def test_a_template_as_issuer_of_a_token_is_refused(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    plugin = open_plugin(microsoft(provider, "common").settings)
    provider.changes = {"iss": provider.discovery["issuer"], "tid": "{tenantid}"}
    with pytest.raises(InvalidAnswer):
        sign_in(plugin, provider)


def test_the_issuer_in_an_answer_of_microsoft_has_a_tenant(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    plugin = open_plugin(microsoft(provider, "common").settings)
    assert sign_in(plugin, provider, iss=provider.issuer).identity.subject == "s-1"
    for issuer in (provider.discovery["issuer"], provider.issuer + "/", f"{provider.url}/common/v2.0", TENANT, ""):
        with pytest.raises(InvalidAnswer, match="another issuer"):
            sign_in(plugin, provider, iss=issuer)


def test_a_key_of_microsoft_is_only_for_its_issuer(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    made = microsoft(provider, "common")
    provider.published = [{**each, "issuer": f"{provider.url}/{OTHER_TENANT}/v2.0"} for each in provider.published]
    with pytest.raises(InvalidAnswer, match=r"key .* for another issuer"):
        sign_in(open_plugin(made.settings), provider)


def test_people_of_another_tenant_are_refused(provider: Provider, open_plugin: Callable[..., OIDCProvider]) -> None:
    plugin = open_plugin(microsoft(provider, TENANT).settings)
    provider.changes = {"tid": OTHER_TENANT, "iss": provider.issuer.replace(TENANT, OTHER_TENANT)}
    with pytest.raises(InvalidAnswer, match="another issuer"):
        sign_in(plugin, provider)
    provider.changes = {"tid": OTHER_TENANT}
    with pytest.raises(SignInRefused, match="another tenant"):
        sign_in(plugin, provider)


@pytest.mark.parametrize(("tenant", "is_refused"), [("organizations", True), ("common", False)])
def test_personal_accounts_need_a_tenant_that_permits_them(
    provider: Provider, open_plugin: Callable[..., OIDCProvider], tenant: str, is_refused: bool
) -> None:
    plugin = open_plugin(microsoft(provider, tenant).settings)
    provider.issuer = provider.issuer.replace(TENANT, PERSONAL)
    provider.changes = {"tid": PERSONAL}
    if is_refused:
        with pytest.raises(SignInRefused, match="personal"):
            sign_in(plugin, provider)
    else:
        assert sign_in(plugin, provider).identity.subject == "s-1"


def test_people_of_another_domain_of_google_are_refused(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    one = open_plugin(settings_for(provider, preset="google", hosted_domains=("Example.com",)))
    assert "&hd=Example.com" in one.begin(REQUEST).url
    two = open_plugin(settings_for(provider, preset="google", hosted_domains=("example.com", "example.org")))
    assert "hd=" not in two.begin(REQUEST).url
    for hd in ("example.com", "EXAMPLE.COM"):
        provider.changes = {"hd": hd}
        assert sign_in(one, provider).verified == sign_in(two, provider).verified == {"email"}
    for other in ("example.net", "", None, ["example.com"]):
        provider.changes = {"hd": other}
        for plugin in (one, two):
            with pytest.raises(SignInRefused, match="hosted_domains"):
                sign_in(plugin, provider)


def test_claims_are_verified_only_if_the_settings_name_them(
    provider: Provider, open_plugin: Callable[..., OIDCProvider]
) -> None:
    provider.person |= {"employee": "4711", "roles": ["a", "b"], "cost_center": "9"}
    changes = {"claims": ("roles", "cost_center", "absent"), "verified_claims": ("employee", "roles", "absent2")}
    found = sign_in(open_plugin(settings_for(provider, groups_claim="roles", **changes)), provider)
    assert found.identity.claims == {"roles": ["a", "b"], "cost_center": "9", "employee": "4711"}
    # a list is not one identifier
    assert found.verified == {"email", "employee"}
    assert found.identity.groups == ("a", "b")


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "@example.com",
        "ada@",
        "a@b@c",
        "ada@example.com\n",
        "a b@example.com",
        "x" * 250 + "@x.de",
        7,
        ["a@b"],
        None,
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_unusable_address_counts_as_missing(plugin: OIDCProvider, provider: Provider, email: Any) -> None:
    provider.changes = {"email": email}
    provider.userinfo = {"sub": "s-1"}
    found = sign_in(plugin, provider)
    assert (found.identity.email, found.verified) == ("", frozenset())


@pytest.mark.parametrize("value", [7, None, ["x"], {"a": 1}, "a\0b", "x" * 300, True])
def test_unusable_names_count_as_missing(plugin: OIDCProvider, provider: Provider, value: Any) -> None:
    provider.changes = {"name": value, "preferred_username": value}
    provider.userinfo = {"sub": "s-1"}
    found = sign_in(plugin, provider)
    assert (found.identity.name, found.identity.username) == ("", "ada@example.com")
    provider.changes |= {"email": None, "email_verified": None}
    assert sign_in(plugin, provider).identity.username == "s-1"


@pytest.mark.parametrize(
    ("token", "userinfo", "expected"),
    [
        ({"email": "a@x"}, {"email": "b@x", "email_verified": True}, ("b@x", True)),
        ({"email": "a@x", "email_verified": True}, {"email": "b@x", "email_verified": False}, ("a@x", True)),
        ({"email": "a@x", "email_verified": False}, {"email": "a@x", "email_verified": True}, ("a@x", False)),
        ({"email": "a@x"}, {"email_verified": True}, ("a@x", None)),
        ({"email_verified": True}, {"email": "b@x"}, ("b@x", None)),
        ({}, {"email": "b@x", "email_verified": True}, ("b@x", True)),
        ({}, {"email": "b@x"}, ("b@x", None)),
    ],
    ids=str,
)
def test_an_address_is_verified_only_by_its_own_document(
    token: Claims, userinfo: Claims, expected: tuple[str, bool | None]
) -> None:
    found = merged(settings_for(issuer=ISSUER), token, userinfo)
    assert (found.get("email"), found.get("email_verified")) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "sub",
        "email",
        "email_verified",
        "name",
        "preferred_username",
        "hd",
        "tid",
        "xms_edov",
        "idp",
        "acct",
        "groups",
        "user_id",
        "id",
    ]
)


@pytest.mark.parametrize("preset", ["generic", "google", "apple", "amazon", "facebook", "microsoft"])
def test_no_claim_of_any_type_causes_another_outcome(preset: str) -> None:
    from .stand_ins import APPLE

    changes: dict[str, Any] = {"microsoft": {"tenant": TENANT}, "apple": APPLE}.get(preset, {})
    if preset == "generic":
        changes = {"issuer": ISSUER, "groups_claim": "groups", "verified_claims": ("name", "acct")}
    values = settings_for(preset=preset, **changes)

    @hypothesis_settings(max_examples=150, deadline=None, database=None)
    @given(st.dictionaries(NAMES, JSON, max_size=13))
    def check(claims: Claims) -> None:
        try:
            found = person(values, claims)
        except (InvalidAnswer, SignInRefused):
            return
        assert all(isinstance(each, str) for each in (found.identity.subject, found.identity.username))
        assert 0 < len(found.identity.subject) <= 255
        if "email" in found.verified and preset != "microsoft":
            assert claims["email_verified"] is True or claims["email_verified"] == "true"

    check()
