"""Applies the setting `log_identities` to the log of this process."""

from __future__ import annotations

from linkauth import identities
from linkauth.config.settings import Settings


def show_identities(settings: Settings, policy: identities.Policy | None = None) -> None:
    """Set what the log shows of people: `log_identities` of the settings, unless `policy` is given."""
    region = next((entry.phone_region for entry in settings.backends if entry.phone_region), "")
    if not region:
        identities.configure(policy or settings.log_identities, settings.secret)
        return
    # few backends have telephone numbers as user names
    from linkauth.login.phone import PhoneForms

    # a number is read as in the first region, so that one person has one hash
    identities.configure(policy or settings.log_identities, settings.secret, PhoneForms(region).key)
