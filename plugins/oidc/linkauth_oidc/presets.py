"""What differs between providers: the settings of each preset, which the ini file overrides, and its brand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

MICROSOFT = "https://login.microsoftonline.com"
TENANT = "{tenantid}"
"""What the issuer of Microsoft's discovery document has in place of the tenant if people of any tenant may sign in."""
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal Microsoft accounts."""
MULTI_TENANT = ("common", "organizations")
GRAPH = "https://graph.facebook.com/v24.0"


class Preset(NamedTuple):
    """The values of settings; the brand of the button; and how the provider treats embedded browsers.

    `hosts` are further hosts for requests, and `page_hosts` further ones whose pages the browser visits.
    """

    values: Mapping[str, Any]
    brand: str = ""
    brand_name: str = ""
    hosts: tuple[str, ...] = ()
    page_hosts: tuple[str, ...] = ()
    refuses_embedded_browsers: bool = False


PRESETS: Mapping[str, Preset] = {
    "generic": Preset({}),
    "keycloak": Preset({}),
    "amazon": Preset(
        # https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
        {
            "protocol": "oauth2",
            "authorization_endpoint": "https://www.amazon.com/ap/oa",
            "token_endpoint": "https://api.amazon.com/auth/o2/token",
            "userinfo_endpoint": "https://api.amazon.com/user/profile",
            "client_authentication": "post",
            "scopes": ("profile",),
            "subject_claim": "user_id",
            "username_claim": "email",
        },
        "amazon",
        "Amazon",
    ),
    "google": Preset(
        {
            "issuer": "https://accounts.google.com",
            "client_authentication": "post",
            "username_claim": "email",
            "userinfo": "never",
        },
        "google",
        "Google",
        hosts=("oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"),
        refuses_embedded_browsers=True,
    ),
    "microsoft": Preset(
        {"client_authentication": "post", "userinfo": "never"},
        "microsoft",
        "Microsoft",
        hosts=("graph.microsoft.com",),
        # personal accounts
        page_hosts=("login.live.com",),
    ),
    "apple": Preset(
        {
            "issuer": "https://appleid.apple.com",
            # Apple accepts the scopes name and email only with this response mode
            "response_mode": "form_post",
            "client_authentication": "post",
            "scopes": ("openid", "name", "email"),
            "username_claim": "email",
            "userinfo": "never",
        },
        "apple",
        "Apple",
    ),
    "facebook": Preset(
        # https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow
        {
            "protocol": "oauth2",
            "authorization_endpoint": "https://www.facebook.com/v24.0/dialog/oauth",
            "token_endpoint": f"{GRAPH}/oauth/access_token",
            "userinfo_endpoint": f"{GRAPH}/me?fields=id,name,email",
            "client_authentication": "post",
            "scopes": ("public_profile", "email"),
            "subject_claim": "id",
            "username_claim": "email",
        },
        "facebook",
        "Facebook",
        page_hosts=("m.facebook.com",),
        refuses_embedded_browsers=True,
    ),
}


def preset_values(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the values of the preset that `given`, the values of the ini file, names."""
    name = given.get("preset", "generic")
    values = dict(PRESETS[name].values)
    if name == "microsoft" and (tenant := str(given.get("tenant", "")).lower()):
        part = TENANT if tenant in MULTI_TENANT else CONSUMERS if tenant == "consumers" else tenant
        values["issuer"] = f"{MICROSOFT}/{part}/v2.0"
    return values
