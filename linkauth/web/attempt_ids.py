"""The id of an attempt to link: a keyed digest of the authorization request, for log lines, events and the journal."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

from linkauth.config.settings import Settings
from linkauth.identities import address_bucket

SIZE = 8
"""The bytes of an id."""
_NAMES = ("client_id", "response_type", "redirect_uri", "state", "code_challenge")
"""The parameters of an authorization request that stay the same on all its pages. Those of the language do not."""


class AttemptIds:
    """Makes ids with a key that is derived from a secret, so that nobody can find a request by trying."""

    def __init__(self, secret: str) -> None:
        self._key = sha256(b"linkauth attempts" + secret.encode("utf-8")).digest()

    @classmethod
    def from_settings(cls, settings: Settings) -> AttemptIds:
        """Use the oldest secret, which servers with the former and with the new ini file have in common."""
        return cls((settings.secret, *settings.previous_secrets)[-1])

    def of(self, query: Iterable[tuple[str, str]], address: str) -> str:
        """Return the id (16 hexadecimal digits) of the attempt to which a decoded query belongs; "" if to none.

        Without `state` and PKCE all people send the same request, so the IP address tells them apart.
        """
        parameters: Mapping[str, str] = dict(query)
        if not parameters.get("client_id") and not parameters.get("redirect_uri"):
            return ""
        values = [parameters.get(name, "") for name in _NAMES]
        if not values[-1] and not values[-2]:
            values.append(address_bucket(address) or address)
        message = "\0".join(values).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")[:SIZE].hex()
