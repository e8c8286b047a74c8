"""Converts the errors of a sign-in on the page of a person's own links into that page.

These views are for requests with `own_links`; all other errors are answered by `errors` and `provider_errors`.
"""

from __future__ import annotations

import logging
from typing import Any

from pyramid.response import Response

from linkauth.backends import AccountRefused, BackendUnavailable, Throttled, UnknownUser, WrongPassword
from linkauth.events.types import SignInRefused
from linkauth.login.admission import Busy
from linkauth.login.matching import Unmatched
from linkauth.login.provider_calls import ProviderUnavailable
from linkauth.login.provider_sign_in import OtherBrowser, SignInEnded
from linkauth.logs import event
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.sign_ins import InvalidAnswer, SignInCancelled
from linkauth.sign_ins import SignInRefused as ProviderRefused
from linkauth.views.json_errors import RETRY_SECONDS, path_of
from linkauth.views.links import second_step_page, sign_in_page
from linkauth.web.request import Request

log = logging.getLogger(__name__)


class OwnLinksPredicate:
    """A view predicate: `own_links=True` selects the requests whose pages are those of a person's own links."""

    def __init__(self, value: bool, _info: Any) -> None:
        self._value = value

    def text(self) -> str:
        return f"own_links = {self._value}"

    phash = text

    def __call__(self, _context: Any, request: Any) -> bool:
        return getattr(request, "own_links", False) is self._value


def wrong_password(error: Exception, request: Request) -> Response:
    return _form(request, "wrong_password", 403)


def account_refused(error: AccountRefused, request: Request) -> Response:
    """Show the reason if it may be revealed. A password that must be changed is changed on the page for linking."""
    if not error.revealed:
        return _form(request, "wrong_password", 403)
    url = error.change_url if error.change_url.startswith(("https://", "http://")) else ""
    return sign_in_page(request, error.reason, 403, change_url=url)


def throttled(error: Throttled, request: Request) -> Response:
    reason = f"too many failures of the {error.of}"
    event(
        log,
        logging.WARNING,
        "sign-in throttled",
        reason=reason,
        path=path_of(request),
        retry_after=error.retry_after,
    )
    return _form(request, "throttled", 429, error.retry_after)


def busy(error: Busy, request: Request) -> Response:
    request.services.events.emit(SignInRefused("busy"))
    return _form(request, "busy", 503, error.retry_after)


def backend_unavailable(error: BackendUnavailable, request: Request) -> Response:
    return _form(request, "unavailable", 503, error.retry_after)


def storage_unavailable(error: StorageUnavailableError, request: Request) -> Response:
    event(log, logging.ERROR, "storage failed", reason=str(error), path=path_of(request))
    return _form(request, "unavailable", 503, RETRY_SECONDS)


def cancelled(error: SignInCancelled, request: Request) -> Response:
    return _of_provider(request, "provider_cancelled", 403)


def refused(error: ProviderRefused, request: Request) -> Response:
    return _of_provider(request, "provider_refused", 403)


def failed(error: InvalidAnswer, request: Request) -> Response:
    return _of_provider(request, "provider_failed", 403)


def unavailable(error: ProviderUnavailable, request: Request) -> Response:
    return _of_provider(request, "provider_unavailable", 503, error.retry_after)


def ended(error: SignInEnded, request: Request) -> Response:
    return _of_provider(request, "provider_expired", 403)


def other_browser(error: OtherBrowser, request: Request) -> Response:
    return _of_provider(request, "provider_other_browser", 403)


def unmatched(error: Unmatched, request: Request) -> Response:
    return _of_provider(request, "provider_unmatched", 403)


def _form(request: Request, code: str, status: int, retry_after: int = 0) -> Response:
    """Show the posted form again with an error code."""
    if "challenge" in request.form:
        return second_step_page(request, code, retry_after)
    return sign_in_page(request, code, status, retry_after)


def _of_provider(request: Request, code: str, status: int, retry_after: int = 0) -> Response:
    name = request.offer("").provider_name(request.matchdict.get("provider", ""), request.language)
    return sign_in_page(request, code, status, retry_after, provider=name)


VIEWS = (
    (WrongPassword, wrong_password),
    (UnknownUser, wrong_password),
    (AccountRefused, account_refused),
    (Throttled, throttled),
    (Busy, busy),
    (BackendUnavailable, backend_unavailable),
    (StorageUnavailableError, storage_unavailable),
    (SignInCancelled, cancelled),
    (ProviderRefused, refused),
    (InvalidAnswer, failed),
    (ProviderUnavailable, unavailable),
    (SignInEnded, ended),
    (OtherBrowser, other_browser),
    (Unmatched, unmatched),
)
"""Pairs of an exception class and its view."""


def includeme(config: Any) -> None:
    config.add_view_predicate("own_links", OwnLinksPredicate)
    for exception, view in VIEWS:
        config.add_exception_view(view, context=exception, own_links=True)
