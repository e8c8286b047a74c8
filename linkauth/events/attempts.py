"""The events of attempts to link: what happens between the authorization request and the link.

`cause` is a stable code for what was wrong; `reason` is for operators. `linkauth why` explains each cause.
"""

from __future__ import annotations

from dataclasses import dataclass

from linkauth.events.types import Event


@dataclass(frozen=True, slots=True)
class AuthorizationOpened(Event):
    """The login page was shown for a valid authorization request, which returns to `host`."""

    name = "authorization.opened"
    host: str


@dataclass(frozen=True, slots=True)
class AuthorizationRefused(Event):
    """An authorization request was refused, with a page or by redirect."""

    name = "authorization.refused"
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class FormRefused(Event):
    """A form was refused before what was typed was checked. `cause` is stale, cross_site, no_password_form or
    malformed_form."""

    name = "form.refused"
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderStarted(Event):
    """The browser was sent to a sign-in provider. `embedded`: it looks like the browser of an app."""

    name = "provider.started"
    provider: str
    embedded: bool


@dataclass(frozen=True, slots=True)
class ConfirmationAsked(Event):
    """Somebody who has signed in at a provider, in a browser without cookies, is asked to confirm the link."""

    name = "provider.confirmation_asked"
    provider: str


@dataclass(frozen=True, slots=True)
class SecondFactorAsked(Event):
    """Somebody who has signed in sees a page of the second step. `page` is its name."""

    name = "second_factor.asked"
    page: str


@dataclass(frozen=True, slots=True)
class SecondFactorRefused(Event):
    """A form of the second step was not accepted. `cause` is wrong_second_factor or passkey_refused."""

    name = "second_factor.refused"
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class RequestFailed(Event):
    """A request failed because of linkauth. `cause` is storage (the database failed) or unexpected."""

    name = "request.failed"
    cause: str
    reason: str


STALE = FormRefused("stale", "the form token is not valid any more")
