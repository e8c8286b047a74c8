"""The states of the pages of a person's own links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkauth.themes.sign_in_states import PROVIDER_ERRORS, PROVIDERS, RAW_QUERY

LINKS_PATH = "/links"
"""Example of the path of the page."""
LINKS_ERRORS = ("wrong_password", "locked", "disabled", "password_expired", "second_factor", "not_entitled")
"""Values of `error` on the page `links_sign_in` that have states, beside those of every step and of providers. All
other reasons for which an account is refused are possible too."""
ACCOUNT = "a.smith@example.com"


@dataclass(frozen=True, slots=True)
class LinkExample:
    """Example of the links of a person with one client. Times are in seconds since 1970."""

    client_id: str
    since: int
    last_used: int | None


def link_states(step_errors: Sequence[str], client_id: str = "") -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yields (page, name, variables). `step_errors` are the errors of every step; `client_id` is a linked client."""
    every = {"client_id": "", "form_token": "", "retry_after": 0, "authorize_path": LINKS_PATH}
    sign_in = {**every, "username": "", "error": "", "change_url": "", "scopes": (), "recovery": False}
    sign_in |= {"registration": False, "phone_example": "", "password_form": True, "sign_ins": (), "embedded": False}
    sign_in |= {"provider": "", "raw_query": "", "prefill": ""}
    yield "links_sign_in", "fresh", sign_in
    yield "links_sign_in", "phone", {**sign_in, "phone_example": "020 7946 0000"}
    for error in (*LINKS_ERRORS, *step_errors):
        yield "links_sign_in", error, {**sign_in, "username": ACCOUNT, "error": error, "retry_after": 40}
    with_providers = {**sign_in, "sign_ins": PROVIDERS, "raw_query": RAW_QUERY}
    yield "links_sign_in", "providers", with_providers
    yield "links_sign_in", "providers.only", {**with_providers, "password_form": False}
    for error in PROVIDER_ERRORS:
        yield "links_sign_in", error, {**with_providers, "error": error, "provider": "Google"}
    several = (
        LinkExample(client_id, 1_767_312_000, 1_770_076_800),
        LinkExample("a client that was removed", 1_750_000_000, None),
    )
    shown = {**every, "session": "example", "account": ACCOUNT, "links": several, "has_others": False, "ended": ()}
    # the first state is rendered at a start, where dates would load Babel
    yield "links", "none", {**shown, "links": ()}
    yield "links", "fresh", shown
    yield "links", "one", {**shown, "links": several[:1]}
    yield "links", "others", {**shown, "links": several[:1], "has_others": True}
    yield "links", "none.others", {**shown, "links": (), "has_others": True}
    yield "links", "ended", {**shown, "links": several[1:], "ended": (client_id,)}
    yield "links", "ended.all", {**shown, "links": (), "ended": (client_id, "a client that was removed")}
    yield "links_end", "fresh", {**every, "session": "example", "ending": client_id or "a client that was removed"}
    yield "links_end", "all", {**every, "session": "example", "ending": ""}
