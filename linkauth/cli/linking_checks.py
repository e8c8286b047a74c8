"""The checks of `linkauth doctor` for linking: the redirect URLs of all regions, and lifetimes that fit the platform.

The requirements are those of developer.amazon.com/docs/account-linking: the console shows a redirect URL for each
region, access tokens must live for at least 360 seconds, and old refresh tokens should not be invalidated at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from linkauth.cli.findings import Configuration, Finding, ok, warning
from linkauth.config.clients import ClientSettings


def linking_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields the findings of all clients that people link."""
    for name, client in configuration.settings.clients.items():
        if client.grants and client.preset.id_key:
            yield from redirect_findings(name, client)
        if client.grants and client.platform == "alexa":
            yield from lifetime_findings(name, client)


def redirect_findings(name: str, client: ClientSettings) -> Iterator[Finding]:
    """Yields whether the redirect URIs of a client contain those of the platform for every region."""
    key, id_key, platform = f"linkauth.client.{name}.redirect_uris", client.preset.id_key, client.preset.label
    templates = tuple(uri for grant in client.grants for uri in client.preset.redirect_uris_for(grant))
    if client.platform_ids.get(id_key):
        yield ok("client.redirect_uris", key, f"{id_key} gives all redirect URLs of {platform}")
        return
    identifiers = {found for uri in client.redirect_uris for found in _identifiers(uri, client.preset.redirect_uris)}
    if not identifiers:
        problem = f"contains no redirect URL of {platform} in the expected form: set {id_key}, which gives all of them"
        yield warning("client.redirect_uris", key, problem)
        return
    for identifier in sorted(identifiers):
        needed = [template.replace("{id}", identifier) for template in templates]
        if missing := [uri for uri in needed if uri not in client.redirect_uris]:
            problem = f"lacks {', '.join(_with_region(uri, client) for uri in missing)}, so people there cannot link"
            remedy = f"Set {id_key} = {identifier}, which gives all redirect URLs of {platform}"
            yield warning("client.redirect_uris", key, f"{problem}. {remedy}")
        else:
            yield ok("client.redirect_uris", key, f"contains all redirect URLs of {platform} for {identifier}")


def lifetime_findings(name: str, client: ClientSettings) -> Iterator[Finding]:
    """Yields whether a link of Alexa lasts, and whether Alexa can refresh its tokens."""
    key, minimum = f"linkauth.client.{name}", client.preset.min_access_lifetime
    findings = list(_lifetime_warnings(key, client, minimum))
    by_code = "authorization_code" in client.grants
    if not findings:
        lifetime = client.access_token_lifetime
        seconds = client.preset.access_lifetime if lifetime is None and by_code else lifetime
        detail = f"access tokens are valid for {seconds} s" if seconds else "access tokens do not expire"
        if by_code:
            detail += f"{',' if seconds else ''} and refresh tokens do not expire (refresh = {client.refresh})"
        findings = [ok("client.lifetimes", key, detail)]
    yield from findings


def _lifetime_warnings(key: str, client: ClientSettings, minimum: int) -> Iterator[Finding]:
    by_code, lifetime = "authorization_code" in client.grants, client.access_token_lifetime or 0
    identifier = "client.lifetimes"
    if 0 < lifetime < minimum:
        problem = f"is {lifetime} s, and linkauth uses {minimum} s instead, because Alexa refuses shorter lifetimes"
        yield warning(identifier, f"{key}.access_token_lifetime", problem)
    if "implicit" in client.grants and lifetime:
        problem = (
            f"is {max(lifetime, minimum)} s: the implicit grant has no refresh tokens, so people must link again after "
            "it. Use 0, or grants = authorization_code"
        )
        yield warning(identifier, f"{key}.access_token_lifetime", problem)
    if not by_code:
        return
    for name, seconds, what in (
        ("refresh_token_lifetime", client.refresh_token_lifetime, "after it"),
        ("refresh_token_idle", client.refresh_token_idle, "if they do not use the skill for so long"),
    ):
        if seconds:
            problem = f"is {seconds} s: people must link again {what}. Amazon advises refresh tokens that do not expire"
            yield warning(identifier, f"{key}.{name}", problem)
    if client.refresh == "rotate":
        remedy = "use refresh = stable or overlap" if client.secret else "give the client a secret and refresh = stable"
        problem = (
            "is rotate, but Amazon asks not to invalidate old refresh tokens at once, since Alexa may use one again"
        )
        yield warning(identifier, f"{key}.refresh", f"{problem}: {remedy}")


def _with_region(uri: str, client: ClientSettings) -> str:
    """Returns a redirect URI, followed by the region of the world that uses it, if the platform has regions."""
    region = client.preset.regions.get(uri.split("/")[2])
    return f"{uri} ({region})" if region else uri


def _identifiers(uri: str, templates: tuple[str, ...]) -> Iterator[str]:
    """Yields the identifier in a redirect URI that has the form of one of the templates."""
    for template in templates:
        before, _, after = template.partition("{id}")
        found = uri[len(before) : len(uri) - len(after)]
        if found and uri == before + found + after and not set(found) & set("/?#&"):
            yield found
