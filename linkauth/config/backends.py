"""Settings of credential backends (`linkauth.backend.<name>.*`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from linkauth.config.plugin_options import Resolve, read_options
from linkauth.config.reader import Keys
from linkauth.config.registration import RegistrationField, read_fields
from linkauth.config.username_forms import read_accepts, read_phone_region
from linkauth.config.values import convert
from linkauth.redaction import redact


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


def read_backend(keys: Keys, resolve: Resolve, name: str) -> BackendSettings | None:
    """Returns the settings of the backend `name`, or None if it names no plugin."""
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
    options = read_options(keys, resolve, "backends", prefix + "use", use, prefix)
    parts = {"options": options, "registration_fields": registration_fields, "phone_region": phone_region}
    return BackendSettings(name, use, **values, **parts)
