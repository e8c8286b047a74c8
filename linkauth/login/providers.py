"""Opened sign-in providers, and whether their people can be found in the backends."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from linkauth.backends import Check, Lookup
from linkauth.config.sign_ins import SignInSettings
from linkauth.login import powers
from linkauth.login.dispatch import NamedBackend
from linkauth.redaction import redact
from linkauth.sign_ins import SignInProvider

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedProvider:
    """A sign-in provider with its name and settings in the ini."""

    name: str
    provider: SignInProvider
    settings: SignInSettings

    def redirect_uri(self, public_url: str) -> str:
        """Returns the URL that the provider sends browsers back to. It must be registered at the provider."""
        return f"{public_url}/authorize/return/{self.name}"


def close_provider(named: NamedProvider) -> None:
    """Closes the provider. Logs exceptions instead of raising them, so that the others are closed too."""
    try:
        named.provider.close()
    except BaseException as error:
        log.error("sign-in provider %s could not be closed: %s", named.name, type(error).__name__)


def run_checks(named: NamedProvider) -> list[Check]:
    """Returns the checks of the provider, without secrets. Raises nothing but KeyboardInterrupt."""
    try:
        found = [replace(each, name=redact(each.name), detail=redact(each.detail)) for each in named.provider.check()]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # the contract does not allow an exception, but the operator must see this provider anyway
        return [Check("check", False, f"violated its contract: it raised {type(error).__name__}")]
    return found or [Check("check", True, "the provider has no checks", warning=True)]


def log_state(providers: Sequence[NamedProvider]) -> None:
    """Checks all providers and logs which of them answer, and the reasons of failed checks."""
    states = []
    for named in providers:
        failed = [check for check in run_checks(named) if not check.ok]
        for check in failed:
            log.warning("sign-in provider %s: %s: %s", named.name, check.name, check.detail)
        states.append(f"{named.name}={'failed' if failed else 'answers'}")
    if states:
        log.info("sign-in providers at the start: %s", " ".join(states))


def match_problems(
    entry: SignInSettings, provider: SignInProvider, backends: Sequence[NamedBackend]
) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) if people of the provider cannot be found, or if its button would have no text."""
    prefix = f"linkauth.sign_in.{entry.name}"
    if not provider.brand_name and not entry.label:
        yield f"{prefix}.label", "is missing: the plugin knows no name of this provider, which the button must show"
    named = next((each for each in backends if each.name == entry.match.backend), None)
    if entry.match.own or named is None:
        return
    claim = entry.match.claim
    # the provider vouches for its own identifier
    if claim != "sub" and not provider.may_verify(claim):
        what = "the email address" if claim == "email" else f"the claim {claim}"
        problem = (
            f"uses {what}, for which this provider does not vouch with its settings, so that nobody would be found"
        )
        yield (
            f"{prefix}.match",
            f"{problem}: use own, or see the settings of the plugin {entry.use} for verified claims",
        )
    problem = f"names the backend {named.name}, which cannot"
    if not powers.offers(named, Lookup):
        problem += " look people up without their password, so that a person who is disabled could not be refused"
        yield f"{prefix}.match", f"{problem}; `linkauth backends list` shows which backends offer Lookup"
    elif isinstance(named.backend, Lookup) and not (named.backend.shows_whole_state or entry.accept_hidden_locks):
        problem += " tell without a password whether an account is locked or has expired, so that nobody could sign in"
        yield f"{prefix}.match", f"{problem}: to let these people in, set {prefix}.accept_hidden_locks = true"
    elif entry.match.attribute == "email" and not powers.searches_addresses(named):
        problem += " find people by their email address: set its column or attribute of email addresses"
        yield f"{prefix}.match", f"{problem}; `linkauth backends list` shows which backends offer AddressSearch"
