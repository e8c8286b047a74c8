"""Settings of sign-in providers (`linkauth.sign_ins`, `linkauth.sign_in.<name>.*`), and of who uses them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from linkauth.config.backends import BackendSettings
from linkauth.config.clients import ClientSettings
from linkauth.config.plugin_options import Resolve, read_options
from linkauth.config.reader import Keys, Text
from linkauth.config.values import convert
from linkauth.redaction import redact

NO_SIGN_INS = "none"
"""The value of `linkauth.client.<name>.sign_ins` for no provider."""
Attribute = Literal["email", "username", "subject"]
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)
_CLAIM = re.compile(r"[\x21-\x7E]{1,100}")
_FORM = "write own, email:<backend> or <claim>:<attribute>:<backend>"


@dataclass(frozen=True)
class Match:
    """Which account a person of a provider has (`linkauth.sign_in.<name>.match`).

    A person is the account of `backend` whose `attribute` equals the verified `claim`. Without them, the person is an
    account of the provider itself, and its subject is the one of the provider.
    """

    claim: str = ""
    attribute: Literal["", "email", "username", "subject"] = ""
    backend: str = ""

    @property
    def own(self) -> bool:
        """Whether the people of the provider are accounts of their own."""
        return not self.claim


@dataclass(frozen=True)
class SignInSettings:
    """Settings of a sign-in provider. `options` is the settings object of the plugin.

    `label` is the name of the provider for people by language, or {} for the name that the plugin gives it. With
    `registration`, a person without an account in the backend of `match` may create one. With `accept_hidden_locks`,
    people may sign in although their account may have a lock or an expiry that only a sign-in with the password shows.
    """

    name: str
    use: str
    match: Match
    label: Text = field(default_factory=dict)
    registration: bool = False
    options: Any = None
    accept_hidden_locks: bool = False


def parse_match(raw: str) -> Match:
    """Returns the value of `match`. A claim may contain colons. Raises ValueError with a message for operators."""
    if raw == "own":
        return Match()
    claim, _, backend = raw.rpartition(":")
    if claim == "email" and backend:
        return Match("email", "email", backend)
    claim, _, attribute = claim.rpartition(":")
    if not claim or not backend or not _CLAIM.fullmatch(claim):
        raise ValueError(f"has a wrong form: {_FORM}")
    for known in ATTRIBUTES:
        if attribute == known:
            return Match(claim, known, backend)
    raise ValueError(f"has an unknown attribute: {_FORM}, where the attribute is email, username or subject")


def read_sign_ins(
    keys: Keys,
    resolve: Resolve,
    names: Sequence[str],
    backends: Sequence[BackendSettings],
    backend_names: Sequence[str],
) -> tuple[SignInSettings, ...]:
    """Returns the settings of the providers `names`, without those that have a fault.

    `backend_names` also contains the names of backends with a fault.
    """
    if NO_SIGN_INS in names:
        keys.add_fault("sign_ins", f"contains {NO_SIGN_INS}, which means no provider in the settings of a client")
    if set(names) & set(backend_names):
        problem = "contains the name of a backend: people of both would have the same subject, so choose another name"
        keys.add_fault("sign_ins", problem)
    keys.reject_unlisted("sign_in", "sign_ins", tuple(names))
    by_name = {each.name: each for each in backends}
    found = (_sign_in(keys, resolve, name, by_name, backend_names) for name in names)
    return tuple(each for each in found if each is not None)


def _sign_in(
    keys: Keys, resolve: Resolve, name: str, backends: Mapping[str, BackendSettings], backend_names: Collection[str]
) -> SignInSettings | None:
    prefix = f"sign_in.{name}."
    use = keys.pop(prefix + "use")
    match = _match(keys, prefix + "match", backends, backend_names)
    label, labels = keys.pop(prefix + "label"), keys.texts(prefix + "label")
    if label is None and labels:
        keys.add_fault(prefix + "label", "is missing; a text also needs a line without a language")
    registration = _registration(keys, prefix + "registration", match, backends)
    accept_hidden_locks = _switch(keys, prefix + "accept_hidden_locks")
    if accept_hidden_locks and match is not None and match.own:
        keys.add_fault(prefix + "accept_hidden_locks", "does not apply to match = own: remove the line")
    if use is None:
        keys.require(prefix + "use", use, "is missing: name the plugin of this sign-in provider, such as oidc")
        keys.discard(prefix)
        return None
    options = read_options(keys, resolve, "sign_ins", prefix + "use", use, prefix)
    if match is None:
        return None
    texts = {} if label is None else {"": label, **labels}
    return SignInSettings(name, use, match, texts, registration, options, accept_hidden_locks)


def _match(
    keys: Keys, key: str, backends: Mapping[str, BackendSettings], backend_names: Collection[str]
) -> Match | None:
    """Returns the value of `match`, or None after a fault."""
    raw = keys.pop(key)
    if raw is None:
        problem = "is missing: write email:<backend> if people have an account in a backend with the same email address"
        keys.require(key, raw, f"{problem}, or own if the provider itself has the accounts")
        return None
    try:
        match = parse_match(raw)
    except ValueError as error:
        keys.add_fault(key, redact(error))
        return None
    if match.own:
        return match
    if match.backend not in backend_names:
        keys.add_fault(key, f"names a backend that is not in {keys.prefix}backends: add it there, or correct the name")
        return None
    backend = backends.get(match.backend)
    if backend is not None and backend.shadow:
        keys.add_fault(key, "names a backend with shadow = true, where nobody signs in: name another backend")
        return None
    return match


def _registration(keys: Keys, key: str, match: Match | None, backends: Mapping[str, BackendSettings]) -> bool:
    registration = _switch(keys, key)
    if not registration or match is None:
        return False
    backend = backends.get(match.backend)
    if match.own:
        keys.add_fault(key, "does not apply to match = own, with which people need no other account: remove the line")
    elif match.attribute == "subject":
        problem = "must be false, because the backend chooses the subject of a new account: match email or username"
        keys.add_fault(key, problem)
    elif backend is not None and not backend.registration_fields:
        problem = f"needs {keys.prefix}backend.{backend.name}.registration_fields, the fields of the sign-up page"
        keys.add_fault(key, problem)
    return registration


def _switch(keys: Keys, key: str) -> bool:
    """Returns a value that is true or false; False if it is missing, and after a fault."""
    try:
        return bool(convert(keys.pop(key) or "false", bool))
    except ValueError as error:
        keys.add_fault(key, redact(error))
        return False


def check_client_sign_ins(
    keys: Keys,
    clients: Mapping[str, ClientSettings | None],
    sign_in_names: Sequence[str],
    has_backends: bool,
    password_form: bool,
) -> None:
    """Adds a fault for each client with an unknown provider, or whose pages would offer no way to sign in."""
    nobody = "so that nobody could sign in"
    if has_backends and not password_form and not sign_in_names:
        keys.add_fault("password_form", f"is false, but {keys.prefix}sign_ins is missing, {nobody}: add providers")
        return
    for name, client in clients.items():
        if client is None:
            continue
        key = f"client.{name}."
        offered = sign_in_names if client.sign_ins is None else client.sign_ins
        if set(offered) - set(sign_in_names):
            problem = f"contains a name that is not in {keys.prefix}sign_ins: add it there, or remove it here"
            keys.add_fault(f"{key}sign_ins", f"{problem} ({NO_SIGN_INS} alone means no provider)")
        elif client.grants and client.password_form and not has_backends:
            problem = f"must be false, because {keys.prefix}backends is missing: no backend could check a password"
            keys.add_fault(f"{key}password_form", problem)
        elif not client.grants or offered:
            continue
        elif not has_backends:
            problem = f"must name a provider, because {keys.prefix}backends is missing, {nobody}"
            keys.add_fault(f"{key}sign_ins", problem)
        elif client.password_form is False:
            keys.add_fault(f"{key}password_form", f"is false for a client without providers, {nobody}: see sign_ins")
        elif client.password_form is None and not password_form:
            problem = f"must name a provider, because {keys.prefix}password_form is false, {nobody}"
            keys.add_fault(f"{key}sign_ins", problem)
