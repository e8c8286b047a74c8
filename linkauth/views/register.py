"""/authorize/register: a person without an account creates one, and goes on linking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyramid.response import Response

from linkauth.login.visit import Visit
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.themes.fields import Field
from linkauth.views.authorize import form_page
from linkauth.views.steps import Steps, page_values, visit_of
from linkauth.web.request import Request


class Register(Steps):
    """The steps of a registration."""

    purpose = "registration"
    completed = "account_created"

    def is_offered(self, request: Request) -> bool:
        return request.services.sign_up.is_offered()

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
