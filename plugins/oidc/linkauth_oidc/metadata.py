"""The endpoints of the provider: from its discovery document (OpenID Connect Discovery 1.0), or from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from linkauth.backends import BackendMisconfigured, BackendUnavailable
from linkauth.net import Deadline
from linkauth_oidc.client import Client
from linkauth_oidc.documents import text_of, texts_of
from linkauth_oidc.settings import OIDCSettings


@dataclass(frozen=True)
class Metadata:
    """Where requests are sent, and what the provider announces. Empty: it is not announced."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str = ""
    jwks_uri: str = ""
    announces_iss: bool = False
    client_authentications: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    challenge_methods: tuple[str, ...] = ()
    response_modes: tuple[str, ...] = ()


def from_settings(settings: OIDCSettings) -> Metadata:
    """Returns the endpoints of a provider without discovery."""
    return Metadata(settings.authorization_endpoint, settings.token_endpoint, settings.userinfo_endpoint)


def discover(settings: OIDCSettings, client: Client, deadline: Deadline) -> Metadata:
    """Returns what the discovery document says. Endpoints in the settings take precedence.

    Raises BackendUnavailable if there is no document, and BackendMisconfigured if it has another issuer, if an endpoint
    is missing, or if one is at a host that is not allowed.
    """
    answer = client.get(settings.discovery_url, deadline)
    document = answer.document
    if answer.status == 404:
        raise BackendMisconfigured(f"there is no discovery document at {settings.discovery_url}: check issuer")
    if answer.status != 200 or document is None:
        raise BackendUnavailable(f"no discovery document at {settings.discovery_url}: {answer}")
    if text_of(document, "issuer") != settings.issuer:
        raise BackendMisconfigured(f"the discovery document has another issuer than {settings.issuer}: check issuer")
    found = {
        name: getattr(settings, name, "") or text_of(document, name)
        for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    }
    for name, url in found.items():
        if url:
            client.require_allowed(url, name)
        elif name == "userinfo_endpoint" and settings.userinfo == "always":
            raise BackendMisconfigured("userinfo = always, but the discovery document has no userinfo_endpoint")
        elif name != "userinfo_endpoint":
            raise BackendMisconfigured(f"the discovery document has no {name}")
    return Metadata(
        **found,
        announces_iss=document.get("authorization_response_iss_parameter_supported") is True,
        client_authentications=texts_of(document, "token_endpoint_auth_methods_supported"),
        algorithms=texts_of(document, "id_token_signing_alg_values_supported"),
        challenge_methods=texts_of(document, "code_challenge_methods_supported"),
        response_modes=texts_of(document, "response_modes_supported"),
    )
