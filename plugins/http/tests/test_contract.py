"""The HTTP backend keeps the contract, with every preset, each on a server that speaks its protocol."""

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
from .api import API, Answers
from .conftest import settings_for
from .protocols import MUELLER


class APIStore:
    """A login API; it breaks by hanging or by stopping."""

    def __init__(self, api: API, path: str, settings: dict[str, Any], hangs: bool) -> None:
        self._api, self._path, self._settings = api, path, settings
        self.breaks = api.hang if hangs else api.stop
        self.returns = api.resume if hangs else api.start

    def backend(self) -> HTTPBackend:
        return HTTPBackend(settings_for(self._api.url + self._path, **self._settings))


class HTTPContract(BackendContract, ABC):
    """Its time goes into requests. Whose name it is only the API knows, which is asked with the password."""

    guards: ClassVar[bool] = False
    path: ClassVar[str] = "/login"
    settings: ClassVar[dict[str, Any]]
    hangs: ClassVar[bool] = False

    @abstractmethod
    def answers(self) -> Answers:
        """What the protocol's server answers."""

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
        api = API(self.answers())
        yield APIStore(api, self.path, self.settings, self.hangs)
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
    hangs = True

    def answers(self) -> Answers:
        return protocols.json_api


class TestBasic(HTTPContract):
    # 401 is all that HTTP says
    tells_unknown = False
    settings: ClassVar[dict[str, Any]] = {"preset": "basic", "success": None, "subject": "header:X-Person"}

    def answers(self) -> Answers:
        return protocols.basic


class TestCAS(HTTPContract):
    path = "/cas/v1/tickets"
    settings: ClassVar[dict[str, Any]] = {"preset": "cas-rest", "success": None, "subject": None}

    def answers(self) -> Answers:
        return protocols.cas

    @pytest.fixture
    def known(self) -> Known:
        return Known(MUELLER.username, MUELLER.password, MUELLER.username)


class TestKeycloak(HTTPContract):
    # Keycloak tells nobody which names there are
    tells_unknown = False
    path = "/realms/people/protocol/openid-connect/token"
    settings: ClassVar[dict[str, Any]] = {
        "preset": "keycloak",
        "success": None,
        "subject": None,
        "client_id": "linkauth",
        "client_secret": "s3cret of the client",
    }
    hangs = True

    def answers(self) -> Answers:
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

    def answers(self) -> Answers:
        return protocols.soap


class TestHTMLForm(HTTPContract):
    # the form is shown again, whatever was wrong
    tells_unknown = False
    settings: ClassVar[dict[str, Any]] = {
        "preset": "html-form",
        "body_template": "login={username}&pw={password}",
        "success": "location:/home and cookie:auth",
        "subject": "username",
    }
    hangs = True

    def answers(self) -> Answers:
        return protocols.HTMLLogin()

    @pytest.fixture
    def known(self) -> Known:
        return Known(MUELLER.username, MUELLER.password, MUELLER.username)
