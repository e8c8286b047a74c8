"""/authorize/register: a person without an account creates one, and goes on linking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.login.visit import Visit
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.themes.fields import Field
from linkauth.views.authorize import form_page
from linkauth.views.steps import Steps, is_step, offer_of, page_values, visit_of
from linkauth.web.request import Request

PREFILL = "prefill"
"""The field of the button on the login page after a sign-in at a provider that found no account."""


class Register(Steps):
    """The steps of a registration."""

    purpose = "registration"
    completed = "account_created"

    def is_offered(self, request: Request) -> bool:
        offer = offer_of(request)
        return request.services.sign_up.is_offered() and (offer.password_form or offer.registration)

    def respond(self, request: Request) -> Response:
        if request.method != "POST" or PREFILL not in request.form or is_step(request):
            return super().respond(request)
        request.services.oauth2.parse(request.query)
        if not self.is_offered(request):
            raise HTTPNotFound("not_found")
        request.form_tokens.check_origin(request.environ)
        query = request.environ.get("QUERY_STRING", "")
        if not request.form_tokens.is_valid(request.form.get("form_token", ""), query):
            return self.first_page(request, "stale", 400)
        known = request.services.provider_sign_in.prefilled(request.form[PREFILL], query)
        fields = request.services.sign_up.fields(request.language, known)
        return self.first_page(request, fields=tuple(replace(field, error="") for field in fields))

    def first_page(
        self,
        request: Request,
        error: str = "",
        status: int = 200,
        retry_after: int = 0,
        wait: str = "",
        fields: tuple[Any, ...] | None = None,
    ) -> Response:
        return form_page(
            request,
            "register",
            request.services.oauth2.parse(request.query),
            status,
            retry_after,
            **page_values(request, error, wait),
            fields=_page_fields(_filled(request) if fields is None else fields),
            error=error,
        )

    def start(self, request: Request, visit: Visit) -> Response:
        form = request.form
        challenge = request.services.sign_up.start(visit, form["page"], form.get("wait", ""), form)
        return self.code_page(request, challenge, form.get("username") or form.get("email", ""))

    def check(self, request: Request, visit: Visit, challenge: str, code: str) -> str:
        return request.services.sign_up.check(visit, challenge, code)

    def finish(self, request: Request, visit: Visit, challenge: str) -> Any:
        form = request.form
        new, repeated = form["new_password"], form.get("repeated_password", "")
        person = request.services.sign_up.finish(visit, challenge, form.get("code", ""), new, repeated)
        request.completed = self.completed
        return person

    def minimum_length(self, request: Request) -> int:
        return request.services.sign_up.minimum_length()


def _filled(request: Request) -> tuple[Any, ...]:
    """Return the fields of the page with what the person has typed, in this form or in that of the challenge."""
    sign_up = request.services.sign_up
    if request.method != "POST":
        return sign_up.fields(request.language)
    typed = _typed_before(request) if "challenge" in request.form else request.form
    # the page has another error
    return tuple(replace(field, error="") for field in sign_up.fields(request.language, typed))


def _typed_before(request: Request) -> Mapping[str, str]:
    try:
        typed: Mapping[str, str] = request.services.sign_up.typed(visit_of(request), request.form["challenge"])
    except StorageUnavailableError:
        # this page may already be the answer to an error
        return {}
    return typed


def _page_fields(fields: tuple[Any, ...]) -> tuple[Field, ...]:
    return tuple(
        Field(
            name=each.name,
            kind=each.kind,
            label=each.label,
            required=each.required,
            choices=each.choices,
            value=each.value,
            error=each.error,
            example=each.example,
        )
        for each in fields
    )


REGISTER = Register()


def register(request: Request) -> Response:
    return REGISTER.respond(request)


def includeme(config: Any) -> None:
    config.add_view(register, route_name="register", request_method=("GET", "POST"))
