"""Chromium's virtual authenticator of the Chrome DevTools Protocol (domain WebAuthn), which plays the user's device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page


@dataclass(frozen=True)
class VirtualAuthenticator:
    """An authenticator of one page, which answers at once, without the person."""

    session: CDPSession
    authenticator_id: str

    def credentials(self) -> list[dict[str, Any]]:
        """Returns its passkeys, with their private keys and counters."""
        found: list[dict[str, Any]] = self._send("getCredentials")["credentials"]
        return found

    def add(self, credential: dict[str, Any]) -> None:
        """Adds a passkey of `credentials`, perhaps of another authenticator: a copy."""
        self._send("addCredential", credential=credential)

    def verify_user(self, succeeds: bool) -> None:
        """Sets whether the person is verified by a finger, a face or a PIN."""
        self._send("setUserVerified", isUserVerified=succeeds)

    def remove(self) -> None:
        self._send("removeVirtualAuthenticator")

    def _send(self, method: str, **parameters: Any) -> Any:
        return self.session.send(f"WebAuthn.{method}", {"authenticatorId": self.authenticator_id, **parameters})


def add_authenticator(page: Page, **options: Any) -> VirtualAuthenticator:
    """Adds the authenticator of a phone to a page. `options` are those of WebAuthn.VirtualAuthenticatorOptions."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    phone = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**phone, **options}})
    return VirtualAuthenticator(session, added["authenticatorId"])
