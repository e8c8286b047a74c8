"""An app that people use in every way once, also with errors. It keeps the secrets that they type or receive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from linkauth.login import totp
from tests.alexa import Alexa, basic, fragment, https, query
from tests.conftest import HIGH_THROTTLE_LIMITS
from tests.mail.smtp_server import SMTPServer
from tests.protocol.flow import PKCE, VERIFIER
from tests.recovery.visitor import Visitor
from tests.second_factor.browser import PASSWORDS, Browser, Site
from tests.sign_ins.conftest import PROVIDERS
from tests.sign_ins.phone import ADA, Phone
from tests.sign_ins.stand_in import CANARY

WRONG, AS_NAME = "canary-wrong-51c7", "canary-as-name-1f20"
"""A wrong password, and a password that somebody types into the field for the user name."""
SECRET = "only for tests, 32 characters or more"
HOME, HOME_SECRET = "home", "the-home-clients-secret"
MAILED_CODE = re.compile(r"^[2-9A-Z]{4}-[2-9A-Z]{4}\b", re.MULTILINE)
SETTINGS = {
    **PROVIDERS,
    **HIGH_THROTTLE_LIMITS,
    "backends": "recovering staff",
    "backend__recovering__use": "recovering",
    "backend__recovering__registration": "true",
    "backend__recovering__registration_fields": "username name email accept_terms",
    "client__alexa__second_factor": "required",
    "client__app__token_format": "jwt",
    "client__app__access_token_lifetime": "3600",
    "second_factor__mail_codes": "true",
    "second_factor__remember_days": "30",
}


@dataclass
class Recorder:
    """A WSGI middleware that keeps the pages of errors, and the headers that no client needs for a secret."""

    app: Any
    pages: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)

    @property
    def registry(self) -> Any:
        return self.app.registry

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_error = False

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal is_error
            is_error = status >= "4"
            for name, value in headers:
                if name == "Set-Cookie":
                    self.cookies.append(value.split(";")[0].partition("=")[2])
                elif name != "Location":
                    self.headers.append(f"{name}: {value}")
            return start_response(status, headers, exc_info)

        body = b"".join(self.app(environ, start))
        if is_error:
            self.pages.append(body.decode("utf-8"))
        return [body]


@dataclass
class Used:
    """An app that people have used. `secrets` are what they typed or received, each with a name."""

    recorder: Recorder
    server: SMTPServer
    secrets: dict[str, str] = field(default_factory=dict)
    mails_read: int = 0

    def __post_init__(self) -> None:
        self.site = Site(https(self.recorder))
        self.app = self.site.app

    def keep(self, name: str, value: str) -> str:
        assert len(value) >= 6, name
        self.secrets[f"{name} {len(self.secrets)}"] = value
        return value

    def mailed_code(self) -> str:
        """Returns the code of the next mail that has one."""
        while True:
            self.mails_read += 1
            body = self.server.wait_for(self.mails_read)[self.mails_read - 1].message.get_body(("plain",))
            assert body is not None
            if codes := MAILED_CODE.findall(body.get_content()):
                self.keep("mailed code without hyphen", codes[0].replace("-", ""))
                return self.keep("mailed code", codes[0])


def link_and_exchange(used: Used) -> None:
    """Wrong and right passwords, codes, refreshes and what resource servers and clients ask, also with errors."""
    phone = Alexa(used.app)
    phone.parameters |= {"client_id": HOME, "redirect_uri": REDIRECT, "scope": "order_car profile email"}
    phone.parameters["state"] = used.keep("state", "canary-state-0b6d" * 4)
    for name, password in {"ada": WRONG, "nobody": WRONG, AS_NAME: PASSWORDS["ada"]}.items():
        phone.parameters["response_type"] = "code"
        phone.submit(name, password, status=403)
    code = used.keep("code", phone.code())
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    assert phone.token({**form, "redirect_uri": REDIRECT + "x"}).status_int == 400
    code = used.keep("code", phone.code())
    tokens = phone.token({**form, "code": code}).json
    for _ in range(2):
        used.keep("access token", tokens["access_token"])
        refresh = used.keep("refresh token", tokens["refresh_token"])
        tokens = phone.token({"grant_type": "refresh_token", "refresh_token": refresh}).json
    access = used.keep("access token", tokens["access_token"])
    for token in (access, refresh, used.keep("unknown token", "canary-token-" + "x" * 30)):
        phone.introspect(token, HOME, HOME_SECRET)
        phone.introspect(token, HOME, used.keep("wrong client secret", "canary-client-77e0"))
        used.app.get("/userinfo", headers={"Authorization": f"Bearer {token}"}, status="*")
        used.app.get("/userinfo", {"access_token": token}, status="*")
    # a code that comes back a second time ends the link
    assert phone.token({**form, "code": code}).status_int == 400
    used.app.post("/revoke", {"token": access}, headers=basic(HOME, HOME_SECRET), status="*")
    used.app.get("/introspect", {"token": access, "client_secret": HOME_SECRET}, status="*")
    public = Alexa(used.app)
    public.parameters |= {"client_id": "app", "redirect_uri": "https://app.example.com/cb?tenant=1", **PKCE}
    public.parameters |= {"scope": "order_car", "response_type": "code"}
    code = used.keep("code", public.code())
    form = {**form, "code": code, "client_id": "app", "redirect_uri": "https://app.example.com/cb?tenant=1"}
    exchanged = used.app.post("/token", {**form, "code_verifier": used.keep("code verifier", VERIFIER)}).json
    used.keep("JWT", exchanged["access_token"])
    used.keep("refresh token", exchanged["refresh_token"])
    for response in (public.submit("ada", PASSWORDS["ada"], status=303),):
        used.keep("code", query(response.location)["code"])


REDIRECT = "https://layla.amazon.com/api/skill/link/M2HOME0000000"


def pass_second_step(used: Used) -> None:
    """Sets up a second factor and uses each of its methods, with wrong codes too."""
    browser = used.site.browser().enrol()
    used.keep("second factor", browser.secret)
    for code in browser.codes:
        used.keep("recovery code", code)
    linked_by(used, browser)
    browser.sign_in()
    used.keep("wrong code", browser.wrong_code())
    assert browser.send(code=browser.wrong_code()) == "second_factor"
    used.keep("code of the app", browser.code())
    assert browser.send(code=browser.code(), remember="1") == "linked"
    linked_by(used, browser)
    used.site.clock.ahead += totp.STEP_SECONDS
    other = used.site.browser()
    other.sign_in()
    other.send("switch", "recovery_code")
    assert other.send(code=browser.codes[0]) == "linked"
    linked_by(used, other)
    other = used.site.browser()
    other.sign_in()
    other.send("switch", "mail")
    assert other.send(code=used.mailed_code()) == "linked"
    linked_by(used, other)


def linked_by(used: Used, browser: Browser) -> None:
    token = used.keep("access token", fragment(browser.page.location)["access_token"])
    assert browser.alexa.introspect(token).json["active"] is True


def recover_and_register(used: Used) -> None:
    for number, path in enumerate(("/authorize/recover", "/authorize/register")):
        visitor = Visitor(Alexa(used.app), f"203.0.113.{10 + number}", path=path)
        visitor.alexa.parameters |= {"client_id": HOME, "redirect_uri": REDIRECT, "response_type": "code"}
        visitor.open()
        if number:
            fields = {"username": "fred", "name": "Fred", "email": "fred@new.example", "accept_terms": "true"}
            visitor.send(**fields, status=200)
        else:
            visitor.send(username="ada-canary0", status=200)
        visitor.send(code="WRNGCDE2", status=403)
        visitor.enter(used.mailed_code())
        visitor.choose("short", 403)
        visitor.choose()
        used.keep("code", query(visitor.page.location)["code"])


def sign_in_at_provider(used: Used) -> None:
    phone = Phone(used.recorder)
    phone.alexa.parameters |= {"client_id": HOME, "redirect_uri": REDIRECT, "response_type": "code"}
    sent = phone.started("corp")
    used.keep("state for the provider", sent["state"])
    phone.come_back(sent, used.keep("code of the provider", CANARY + "7777"), "corp")
    response = phone.sign_in("corp", **{**ADA, "sub": "provider-ada"})
    used.keep("code", query(response.location)["code"])
