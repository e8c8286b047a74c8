"""The settings as frozen dataclasses, and their validation.

`production.ini` documents every setting. The module `reader` converts the keys to values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from linkauth import identities
from linkauth.config import secret_strength
from linkauth.config.clients import LOOPBACK, ClientSettings
from linkauth.config.mail import MailSettings, read_mail
from linkauth.config.proxies import TrustedProxies
from linkauth.config.reader import LANGUAGE, Filled, Keys, SettingsError, Text
from linkauth.config.registration import RegistrationField, label_texts, read_fields
from linkauth.config.scopes import read_scopes
from linkauth.config.secret_strength import PUBLISHED_SECRETS, REMEDY, SERVER_MIN_BITS, SERVER_MIN_LENGTH
from linkauth.config.username_forms import read_accepts, read_phone_region
from linkauth.config.values import convert
from linkauth.redaction import redact

__all__ = ["ClientSettings", "Settings", "SettingsError", "Text", "read"]

PREFIX = "linkauth."
MAX_PREVIOUS_SECRETS = 8
MAX_SIGN_IN_WAIT = 30
"""In seconds. Browsers and proxies give up after 30 to 60 seconds."""

Resolve = Callable[[str, str], type | None]
"""Maps (family, entry point name) to the settings class of a plugin. Raises LookupError with text for operators."""


@dataclass(frozen=True)
class BackendSettings:
    """Settings of a credential backend (`linkauth.backend.<name>.*`). `options` is the settings object of the plugin.

    A shadow backend is compared with the other backends, but its result does not affect sign-ins. The sign-up page has
    `registration_fields`; without any, nobody can sign up at this backend. `phone_region` is the ISO 3166-1 code of a
    region if the user names are telephone numbers, otherwise "".
    """

    name: str
    use: str
    accepts: tuple[str, ...]
    shadow: bool
    options: Any
    registration_fields: tuple[RegistrationField, ...] = ()
    phone_region: str = ""


@dataclass(frozen=True)
class ThemeSettings:
    """Settings of a theme (`linkauth.theme.<name>.*`). `options` is the Parameters object of the theme, or None."""

    name: str
    options: Any


@dataclass(frozen=True)
class ThrottleSettings:
    """Limits for failed sign-ins, wrong client secrets, and starts of a recovery or registration.

    They are set by `linkauth.throttle.*`. Windows are in seconds.
    """

    account_failures: int = 10
    account_window: int = 900
    address_failures: int = 100
    address_window: int = 600
    client_failures: int = 100
    client_window: int = 60
    start_limit: int = 5
    start_window: int = 3600

    def faults(self) -> Iterator[tuple[str, str]]:
        for key, number in asdict(self).items():
            if number < 1:
                yield key, "is not a positive number"


@dataclass(frozen=True)
class SimulatorSettings:
    """Settings of the Alexa simulator (`linkauth.simulator.*`). It is disabled unless `client` is set."""

    client: str = ""
    people: str = field(default="", repr=False)


@dataclass(frozen=True)
class Settings:
    """All settings, `linkauth.*`."""

    public_url: str
    service_name: Text
    database: str = field(repr=False)
    secret: str = field(repr=False)
    previous_secrets: tuple[str, ...] = field(default=(), repr=False)
    database_upgrade: Literal["command", "at_start"] = "command"
    default_language: str = "en"
    breached_passwords: str = ""
    log_identities: identities.Policy = "hashed"
    sign_in_wait: int = 5
    trusted_proxies: tuple[str, ...] = ()
    forwarded_header: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    theme: str = "default"
    backends: tuple[BackendSettings, ...] = ()
    themes: Mapping[str, ThemeSettings] = field(default_factory=dict)
    clients: Mapping[str, ClientSettings] = field(default_factory=dict)
    scopes: Mapping[str, Text] = field(default_factory=dict)
    throttle: ThrottleSettings = ThrottleSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    mail: MailSettings | None = None

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def proxies(self) -> TrustedProxies:
        """The trusted proxies. Raises ValueError for invalid values, which `faults` reports."""
        return TrustedProxies.parse(self.trusted_proxies)

    def texts(self) -> Iterator[tuple[str, Text]]:
        """Yields the texts that users see, as (key, text by language)."""
        yield "service_name", self.service_name
        yield from ((f"client.{name}.name", client.name) for name, client in self.clients.items())
        yield from ((f"scope.{name}", text) for name, text in self.scopes.items())
        for backend in self.backends:
            for key, text in label_texts(backend.registration_fields):
                yield f"backend.{backend.name}.registration_fields.{key}", text
        for name, theme in self.themes.items():
            for each in fields(theme.options) if theme.options else ():
                value = getattr(theme.options, each.name)
                if isinstance(value, Mapping):
                    yield f"theme.{name}.{each.name}", value

    def faults(self) -> Iterator[tuple[str, str]]:
        try:
            TrustedProxies.parse(self.trusted_proxies)
        except ValueError as error:
            yield "trusted_proxies", redact(error)
        try:
            url = urlsplit(self.public_url)
            loopback, host, _ = url.hostname in LOOPBACK, url.hostname, url.port
        except ValueError:
            hint = ": write an IPv6 address in brackets, as in http://[::1]:6543" if "::" in self.public_url else ""
            yield "public_url", f"is not a URL{hint}"
            return
        plain = re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*", self.public_url)
        if not host or not plain:
            problem = "is not https:// with a host and an optional simple path without a trailing slash"
            yield "public_url", "ends with a slash: delete it" if self.public_url.endswith("/") and host else problem
            # whether this is for development cannot be said
            loopback = True
        elif url.scheme != "https" and not (url.scheme == "http" and loopback):
            yield "public_url", "must begin with https:// (http:// only for 127.0.0.1 and localhost)"
        simulator = self.simulator or SimulatorSettings()
        if simulator.client and not loopback:
            yield "simulator.client", "is for development: it needs a public_url on 127.0.0.1 or localhost"
        if simulator.people and not simulator.client:
            yield "simulator.people", "applies only to the simulator, and simulator.client is missing"
        if self.mail and self.mail.sink and not loopback:
            yield "mail.sink", "is for development: it needs a public_url on 127.0.0.1 or localhost"
        if weakness := secret_strength.weakness(self.secret, SERVER_MIN_LENGTH, SERVER_MIN_BITS):
            yield "secret", weakness
        secrets = {"secret": self.secret}
        # the settings of a client with a fault are None
        secrets |= {f"client.{name}.secret": each.secret for name, each in self.clients.items() if each}
        for key in (key for key, secret in secrets.items() if secret in PUBLISHED_SECRETS and not loopback):
            yield key, f"is the published secret of development.ini; {REMEDY}"
        if any(len(secret) < 32 for secret in self.previous_secrets):
            yield "previous_secrets", "contains a secret of less than 32 characters: write one secret per line"
        if len(self.previous_secrets) > MAX_PREVIOUS_SECRETS:
            problem = f"contains more than {MAX_PREVIOUS_SECRETS} secrets: remove those that no server uses any more"
            yield "previous_secrets", problem
        if not 1 <= self.sign_in_wait <= MAX_SIGN_IN_WAIT:
            yield "sign_in_wait", f"is not a number of seconds from 1 to {MAX_SIGN_IN_WAIT}"
        if not LANGUAGE.fullmatch(self.default_language):
            yield "default_language", "is not a language tag such as en or pt-BR"


def read(ini: Mapping[str, str], resolve: Resolve, filled: list[Filled] | None = None) -> Settings:
    """Returns the settings in `ini`. Keys that do not begin with `linkauth.` are ignored.

    `resolve` returns the settings class of a plugin. The dataclasses made of keys are added to `filled`. Raises
    SettingsError with all faults.
    """
    keys = Keys(ini, PREFIX, {"previous_secrets"})
    backend_names, client_names = keys.names("backends", 64, required=True), keys.names("clients", 255)
    if not backend_names:
        # the list is empty or missing, which is a fault, and the keys of all backends would be reported too
        keys.discard("backend.")
    if not client_names and f"{PREFIX}clients" in dict(keys.faults):
        for family in ("client.", "scope.", "simulator."):
            keys.discard(family)
    keys.reject_unlisted("backend", "backends", backend_names)
    keys.reject_unlisted("client", "clients", client_names)
    backends = tuple(filter(None, (_backend(keys, resolve, name) for name in backend_names)))
    if backend_names and all(backend.shadow for backend in backends) and len(backends) == len(backend_names):
        keys.add_fault("backends", "names only backends with shadow = true, so that nobody could sign in")
    clients = {name: keys.fill(ClientSettings, f"client.{name}.") for name in client_names}
    simulator = keys.fill(SimulatorSettings, "simulator.")
    _check_references(keys, clients, simulator)
    if None in clients.values():
        # the scopes of an invalid client are unknown
        keys.discard("scope.")
    themes = _themes(keys, resolve, clients)
    scopes = read_scopes(keys, {scope for client in clients.values() if client for scope in client.scopes})
    throttle = keys.fill(ThrottleSettings, "throttle.")
    settings: Settings | None = keys.fill(
        Settings,
        previous_secrets=keys.lists.get("previous_secrets", ()),
        backends=backends,
        clients=clients,
        themes=themes,
        scopes=scopes,
        throttle=throttle,
        simulator=simulator,
        mail=read_mail(keys),
    )
    keys.finish()
    assert settings is not None
    if filled is not None:
        filled += keys.filled
    return settings


def _plugin(keys: Keys, resolve: Resolve, family: str, key: str, name: str, prefix: str) -> Any:
    """Returns the settings object of a plugin, or None for a plugin without settings and after a fault."""
    try:
        cls = resolve(family, name)
    except LookupError as error:
        keys.add_fault(key, redact(error.args[0]))
        keys.discard(prefix)
        return None
    return keys.fill(cls, prefix) if cls else None


def _backend(keys: Keys, resolve: Resolve, name: str) -> BackendSettings | None:
    prefix = f"backend.{name}."
    use = keys.pop(prefix + "use")
    values: dict[str, Any] = {"accepts": read_accepts(keys, prefix), "shadow": False}
    try:
        if (raw := keys.pop(prefix + "shadow")) is not None:
            values["shadow"] = convert(raw, bool)
    except ValueError as error:
        keys.add_fault(prefix + "shadow", redact(error))
    if use is None:
        keys.require(prefix + "use", use, "is missing: name the plugin of this backend, such as ldap")
        keys.discard(prefix)
        return None
    registration_fields = read_fields(keys, prefix)
    if values["shadow"] and registration_fields:
        keys.add_fault(prefix + "registration_fields", "cannot be set for a shadow backend, where nobody signs up")
    phone_region = read_phone_region(keys, prefix)
    options = _plugin(keys, resolve, "backends", prefix + "use", use, prefix)
    parts = {"options": options, "registration_fields": registration_fields, "phone_region": phone_region}
    return BackendSettings(name, use, **values, **parts)


def _themes(keys: Keys, resolve: Resolve, clients: Mapping[str, ClientSettings | None]) -> dict[str, ThemeSettings]:
    """Returns the settings of the default theme and of the themes that clients select."""
    keys_by_theme = {keys.remaining.get("theme", "default"): "theme"}
    for name, client in clients.items():
        if client and client.theme:
            keys_by_theme.setdefault(client.theme, f"client.{name}.theme")
    if None in clients.values():
        # the theme of an invalid client is unknown
        for unlisted in {key.split(".")[1] for key in keys.remaining if key.startswith("theme.")} - set(keys_by_theme):
            keys.discard(f"theme.{unlisted}.")
    keys.reject_unlisted("theme", "theme", tuple(keys_by_theme))
    options = {
        name: _plugin(keys, resolve, "themes", key, name, f"theme.{name}.") for name, key in keys_by_theme.items()
    }
    return {name: ThemeSettings(name, each) for name, each in options.items()}


def _check_references(
    keys: Keys, clients: Mapping[str, ClientSettings | None], simulator: SimulatorSettings | None
) -> None:
    """Adds faults for references to unknown clients and for duplicate client_ids."""
    if simulator and simulator.client and simulator.client not in clients:
        keys.add_fault("simulator.client", "is not a name in linkauth.clients")
    ids: set[str] = set()
    for name, client in clients.items():
        if client is None:
            continue
        if set(client.introspects) - set(clients):
            keys.add_fault(f"client.{name}.introspects", "contains a name that is not in linkauth.clients")
        client_id = client.client_id or name
        if client_id in ids:
            keys.add_fault(f"client.{name}.client_id", "is also the client_id of another client")
        ids.add(client_id)
