"""The requests that the platform and the program of a client send to this server. They are subrequests of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyramid.request import Request

from linkauth.simulator import alexa
from linkauth.simulator.clients import SimulatedClient


@dataclass(frozen=True)
class Answer:
    """The response of an endpoint. `json` is its body; empty if it is not a JSON object."""

    status: int
    json: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Sender:
    """Sends requests as the platform of `client` and as its program do. `public_url` is that of this server."""

    request: Request
    client: SimulatedClient
    public_url: str

    def token(self, form: Mapping[str, str]) -> Answer:
        """Sends a token request. A client without a secret sends its client_id in the body."""
        client_id = {} if self.client.settings.secret else {"client_id": self.client.client_id}
        return self._post("/token", {**form, **client_id})

    def introspect(self, token: str) -> Answer | None:
        """Asks whose token it is. A client without a secret cannot ask."""
        return self._post("/introspect", {"token": token}) if self.client.settings.secret else None

    def userinfo(self, token: str) -> Answer:
        subrequest = self.request.blank("/userinfo", base_url=self.public_url)
        subrequest.authorization = ("Bearer", token)
        return self._send(subrequest)

    def revoke(self, token: str) -> Answer:
        """Ends the link. The token is sufficient proof, as a disabled skill has nothing else."""
        return self._post("/revoke", {"token": token}, authenticate=False)

    def _post(self, path: str, form: Mapping[str, str], authenticate: bool = True) -> Answer:
        subrequest = self.request.blank(path, base_url=self.public_url, POST=dict(form))
        if authenticate and self.client.settings.secret:
            subrequest.authorization = ("Basic", alexa.basic(self.client.client_id, self.client.settings.secret))
        return self._send(subrequest)

    def _send(self, subrequest: Request) -> Answer:
        response = self.request.invoke_subrequest(subrequest, use_tweens=True)
        try:
            found = json.loads(response.text) if response.text else {}
        except ValueError:
            found = {}
        return Answer(response.status_int, found if isinstance(found, dict) else {}, response.headers)
