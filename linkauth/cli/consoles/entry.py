"""What the forms of all consoles are filled from: a client, the URLs of the server, and the domains of its pages."""

from __future__ import annotations

from dataclasses import dataclass

from linkauth.cli.consoles.domains import Domain
from linkauth.config.clients import ClientSettings
from linkauth.config.secret_strength import REMEDY


@dataclass(frozen=True)
class Entry:
    """A client of the ini file. `domains` are those of its pages; `with_secret` means that the secret may be shown."""

    name: str
    client: ClientSettings
    public_url: str
    domains: tuple[Domain, ...]
    with_secret: bool

    @property
    def client_id(self) -> str:
        return self.client.client_id or self.name

    @property
    def grant(self) -> str:
        """The grant to select in a console that takes one grant. The authorization code grant is the better one."""
        return "authorization_code" if "authorization_code" in self.client.grants else "implicit"

    @property
    def by_code(self) -> bool:
        return self.grant == "authorization_code"

    @property
    def authorization_url(self) -> str:
        return f"{self.public_url}/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.public_url}/token"

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        """The redirect URIs for `grant`, without those that the platform uses only with the other grant."""
        others = {
            prefix_of(uri)
            for grant in ("authorization_code", "implicit")
            for uri in self.client.preset.redirect_uris_for(grant)
            if uri not in self.client.preset.redirect_uris_for(self.grant)
        }
        return tuple(uri for uri in self.client.all_redirect_uris if not uri.startswith(tuple(others)))

    @property
    def token_lifetime(self) -> int | None:
        """The lifetime of access tokens of `grant` in seconds, within the platform's limits. None: no expiry."""
        preset = self.client.preset
        configured = self.client.access_token_lifetime
        if configured is None:
            configured = preset.access_lifetime if self.by_code else None
        return min(max(configured, preset.min_access_lifetime), preset.max_access_lifetime) if configured else None

    @property
    def secret_key(self) -> str:
        return f"linkauth.client.{self.name}.secret"

    @property
    def secret(self) -> str:
        """The secret, or what stands in its place."""
        if not self.client.secret:
            return "(this client has no secret)"
        return self.client.secret if self.with_secret else "(hidden; --secret shows it)"

    @property
    def secret_notes(self) -> tuple[str, ...]:
        if self.client.secret:
            return (
                f"It is the value of {self.secret_key}. To replace it, set that to another one, restart linkauth, and "
                f"type it here; in between, requests are refused. {REMEDY.capitalize()}",
            )
        return (f"To give it one, set {self.secret_key}; {REMEDY}",)


def prefix_of(template: str) -> str:
    """Returns the part of a platform's redirect URI before the id that a console assigns."""
    return template.split("{id}")[0]
