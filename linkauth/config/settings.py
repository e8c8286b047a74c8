"""The settings as frozen dataclasses, and their validation.

`production.ini` documents every setting. The module `reader` converts the keys to values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal
from urllib.parse import urlsplit

from linkauth import identities
from linkauth.config import secret_strength
from linkauth.config.backends import BackendSettings, read_backend
from linkauth.config.clients import LOOPBACK, ClientSettings
from linkauth.config.mail import MailSettings, read_mail
from linkauth.config.plugin_options import Resolve
from linkauth.config.proxies import TrustedProxies
from linkauth.config.reader import LANGUAGE, Filled, Keys, SettingsError, Text
from linkauth.config.references import lines_of
from linkauth.config.registration import label_texts
from linkauth.config.scopes import read_scopes
from linkauth.config.second_factor import SecondFactorSettings, check_second_factor, passkey_problem
from linkauth.config.secret_strength import PUBLISHED_SECRETS, REMEDY, SERVER_MIN_BITS, SERVER_MIN_LENGTH
from linkauth.config.sign_ins import SignInSettings, check_client_sign_ins, read_sign_ins
from linkauth.config.themes import ThemeSettings, read_themes
from linkauth.redaction import redact

__all__ = ["ClientSettings", "Settings", "SettingsError", "Text", "read"]

PREFIX = "linkauth."
MAX_PREVIOUS_SECRETS = 8
MAX_SIGN_IN_WAIT = 30
"""In seconds. Browsers and proxies give up after 30 to 60 seconds."""


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
    password_form: bool = True
    embedded_browsers: tuple[str, ...] | None = field(default=None, metadata={"empty": "none", "split": lines_of})
    passkeys: bool = False
    backends: tuple[BackendSettings, ...] = ()
    sign_ins: tuple[SignInSettings, ...] = ()
    themes: Mapping[str, ThemeSettings] = field(default_factory=dict)
    clients: Mapping[str, ClientSettings] = field(default_factory=dict)
    scopes: Mapping[str, Text] = field(default_factory=dict)
    throttle: ThrottleSettings = ThrottleSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    mail: MailSettings | None = None
    second_factor: SecondFactorSettings = field(default_factory=SecondFactorSettings)

    def sign_ins_of(self, client: ClientSettings) -> tuple[SignInSettings, ...]:
        """The sign-in providers on the login page of a client."""
        return tuple(each for each in self.sign_ins if client.sign_ins is None or each.name in client.sign_ins)

    def has_password_form(self, client: ClientSettings) -> bool:
        """Whether the login page of a client has the form for name and password."""
        if not self.backends:
            return False
        return self.password_form if client.password_form is None else client.password_form

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
        yield from ((f"sign_in.{each.name}.label", each.label) for each in self.sign_ins if each.label)
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
        if self.passkeys and (problem := passkey_problem(self.public_url, self.clients)):
            yield "passkeys", problem
        if not LANGUAGE.fullmatch(self.default_language):
            yield "default_language", "is not a language tag such as en or pt-BR"


def read(ini: Mapping[str, str], resolve: Resolve, filled: list[Filled] | None = None) -> Settings:
    """Returns the settings in `ini`. Keys that do not begin with `linkauth.` are ignored.

    `resolve` returns the settings class of a plugin. The dataclasses made of keys are added to `filled`. Raises
    SettingsError with all faults.
    """
    keys = Keys(ini, PREFIX, {"previous_secrets"})
    sign_in_names = keys.names("sign_ins", 64)
    needs_backends = not sign_in_names and f"{PREFIX}sign_ins" not in dict(keys.faults)
    backend_names, client_names = keys.names("backends", 64, required=needs_backends), keys.names("clients", 255)
    if not backend_names and f"{PREFIX}backends" in dict(keys.faults):
        # the list is empty or missing, which is a fault, and the keys of all backends would be reported too
        keys.discard("backend.")
    if not client_names and f"{PREFIX}clients" in dict(keys.faults):
        for family in ("client.", "scope.", "simulator."):
            keys.discard(family)
    keys.reject_unlisted("backend", "backends", backend_names)
    keys.reject_unlisted("client", "clients", client_names)
    backends = tuple(filter(None, (read_backend(keys, resolve, name) for name in backend_names)))
    if backend_names and all(backend.shadow for backend in backends) and len(backends) == len(backend_names):
        keys.add_fault("backends", "names only backends with shadow = true, so that nobody could sign in")
    sign_ins = read_sign_ins(keys, resolve, sign_in_names, backends, backend_names)
    clients = {name: keys.fill(ClientSettings, f"client.{name}.") for name in client_names}
    simulator = keys.fill(SimulatorSettings, "simulator.")
    _check_references(keys, clients, simulator)
    if None in clients.values():
        # the scopes of an invalid client are unknown
        keys.discard("scope.")
    themes = read_themes(keys, resolve, clients)
    scopes = read_scopes(keys, {scope for client in clients.values() if client for scope in client.scopes})
    throttle = keys.fill(ThrottleSettings, "throttle.")
    second_factor = keys.fill(SecondFactorSettings, "second_factor.")
    sends_mail = any(key.startswith("mail.") for key in keys.remaining)
    check_second_factor(keys, second_factor, backends, sign_ins, sign_in_names, backend_names, sends_mail)
    settings: Settings | None = keys.fill(
        Settings,
        previous_secrets=keys.lists.get("previous_secrets", ()),
        backends=backends,
        sign_ins=sign_ins,
        clients=clients,
        themes=themes,
        scopes=scopes,
        throttle=throttle,
        simulator=simulator,
        mail=read_mail(keys),
        second_factor=second_factor,
    )
    wrong = {f"{PREFIX}backends", f"{PREFIX}sign_ins"} & set(dict(keys.faults))
    if settings is not None and not wrong:
        check_client_sign_ins(keys, clients, sign_in_names, bool(backend_names), settings.password_form)
    keys.finish()
    assert settings is not None
    if filled is not None:
        filled += keys.filled
    return settings


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
