"""What to enter at each provider, with the names of the fields of its console."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from linkauth_oidc.settings import OIDCSettings

URI_FIELDS: Mapping[str, str] = {
    "amazon": "Security Profile > Web Settings > Allowed Return URLs",
    "google": "OAuth client ID (Web application) > Authorized redirect URIs",
    "microsoft": "App registration > Authentication > Web > Redirect URIs",
    "apple": "Services ID > Sign in with Apple > Return URLs",
    "facebook": "Facebook Login > Settings > Valid OAuth Redirect URIs",
    "keycloak": "Client > Settings > Valid redirect URIs",
    "generic": "redirect URI",
}
"""The name of the field for the redirect URI, by preset."""


def fields(settings: OIDCSettings, redirect_uri: str) -> Mapping[str, str]:
    """Returns the values by the names of their fields, the redirect URI first."""
    host = urlsplit(redirect_uri).hostname or ""
    secret = "" if settings.client_authentication == "none" else "confidential client with a client secret"
    further: dict[str, dict[str, str]] = {
        "google": {"OAuth consent screen > Scopes": " ".join(settings.scopes)},
        "microsoft": {
            "App registration > Supported account types": _account_types(settings.tenant.lower()),
            "App registration > Token configuration > Optional claims (ID)": "email"
            + ("" if settings.is_own_tenant else ", xms_edov"),
        },
        "apple": {"Services ID > Sign in with Apple > Domains and Subdomains": host},
        "facebook": {
            "Facebook Login > Settings > Client OAuth Login, Web OAuth Login": "Yes",
            "App settings > Basic > App domains": host,
        },
        "keycloak": {
            "Client > Settings > Client authentication": "Off" if settings.client_authentication == "none" else "On",
            "Client > Settings > Authentication flow": "Standard flow",
            "Client > Advanced > Proof Key for Code Exchange Code Challenge Method": "S256",
        },
        "generic": {
            "client": secret or "public client",
            "grant": "authorization code with PKCE (S256)",
            "scopes": " ".join(settings.scopes),
        },
    }
    return {URI_FIELDS[settings.preset]: redirect_uri, **further.get(settings.preset, {})}


def _account_types(tenant: str) -> str:
    if tenant == "common":
        return "Accounts in any organizational directory and personal Microsoft accounts"
    if tenant == "organizations":
        return "Accounts in any organizational directory"
    return "Personal Microsoft accounts only" if tenant == "consumers" else "Accounts in this organizational directory"
