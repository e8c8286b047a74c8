"""/authorize/recover: a person who has forgotten the password chooses a new one, and goes on linking."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.login.visit import Visit
from linkauth.views.authorize import form_page, submitted_username
from linkauth.views.steps import Steps, offer_of, page_values
from linkauth.web.request import Request


class Recover(Steps):
    """The steps of a recovery."""

    purpose = "recovery"
    completed = "password_changed"

    def is_offered(self, request: Request) -> bool:
        # a recovery ends with a sign-in by a password
        return request.services.recovery.is_offered() and offer_of(request).password_form

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
            "recover",
            request.services.oauth2.parse(request.query),
            status,
            retry_after,
            **page_values(request, error, wait),
            username=submitted_username(request) if request.method == "POST" else "",
            error=error,
            registration=request.services.sign_up.is_offered(),
        )

    def start(self, request: Request, visit: Visit) -> Response:
        form, typed = request.form, submitted_username(request)
        if not typed:
            return self.first_page(request, "missing", 403)
        challenge = request.services.recovery.start(visit, form["page"], form.get("wait", ""), typed)
        return self.code_page(request, challenge, typed)

    def check(self, request: Request, visit: Visit, challenge: str, code: str) -> str:
        return request.services.recovery.check(visit, challenge, code)

    def finish(self, request: Request, visit: Visit, challenge: str) -> Any:
        form = request.form
        new, repeated = form["new_password"], form.get("repeated_password", "")
        person = request.services.recovery.finish(visit, challenge, form.get("code", ""), new, repeated)
        request.completed = self.completed
        return person

    def minimum_length(self, request: Request) -> int:
        return request.services.recovery.minimum_length()


RECOVER = Recover()


def recover(request: Request) -> Response:
    return RECOVER.respond(request)


def includeme(config: Any) -> None:
    config.add_view(recover, route_name="recover", request_method=("GET", "POST"))
