"""Web Authentication Level 2: what the browser is asked, and whether its answer is a proof.

`webauthn` verifies the answers. It is imported only if `linkauth.passkeys` is true. The challenge is derived from the
value of the pending sign-in, so it needs no storage: an answer is bound to one pending sign-in, which is used once.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from typing import Any, TypeVar
from urllib.parse import urlsplit

from linkauth.config.settings import SettingsError
from linkauth.login.passkeys import CREDENTIAL_ID_LIMIT, Passkey, PasskeyRefused
from linkauth.login.sign_in import Person
from linkauth.redaction import reason

ANSWER_LIMIT = 8_192
"""Maximum number of characters of an answer. Those of phones have about 1,000."""
TIMEOUT_MILLISECONDS = 60_000
"""How long the browser waits for the person. The script of the page has the same limit."""
ALGORITHMS = (-8, -7, -257)
"""The COSE algorithms of the public keys, the preferred first: EdDSA, ES256, RS256 (which Windows uses)."""
ATTESTATION_FORMATS = ("none", "packed")
"""The formats that browsers send if no attestation is requested: nothing, or a signature by the new key itself."""

Answer = TypeVar("Answer")


class WebAuthentication:
    """Writes the options of the JavaScript API as JSON, and verifies what it returns. It is thread-safe.

    `public_url` determines the relying party and the only accepted origin. `secret` is `linkauth.secret`. Raises
    SettingsError if the library is not installed.
    """

    def __init__(self, public_url: str, secret: str) -> None:
        if find_spec("webauthn") is None:
            problem = "is true, but the package webauthn is not installed: pip install 'linkauth[passkeys]'"
            raise SettingsError([("linkauth.passkeys", problem)])
        # here and not at the first sign-in, which would be slow
        import webauthn

        self._library = webauthn
        url = urlsplit(public_url)
        self._origin, self._rp_id = f"{url.scheme}://{url.netloc}", url.hostname or ""
        self._key = sha256(b"linkauth passkeys" + secret.encode("utf-8")).digest()

    def creation_options(self, value: str, person: Person, service: str, existing: Iterable[Passkey]) -> str:
        """Returns the options of `navigator.credentials.create`. `value` is that of the pending sign-in."""
        account = f"{person.backend}\0{person.subject}".encode("utf-8", "surrogatepass")
        options = {
            "rp": {"id": self._rp_id, "name": service},
            # the ID must not reveal the person (section 14.6.1). With the same one, a device replaces its passkey
            "user": {
                "id": _encoded(hmac.digest(self._key, account, "sha256")),
                "name": person.username,
                "displayName": person.identity.name or person.username,
            },
            "challenge": _encoded(challenge(value)),
            "pubKeyCredParams": [{"type": "public-key", "alg": each} for each in ALGORITHMS],
            "timeout": TIMEOUT_MILLISECONDS,
            "attestation": "none",
            "authenticatorSelection": {
                # the device itself, which the person will have again at the next sign-in
                "authenticatorAttachment": "platform",
                "residentKey": "preferred",
                "userVerification": "required",
            },
            "excludeCredentials": _descriptors(existing),
        }
        return json.dumps(options)

    def request_options(self, value: str, passkeys: Iterable[Passkey]) -> str:
        """Returns the options of `navigator.credentials.get` for one of the passkeys."""
        options = {
            "rpId": self._rp_id,
            "challenge": _encoded(challenge(value)),
            "timeout": TIMEOUT_MILLISECONDS,
            "userVerification": "required",
            "allowCredentials": _descriptors(passkeys),
        }
        return json.dumps(options)

    def created(self, value: str, answer: str) -> Passkey:
        """Returns the passkey that a browser has created for the options of `value`. Raises PasskeyRefused."""

        def verify(credential: dict[str, Any]) -> Passkey:
            found = self._library.verify_registration_response(
                credential=credential,
                expected_challenge=challenge(value),
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
                supported_pub_key_algs=list(ALGORITHMS),
            )
            if found.fmt not in ATTESTATION_FORMATS or len(found.credential_id) > CREDENTIAL_ID_LIMIT:
                raise PasskeyRefused("an attestation or a credential ID that no browser sends")
            return Passkey(found.credential_id, found.credential_public_key, found.sign_count)

        return _verified(answer, verify)

    def used(self, value: str, answer: str, passkeys: Sequence[Passkey]) -> Passkey:
        """Returns the passkey that was used for the options of `value`, with its new counter.

        Raises PasskeyRefused, also if the counter has not increased (section 6.1.1): the passkey may be a copy.
        """

        def verify(credential: dict[str, Any]) -> Passkey:
            known = next((each for each in passkeys if _encoded(each.credential_id) == credential["id"]), None)
            if known is None:
                raise PasskeyRefused("not a passkey of this person")
            found = self._library.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge(value),
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
            return Passkey(known.credential_id, known.public_key, found.new_sign_count)

        return _verified(answer, verify)


def challenge(value: str) -> bytes:
    """Returns the challenge of a pending sign-in, whose `value` has 256 random bits."""
    return sha256(b"linkauth passkey challenge\0" + value.encode("utf-8", "surrogatepass")).digest()


def _verified(answer: str, verify: Callable[[dict[str, Any]], Answer]) -> Answer:
    """Calls `verify` with the parsed answer. Whatever it raises means that the answer is no proof."""
    if len(answer) > ANSWER_LIMIT:
        raise PasskeyRefused("the answer is too long")
    try:
        credential = json.loads(answer)
        client_data = json.loads(_decoded(credential["response"]["clientDataJSON"]))
        # the library does not check it. Our pages are never in a frame
        if client_data.get("crossOrigin") not in (None, False) or "topOrigin" in client_data:
            raise PasskeyRefused("the page was in a frame of another origin")
        return verify(credential)
    except PasskeyRefused:
        raise
    except Exception as error:
        # the library raises also exceptions of its parsers and of cryptography
        raise PasskeyRefused(reason(error)) from error


def _descriptors(passkeys: Iterable[Passkey]) -> list[dict[str, str]]:
    return [{"type": "public-key", "id": _encoded(each.credential_id)} for each in passkeys]


def _encoded(value: bytes) -> str:
    """Returns Base64 for URLs without padding (RFC 7515, section 2), as the API does."""
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _decoded(value: str) -> bytes:
    from webauthn import base64url_to_bytes

    return base64url_to_bytes(value)
