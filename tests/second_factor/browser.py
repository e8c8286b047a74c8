"""A person with a browser and an authenticator app, who passes the second step of a sign-in."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bs4 import BeautifulSoup
from sqlalchemy import func, select

from linkauth.login import totp
from linkauth.login.second_factor import SecondStep
from linkauth.services import Services, services_of
from linkauth.storage.tables import links, second_factors
from tests.alexa import Alexa, fragment

PASSWORDS = {"ada": "lovelace-1815", "grace": "hopper-1906"}
_addresses = count(1)


@dataclass
class Clock:
    """The clock of the second step, which tests set forward."""

    ahead: float = 0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Site:
    """The app, its database, and the clock of the second step."""

    app: Any
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.second_step.clock = self.clock

    @property
    def services(self) -> Services:
        return services_of(self.app.app.registry)

    @property
    def second_step(self) -> SecondStep:
        assert self.services.second_step is not None
        return self.services.second_step

    def links(self) -> int:
        with self.services.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(links)).scalar_one()

    def enrolled(self) -> int:
        with self.services.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(second_factors)).scalar_one()

    def browser(self, **parameters: str) -> Browser:
        """Returns a new browser with an IP address of its own."""
        number = next(_addresses)
        browser = Browser(self, Alexa(self.app), f"198.18.{number // 250}.{number % 250 + 1}")
        browser.alexa.parameters |= parameters
        return browser


@dataclass
class Browser:
    """A browser. `page` is the page that it shows, `secret` what its authenticator app knows, and `codes` the list."""

    site: Site
    alexa: Alexa
    address: str
    page: Any = None
    secret: str = ""
    codes: tuple[str, ...] = ()
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self, username: str = "ada", password: str = "") -> str:
        """Signs in with a password. Returns the name of the page that follows, or "linked"."""
        self.page = self.alexa.app.get(self.alexa.url, extra_environ=self._environ())
        return self.send(username=username, password=password or PASSWORDS[username])

    def send(self, button: str = "", value: str = "", url: str = "", **values: str) -> str:
        """Fills in the form of the page and sends it, by a button if it is named."""
        form = form_of(self.page)
        fields = {name: text for name, text in form.submit_fields() if name}
        fields |= {**values, **({button: value or "1"} if button else {})}
        return self.post(fields, url or form.action or self.page.request.url)

    def post(self, fields: dict[str, str], url: str) -> str:
        response = self.alexa.app.post(
            url, fields, headers=self.alexa.headers, extra_environ=self._environ(), status="*"
        )
        self._keep_cookies(response)
        self.page = response
        return self.shown()

    def _environ(self) -> dict[str, str]:
        environ = {"REMOTE_ADDR": self.address}
        if self.cookies:
            environ["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return environ

    def _keep_cookies(self, response: Any) -> None:
        for header in response.headers.getall("Set-Cookie"):
            name, _, value = header.split(";")[0].partition("=")
            self.cookies[name] = value
        # WebTest has a jar of its own, which all browsers would share
        self.alexa.app.reset()

    def shown(self) -> str:
        """Returns the name of the page, "linked" for a redirect with a token, or the status."""
        if self.page.status_int == 303:
            return "linked" if "access_token" in fragment(self.page.location) else "refused"
        soup = BeautifulSoup(self.page.text, "html.parser")
        names = {each.get("name") for each in soup.find_all(["input", "button"])}
        if "saved" in names:
            return "recovery_codes"
        if "password" in names:
            return "login"
        if soup.find("a", href=re.compile("^otpauth:")):
            return "second_factor_setup"
        return "second_factor" if "challenge" in names else str(self.page.status_int)

    def set_up(self) -> str:
        """Reads the secret on the page and sends the first code. Returns the page that follows."""
        link = BeautifulSoup(self.page.text, "html.parser").find("a", href=re.compile("^otpauth:"))
        self.secret = parse_qs(urlsplit(str(link["href"])).query)["secret"][0]
        shown = self.send(code=self.code())
        if shown == "recovery_codes":
            self.codes = recovery_codes(self.page)
        return shown

    def enrol(self, username: str = "ada") -> Browser:
        """Signs in, sets the second factor up, and links. Afterwards the next code of the app is a new one."""
        assert self.sign_in(username) == "second_factor_setup"
        assert self.set_up() == "recovery_codes"
        assert self.send("saved") == "linked"
        self.site.clock.ahead += totp.STEP_SECONDS
        return self

    def code(self, drift: int = 0) -> str:
        """Returns what the authenticator app shows."""
        return totp.code_at(self.secret, int(self.site.clock()) // totp.STEP_SECONDS + drift)

    def wrong_code(self) -> str:
        """Returns six digits that are not correct at this time."""
        step = int(self.site.clock()) // totp.STEP_SECONDS
        near = {totp.code_at(self.secret, step + drift) for drift in range(-3, 4)}
        return next(code for code in map("{:06}".format, range(100)) if code not in near)


def form_of(page: Any) -> Any:
    """Returns the form of a page that is posted and has the challenge or the password."""
    forms = [form for form in dict.fromkeys(page.forms.values()) if form.method.lower() == "post"]
    return next(form for form in forms if {"challenge", "password"} & set(form.fields))


def field_of(page: Any, name: str) -> str:
    return str(form_of(page)[name].value)


def recovery_codes(page: Any) -> tuple[str, ...]:
    return tuple(each.text for each in BeautifulSoup(page.text, "html.parser").select("li code"))


def error_of(page: Any) -> str:
    """Returns the heading of the error message of a page; "" if there is none."""
    found = BeautifulSoup(page.text, "html.parser").find(role="alert")
    return found.find("h2").text if found else ""
