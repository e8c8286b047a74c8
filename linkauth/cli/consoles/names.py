"""What each console calls the fields that linking attempts show to be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldNames:
    """The names of the fields of one console, in its own words. `console` is what operators call it."""

    console: str
    authorization: str = "Authorization URL"
    token: str = "Token URL"
    client_id: str = "Client ID"
    secret: str = "Client secret"
    scope: str = "Scopes"
    pkce: str = "PKCE"
    grant: str = "grant type"
    domains: str = "the list of domains"


FIELD_NAMES: Mapping[str, FieldNames] = {
    "alexa": FieldNames(
        *("Alexa developer console", "Your Web Authorization URI", "Access Token URI", "Your Client ID", "Your Secret"),
        *("Scope", "Proof Key for Code Exchange (PKCE)", "Select an authorization grant type", "Domain List"),
    ),
    "google": FieldNames("Google Home Developer Console", client_id="OAuth Client ID"),
    "smartthings": FieldNames(
        *("SmartThings Developer Workspace", "Authorization URI", "Refresh Token URL", "Client ID", "Client Secret"),
        scope="OAuth Scopes",
    ),
    "yandex": FieldNames(
        *("Yandex Dialogs", "Authorization URL", "Token URL", "Application ID", "Application secret"),
        scope="Action group ID",
    ),
    "ifttt": FieldNames("IFTTT Platform"),
    "bixby": FieldNames(
        *("authorization.bxb", "authorize-endpoint", "token-endpoint", "client-id", "client-secret-key", "scope"),
    ),
    "none": FieldNames(
        *("settings of the client", "authorization endpoint", "token endpoint", "client_id", "client_secret", "scope"),
    ),
}
"""The names by platform (`linkauth.config.platforms`)."""
