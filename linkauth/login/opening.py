"""Opens the configured backends and sign-in providers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from linkauth.backends import CredentialBackend, Registration
from linkauth.config import plugins
from linkauth.config.backends import BackendSettings
from linkauth.config.settings import Settings, SettingsError
from linkauth.config.sign_ins import SignInSettings
from linkauth.login import countries
from linkauth.login.dispatch import NamedBackend, close_backend
from linkauth.login.phone import PhoneForms
from linkauth.login.providers import NamedProvider, close_provider, match_problems
from linkauth.redaction import redact


def open_backends(settings: Settings) -> tuple[NamedBackend, ...]:
    """Open the backends in their configured order. Raises SettingsError, after closing those that it opened."""
    backends: list[NamedBackend] = []
    problems: list[tuple[str, str]] = []
    for entry in settings.backends:
        try:
            backend = plugins.load("backends", entry.use)(entry.options)
            phone = PhoneForms(entry.phone_region) if entry.phone_region else None
            if phone:
                backend.name_forms = phone
            backends.append(
                NamedBackend(entry.name, backend, entry.accepts, entry.shadow, entry.registration_fields, phone)
            )
            problems += _registration_problems(entry, backend)
        except ValueError as error:
            problems.append((f"linkauth.backend.{entry.name}", redact(error)))
    if problems:
        for named_backend in backends:
            close_backend(named_backend)
        raise SettingsError(problems)
    return tuple(backends)


def open_provider(entry: SignInSettings) -> NamedProvider:
    """Open one sign-in provider. Raises ValueError with a message for operators, which may contain secrets."""
    return NamedProvider(entry.name, plugins.load("sign_ins", entry.use)(entry.options), entry)


def open_providers(settings: Settings, backends: Sequence[NamedBackend]) -> tuple[NamedProvider, ...]:
    """Open the sign-in providers in their configured order, whose people must be found in the opened `backends`.

    Raises SettingsError, after closing those that it opened.
    """
    providers: list[NamedProvider] = []
    problems: list[tuple[str, str]] = []
    for entry in settings.sign_ins:
        try:
            named = open_provider(entry)
        except ValueError as error:
            problems.append((f"linkauth.sign_in.{entry.name}", redact(error)))
            continue
        providers.append(named)
        problems += match_problems(entry, named.provider, backends)
    if problems:
        for named in providers:
            close_provider(named)
        raise SettingsError(problems)
    return tuple(providers)


def _registration_problems(entry: BackendSettings, backend: CredentialBackend) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) if the backend cannot create accounts with the fields of the sign-up page."""
    if not entry.registration_fields:
        return
    key = f"linkauth.backend.{entry.name}.registration_fields"
    if not isinstance(backend, Registration) or Registration not in backend.offers:
        yield key, f"is set, but this backend does not create accounts: see `registration` of the plugin {entry.use}"
        return
    declared = {each.name for each in entry.registration_fields}
    # without a field for it, the email address is the user name
    kept = backend.profile_fields | ({"username"} if "username" in declared else {"email"})
    lost = [each.name for each in entry.registration_fields if each.name not in kept and not each.is_consent]
    if lost:
        place = f"give each one a place in the template of new accounts of the plugin {entry.use}"
        yield key, f"contains fields that the user store does not keep: {', '.join(lost)}; {place}"
    for each in entry.registration_fields:
        named_countries = each.choices if each.kind == "country" else ()
        if each.country and each.country not in countries.CODES:
            yield f"{key}.{each.name}.country", "is not a country code of ISO 3166 such as DE"
        if named_countries and not set(named_countries) <= countries.CODES:
            yield f"{key}.{each.name}.choices", "contains a value that is not a country code of ISO 3166 such as DE"


@contextmanager
def opened_backends(settings: Settings) -> Iterator[tuple[NamedBackend, ...]]:
    """Context manager for the backends in their configured order; closes them at exit. Raises SettingsError."""
    backends = open_backends(settings)
    try:
        yield backends
    finally:
        for backend in backends:
            close_backend(backend)
