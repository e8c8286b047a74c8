"""A person with a browser on the page of their own links."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bs4 import BeautifulSoup
from webtest import TestApp

from linkauth.services import Services, services_of

URL = "/links"
PASSWORDS = {"ada": "lovelace-1815", "grace": "hopper-1906"}
OWN_PAGE = {"Origin": "https://link.example.com", "Accept-Language": "en"}


@dataclass
class Visit:
    """`page` is the page that the browser shows. It keeps no cookie, unless a test gives it some."""

    app: TestApp
    url: str = URL
    page: Any = None
    headers: dict[str, str] = field(default_factory=lambda: dict(OWN_PAGE))

    @property
    def services(self) -> Services:
        return services_of(self.app.app.registry)

    def open(self) -> Visit:
        self.page = self.app.get(self.url, headers=self.headers)
        self.app.reset()
        return self

    def sign_in(self, username: str = "ada", password: str = "", status: int = 200) -> Visit:
        self.open()
        return self.send(status=status, username=username, password=password or PASSWORDS[username])

    def send(self, button: str = "", value: str = "1", status: int = 200, **values: str) -> Visit:
        """Fills in the form of the page and sends it, by a button if it is named."""
        fields = self.fields | {**values, **({button: value} if button else {})}
        return self.post(fields, self._form.action or self.page.request.url, status)

    def post(self, fields: dict[str, str], url: str = "", status: int = 200) -> Visit:
        self.page = self.app.post(url or self.url, fields, headers=self.headers, status=status)
        self.app.reset()
        return self

    @property
    def _form(self) -> Any:
        return next(each for each in self.page.forms.values() if each.method.lower() == "post")

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the form of the page, without its buttons."""
        return {name: text for name, text in self._form.submit_fields() if name}

    @property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.page.text, "html.parser")

    @property
    def skills(self) -> list[str]:
        """The names of the skills in the list."""
        return [each.get_text(strip=True) for each in self.soup.select(".links h2")]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.soup.get_text(" "))

    @property
    def heading(self) -> str:
        (heading,) = self.soup.select("h1")
        return heading.get_text(strip=True)
