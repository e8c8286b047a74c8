"""Presets with the requirements of each platform for an authorization server.

Sources: developer.amazon.com/docs/account-linking, developers.google.com/identity/account-linking,
developer.smartthings.com/docs/devices/cloud-connected/auth-server, yandex.ru/dev/dialogs/smart-home/doc/en/auth,
ifttt.com/docs/api_reference, bixbydevelopers.com (actions.using-oauth).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Platform:
    """Requirements and defaults of one platform. `label` is its name on pages; "" if pages do not name it.

    In `redirect_uris`, `{id}` stands for the value of the setting `id_key`, which must match `id_pattern`. Those in
    `implicit_redirect_uris` are for the implicit grant only; without them, each one is for both grants. `regions` maps
    hosts of redirect URIs to the regions of the world that use them.

    Lifetimes are in seconds. `access_lifetime` is the default for access tokens of the authorization code grant; None
    means no expiry. `min_access_lifetime` and `max_access_lifetime` are the platform's limits. With `expiry_required`
    the platform needs `expires_in` in every token response. With `refresh_may_expire` it accepts refresh tokens that
    expire. It requests `scopes` in every authorization request.
    """

    name: str
    label: str = ""
    redirect_uris: tuple[str, ...] = ()
    implicit_redirect_uris: tuple[str, ...] = ()
    regions: Mapping[str, str] = field(default_factory=dict)
    id_key: str = ""
    id_pattern: str = ""
    access_lifetime: int | None = 3600
    min_access_lifetime: int = 1
    max_access_lifetime: int = 2**31 - 1
    expiry_required: bool = False
    refresh_may_expire: bool = True
    scopes: tuple[str, ...] = ()
    refresh: Literal["stable", "overlap", "rotate"] = "stable"
    scope_limit: int = 100
    pkce_methods: tuple[str, ...] = ("S256",)
    implicit: bool = False
    opaque_only: bool = False
    sends_iss: bool = False

    def redirect_uris_for(self, grant: str) -> tuple[str, ...]:
        """Returns the redirect URIs that the platform uses with a grant."""
        if grant == "implicit" and self.implicit_redirect_uris:
            return self.implicit_redirect_uris
        return tuple(uri for uri in self.redirect_uris if uri not in self.implicit_redirect_uris)


# the host depends on the region of the device
_ALEXA_REGIONS = {
    "pitangui.amazon.com": "North America",
    "layla.amazon.com": "Europe and India",
    "alexa.amazon.co.jp": "Far East",
}
_ALEXA_CODE_URIS = tuple(f"https://{host}/api/skill/link/{{id}}" for host in _ALEXA_REGIONS)
_ALEXA_IMPLICIT_URIS = tuple(
    f"https://{host}/spa/skill/account-linking-status.html?vendorId={{id}}" for host in _ALEXA_REGIONS
)

PLATFORMS: Mapping[str, Platform] = {
    platform.name: platform
    for platform in (
        Platform(
            "alexa",
            "Alexa",
            redirect_uris=_ALEXA_CODE_URIS + _ALEXA_IMPLICIT_URIS,
            implicit_redirect_uris=_ALEXA_IMPLICIT_URIS,
            regions=_ALEXA_REGIONS,
            id_key="alexa_vendor_id",
            id_pattern=r"[A-Z0-9]{5,32}",
            min_access_lifetime=360,
            scope_limit=15,
            implicit=True,
        ),
        Platform(
            "google",
            "Google",
            redirect_uris=(
                "https://oauth-redirect.googleusercontent.com/r/{id}",
                "https://oauth-redirect-sandbox.googleusercontent.com/r/{id}",
            ),
            id_key="google_project_id",
            id_pattern=r"[a-z0-9-]{4,60}",
            expiry_required=True,
            implicit=True,
        ),
        Platform(
            "smartthings",
            "SmartThings",
            redirect_uris=tuple(
                f"https://{host}.smartthings.com/oauth/callback" for host in ("c2c-us", "c2c-eu", "c2c-ap", "api")
            ),
        ),
        # limits a token response to 5,000 characters and a token to 2,048; a JWT may be longer
        Platform(
            "yandex",
            "Yandex",
            redirect_uris=("https://social.yandex.net/broker/redirect",),
            max_access_lifetime=4_294_967_296,
            opaque_only=True,
        ),
        # refreshes only after a 401: access tokens need not expire, and refresh tokens must not
        Platform(
            "ifttt",
            "IFTTT",
            redirect_uris=("https://ifttt.com/channels/{id}/authorize",),
            id_key="ifttt_service_id",
            id_pattern=r"[a-z0-9_]{1,60}",
            access_lifetime=None,
            refresh_may_expire=False,
            scopes=("ifttt",),
        ),
        # uses two names for the same PKCE method
        Platform("bixby", "Bixby", pkce_methods=("S256", "SHA256")),
        Platform("none", implicit=True, sends_iss=True),
    )
}


def id_keys() -> list[str]:
    """Returns the `id_key` of each platform that has one."""
    return [platform.id_key for platform in PLATFORMS.values() if platform.id_key]
