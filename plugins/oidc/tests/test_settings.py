"""Tests of the settings: what is refused at the start, and what a preset fills in."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from linkauth.testing import settings_of
from linkauth_oidc import OIDCProvider, OIDCSettings

from .conftest import settings_for
from .stand_ins import APPLE, TENANT

ISSUER = "https://login.example.com/realms/staff"
OAUTH = {
    "protocol": "oauth2",
    "authorization_endpoint": "https://login.example.com/authorize",
    "token_endpoint": "https://login.example.com/token",
    "userinfo_endpoint": "https://api.example.com/me",
    "issuer": None,
}
ENTRA = {"preset": "microsoft", "tenant": TENANT, "issuer": None}
SIGNED = {"preset": "apple", "issuer": None, **APPLE}


def faults(**changes: Any) -> dict[str, str]:
    values = {"issuer": ISSUER, "client_id": "linkauth", "client_secret": "a secret", **changes}
    given = {key: value for key, value in values.items() if value is not None}
    return dict(settings_of(OIDCSettings, **given).faults())


@pytest.mark.parametrize(
    ("changes", "key", "part"),
    [
        ({"issuer": None}, "issuer", "is missing"),
        ({"issuer": "http://login.example.com"}, "issuer", "use https://"),
        ({"issuer": "login.example.com"}, "issuer", "https://host/path"),
        ({"issuer": "https://name:word@login.example.com"}, "issuer", "password"),
        ({"issuer": "https://login.example.com/?realm=staff"}, "issuer", "a query"),
        ({"issuer": "https://login.example.com/#x"}, "issuer", "https://host/path"),
        ({"issuer": "https://login.example.com/{tenantid}"}, "issuer", "a brace"),
        ({"client_secret": None}, "client_secret", "client_authentication = none"),
        ({"client_authentication": "none"}, "client_secret", "is not sent"),
        ({"scopes": ("email",)}, "scopes", "openid"),
        ({"scopes": ("openid", 'a"b')}, "scopes", "a character"),
        ({"hosts": ("https://login.example.com",)}, "hosts", "host or host:port"),
        ({"hosts": ("a@b",)}, "hosts", "host or host:port"),
        ({"hosts": ("example.com:port",)}, "hosts", "host or host:port"),
        ({"hosts": ("*",)}, "hosts", "host or host:port"),
        ({"hosts": ("*.example.com",)}, "hosts", "host or host:port"),
        ({"tenant": TENANT}, "tenant", "only for the preset microsoft"),
        ({"hosted_domains": ("example.com",)}, "hosted_domains", "only for the preset google"),
        ({"subject_claim": "email"}, "subject_claim", "permanent"),
        ({"subject_claim": ""}, "subject_claim", "is empty"),
        ({"verified_claims": ("email",)}, "verified_claims", "email_verified"),
        ({"verified_claims": ("mail",), "email_claim": "mail"}, "verified_claims", "also email_claim"),
        ({"answer_limit": 0}, "answer_limit", "is not between"),
        ({"total_timeout": 0}, "total_timeout", "is not between"),
        ({"team_id": "TEAM"}, "private_key", "is missing"),
        ({**OAUTH, "userinfo": "never"}, "userinfo", "must not be never"),
        ({**OAUTH, "token_endpoint": None}, "token_endpoint", "no discovery"),
        ({**OAUTH, "userinfo_endpoint": None}, "userinfo_endpoint", "no discovery"),
        ({**OAUTH, "userinfo_endpoint": "http://api.example.com/me"}, "userinfo_endpoint", "use https://"),
        ({**OAUTH, "userinfo_endpoint": "https://api.example.com/{id}"}, "userinfo_endpoint", "a brace"),
        ({**ENTRA, "tenant": None}, "tenant", "is missing"),
        ({**ENTRA, "tenant": "example.onmicrosoft.com"}, "tenant", "is not a directory"),
        ({**ENTRA, "tenant": "../common"}, "tenant", "is not a directory"),
        ({**ENTRA, "tenant": "common", "verified_claims": ("upn",)}, "verified_claims", "your own tenant"),
        ({**ENTRA, "tenant": "common", "issuer": ISSUER}, "issuer", "must contain {tenantid}"),
        ({**ENTRA, "issuer": "https://login.example.com/{tenantid}"}, "issuer", "only then"),
        ({**SIGNED, "key_id": None}, "key_id", "is missing"),
        ({**SIGNED, "client_secret": "a secret"}, "client_secret", "is not used"),
        ({**SIGNED, "response_mode": "query"}, "response_mode", "form_post"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_setting_is_a_fault(changes: dict[str, Any], key: str, part: str) -> None:
    found = faults(**changes)
    assert part in found[key]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"issuer": "http://127.0.0.1:8080/realms/staff"},
        {"issuer": "http://localhost:8080"},
        {"issuer": "http://[::1]:8080"},
        {"hosts": ("login2.example.com", "login.example.com:8443", "[2001:db8::1]:8443")},
        {"client_secret": None, "client_authentication": "none"},
        {**OAUTH, "scopes": ("user:email",), "subject_claim": "id"},
        ENTRA,
        {**ENTRA, "tenant": "COMMON".lower()},
        {**ENTRA, "tenant": TENANT.upper()},
        {**ENTRA, "tenant": "consumers"},
        {**ENTRA, "verified_claims": ("oid",), "subject_claim": "oid"},
        SIGNED,
        {**SIGNED, "response_mode": "query", "scopes": ("openid",)},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_settings_without_a_fault(changes: dict[str, Any]) -> None:
    assert faults(**changes) == {}


@pytest.mark.parametrize(
    ("tenant", "issuer", "discovery"),
    [
        (TENANT, f"https://login.microsoftonline.com/{TENANT}/v2.0", f"/{TENANT}/v2.0"),
        ("common", "https://login.microsoftonline.com/{tenantid}/v2.0", "/common/v2.0"),
        ("organizations", "https://login.microsoftonline.com/{tenantid}/v2.0", "/organizations/v2.0"),
        (
            "consumers",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        ),
    ],
)
def test_the_tenant_gives_the_issuer_of_microsoft(tenant: str, issuer: str, discovery: str) -> None:
    settings = settings_for(preset="microsoft", tenant=tenant)
    assert settings.issuer == issuer
    assert settings.discovery_url.endswith(f"{discovery}/.well-known/openid-configuration")
    assert settings.is_own_tenant == (tenant == TENANT)


def test_the_ini_overrides_the_preset() -> None:
    settings = settings_for(
        preset="facebook", userinfo_endpoint="https://graph.facebook.com/v30.0/me", scopes=("email",)
    )
    assert (settings.userinfo_endpoint, settings.scopes) == ("https://graph.facebook.com/v30.0/me", ("email",))
    assert settings.token_endpoint.startswith("https://graph.facebook.com/v2")


def test_hosts_are_compared_without_case_and_with_their_port() -> None:
    settings = settings_for(issuer="https://Login.Example.com", hosts=("API.example.com:8443",))
    assert settings.allowed_hosts == {("login.example.com", 443), ("api.example.com", 8443)}


@pytest.mark.parametrize(
    "key",
    [
        "a text",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ECKey.generate_key("P-384").as_pem(private=True).decode(),
        ECKey.generate_key("P-256").as_pem(private=False).decode(),
        RSAKey.generate_key(2048).as_pem(private=True).decode(),
    ],
    ids=["text", "no key", "another curve", "public", "another type"],
)
def test_an_unusable_key_stops_the_start(key: str) -> None:
    with pytest.raises(ValueError, match="private_key") as caught:
        OIDCProvider(settings_for(preset="apple", **{**APPLE, "private_key": key}))
    assert key not in str(caught.value)


def test_an_unusable_file_of_authorities_stops_the_start() -> None:
    with pytest.raises(ValueError, match="tls_ca_file"):
        OIDCProvider(settings_for(issuer=ISSUER, tls_ca_file="/nonexistent"))
