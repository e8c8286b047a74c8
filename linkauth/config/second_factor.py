"""Settings of the second factor (`linkauth.second_factor.*`, `linkauth.passkeys`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from linkauth.config.backends import BackendSettings
from linkauth.config.clients import ClientSettings
from linkauth.config.reader import Keys
from linkauth.config.sign_ins import SignInSettings

MAX_REMEMBER_DAYS = 90


@dataclass(frozen=True)
class SecondFactorSettings:
    """Settings of the second factor that apply to all clients; `ClientSettings.second_factor` says which ask for it.

    `backends` are the backends and sign-in providers whose people need one (empty: all of them). A device is remembered
    for `remember_days` days; 0 means never.
    """

    backends: tuple[str, ...] = ()
    mail_codes: bool = False
    remember_days: int = 0

    def applies_to(self, backend: str) -> bool:
        """Returns whether people of a backend, or of a provider with accounts of its own, need a second factor."""
        return not self.backends or backend in self.backends

    def faults(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.remember_days <= MAX_REMEMBER_DAYS:
            yield "remember_days", f"is not a number of days from 0 (never) to {MAX_REMEMBER_DAYS}"


def check_second_factor(
    keys: Keys,
    second_factor: SecondFactorSettings | None,
    backends: Sequence[BackendSettings],
    sign_ins: Sequence[SignInSettings],
    sign_in_names: Sequence[str],
    backend_names: Sequence[str],
    sends_mail: bool,
) -> None:
    """Adds faults for names without people, and for codes by mail without a mail server."""
    if second_factor is None:
        return
    key, names = "second_factor.backends", set(second_factor.backends)
    if names - {*backend_names, *sign_in_names}:
        problem = "contains a name that is in neither linkauth.backends nor linkauth.sign_ins: correct or remove it"
        keys.add_fault(key, problem)
    if names & {each.name for each in backends if each.shadow}:
        keys.add_fault(key, "contains a backend with shadow = true, where nobody signs in: remove it")
    if names & {each.name for each in sign_ins if not each.match.own}:
        problem = "contains a provider whose people belong to the backend in its setting match: write this backend"
        keys.add_fault(key, problem)
    if second_factor.mail_codes and not sends_mail:
        problem = "is true, but linkauth.mail.host is missing, the server that sends the codes"
        keys.add_fault("second_factor.mail_codes", f"{problem} (for development: linkauth.mail.sink)")


def passkey_problem(public_url: str, clients: Mapping[str, ClientSettings | None]) -> str:
    """Returns why `linkauth.passkeys` cannot be true, or "".

    The ID of the relying party is the host of `public_url`, which must be a domain (Web Authentication Level 2, 5.4.2).
    """
    if all(client is not None and client.second_factor == "off" for client in clients.values()):
        return "is true, but no client has second_factor = optional or required, for which people use passkeys"
    try:
        ip_address(urlsplit(public_url).hostname or "")
    except ValueError:
        return ""
    return "needs a host name in linkauth.public_url: browsers accept no passkeys for an IP address (use localhost)"
