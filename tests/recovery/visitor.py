"""A person with a browser who recovers an account, and the mails that wait in the outbox."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urljoin

from bs4 import BeautifulSoup
from sqlalchemy import select
from webtest import TestApp

from linkauth.mail.message import Mail
from linkauth.services import Services, services_of
from linkauth.storage.mail_rows import MailRows
from linkauth.storage.tables import outbox
from tests.alexa import Alexa, fragment
from tests.backends.recovering import RecoveringBackend

NEW = "canary-7fd1, the new one"
_addresses = count(1)


@dataclass
class Site:
    """The app, and what is behind it."""

    app: TestApp

    @property
    def services(self) -> Services:
        return services_of(self.app.app.registry)

    @property
    def backend(self) -> RecoveringBackend:
        (found,) = [named.backend for named in self.services.backends if isinstance(named.backend, RecoveringBackend)]
        return found

    def mails(self, recipient: str | None = None) -> list[Mail]:
        """Returns the mails in the outbox that were not sent yet, the oldest first."""
        settings = self.services.settings
        rows = MailRows(settings.secret, settings.previous_secrets)
        waiting = select(outbox.c.sealed, outbox.c.key_id).where(outbox.c.sealed.is_not(None)).order_by(outbox.c.id)
        with self.services.engine.connect() as connection:
            found = [rows.read(*row) for row in connection.execute(waiting)]
        mails = [each[0] for each in found if each is not None]
        return [mail for mail in mails if recipient is None or mail.recipient.lower() == recipient.lower()]

    def outcomes(self) -> list[str]:
        with self.services.engine.connect() as connection:
            return [row.outcome or "" for row in connection.execute(select(outbox.c.outcome).order_by(outbox.c.id))]

    def code(self, username: str) -> str:
        """Returns the code of the newest mail for the account."""
        return [mail.code for mail in self.mails() if username in mail.names and mail.code][-1]

    def visitor(self, **changes: str) -> Visitor:
        """Returns a new visitor with an IP address of its own."""
        number = next(_addresses)
        visitor = Visitor(Alexa(self.app), f"203.0.{number // 250}.{number % 250 + 1}")
        visitor.alexa.parameters |= changes
        return visitor

    def newcomer(self, **changes: str) -> Visitor:
        """Returns a new visitor who registers."""
        visitor = self.visitor(**changes)
        visitor.path = "/authorize/register"
        return visitor


@dataclass
class Visitor:
    """A browser. `page` is the page that it shows."""

    alexa: Alexa
    address: str
    page: Any = None
    history: list[Any] = field(default_factory=list)
    path: str = "/authorize/recover"

    @property
    def url(self) -> str:
        return self.alexa.url.replace("/authorize", self.path)

    def open(self, **kwargs: Any) -> Any:
        return self._show(self.alexa.app.get(self.url, extra_environ={"REMOTE_ADDR": self.address}, **kwargs))

    def send(self, button: str = "", page: Any = None, status: int | None = None, **values: str) -> Any:
        """Fills in the form of the page and sends it, by a named button or by the first one."""
        fields = dict(form_of(page or self.page).submit_fields(button or None))
        return self.post(list({**fields, **values}.items()), status)

    def post(self, fields: list[tuple[str, str]], status: int | None = None) -> Any:
        response = self.alexa.app.post(
            self.url,
            fields,
            headers=self.alexa.headers,
            extra_environ={"REMOTE_ADDR": self.address},
            status=status or "*",
        )
        return self._show(response)

    def _show(self, response: Any) -> Any:
        self.history.append(response)
        self.page = response
        return response

    def follow(self, label: str) -> Any:
        """Clicks a button that leads to another page."""
        soup = BeautifulSoup(self.page.text, "html.parser")
        (button,) = [each for each in soup.find_all("button") if each.text.strip() == label]
        inputs = soup.find("form", id=button["form"]).find_all("input")
        parameters = {each["name"]: each["value"] for each in inputs}
        url = urljoin(self.page.request.url, button["formaction"])
        environ = {"REMOTE_ADDR": self.address}
        return self._show(self.alexa.app.get(url, parameters, extra_environ=environ, status=200))

    def ask(self, name: str) -> Any:
        """Opens the page and asks for a code; returns the page for the code."""
        self.open()
        return self.send(username=name, status=200)

    def enter(self, code: str) -> Any:
        """Enters the code; returns the page for the new password."""
        return self.send(code=code, status=200)

    def choose(self, new: str = NEW, status: int = 303, repeated: str | None = None) -> Any:
        return self.send(new_password=new, repeated_password=new if repeated is None else repeated, status=status)

    def linked(self) -> dict[str, str]:
        """Returns the parameters of the redirect that the browser follows."""
        assert self.page.status_int == 303, self.page.text
        parameters = fragment(self.page.location)
        assert parameters["state"] == self.alexa.parameters["state"]
        assert self.alexa.introspect(parameters["access_token"]).json["active"] is True
        return parameters


def form_of(page: Any) -> Any:
    """Returns the form of a page that is posted."""
    (form,) = [form for form in dict.fromkeys(page.forms.values()) if form.method.lower() == "post"]
    return form


def alert(page: Any) -> str:
    """Returns the heading of the error message of a page; "" if there is none."""
    found = BeautifulSoup(page.text, "html.parser").find(role="alert")
    return found.find("h2").text if found else ""


def heading(page: Any) -> str:
    return BeautifulSoup(page.text, "html.parser").find("h1").text


def hidden(page: Any, name: str) -> str:
    return form_of(page)[name].value


def without_random(text: str) -> str:
    """Returns a page without its random values, which have the same length in every page."""
    return re.sub(r'(?<=value=")(?:\d+\.[\w-]+|[\w-]{22}|[\w-]{43})(?=")', lambda found: "x" * len(found[0]), text)
