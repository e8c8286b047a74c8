"""Names as keyboards and clipboards send them, with an API that knows only its own spelling."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendUnavailable, UnknownUser, WrongPassword
from linkauth.testing.names import FULL_WIDTH, typed_names
from linkauth_http import HTTPBackend

from .api import API, ReceivedRequest, Reply
from .protocols import JSON

STORED = ("4711", "ada@example.com", "o'neil", "zoé-ü")
ARABIC = "\u0664\u0667\u0661\u0661"
TELLS = {"unknown_user": "/error = unknown", "wrong_password": "/error = wrong", "locked": "/error = locked"}
NO_RULE = {"wrong_password": "/error = unknown\n/error = wrong", "statuses": ()}
SECRET = {"wrong_password": "/error = unknown\n/error = wrong"}


class ExactAPI:
    """The handler of a login API. `asked` are the names of its requests, and `people` are the passwords by name."""

    def __init__(self, *names: str) -> None:
        self.people = {name: password_of(name) for name in names}
        self.locked: set[str] = set()
        self.asked: list[str] = []

    def __call__(self, request: ReceivedRequest) -> Reply:
        body = json.loads(request.body)
        name = body["username"]
        self.asked.append(name)
        if name in self.locked:
            return Reply(200, json.dumps({"error": "locked"}), JSON)
        if self.people.get(name) == body["password"]:
            return Reply(200, json.dumps({"ok": True, "id": f"id of {name}"}), JSON)
        error = "wrong" if name in self.people else "unknown"
        return Reply(200, json.dumps({"error": error}), JSON)


def password_of(name: str) -> str:
    return f"password of {name.encode().hex()}"


Make = Callable[..., HTTPBackend]


def test_every_form_is_found(serve: Callable[..., API], backend_on: Make) -> None:
    handler = ExactAPI(*STORED)
    url = serve(handler).url
    for rules in (TELLS, SECRET):
        backend = backend_on(f"{url}/login", **rules)
        for name in STORED:
            for typed in (name, *typed_names(name)):
                identity = backend.authenticate(typed, password_of(name))
                assert identity.subject == f"id of {name}", ascii(typed)
                with pytest.raises(WrongPassword):
                    backend.authenticate(typed, "wrong")


def test_each_of_two_names_that_are_forms_is_itself(serve: Callable[..., API], backend_on: Make) -> None:
    handler = ExactAPI("4711", ARABIC)
    backend = backend_on(f"{serve(handler).url}/login", **TELLS)
    for name, other in (("4711", ARABIC), (ARABIC, "4711")):
        assert backend.authenticate(f"\u200e{name}", password_of(name)).subject == f"id of {name}"
        with pytest.raises(WrongPassword):
            backend.authenticate(name, password_of(other))


def test_refusals_take_as_many_requests_as_the_name_has_forms(serve: Callable[..., API], backend_on: Make) -> None:
    handler = ExactAPI("4711", ARABIC, "\uff14\uff17\uff11\u0664")
    handler.locked.add("\u0661")
    url = serve(handler).url
    tells, secret = backend_on(f"{url}/login", **TELLS), backend_on(f"{url}/login", **SECRET)

    def asked(backend: HTTPBackend, typed: str, expected: type[Exception]) -> list[str]:
        handler.asked.clear()
        with pytest.raises(expected):
            backend.authenticate(typed, "wrong")
        return list(handler.asked)

    # a name of plain ASCII, or of composed letters, is sent once
    for typed in ("4711", "nobody", "zoé", unicodedata.normalize("NFD", "zoé"), "\u200b4711"):
        assert len(asked(secret, typed, WrongPassword)) == 1
    # the password is sent for each form until the API knows one, and then for random names
    known = asked(tells, ARABIC, WrongPassword)
    assert known[0] == ARABIC
    assert "4711" not in known
    unknown = asked(tells, "\u0665\u0667\u0661\u0661", UnknownUser)
    assert unknown == ["\u0665\u0667\u0661\u0661", "5711"]
    assert len(known) == len(asked(tells, "\u0661", AccountRefused)) == 2
    # an API that does not tell unknown names gets all forms, after one request has shown that it does not
    assert len(asked(secret, ARABIC, WrongPassword)) == 3
    assert asked(secret, ARABIC, WrongPassword) == [ARABIC, "4711"]
    folded = "\uff14\uff17\u0661\u2019"
    # no more than name_limit, the likely ones first, because it may count each as a failure
    assert asked(secret, folded, WrongPassword) == [folded, "471'", "471\u2019"]
    assert asked(backend_on(f"{url}/login", **NO_RULE, name_limit=1), folded, WrongPassword) == [folded]
    # a right password ends the search, and a password that cannot be sent costs the same
    handler.asked.clear()
    assert tells.authenticate(ARABIC, password_of(ARABIC)).subject == f"id of {ARABIC}"
    assert handler.asked == [ARABIC]
    assert len(asked(tells, ARABIC, WrongPassword)) == 2


def spellings(typed: str) -> tuple[str, ...]:
    """The forms of a number in Germany, as linkauth has them with username_form = phone."""
    digits = re.sub("[^0-9]", "", typed)
    national = re.sub("^(0|49)", "", digits)
    further = (f"49{national}", f"0049{national}", f"+49 {national}")
    return tuple(dict.fromkeys((typed, f"+49{national}", f"0{national}", *further)))


def test_an_api_that_does_not_tell_unknown_names_gets_few_spellings_of_a_number(
    serve: Callable[..., API], backend_on: Make
) -> None:
    handler = ExactAPI("+4915123456789", "015201234567")
    url = serve(handler).url
    typed = "0151 2345 6789"
    for rules, expected in (
        (SECRET, [typed, "+4915123456789", "015123456789"]),
        (NO_RULE, [typed, "+4915123456789", "015123456789"]),
        (NO_RULE | {"name_limit": 2}, [typed, "+4915123456789"]),
        # it says that it does not know the first one, and its answer to the second one is about an account
        (TELLS, [typed, "+4915123456789"]),
    ):
        backend = backend_on(f"{url}/login", **rules)
        backend.name_forms = spellings
        for _ in range(2):
            handler.asked.clear()
            with pytest.raises(WrongPassword):
                backend.authenticate(typed, "wrong")
        sent = [name for name in handler.asked if not re.fullmatch("[0-9a-f]{32}", name)]
        assert sent == expected
        assert backend.authenticate(typed, password_of("+4915123456789")).subject == "id of +4915123456789"
        if rules.get("name_limit") != 2:
            national = backend.authenticate("+49 1520 1234567", password_of("015201234567"))
            assert national.subject == "id of 015201234567"


def test_all_forms_have_one_deadline(serve: Callable[..., API], backend_on: Make) -> None:
    api = serve(ExactAPI("4711"))
    settings: dict[str, Any] = {**TELLS, "receive_timeout": 1, "total_timeout": 1}
    backend = backend_on(f"{api.url}/login", **settings)
    assert backend.authenticate("4711".translate(FULL_WIDTH), password_of("4711"))
    api.hang()
    try:
        with pytest.raises(BackendUnavailable):
            backend.authenticate("4711".translate(FULL_WIDTH), password_of("4711"))
    finally:
        api.resume()
