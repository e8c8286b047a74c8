"""The settings of the provider: the keys below `linkauth.sign_in.<name>.` with `use = oidc`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from linkauth.net import TimeoutSettings
from linkauth.redaction import redact
from linkauth_oidc.presets import CONSUMERS, MULTI_TENANT, PRESETS, TENANT, Preset, preset_values
from linkauth_oidc.urls import Host, host_of, parse_host, url_problem

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The form of the identifiers of tenants."""
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""The characters of a scope (RFC 6749 section 3.3)."""
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
APPLE_KEY = ("team_id", "key_id", "private_key")


@dataclass(frozen=True, kw_only=True)
class OIDCSettings(TimeoutSettings):
    """Where people sign in, how linkauth proves who it is, and what it takes from the answer. Times are in seconds."""

    preset: Literal["generic", "amazon", "apple", "facebook", "google", "keycloak", "microsoft"] = "generic"
    protocol: Literal["oidc", "oauth2"] = "oidc"
    issuer: str = ""
    tenant: str = ""
    client_id: str
    client_secret: str = field(default="", repr=False)
    client_authentication: Literal["auto", "basic", "post", "none"] = "auto"
    team_id: str = ""
    key_id: str = ""
    private_key: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    userinfo: Literal["missing", "always", "never"] = "missing"
    hosts: tuple[str, ...] = ()
    response_mode: Literal["query", "form_post"] = "query"
    prompt: str = ""
    hosted_domains: tuple[str, ...] = ()
    subject_claim: str = "sub"
    username_claim: str = "preferred_username"
    name_claim: str = "name"
    email_claim: str = "email"
    groups_claim: str = ""
    claims: tuple[str, ...] = ()
    verified_claims: tuple[str, ...] = ()
    tls_ca_file: str = ""
    answer_limit: int = 262144

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the values of the preset."""
        return preset_values(given)

    @property
    def of_preset(self) -> Preset:
        return PRESETS[self.preset]

    @property
    def is_openid(self) -> bool:
        """Whether the person is taken from an ID token (OpenID Connect), rather than from the userinfo endpoint."""
        return self.protocol == "oidc"

    @property
    def is_any_tenant(self) -> bool:
        """Whether the issuer is the template of Microsoft for people of any tenant."""
        return TENANT in self.issuer

    @property
    def is_own_tenant(self) -> bool:
        """Whether only people of one tenant of Microsoft Entra may sign in, that of the enterprise."""
        tenant = self.tenant.lower()
        return self.preset == "microsoft" and bool(GUID.fullmatch(tenant)) and tenant != CONSUMERS

    @property
    def may_verify_email(self) -> bool:
        """Whether `email_verified` or `xms_edov` can be about the address: they are about the claim `email` (OpenID
        Connect Core section 5.1). In one's own tenant, only administrators set the address."""
        return self.email_claim == "email" or self.is_own_tenant

    @property
    def uses_signed_secret(self) -> bool:
        """Whether a signed JWT is the client secret, as for Apple."""
        return bool(self.private_key)

    @property
    def passed_claims(self) -> tuple[str, ...]:
        """The names of the claims that the identity contains."""
        return tuple(dict.fromkeys((*self.claims, *self.verified_claims)))

    @property
    def discovery_url(self) -> str:
        """The URL of the discovery document (OpenID Connect Discovery 1.0 section 4)."""
        base = self.issuer.replace(TENANT, self.tenant.lower()).removesuffix("/")
        return f"{base}/.well-known/openid-configuration"

    @property
    def allowed_hosts(self) -> frozenset[Host]:
        """The hosts to which requests and browsers may be sent."""
        urls = [url for url in (self.issuer, *(getattr(self, name) for name in ENDPOINTS)) if url]
        names = (*self.of_preset.hosts, *self.hosts)
        return frozenset({*map(host_of, urls), *map(parse_host, names)})

    @property
    def page_hosts(self) -> tuple[str, ...]:
        """The names of the hosts whose pages the browser visits, as far as they are known without discovery."""
        urls = (self.authorization_endpoint, self.issuer if self.is_openid else "")
        names = [host_of(url)[0] for url in urls if url]
        return tuple(dict.fromkeys((*names, *self.of_preset.page_hosts)))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each rule between the settings that is violated."""
        yield from self._url_faults()
        yield from self._client_faults()
        yield from self._microsoft_faults()
        yield from self._claim_faults()
        yield from self.timeout_faults()
        if not 1 <= self.answer_limit <= 4_194_304:
            yield "answer_limit", "is not between 1 and 4194304"
        if not all(map(_TOKEN.fullmatch, self.scopes)):
            yield "scopes", "contains a character that no scope may contain"
        if self.is_openid and "openid" not in self.scopes:
            yield "scopes", "does not contain openid, so the answer would contain no ID token"
        if not self.is_openid and self.userinfo == "never":
            yield "userinfo", "must not be never: without OpenID Connect, only the userinfo endpoint tells who it is"
        if self.hosted_domains and self.preset != "google":
            yield "hosted_domains", "is valid only for the preset google"
        if self.preset == "apple" and self.response_mode == "query" and {"name", "email"} & set(self.scopes):
            yield "response_mode", "must be form_post: Apple requires it for the scopes name and email"

    def _url_faults(self) -> Iterator[tuple[str, str]]:
        if self.is_openid and not self.issuer and self.preset != "microsoft":
            yield "issuer", "is missing: set the issuer of the provider, such as https://login.example.com/realms/staff"
        if not self.is_openid:
            for key in ENDPOINTS:
                if not getattr(self, key):
                    yield key, "is missing: OAuth 2 without OpenID Connect has no discovery"
        for key in ("issuer", *ENDPOINTS):
            url = getattr(self, key)
            if url and (problem := url_problem(url)):
                yield key, problem
            elif key != "issuer" and "{" in url:
                yield key, "contains a brace"
        if "?" in self.issuer:
            yield "issuer", "contains a query"
        for host in self.hosts:
            try:
                parse_host(host)
            except ValueError as error:
                yield "hosts", redact(error)

    def _client_faults(self) -> Iterator[tuple[str, str]]:
        given = [key for key in APPLE_KEY if getattr(self, key)]
        if self.preset == "apple" or given:
            for key in APPLE_KEY:
                if key not in given:
                    yield key, "is missing: the client secret is made from team_id, key_id and private_key"
            if self.client_secret:
                yield "client_secret", "is not used: the client secret is made from team_id, key_id and private_key"
        elif self.client_authentication == "none":
            if self.client_secret:
                yield "client_secret", "is not sent with client_authentication = none: remove one of them"
        elif not self.client_secret:
            yield "client_secret", "is missing; for a public client set client_authentication = none"

    def _microsoft_faults(self) -> Iterator[tuple[str, str]]:
        tenant = self.tenant.lower()
        if self.preset != "microsoft":
            if tenant:
                yield "tenant", "is valid only for the preset microsoft"
            if "{" in self.issuer:
                yield "issuer", "contains a brace"
            return
        if not tenant:
            yield "tenant", "is missing: set the directory (tenant) ID, or common, organizations or consumers"
        elif tenant not in (*MULTI_TENANT, "consumers") and not GUID.fullmatch(tenant):
            yield "tenant", "is not a directory (tenant) ID, nor common, organizations or consumers"
        if "{" in self.issuer.replace(TENANT, ""):
            yield "issuer", "contains a brace"
        elif self.is_any_tenant != (tenant in MULTI_TENANT) and self.issuer:
            yield "issuer", f"must contain {TENANT} if tenant is common or organizations, and only then"
        if self.verified_claims and not self.is_own_tenant:
            yield "verified_claims", "needs the ID of your own tenant: the claims of other tenants prove nothing"

    def _claim_faults(self) -> Iterator[tuple[str, str]]:
        if not self.subject_claim:
            yield "subject_claim", "is empty"
        elif self.is_openid and self.subject_claim not in ("sub", *(("oid",) if self.preset == "microsoft" else ())):
            yield "subject_claim", "must be sub, or oid for microsoft: other claims of an ID token are not permanent"
        if "email" in self.verified_claims:
            yield "verified_claims", "contains the email address, which only email_verified verifies"
        elif self.email_claim in self.verified_claims:
            yield "verified_claims", "contains what is also email_claim: remove it from one of them"
