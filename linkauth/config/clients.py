"""What the ini may say about a client, `linkauth.client.<name>.*`, and the rules between the keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from linkauth.config import secret_strength
from linkauth.config.platforms import PLATFORMS, Platform
from linkauth.config.reader import Text
from linkauth.config.secret_strength import CLIENT_MIN_BITS, CLIENT_MIN_LENGTH
from linkauth.oauth2.registry import configurable_grants

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SCOPE_CHARACTERS = 4096
RESERVED_CLAIMS = {
    *("sub", "username", "preferred_username", "active", "scope", "client_id", "backend"),
    *("iss", "exp", "iat", "nbf", "jti", "aud", "token_type"),
}
"""Names that our own answers and tokens give a meaning (RFC 7662 section 2.2, RFC 9068 section 2.2)."""
_CLAIM_NAME = re.compile(r"[\x21-\x7E]{1,100}")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


@dataclass(frozen=True)
class ClientSettings:
    """A client (RFC 6749 section 2). Lifetimes are in seconds; 0 is no expiry.

    `access_token_lifetime` is None if the grants differ in it: the platform's own by code, no expiry by the implicit
    grant.
    """

    name: Text
    client_id: str = ""
    platform: str = field(default="alexa", metadata={"choices": PLATFORMS})
    grants: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    alexa_vendor_id: str = ""
    google_project_id: str = ""
    ifttt_service_id: str = ""
    secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    require_state: bool = False
    pkce: Literal["optional", "required"] = "optional"
    access_token_lifetime: int | None = None
    refresh: Literal["stable", "overlap", "rotate"] = "rotate"
    refresh_token_lifetime: int = 0
    refresh_token_idle: int = 0
    refresh_grace: int = 60
    token_format: Literal["opaque", "jwt"] = "opaque"
    iss: bool = False
    introspects: tuple[str, ...] = ()
    theme: str = ""

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the platform asks for, where the ini does not say it (see `config.presets`)."""
        preset = PLATFORMS[given.get("platform", cls.platform)]
        by_code = "authorization_code" in given.get("grants", cls.grants)
        return {
            "scopes": preset.scopes,
            "refresh": preset.refresh if given.get("secret", cls.secret) else "rotate",
            "iss": preset.sends_iss and by_code,
        }

    @property
    def preset(self) -> Platform:
        return PLATFORMS[self.platform]

    @property
    def all_redirect_uris(self) -> tuple[str, ...]:
        """Those that are written, and the platform's."""
        given = self._ids.get(self.preset.id_key, "")
        of_platform = self.preset.redirect_uris if given or not self.preset.id_key else ()
        return (*self.redirect_uris, *(uri.replace("{id}", given) for uri in of_platform if self.grants))

    @property
    def _ids(self) -> dict[str, str]:
        """The IDs that platforms give, by the keys that `Platform.id_key` names."""
        return {
            "alexa_vendor_id": self.alexa_vendor_id,
            "google_project_id": self.google_project_id,
            "ifttt_service_id": self.ifttt_service_id,
        }

    def faults(self) -> Iterator[tuple[str, str]]:
        """The rules between the keys, as (key, problem); asked by the reader after the types are right."""
        yield from self._grant_faults()
        yield from self._platform_faults()
        yield from self._claim_faults()
        for uri in self.redirect_uris:
            if problem := redirect_uri_problem(uri):
                yield "redirect_uris", problem
        if self.secret and (problem := secret_strength.weakness(self.secret, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS)):
            yield "secret", problem
        for scope in self.scopes:
            if not _SCOPE_TOKEN.fullmatch(scope):
                yield "scopes", 'holds a character that no scope may have (RFC 6749 section 3.3: no space, " or \\)'
        if self.client_id and not re.fullmatch(r"[\x20-\x7E]{1,255}", self.client_id):
            yield "client_id", "is not 1 to 255 printable ASCII characters"
        for key, seconds in (
            ("access_token_lifetime", self.access_token_lifetime or 0),
            ("refresh_token_lifetime", self.refresh_token_lifetime),
            ("refresh_token_idle", self.refresh_token_idle),
            ("refresh_grace", self.refresh_grace),
        ):
            if seconds < 0:
                yield key, "is below 0"

    def _grant_faults(self) -> Iterator[tuple[str, str]]:
        for grant in self.grants:
            if grant not in configurable_grants():
                yield "grants", f"knows only: {', '.join(configurable_grants())}"
        if not self.grants and not self.secret:
            yield "grants", "is missing, and so is secret: this client could do nothing"
        if self.grants and not self.all_redirect_uris:
            id_key = f", or {self.preset.id_key}" if self.preset.id_key else ""
            yield "redirect_uris", f"is missing: a client with a grant needs its redirect URIs{id_key}"
        if "implicit" in self.grants and not self.preset.implicit:
            yield "grants", f"holds implicit, which the platform {self.platform} does not use"
        if self.token_format == "jwt":
            yield from self._jwt_faults()
        if len(" ".join(self.scopes)) > SCOPE_CHARACTERS:
            yield "scopes", f"has more than {SCOPE_CHARACTERS} characters in all"
        if not self.secret and self.refresh in ("stable", "overlap"):
            yield "refresh", "must be rotate for a client without a secret"

    def _claim_faults(self) -> Iterator[tuple[str, str]]:
        if taken := RESERVED_CLAIMS.intersection(self.claims):
            yield "claims", f"holds what linkauth says itself: {', '.join(sorted(taken))}"
        if not all(map(_CLAIM_NAME.fullmatch, self.claims)):
            yield "claims", "holds a name that is not 1 to 100 ASCII characters"
        if self.claims and not self.grants:
            yield "claims", "is for clients with grants: name them there, where people link"

    def _jwt_faults(self) -> Iterator[tuple[str, str]]:
        by_code = self.preset.access_lifetime if self.access_token_lifetime is None else self.access_token_lifetime
        if ("implicit" in self.grants and not self.access_token_lifetime) or (
            "authorization_code" in self.grants and not by_code
        ):
            yield "access_token_lifetime", "is missing or 0: a JWT without an expiry could never be forgotten"
        if self.preset.opaque_only:
            yield "token_format", f"cannot be jwt: the platform {self.platform} takes short tokens only"

    def _platform_faults(self) -> Iterator[tuple[str, str]]:
        for platform in PLATFORMS.values():
            given = self._ids.get(platform.id_key, "")
            if given and platform is not self.preset:
                yield platform.id_key, f"belongs to the platform {platform.name}, and this client's is {self.platform}"
            elif given and not re.fullmatch(platform.id_pattern, given):
                yield platform.id_key, "does not look like one; copy it from the platform's console"
        if len(self.scopes) > self.preset.scope_limit:
            yield "scopes", f"holds more than the {self.preset.scope_limit} that the platform takes"
        if not set(self.preset.scopes) <= set(self.scopes):
            yield "scopes", f"lacks what {self.platform} always asks for: {' '.join(self.preset.scopes)}"
        if self.preset.expiry_required and "authorization_code" in self.grants and self.access_token_lifetime == 0:
            yield "access_token_lifetime", f"is 0, and {self.platform} takes no access token without an expiry"
        for key, seconds in (
            ("refresh_token_lifetime", self.refresh_token_lifetime),
            ("refresh_token_idle", self.refresh_token_idle),
        ):
            if not self.preset.refresh_may_expire and seconds > 0:
                yield key, f"must stay 0: {self.platform} needs refresh tokens that do not expire"


def redirect_uri_problem(uri: str) -> str | None:
    """What keeps `uri` from being registered, or None (RFC 6749 section 3.1.2, RFC 9700 section 2.1)."""
    try:
        url = urlsplit(uri)
        host, _ = url.hostname, url.port
    except ValueError:
        return "holds something that is not a URL"
    if url.scheme not in ("https", "http") or not host:
        return "must be absolute https:// URLs"
    if not uri.startswith(("https://", "http://")) or not re.fullmatch(r"[\x21-\x7E]+", uri) or "\\" in uri:
        return "holds a character that a URL may not have"
    if url.scheme == "http" and host not in LOOPBACK:
        return "must begin with https:// (http:// only for 127.0.0.1 and localhost)"
    if "#" in uri or "*" in uri or "@" in url.netloc:
        return "may have no fragment, no * and no user name: it is compared character by character"
    return None
