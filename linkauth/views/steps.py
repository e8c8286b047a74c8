"""The steps of a recovery and of a registration, which differ only in their first page and in their service.

Each step is one form, posted to the URL of the page with the query of the authorization request. The fields of a form
tell which step it is: `page` is on the first page, `challenge` on the page for the code, and `new_password` on the last
one. Nothing is kept between two steps but the challenge in the storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.login.visit import Visit
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.views.authorize import form_page, sign_in
from linkauth.views.completion import complete
from linkauth.web.request import Request
from linkauth.web.sign_in_offers import SignInOffer

USERNAME_LIMIT, VALUE_LIMIT, WAIT_LIMIT = 254, 64, 256
"""Maximum lengths of the values that a page shows again."""
NEW_PAGE_ERRORS = ("stale", "code_expired", "code_tries", "code_replaced", "code_unknown")
"""Errors after which the first form starts another challenge."""


class Steps(ABC):
    """The steps of one purpose. Each method raises the exceptions that `views.errors` converts into pages."""

    purpose: ClassVar[str]
    completed: ClassVar[str]
    """The error of the login page if the form of the last step is sent again after it had succeeded."""

    @abstractmethod
    def is_offered(self, request: Request) -> bool: ...

    @abstractmethod
    def first_page(
        self,
        request: Request,
        error: str = "",
        status: int = 200,
        retry_after: int = 0,
        wait: str = "",
        fields: tuple[Any, ...] | None = None,
    ) -> Response:
        """Render the first page, with what was typed. `wait` is a value for its form. `retry_after` is in seconds."""

    @abstractmethod
    def start(self, request: Request, visit: Visit) -> Response:
        """Process the form of the first page."""

    @abstractmethod
    def check(self, request: Request, visit: Visit, challenge: str, code: str) -> str:
        """Return the user name for the last page."""

    @abstractmethod
    def finish(self, request: Request, visit: Visit, challenge: str) -> Any:
        """Return the Person, after setting what later error pages must say."""

    @abstractmethod
    def minimum_length(self, request: Request) -> int:
        """Return the minimum length of a password that the last page shows."""

    def respond(self, request: Request) -> Response:
        """Process a GET or POST request."""
        authorization = request.services.oauth2.parse(request.query)
        if not self.is_offered(request):
            raise HTTPNotFound("not_found")
        if request.method != "POST":
            return self.first_page(request)
        form = request.form
        if not is_step(request):
            # the form of a login or password page that was shown at this URL
            return sign_in(request)
        request.form_tokens.check_origin(request.environ)
        if not request.form_tokens.is_valid(form.get("form_token", ""), request.environ.get("QUERY_STRING", "")):
            return self.shown_again(request, "stale", 400)
        if "cancel" in form:
            raise authorization.access_denied()
        if "restart" in form:
            return self.first_page(request)
        with request.sign_in_place():
            return self._step(request, authorization)

    def _step(self, request: Request, authorization: AuthorizationRequest) -> Response:
        form, visit = request.form, visit_of(request)
        if "challenge" not in form:
            if not request.services.page_values.is_page(form["page"]):
                return self.first_page(request, "stale", 400)
            return self.start(request, visit)
        challenge, code = form["challenge"], form.get("code", "")
        if not code.strip():
            return self.code_page(request, challenge, _username(request), "missing", 403)
        if "new_password" not in form:
            username = self.check(request, visit, challenge, code)
            return self._password_page(request, username)
        person = self.finish(request, visit, challenge)
        return complete(request, authorization, person)

    def shown_again(
        self, request: Request, error: str, status: int, retry_after: int = 0, minimum: int = 0, tries_left: int = 0
    ) -> Response:
        """Show the page of the posted form again, with an error."""
        form = request.form
        if "challenge" not in form:
            return self.first_page(request, error, status, retry_after)
        if "new_password" not in form or error == "wrong_code":
            return self.code_page(
                request, form["challenge"], _username(request), error, status, retry_after, tries_left
            )
        return self._password_page(request, _username(request), error, status, retry_after, minimum)

    def code_page(
        self,
        request: Request,
        challenge: str,
        username: str,
        error: str = "",
        status: int = 200,
        retry_after: int = 0,
        tries_left: int = 0,
    ) -> Response:
        """Render the page for the code."""
        return form_page(
            request,
            "code",
            request.services.oauth2.parse(request.query),
            status,
            retry_after,
            challenge=challenge[:VALUE_LIMIT],
            purpose=self.purpose,
            username=username[:USERNAME_LIMIT],
            error=error,
            tries_left=tries_left,
        )

    def _password_page(
        self,
        request: Request,
        username: str,
        error: str = "",
        status: int = 200,
        retry_after: int = 0,
        minimum: int = 0,
    ) -> Response:
        return form_page(
            request,
            "new_password",
            request.services.oauth2.parse(request.query),
            status,
            retry_after,
            challenge=request.form["challenge"][:VALUE_LIMIT],
            code=request.form.get("code", "")[:VALUE_LIMIT],
            purpose=self.purpose,
            username=username,
            error=error,
            minimum=minimum or self.minimum_length(request),
        )


def offer_of(request: Request) -> SignInOffer:
    """Return what the login page of the client offers. Raises the errors of an invalid query."""
    return request.offer(request.services.oauth2.parse(request.query).client.client_id)


def is_step(request: Request) -> bool:
    """Report whether the posted form is one of the steps."""
    return "page" in request.form or "challenge" in request.form


def visit_of(request: Request) -> Visit:
    """Return the visit that the steps of one person have in common. Raises the errors of an invalid query."""
    client_id = request.services.oauth2.parse(request.query).client.client_id
    # not client_addr, which uses X-Forwarded-For from any peer
    return Visit(request.environ.get("QUERY_STRING", ""), client_id, request.language, request.remote_addr or "")


def page_values(request: Request, error: str, wait: str) -> dict[str, str]:
    """Return `page` and `wait` for the first page: those of the posted form, unless it must start another challenge.

    `wait` replaces the posted one if it is not empty.
    """
    form, values = request.form if request.method == "POST" else {}, request.services.page_values
    posted = form.get("page", "")
    if not values.is_page(posted) or error in NEW_PAGE_ERRORS:
        return {"page": values.new_page(), "wait": ""}
    return {"page": posted, "wait": wait or form.get("wait", "")[:WAIT_LIMIT]}


def _username(request: Request) -> str:
    return request.form.get("username", "").strip()[:USERNAME_LIMIT]
