"""Converts the errors of a sign-in at a provider into the login page, from which the person can go on.

The page belongs to the authorization request of the sign-in, and has the provider's name for people.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from pyramid.response import Response

from linkauth.login.matching import Unmatched
from linkauth.login.provider_calls import ProviderUnavailable
from linkauth.login.provider_sign_in import OtherBrowser, SignInEnded
from linkauth.logs import event
from linkauth.sign_ins import InvalidAnswer, SignInCancelled, SignInRefused
from linkauth.views.authorize import login_page
from linkauth.views.error_page import error_page
from linkauth.views.provider import SignInUnreadable, UnknownSignIn
from linkauth.web.request import Request

log = logging.getLogger(__name__)


def cancelled(error: SignInCancelled, request: Request) -> Response:
    return _page(request, "provider_cancelled", 403)


def refused(error: SignInRefused, request: Request) -> Response:
    return _page(request, "provider_refused", 403)


def failed(error: InvalidAnswer, request: Request) -> Response:
    return _page(request, "provider_failed", 403)


def unavailable(error: ProviderUnavailable, request: Request) -> Response:
    return _page(request, "provider_unavailable", 503, retry_after=error.retry_after)


def ended(error: SignInEnded, request: Request) -> Response:
    return _page(request, "provider_expired", 403)


def other_browser(error: OtherBrowser, request: Request) -> Response:
    return _page(request, "provider_other_browser", 403)


def unmatched(error: Unmatched, request: Request) -> Response:
    return _page(request, "provider_unmatched", 403, prefill=error.prefill)


def unknown(error: UnknownSignIn, request: Request) -> Response:
    return error_page(request, "sign_in_unknown", 400, same=())


def unreadable(error: SignInUnreadable, request: Request) -> Response:
    reference = secrets.token_hex(4)
    event(log, logging.ERROR, "storage failed", reason=str(error), reference=reference)
    return error_page(request, "unexpected", 503, reference)


def _page(request: Request, error: str, status: int, retry_after: int = 0, prefill: str = "") -> Response:
    authorization = request.services.oauth2.parse(request.query)
    offer = request.offer(authorization.client.client_id)
    name = offer.provider_name(request.matchdict.get("provider", ""), request.language)
    return login_page(request, authorization, error, status, retry_after, provider=name, prefill=prefill)


VIEWS = (
    (SignInCancelled, cancelled),
    (SignInRefused, refused),
    (InvalidAnswer, failed),
    (ProviderUnavailable, unavailable),
    (SignInEnded, ended),
    (OtherBrowser, other_browser),
    (Unmatched, unmatched),
    (UnknownSignIn, unknown),
    (SignInUnreadable, unreadable),
)
"""Pairs of an exception class and its view."""


def includeme(config: Any) -> None:
    for exception, view in VIEWS:
        config.add_exception_view(view, context=exception)
