"""Runs the backend contract with every preset, on a server that implements its protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from linkauth.testing import BackendContract, Known
from linkauth_http import HTTPBackend
from linkauth_http.server import LoginServer

from . import protocols
from .api import API, Handler
from .conftest import settings_for
from .protocols import MUELLER


class APIStore:
    """A login API. `breaks` stops it: a test of outages makes it unresponsive, which takes longer."""

    def __init__(self, api: API, path: str, settings: dict[str, Any]) -> None:
        self._api, self._path, self._settings = api, path, settings
        self.breaks = api.stop
        self.returns = api.start

    def backend(self) -> HTTPBackend:
        return HTTPBackend(settings_for(self._api.url + self._path, **self._settings))


class HTTPContract(BackendContract, ABC):
    """Counts requests as work. The backend does not call guard, because only the API knows the account."""

    guards: ClassVar[bool] = False
    path: ClassVar[str] = "/login"
    settings: ClassVar[dict[str, Any]]

    @abstractmethod
    def handler(self) -> Handler:
        """Returns the handler that implements the protocol."""

    @contextmanager
    def work(self) -> Iterator[list[str]]:
        done: list[str] = []
        exchange = LoginServer.exchange

        def counting(server, method, *arguments, **named):  # type: ignore[no-untyped-def]
            done.append(method)
            return exchange(server, method, *arguments, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LoginServer, "exchange", counting)
            yield done

    @pytest.fixture
    def store(self) -> Iterator[APIStore]:
        api = API(self.handler())
        yield APIStore(api, self.path, self.settings)
        api.stop()

    @pytest.fixture
    def known(self) -> Known:
        return MUELLER


class TestJSON(HTTPContract):
    settings: ClassVar[dict[str, Any]] = {
        "success": "/ok = true",
        "subject": "/id",
        "username": "/login",
        "email": "/mail",
        "groups": "/roles",
    }

    def handler(self) -> Handler:
        return protocols.json_api


class TestBasic(HTTPContract):
    # HTTP Basic returns 401 for unknown names and wrong passwords
    tells_unknown = False
    settings: ClassVar[dict[str, Any]] = {"preset": "basic", "success": None, "subject": "header:X-Person"}

    def handler(self) -> Handler:
        return protocols.basic


class TestCAS(HTTPContract):
    path = "/cas/v1/tickets"
    settings: ClassVar[dict[str, Any]] = {"preset": "cas-rest", "success": None, "subject": None}

    def handler(self) -> Handler:
        return protocols.cas

    @pytest.fixture
    def known(self) -> Known:
        return Known(MUELLER.username, MUELLER.password, MUELLER.username)


class TestKeycloak(HTTPContract):
    # Keycloak does not distinguish unknown names from wrong passwords
    tells_unknown = False
    path = "/realms/people/protocol/openid-connect/token"
    settings: ClassVar[dict[str, Any]] = {
        "preset": "keycloak",
        "success": None,
        "subject": None,
        "client_id": "linkauth",
        "client_secret": "s3cret of the client",
    }

    def handler(self) -> Handler:
        return protocols.keycloak


LOGIN = """<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<login xmlns="urn:people"><name>{username}</name><password>{password}</password></login></soap:Body></soap:Envelope>"""


class TestSOAP(HTTPContract):
    settings: ClassVar[dict[str, Any]] = {
        "preset": "soap",
        "body_template": LOGIN,
        "success": "xpath:.//{urn:people}person/@id",
        "unknown_user": "status:500 and xpath:.//faultcode = *Client.NoSuchPerson",
        "subject": "xpath:.//{urn:people}person/@id",
        "username": "xpath:.//{*}login",
    }

    def handler(self) -> Handler:
        return protocols.soap


class TestHTMLForm(HTTPContract):
    # the form is returned again for unknown names and wrong passwords
    tells_unknown = False
    settings: ClassVar[dict[str, Any]] = {
        "preset": "html-form",
        "body_template": "login={username}&pw={password}",
        "success": "location:/home and cookie:auth",
        "subject": "username",
    }

    def handler(self) -> Handler:
        return protocols.HTMLLogin()

    @pytest.fixture
    def known(self) -> Known:
        return Known(MUELLER.username, MUELLER.password, MUELLER.username)
