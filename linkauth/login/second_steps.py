"""The values of the second step: what follows a posted form, and what a pending sign-in and a form contain."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from linkauth.login.codes import normalize_code
from linkauth.login.factors import SecondFactor
from linkauth.login.passkeys import Enrolled
from linkauth.login.sign_in import Person

Page = Literal["second_factor", "second_factor_setup", "recovery_codes"]
_STATUS = {"": 200, "stale": 400, "throttled": 429, "unavailable": 503}
"""The HTTP status by the error of a page; that of the others is 403."""
_VALUE_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Step:
    """What follows: the link of `person`, who has passed, or a page with a form.

    `cookie` is the value of the cookie that remembers this device for `cookie_seconds`, "" for none. `context` are
    variables of the page.
    """

    person: Person | None = None
    cookie: str = field(default="", repr=False)
    cookie_seconds: int = 0
    page: Page = "second_factor"
    status: int = 200
    retry_after: int = 0
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)


def page_step(page: Page, challenge: str, error: str = "", retry_after: int = 0, **context: Any) -> Step:
    """Returns a page. `challenge` is the value in its form, and `error` a code that the theme translates."""
    values = {**context, "challenge": challenge[:_VALUE_LIMIT], "error": error}
    return Step(page=page, status=_STATUS.get(error, 403), retry_after=retry_after, context=values)


def plain_page(challenge: str, error: str) -> Step:
    """Returns the page for a code if nothing is known of the sign-in."""
    nothing: dict[str, Any] = {"remember_days": 0, "passkey_options": ""}
    return page_step("second_factor", challenge, error, method="totp", methods=("totp",), **nothing)


def enrolled(data: Mapping[str, str]) -> Enrolled | None:
    """Returns the second factor that a person had when the sign-in became pending; `data` are those of its row."""
    if "enrolment" not in data:
        return None
    content = json.loads(data["person"])
    return Enrolled(content["backend"], content["subject"], data["enrolment"])


def recovery_digest(factor: SecondFactor, typed: str) -> bytes:
    """Returns the digest of a recovery code that was typed in any case, with or without hyphens."""
    message = f"{normalize_code(typed)}\0{factor.backend}\0{factor.subject}"
    return hmac.digest(factor.pepper, message.encode("utf-8", "surrogatepass"), "sha256")


def shown_code(code: str) -> str:
    """Returns a code in two groups, which are easier to copy."""
    return f"{code[:4]}-{code[4:]}"


def derived_value(value: str, purpose: str) -> str:
    """Returns another unguessable value of 43 characters, which a form that is posted again finds again."""
    digest = sha256(f"{purpose}\0{value}".encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def typed(form: Mapping[str, str]) -> tuple[str, str]:
    """Returns the method and the code of a form. A button for another method sends no code."""
    if "switch" in form:
        return form["switch"], ""
    return form.get("method", "totp"), form.get("code", "").strip()


def missing(form: Mapping[str, str]) -> str:
    """Returns the error of a form without a code: "" if another button than that for the code was pressed."""
    return "" if "switch" in form or "skip" in form or "code" not in form else "missing"
