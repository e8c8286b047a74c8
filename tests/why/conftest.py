"""An app with a journal, and `linkauth why` with the same settings."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from webtest import TestApp

from linkauth.cli import main
from linkauth.events.journal import Journal
from linkauth.services import services_of
from tests.alexa import Alexa, basic, query
from tests.conftest import HIGH_THROTTLE_LIMITS, ROOT, https

WAIT_SECONDS = 30
VENDOR = "M2WHY00000000"
LAYLA = f"https://layla.amazon.com/api/skill/link/{VENDOR}"
PITANGUI = f"https://pitangui.amazon.com/api/skill/link/{VENDOR}"
HOME = "https://layla.amazon.com/api/skill/link/M2HOME0000000"
SECRET = "of the clients of the tests of why"
BY_CODE = {"grants": "authorization_code", "secret": SECRET, "alexa_vendor_id": VENDOR, "scopes": "order_car"}
CLIENTS = {
    "rotating": {**BY_CODE, "refresh": "rotate", "refresh_grace": "0", "refresh_token_idle": "1209600"},
    "lasting": {**BY_CODE, "refresh_token_lifetime": "86400"},
    "pkce": {**BY_CODE, "pkce": "required"},
    "region": {**BY_CODE, "alexa_vendor_id": "", "redirect_uris": LAYLA},
    "provided": {**BY_CODE, "sign_ins": "mailbox", "second_factor": "off"},
    "careful": {**BY_CODE, "second_factor": "required"},
}
SETTINGS = {
    "clients": "alexa other single expiring skill-backend home app overlap " + " ".join(CLIENTS),
    **{
        f"client__{name}__{key}": value
        for name, values in CLIENTS.items()
        for key, value in {"name": f"Skill {name}", **values}.items()
        if value
    },
    **{"sign_ins": "mailbox", "sign_in__mailbox__use": "mailbox", "sign_in__mailbox__match": "own"},
    **{"client__alexa__sign_ins": "none", "client__home__sign_ins": "none"},
    **HIGH_THROTTLE_LIMITS,
}


class Linking:
    """The app, and what `linkauth why` says of it."""

    def __init__(self, app: Any, changes: Mapping[str, str]) -> None:
        self.services = services_of(app.registry)
        self.client: TestApp = https(app)
        self.ini = Path(self.services.engine.url.database or "").parent / "why.ini"
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(self.ini.parent))
        given = {"linkauth." + key.replace("__", "."): value for key, value in changes.items()}
        lines = [line for line in text.split("\n") if line.partition(" = ")[0] not in given]
        self.ini.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in given.items()), ""]), "utf-8")

    def alexa(self, client: str = "home", redirect_uri: str = "", **changes: str) -> Alexa:
        """Returns the Alexa app with a new state, for a client of the code grant."""
        alexa = Alexa(self.client)
        uri = redirect_uri or (HOME if client == "home" else LAYLA)
        alexa.parameters |= {"client_id": client, "redirect_uri": uri, "response_type": "code", "scope": "order_car"}
        alexa.parameters |= {"state": secrets.token_urlsafe(30), **changes}
        return alexa

    def exchange(self, code: str, client: str = "home", **changes: str) -> Any:
        """Exchanges a code, as Amazon does; returns the response."""
        uri = HOME if client == "home" else LAYLA
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": uri, **changes}
        return self.token(form, client)

    def token(self, form: Mapping[str, str], client: str = "home", path: str = "/token") -> Any:
        secret = "the-home-clients-secret" if client == "home" else SECRET
        return self.client.post(path, form, headers=basic(client, secret), status="*")

    def refresh(self, token: str, client: str) -> Any:
        return self.token({"grant_type": "refresh_token", "refresh_token": token}, client)

    def linked(self, client: str = "home") -> Any:
        """Links ada, and returns the token response."""
        return self.exchange(self.alexa(client).code(), client).json

    def use(self, token: str) -> int:
        """Uses an access token as a skill does; returns the status."""
        response = self.client.get("/userinfo", headers={"Authorization": f"Bearer {token}"}, status="*")
        # the first use is written in the background
        self.services.links._usage.close()
        self.services.links._usage._thread = None
        return int(response.status_int)

    def days_ago(self, days: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sets the clock of the authorization server back, until the end of the test or another call."""
        monkeypatch.setattr(self.services.oauth2, "_clock", lambda: time.time() - days * 86_400)

    def flush(self) -> None:
        """Waits until the journal has everything."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.services.events.waiting():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert self.services.events.dropped()["journal"] == 0

    def why(self, *options: str) -> Any:
        """Returns the JSON document of `linkauth why`."""
        return json.loads(self.run("--json", *options))

    def run(self, *options: str) -> str:
        self.flush()
        result = CliRunner().invoke(main, ["why", str(self.ini), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 0, result.output
        return result.output

    def last(self, client: str = "home") -> Any:
        """Returns the newest attempt for a client."""
        return self.why("--client", client, "--limit", "1")["attempts"][-1]


@pytest.fixture(scope="session")
def make_linking(make_app: Callable[..., Any], provider_plugins: Path) -> Iterator[Callable[..., Linking]]:
    """`make_linking(**settings)` returns an app whose journal is written without delay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "delay_seconds", 0.0)

        def make(**changes: str) -> Linking:
            return Linking(make_app(**SETTINGS, **changes), {**SETTINGS, **changes})

        yield make


@pytest.fixture(scope="session")
def linking(make_linking: Callable[..., Linking]) -> Linking:
    return make_linking()


def code_of(response: Any) -> str:
    return query(response.location)["code"]


def named(found: Any, kind: str) -> list[str]:
    """Returns the names of the corrections of a kind."""
    return [each["name"] for each in found["corrections"] if each["kind"] == kind]


def action(found: Any, name: str) -> str:
    """Returns what to do with a setting or a field."""
    return next(each["action"] for each in found["corrections"] if each["name"] == name)
