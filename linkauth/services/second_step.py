"""Opens the second step of sign-ins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from linkauth.config.settings import Settings
from linkauth.login.dispatch import NamedBackend
from linkauth.login.throttle import Throttle
from linkauth.redaction import reason
from linkauth.storage import ChallengeStore, PasskeyStore, PendingStore, SecondFactorAdmin, SecondFactorStore

if TYPE_CHECKING:
    from linkauth.login.passkey_factor import PasskeyFactor
    from linkauth.login.second_factor import SecondStep


log = logging.getLogger(__name__)


def encrypt_for_new_secret(settings: Settings, engine: Engine) -> None:
    """Encrypt the second factors for the new secret too, so that servers without the former secret can read them.

    It happens in a thread of its own, because there may be many.
    """
    admin = SecondFactorAdmin(engine, settings.secret, settings.previous_secrets)

    def encrypt() -> None:
        try:
            count = admin.add_seals()
        except Exception as error:
            log.warning("second factors are not yet encrypted for the new linkauth.secret: error=%s", reason(error))
        else:
            if count:
                log.info("second factors are now also encrypted for the new linkauth.secret: people=%d", count)

    threading.Thread(target=encrypt, name="second factors", daemon=True).start()


def open_second_step(
    settings: Settings,
    backends: Sequence[NamedBackend],
    throttle: Throttle,
    engine: Engine,
    challenges: ChallengeStore,
    pending: PendingStore,
    wake: Callable[[], object],
) -> SecondStep | None:
    """Return the second step; None if no client asks for a second factor. `wake` wakes the sender of mails.

    Raises SettingsError.
    """
    if all(client.second_factor == "off" for client in settings.clients.values()):
        return None
    # most servers need none of these modules
    from linkauth.login.mailed_factor import MailedFactor
    from linkauth.login.second_factor import SecondStep

    is_mailed = settings.second_factor.mail_codes and settings.mail is not None
    mailed = MailedFactor(backends, challenges, wake) if is_mailed else None
    factors = SecondFactorStore(engine, settings.secret, settings.previous_secrets)
    return SecondStep(settings, throttle, factors, pending, mailed, _open_passkeys(settings, engine))


def _open_passkeys(settings: Settings, engine: Engine) -> PasskeyFactor | None:
    """Raises SettingsError if the library is missing."""
    if not settings.passkeys:
        return None
    from linkauth.login.passkey_factor import PasskeyFactor
    from linkauth.login.web_authentication import WebAuthentication

    return PasskeyFactor(WebAuthentication(settings.public_url, settings.secret), PasskeyStore(engine))
