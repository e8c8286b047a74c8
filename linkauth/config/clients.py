"""Settings of an OAuth client (`linkauth.client.<name>.*`) and their validation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from linkauth.config import secret_strength
from linkauth.config.platforms import PLATFORMS, Platform, id_keys
from linkauth.config.reader import Text
from linkauth.config.secret_strength import CLIENT_MIN_BITS, CLIENT_MIN_LENGTH
from linkauth.config.values import COMMA
from linkauth.oauth2.registry import configurable_grants

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_SCOPE_LENGTH = 4096
RESERVED_CLAIMS = {
    *("sub", "username", "preferred_username", "active", "scope", "client_id", "backend"),
    *("iss", "exp", "iat", "nbf", "jti", "aud", "token_type"),
}
"""Claim names that linkauth itself sets in responses and tokens (RFC 7662 section 2.2, RFC 9068 section 2.2)."""
_CLAIM_NAME = re.compile(r"[\x21-\x7E]{1,100}")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


@dataclass(frozen=True)
class ClientSettings:
    """Settings of a client (RFC 6749 section 2). Lifetimes are in seconds; 0 means no expiry.

    If `access_token_lifetime` is None, the grant decides: the authorization code grant uses the platform's default, and
    tokens of the implicit grant do not expire. `platform_ids` maps `Platform.id_key` to the value that the ini sets.
    `sign_ins` are the names of the sign-in providers on the login page, and None means all; None for `password_form`
    means the value of `linkauth.password_form`.
    """

    name: Text
    client_id: str = ""
    platform: str = field(default="alexa", metadata={"choices": PLATFORMS})
    grants: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    platform_ids: dict[str, str] = field(default_factory=dict, metadata={"keys": id_keys})
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
    sign_ins: tuple[str, ...] | None = field(default=None, metadata={"empty": "none"})
    password_form: bool | None = None
    second_factor: Literal["off", "optional", "required"] = "off"

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the platform's defaults for keys that the ini does not set (see `config.presets`)."""
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
        """The configured redirect URIs and those of the platform."""
        given = self.platform_ids.get(self.preset.id_key, "")
        of_platform = self.preset.redirect_uris if given or not self.preset.id_key else ()
        return (*self.redirect_uris, *(uri.replace("{id}", given) for uri in of_platform if self.grants))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (key, problem) for each violated rule. The reader calls this after it has converted every value."""
        yield from self._grant_faults()
        yield from self._platform_faults()
        yield from self._claim_faults()
        yield from self._sign_in_faults()
        for uri in self.redirect_uris:
            if problem := redirect_uri_problem(uri):
                yield "redirect_uris", problem
        if self.secret and (problem := secret_strength.weakness(self.secret, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS)):
            yield "secret", problem
        elif len(self.secret) > 1 and self.secret[0] == self.secret[-1] and self.secret[0] in "\"'":
            yield "secret", "is in quotes, which would be part of it: write it without quotes, as in the console"
        for scope in self.scopes:
            if not _SCOPE_TOKEN.fullmatch(scope):
                yield "scopes", 'contains a character that is not allowed in a scope (RFC 6749 section 3.3: no " or \\)'
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
                known = f"knows only: {', '.join(configurable_grants())}"
                yield "grants", COMMA if "," in grant else known
        if not self.grants and not self.secret:
            yield "grants", "is missing, and so is secret: such a client cannot do anything"
        if self.grants and not self.all_redirect_uris:
            id_key = f", or {self.preset.id_key}" if self.preset.id_key else ""
            yield "redirect_uris", f"is missing: a client with a grant needs redirect URIs{id_key}"
        if "implicit" in self.grants and not self.preset.implicit:
            yield "grants", f"contains implicit, which the platform {self.platform} does not use"
        if self.token_format == "jwt":
            yield from self._jwt_faults()
        if len(" ".join(self.scopes)) > MAX_SCOPE_LENGTH:
            yield "scopes", f"is longer than {MAX_SCOPE_LENGTH} characters in total"
        if not self.secret and self.refresh in ("stable", "overlap"):
            yield "refresh", "must be rotate for a client without a secret"

    def _sign_in_faults(self) -> Iterator[tuple[str, str]]:
        given = {
            "sign_ins": self.sign_ins is not None,
            "password_form": self.password_form is not None,
            "second_factor": self.second_factor != "off",
        }
        for key, is_given in given.items():
            if is_given and not self.grants:
                yield key, "applies only to clients with grants: set it for the client that users link"

    def _claim_faults(self) -> Iterator[tuple[str, str]]:
        if reserved := RESERVED_CLAIMS.intersection(self.claims):
            yield "claims", f"contains names that linkauth sets itself: {', '.join(sorted(reserved))}"
        if not all(map(_CLAIM_NAME.fullmatch, self.claims)):
            yield "claims", "contains a name that is not 1 to 100 ASCII characters"
        if self.claims and not self.grants:
            yield "claims", "applies only to clients with grants: set it for the client that users link"

    def _jwt_faults(self) -> Iterator[tuple[str, str]]:
        by_code = self.preset.access_lifetime if self.access_token_lifetime is None else self.access_token_lifetime
        if ("implicit" in self.grants and not self.access_token_lifetime) or (
            "authorization_code" in self.grants and not by_code
        ):
            yield "access_token_lifetime", "is missing or 0: a JWT must expire, or the deny list grows without limit"
        if self.preset.opaque_only:
            yield "token_format", f"cannot be jwt: the platform {self.platform} accepts only short tokens"

    def _platform_faults(self) -> Iterator[tuple[str, str]]:
        for platform in PLATFORMS.values():
            given = self.platform_ids.get(platform.id_key, "")
            if given and platform is not self.preset:
                problem = f"belongs to the platform {platform.name}, but this client has platform = {self.platform}"
                yield platform.id_key, problem
            elif given and not re.fullmatch(platform.id_pattern, given):
                yield platform.id_key, "does not have the expected format; copy it from the platform's console"
        if len(self.scopes) > self.preset.scope_limit:
            yield "scopes", f"contains more than {self.preset.scope_limit} scopes, the limit of the platform"
        if not set(self.preset.scopes) <= set(self.scopes):
            yield "scopes", f"lacks scopes that {self.platform} always requests: {' '.join(self.preset.scopes)}"
        if self.preset.expiry_required and "authorization_code" in self.grants and self.access_token_lifetime == 0:
            yield "access_token_lifetime", f"is 0, but {self.platform} requires access tokens that expire"
        for key, seconds in (
            ("refresh_token_lifetime", self.refresh_token_lifetime),
            ("refresh_token_idle", self.refresh_token_idle),
        ):
            if not self.preset.refresh_may_expire and seconds > 0:
                yield key, f"must be 0: {self.platform} needs refresh tokens that do not expire"


def redirect_uri_problem(uri: str) -> str | None:
    """Returns why `uri` cannot be registered as a redirect URI, or None if it can.

    The rules are those of RFC 6749 section 3.1.2 and RFC 9700 section 2.1.
    """
    try:
        url = urlsplit(uri)
        host, _ = url.hostname, url.port
    except ValueError:
        return "contains a value that is not a URL"
    if url.scheme not in ("https", "http") or not host:
        return "must contain absolute https:// URLs"
    if not uri.startswith(("https://", "http://")) or not re.fullmatch(r"[\x21-\x7E]+", uri) or "\\" in uri:
        return "contains a character that is not allowed in a URL"
    if url.scheme == "http" and host not in LOOPBACK:
        return "must begin with https:// (http:// only for 127.0.0.1 and localhost)"
    if "#" in uri or "*" in uri or "@" in url.netloc:
        return "must not contain a fragment, a * or a user name: URIs are compared character by character"
    return None
