"""Providers that behave as those of the presets do: their paths, their answers, their errors."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from linkauth_oidc import OIDCSettings
from linkauth_oidc.presets import PRESETS

from .conftest import settings_for
from .provider import CLIENT_ID, CLIENT_SECRET, DISCOVERY, Claims, Provider, public
from .server import Received, Reply

TENANT = "11111111-2222-3333-4444-555555555555"
OTHER_TENANT = "99999999-8888-7777-6666-555555555555"
PATHS = {
    "authorization_endpoint": {"amazon": "/ap/oa", "facebook": "/v24.0/dialog/oauth"},
    "token_endpoint": {"amazon": "/auth/o2/token", "facebook": "/v24.0/oauth/access_token"},
    "userinfo_endpoint": {"amazon": "/user/profile", "facebook": "/v24.0/me"},
}
"""The paths of the endpoints in the presets without discovery."""
APPLE_KEY = ECKey.generate_key("P-256")
APPLE: dict[str, Any] = {
    "team_id": "TEAM123456",
    "key_id": "KEY1234567",
    "private_key": APPLE_KEY.as_pem(private=True).decode(),
    "client_secret": None,
}
APPLE_USER = json.dumps({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "root@example.com"})
"""What Apple's form contains the first time."""


@dataclass
class StandIn:
    """A provider that plays the one of a preset, and the settings for it."""

    provider: Provider
    settings: OIDCSettings
    answer: dict[str, str] = field(default_factory=dict)
    """Further parameters of its answers through the browser."""
    subject: str = "s-1"
    person_path: str = ""
    """The path whose answer says who the person is, if it is not the ID token."""
    token_path: str = "/token"


def keycloak(provider: Provider) -> StandIn:
    provider.discovery["authorization_response_iss_parameter_supported"] = True
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_basic", "client_secret_post"]
    provider.changes = {"azp": CLIENT_ID, "typ": "ID", "acr": "1", "session_state": "x"}
    return StandIn(provider, settings_for(provider, preset="keycloak"))


def google(provider: Provider) -> StandIn:
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post", "client_secret_basic"]
    provider.person = {"sub": "s-1", "email": "ada@gmail.com", "email_verified": True, "name": "Ada Lovelace"}
    provider.changes = {"azp": CLIENT_ID}
    return StandIn(provider, settings_for(provider, preset="google"))


def microsoft(provider: Provider, tenant: str = "common") -> StandIn:
    """The issuer of Microsoft is a template if people of any tenant may sign in."""
    template = f"{provider.url}/{{tenantid}}/v2.0"
    is_any = tenant in ("common", "organizations")
    issuer = template if is_any else template.replace("{tenantid}", tenant)
    provider.discovery |= {"issuer": issuer, "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo"}
    provider.replies[f"/{tenant}/v2.0{DISCOVERY}"] = lambda _: Reply(provider.discovery)
    provider.issuer = template.replace("{tenantid}", TENANT)
    provider.published = [{**key, "issuer": issuer} for key in provider.published]
    provider.person = {
        **{"sub": "s-1", "tid": TENANT, "oid": "oid-1", "name": "Ada Lovelace", "ver": "2.0"},
        **{"email": "ada@example.com", "preferred_username": "ada@example.com"},
    }
    return StandIn(provider, settings_for(preset="microsoft", tenant=tenant, issuer=issuer))


def apple(provider: Provider) -> StandIn:
    """The client secret of Apple is a JWT, and the answer is a posted form."""
    exchange = provider.exchange

    def check_secret(request: Received) -> Reply:
        secret = request.form.get("client_secret", "")
        try:
            token = jwt.decode(secret, APPLE_KEY, algorithms=["ES256"])
        except ValueError:
            return Reply({"error": "invalid_client"}, 400)
        now, claims = time.time(), token.claims
        assert token.header["kid"] == APPLE["key_id"]
        assert (claims["iss"], claims["sub"], claims["aud"]) == (APPLE["team_id"], CLIENT_ID, provider.issuer)
        assert now - 120 < claims["iat"] <= now < claims["exp"] < now + 15_777_000
        provider.client_secret = secret
        return exchange(request)

    provider.replies["/token"] = check_secret
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    provider.discovery["response_modes_supported"] = ["query", "fragment", "form_post"]
    del provider.discovery["userinfo_endpoint"], provider.discovery["code_challenge_methods_supported"]
    provider.person = {"sub": "s-1", "email": "ada@example.com", "email_verified": "true"}
    settings = settings_for(provider, preset="apple", **APPLE)
    return StandIn(provider, settings, {"user": APPLE_USER})


def plain(provider: Provider, preset: str, query: str = "") -> StandIn:
    """Returns a provider without OpenID Connect at the paths of the preset."""
    provider.is_openid = False
    values = PRESETS[preset].values
    changes = {}
    for name, paths in PATHS.items():
        assert values[name].partition("?")[0].endswith(paths[preset])
        changes[name] = provider.discovery[name] = provider.url + paths[preset]
    changes["userinfo_endpoint"] += query
    token_path, person_path = PATHS["token_endpoint"][preset], PATHS["userinfo_endpoint"][preset]
    provider.replies = {token_path: provider.exchange, person_path: provider.show_person}
    settings = settings_for(preset=preset, **changes)
    return StandIn(provider, settings, person_path=person_path, token_path=token_path)


def amazon(provider: Provider) -> StandIn:
    made = plain(provider, "amazon")
    provider.person = {"user_id": "amzn1.account.K2LI23", "email": "ada@example.com", "name": "Ada Lovelace"}
    made.subject = "amzn1.account.K2LI23"
    show = provider.show_person

    def profile(request: Received) -> Reply:
        reply = show(request)
        # Amazon reports a bad token with this status
        return Reply({"error": "invalid_token"}, 400) if reply.status == 401 else reply

    provider.replies[made.person_path] = profile
    return made


def facebook(provider: Provider) -> StandIn:
    """The Graph API has errors of its own form, and checks the proof of the secret."""
    made = plain(provider, "facebook", "?fields=id,name,email")
    provider.person = {"id": "10158", "name": "Ada Lovelace", "email": "ada@example.com"}
    made.subject = "10158"
    exchange, show = provider.exchange, provider.show_person

    def tokens(request: Received) -> Reply:
        reply = exchange(request)
        if reply.status == 401:
            return Reply({"error": {"message": "Error validating client secret.", "type": "x", "code": 1}}, 400)
        return reply if reply.status == 200 else Reply({"error": {"message": "bad code", "code": 100}}, 400)

    def me(request: Received) -> Reply:
        assert request.query["fields"] == "id,name,email"
        proof = hmac.digest(CLIENT_SECRET.encode(), provider.access_token.encode(), "sha256").hex()
        if request.query.get("appsecret_proof") != proof:
            return Reply({"error": {"message": "Invalid appsecret_proof", "code": 100}}, 400)
        reply = show(request)
        return Reply({"error": {"message": "bad token", "code": 190}}, 400) if reply.status == 401 else reply

    provider.replies = {made.token_path: tokens, made.person_path: me}
    return made


def generic(provider: Provider) -> StandIn:
    return StandIn(provider, settings_for(provider))


STAND_INS: dict[str, Callable[[Provider], StandIn]] = {
    "generic": generic,
    "keycloak": keycloak,
    "google": google,
    "microsoft": microsoft,
    "apple": apple,
    "amazon": amazon,
    "facebook": facebook,
}


def forge(made: StandIn) -> None:
    """Makes the provider answer with a person whom it did not authenticate for this client."""
    provider = made.provider
    if made.person_path:
        # the answer belongs to another token, so the API refuses this one
        provider.token["access_token"] = None
        shown = provider.access_token
        exchange = provider.replies[made.token_path]

        def other_token(request: Received) -> Reply:
            provider.access_token = shown
            reply = exchange(request)
            provider.access_token = "of another client"
            return reply

        provider.replies[made.token_path] = other_token
    else:
        provider.published = [{**public(ECKey.generate_key("P-256")), "kid": "other"}]


def claims_of(made: StandIn, **changes: Any) -> Claims:
    """Returns the claims of the person of a stand-in, changed. None removes one."""
    person = {**made.provider.person, **changes}
    return {name: value for name, value in person.items() if value is not None}
