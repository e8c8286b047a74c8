"""Tests that a login form is sent in the charset of its page, like in browsers."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import pytest

from linkauth.backends import WrongPassword
from linkauth_http import HTTPBackend

from .api import API, Handler, ReceivedRequest, Reply

Make = Callable[..., HTTPBackend]
FORM = '<form {}><input type=hidden name="wähle" value="Grün"><input type=password name=password></form>'
LATIN, META = "iso-8859-1", '<META http-equiv=Content-Type content="text/html; charset=iso-8859-1">'


def site(head: str, kind: str, form: str, charset: str, password: str) -> Handler:
    """A login page in `charset` that expects its form in that charset, with this `password`."""

    def handler(request: ReceivedRequest) -> Reply:
        if request.method == "GET":
            page = f"<!DOCTYPE html>{head}{FORM.format(form)}"
            return Reply(200, page.encode(charset), (("Content-Type", kind),))
        sent = parse_qs(request.body.decode("ascii"), encoding=charset, errors="strict")
        assert (sent["wähle"], sent["username"]) == (["Grün"], ["jürgen"])
        return Reply(302, "", (("Location", "/home" if sent["password"] == [password] else "/login?error"),))

    return handler


@pytest.mark.parametrize(
    ("head", "kind", "form", "charset", "arrives"),
    [
        ("", f"text/html; charset={LATIN}", "", "cp1252", "Tür&#269;€"),
        (META, "text/html", "", "cp1252", "Tür&#269;€"),
        ("<meta charset='ISO-8859-15'>", "text/html", "", "iso-8859-15", "Tür&#269;€"),
        ("<meta name=viewport content=x><meta charset=windows-1250>", "text/html", "", "cp1250", "Türč€"),
        # the header takes precedence
        (META, "text/html; charset=utf-8", "", "utf-8", "Türč€"),
        ("", "text/html", "", "utf-8", "Türč€"),
        # unknown charsets, and charsets that a page cannot have
        ("<meta charset=utf-16>", "text/html", "", "utf-8", "Türč€"),
        ("<meta charset=iso-8859-12>", "text/html", "", "utf-8", "Türč€"),
        ("<meta charset=utf-7>", "text/html", "", "utf-8", "Türč€"),
        ("<meta charset=utf-8>", "text/html", "accept-charset='utf-8 latin1'", "utf-8", "Türč€"),
    ],
)
def test_form_is_sent_in_the_charset_of_the_page(
    api: API, backend_on: Make, head: str, kind: str, form: str, charset: str, arrives: str
) -> None:
    api.handler = site(head, kind, form, charset, arrives)
    rules = {"success": "location:/home", "subject": "username", "wrong_password": "location:/login*"}
    backend = backend_on(f"{api.url}/login", preset="html-form", **rules)
    assert backend.authenticate("jürgen", "Türč€").subject == "jürgen"
    with pytest.raises(WrongPassword):
        backend.authenticate("jürgen", "Turc")


@pytest.mark.parametrize(
    ("header", "accepted", "sent"),
    [(LATIN, "UTF-8", "utf-8"), ("utf-8", LATIN, "cp1252"), ("utf-16", "", "utf-8"), (LATIN, "x", "utf-8")],
)
def test_form_is_sent_in_its_accept_charset(api: API, backend_on: Make, header: str, accepted: str, sent: str) -> None:
    page = FORM.format(f"accept-charset={accepted}" if accepted else "").encode(header)
    kind = (("Content-Type", f"text/html; charset={header}"),)
    api.handler = lambda request: (
        Reply(200, page, kind) if request.method == "GET" else Reply(302, "", (("Location", "/"),))
    )
    backend_on(api.url, preset="html-form", success="location:/", subject="username").authenticate("ü", "x")
    read = parse_qs(api.requests[1].body.decode("ascii"), encoding=sent, errors="strict")
    assert read == {"wähle": ["Grün"], "username": ["ü"], "password": ["x"]}
