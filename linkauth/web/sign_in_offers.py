"""What the login page of a client offers: sign-in providers, and the form for a password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from linkauth.config.settings import ClientSettings, Settings
from linkauth.services import Services
from linkauth.sign_ins import ResponseMode
from linkauth.themes.languages import localized
from linkauth.themes.providers import ProviderButton


@dataclass(frozen=True, slots=True)
class SignInOffer:
    """What the login page of a client offers.

    `modes` are the ways in which each of the providers answers, by its name. `registration` is whether one of them lets
    people without an account create one.
    """

    password_form: bool = True
    buttons: tuple[ProviderButton, ...] = ()
    modes: Mapping[str, ResponseMode] = field(default_factory=dict)
    registration: bool = False

    def provider_name(self, name: str, language: str) -> str:
        """Return the name for people of the provider `name`; "" if it is not offered."""
        button = next((each for each in self.buttons if each.name == name), None)
        return "" if button is None else localized(button.label, language) or button.brand_name or button.name


def sign_in_offers(services: Services) -> Mapping[str, SignInOffer]:
    """Return the offers by client_id."""
    clients = services.settings.clients.items()
    return {client.client_id or name: _offer(services.settings, services, client) for name, client in clients}


def _offer(settings: Settings, services: Services, client: ClientSettings) -> SignInOffer:
    names = [each.name for each in settings.sign_ins_of(client)]
    offered = [named for named in services.providers if named.name in names]
    buttons = tuple(
        ProviderButton(
            named.name,
            named.provider.brand,
            tuple(named.settings.label.items()),
            named.provider.brand_name,
            named.provider.refuses_embedded_browsers,
        )
        for named in offered
    )
    return SignInOffer(
        settings.has_password_form(client),
        buttons,
        {named.name: named.provider.response_mode for named in offered},
        any(named.settings.registration for named in offered),
    )
