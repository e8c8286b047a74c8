"""A server with development.ini whose demo users and mails the walks read and change."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, insert

from linkauth.mail.sink import SunkMail, sunk_mails
from linkauth.simulator.people import PEOPLE, people
from tests.servers.development_server import DevelopmentServer

MAIL_SECONDS = 60
PASSWORD = PEOPLE[0].password
CODE = re.compile(r"\b([2-9A-Z]{4})-([2-9A-Z]{4})\b")
_numbers = count(1)


class AccountServer(DevelopmentServer):
    """A server with development.ini behind a proxy, so that each visitor can have an address of its own."""

    def __init__(self, folder: Path, changes: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(folder, {"trusted_proxies": "127.0.0.1", **(changes or {})}, host=host)
        self._sink, self._people = folder / "var/mails", f"sqlite:///{folder}/var/people.sqlite"

    def mails(self, recipient: str, number: int = 1) -> list[SunkMail]:
        """Waits until `number` mails for the recipient have been sent, and returns all of them, the newest first."""
        deadline = time.monotonic() + MAIL_SECONDS
        while len(found := [mail for mail in sunk_mails(str(self._sink)) if mail.to == recipient]) < number:
            assert time.monotonic() < deadline, f"no mail for {recipient}:\n{self.log.read_text('utf-8')}"
            # polls the condition of the loop
            time.sleep(0.05)
        return found

    def code_for(self, recipient: str) -> str:
        (mail,) = self.mails(recipient)
        found = CODE.search(mail.text)
        assert found, mail.text
        return found[0]

    def new_person(self, email: str = "", active: bool = True) -> str:
        """Adds a person with the password PASSWORD to the table of the demo users, and returns the user name.

        It is also that of the address, unless `email` is another one.
        """
        name = f"person-{next(_numbers)}"
        engine = create_engine(self._people)
        with engine.begin() as connection:
            row = {
                "login": name,
                "email": email or f"{name}@example.com",
                "name": "A Person",
                "password_hash": PEOPLE[0].password_hash,
                "active": active,
            }
            connection.execute(insert(people), row)
        engine.dispose()
        return name
